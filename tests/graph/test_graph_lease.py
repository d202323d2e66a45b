"""Leases: one holder at a time, whatever is killed, stands still or has another clock, without locks of the disk."""

import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from step_functions import climbers, contents, diamond, notes_in

from drawn_seeds import SEEDS
from outgrow.errors import StepFailed
from outgrow.graph import lease
from outgrow.graph.runner import run_steps
from outgrow.graph.store import Store

HOLDER = """
import fcntl, random, sys, time
from pathlib import Path
from outgrow.graph import lease
path, witness, seed, elsewhere = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
if elsewhere:
    lease._machine.cache_clear()
    lease._machine = lambda: elsewhere
draw = random.Random(seed)
seconds = 5.0 if elsewhere else 30.0  # a busy machine may let a holder stand still for seconds
while True:
    with lease.hold(path, seconds=seconds):
        with open(witness, "a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ends with its holder: two at a time are an error
            time.sleep(draw.choice([0, 0.01, 0.03]))
            file.write("x")
    time.sleep(draw.choice([0, 0.01]))
"""


def holder(path: Path, seed: int, elsewhere: str = "") -> "subprocess.Popen[str]":
    words = [str(path), str(path.parent / "witness"), str(seed), elsewhere]
    return subprocess.Popen([sys.executable, "-c", HOLDER, *words], stderr=subprocess.PIPE, text=True)


def wait_for(what, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_it_is_held_by_one_and_free_after(tmp_path):
    path = tmp_path / "step"
    assert not lease.is_held(path)
    with lease.hold(path) as held:
        held.confirm()
        assert lease.is_held(path)
        with lease.attempt(path) as second:
            assert not second
    assert not lease.is_held(path)
    with lease.attempt(path) as again:
        assert again
    assert len(list((tmp_path / "step.lease").iterdir())) <= 2


def test_who_waits_is_told_once_and_gets_it(tmp_path):
    path, told, got = tmp_path / "step", [], threading.Event()

    def second():
        with lease.hold(path, lambda: told.append(1)):
            got.set()

    with lease.hold(path):
        thread = threading.Thread(target=second)
        thread.start()
        wait_for(lambda: told)
        time.sleep(0.3)
        assert not got.is_set()
    thread.join(30)
    assert got.is_set()
    assert told == [1]


@pytest.mark.parametrize("machines", [("", ""), ("one", "two")], ids=["one machine", "two machines"])
def test_several_processes_that_are_killed_never_hold_it_at_once(tmp_path, machines):
    """Those of one machine see at once that a holder has ended; those of another one wait for its lease."""
    draw, path, witness = random.Random(SEEDS[0]), tmp_path / "step", tmp_path / "witness"
    processes = [holder(path, draw.randrange(1000), machines[number % 2]) for number in range(3)]
    try:
        for kill in range(2 if machines[0] else 4):
            before = witness.stat().st_size if witness.exists() else 0
            wait_for(lambda at=before: witness.exists() and witness.stat().st_size > at + 3)
            time.sleep(draw.random() * 0.1)
            processes[0].send_signal(signal.SIGKILL)
            assert processes.pop(0).communicate()[1] == "", "somebody held it at the same time"
            processes.append(holder(path, draw.randrange(1000), machines[kill % 2]))
        before = witness.stat().st_size
        wait_for(lambda: witness.stat().st_size > before + 3)
        assert [process.poll() for process in processes] == [None] * 3
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def test_a_lease_of_another_machine_is_over_when_nobody_renews_it(tmp_path):
    folder = tmp_path / "step.lease"
    folder.mkdir()
    owner = {"machine": "elsewhere", "process": os.getpid(), "started": "1"}
    (folder / "7").write_text(json.dumps(owner) + " token 5")
    os.utime(folder / "7", (0, 0))  # the other machine's clock says 1970: nobody looks at it
    began, told = time.monotonic(), []
    assert lease.is_held(tmp_path / "step", seconds=0.5)
    with lease.hold(tmp_path / "step", lambda: told.append(1), seconds=0.5):
        assert time.monotonic() - began >= 0.5
        assert {path.name for path in folder.iterdir()} == {"8"}
    assert told == [1]


def test_a_holder_that_stood_still_is_told_and_disturbs_nobody(tmp_path):
    path = tmp_path / "step"
    with lease.hold(path, seconds=60.0) as held:
        (held.folder / str(held.number + 1)).write_text("another one, who waited long enough")
        with pytest.raises(StepFailed, match="stood still"):
            held.confirm()
    assert lease.is_held(path)


@pytest.mark.parametrize("old", ["7", "8", "9"])
def test_who_looked_long_ago_cannot_take_what_somebody_took_since(tmp_path, old):
    folder = tmp_path / "step.lease"
    folder.mkdir()
    for name in ("8", "8.free", "9"):
        (folder / name).write_text("")
    assert lease._take(folder, int(old), "late ", 60.0) is None
    assert (folder / "9").read_text() == ""


def test_a_store_with_leases_gives_the_same_results_and_shares_work(tmp_path):
    plain, shared = Store(tmp_path / "plain"), Store(tmp_path / "shared")
    notes, results = tmp_path / "notes", [None, None]
    steps = list(diamond(notes, seconds=0.3).values())
    shared.use_leases(30.0)

    def one_run(number):
        results[number] = run_steps(steps, shared, threads=1)

    threads = [threading.Thread(target=one_run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert notes_in(notes) == ["bottom", "left", "right", "top"]
    assert all(outcome.state in ("done", "cached") for result in results for outcome in result.values())
    run_steps(steps, plain, threads=1)
    assert contents(shared) == contents(plain)
    assert list((shared.root / ".tmp").iterdir()) == []
    assert not list((shared.root / ".locks").glob("*-????????")), "no lock of the disk"


def test_a_killed_run_on_a_store_with_leases_goes_on(tmp_path):
    store, steps = Store(tmp_path / "killed"), climbers(width=2, rounds=3, pause=0.05)
    store.use_leases(30.0)
    drive = [sys.executable, str(Path(__file__).parent / "drive.py"), str(store.root), "2", "climbers"]
    run = subprocess.Popen(drive, stdout=subprocess.PIPE, text=True)
    while "progress" not in run.stdout.readline():
        pass
    run.kill()
    run.communicate()
    began = time.monotonic()
    assert {outcome.state for outcome in run_steps(steps, store, threads=1).values()} <= {"done", "cached"}
    assert time.monotonic() - began < 25, "nobody waits for leases of this machine's dead processes"
    store.sweep()
    assert list((store.root / ".tmp").iterdir()) == []


def test_there_is_a_lock_of_the_disk_or_a_lease_and_not_both(tmp_path):
    store, step = Store(tmp_path), next(iter(diamond().values()))
    store.prepare()
    with store.lock(step):
        assert store.is_busy(step)
        with (tmp_path / ".locks" / step.folder).open() as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    store.use_leases()
    with store.lock(step) as confirm:
        confirm()
        assert store.is_busy(step)
    assert not store.is_busy(step)
