"""Killing a run at any instant leaves finished steps whole, and the same run goes on to the same bytes."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from step_functions import climbers, contents

from outgrow.graph.store import Store

DRIVE = Path(__file__).parent / "drive.py"
KILLS = 25


def start(root: Path, jobs: int, graph: str) -> subprocess.Popen:
    command = [sys.executable, str(DRIVE), str(root), str(jobs), graph]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


def finish(run: subprocess.Popen) -> list[str]:
    return run.communicate(timeout=60)[0].splitlines()


def workers_of(run: subprocess.Popen) -> list[psutil.Process]:
    return psutil.Process(run.pid).children(recursive=True)


def check_what_is_left(store: Store, steps) -> None:
    """Whatever has a folder is finished and whole."""
    folders = {path.name for path in store.root.glob("[a-z]*-*")}
    # A worker may be about to die, so more can be finished by now; what was there must be whole.
    assert folders <= {step.folder for step in steps if store.inspect(step)}


def test_killed_at_random_instants_the_run_goes_on_to_the_same_bytes(tmp_path):
    steps = climbers(width=3, rounds=3, pause=0.02)
    began = time.monotonic()
    assert json.loads(finish(start(tmp_path / "whole", 2, "climbers"))[-1]) == ["done"] * len(steps)
    length = time.monotonic() - began
    expected = contents(Store(tmp_path / "whole"))
    assert len(expected) == 3 + 6 * 6

    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    kills = rounds = 0
    while kills < KILLS:
        store = Store(tmp_path / f"killed-{rounds}")
        rounds += 1
        while True:
            run = start(store.root, draw.choice([1, 2]), "climbers")
            try:
                # The first half is mostly start-up; instants spread over all of it, and over the steps.
                run.wait(draw.uniform(0.1, 1.1 * length))
            except subprocess.TimeoutExpired:
                victims = workers_of(run) if draw.random() < 0.5 else []
                os.killpg(run.pid, signal.SIGKILL)
                for victim in victims:
                    victim.kill()
                kills += 1
            finish(run)
            check_what_is_left(store, steps)
            if run.returncode == 0 or kills >= KILLS:
                break
        assert json.loads(finish(start(store.root, 2, "climbers"))[-1]) in (
            [*states] for states in all_mixtures(len(steps))
        )
        assert contents(store) == expected
        store.sweep()  # by now the last victims are dead
        assert list((store.root / ".tmp").iterdir()) == []
        assert list((store.root / ".scratch").iterdir()) == []


def all_mixtures(length: int):
    """Every list of `done` and `cached`."""
    for number in range(1 << length):
        yield ["done" if number >> bit & 1 else "cached" for bit in range(length)]


def test_workers_do_not_outlive_a_killed_run(tmp_path):
    run = start(tmp_path, 2, "long")
    while "finished quick" not in run.stdout.readline():
        pass
    workers = workers_of(run)
    assert workers
    os.kill(run.pid, signal.SIGKILL)
    finish(run)
    _, alive = psutil.wait_procs(workers, timeout=5)
    assert not alive


def test_a_checkpoint_is_used_after_a_kill(tmp_path):
    steps = climbers(width=1, rounds=40, pause=0.05)
    script = (
        "import sys; from pathlib import Path; from step_functions import climbers\n"
        "from outgrow.graph.runner import run_steps; from outgrow.graph.store import Store\n"
        "run_steps(climbers(1, 40, 0.05), Store(Path(sys.argv[1])),"
        " on_event=lambda event: print(event.message, flush=True))"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(DRIVE.parent)}
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    while not run.stdout.readline().startswith("round 2"):
        pass
    run.kill()
    finish(run)
    again = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    rounds = [int(line.split()[1]) for line in again.stdout.splitlines() if line.startswith("round ")]
    assert rounds
    assert rounds[0] > 1
    assert all(Store(tmp_path).inspect(step) for step in steps)


@pytest.mark.parametrize("signals", [1, 3])
def test_ctrl_c_ends_cleanly_and_keeps_what_is_finished(tmp_path, signals):
    run = start(tmp_path, 1, "long")
    while "progress slow" not in run.stdout.readline():
        pass
    workers = workers_of(run)
    for _ in range(signals):
        os.killpg(run.pid, signal.SIGINT)  # the terminal sends it to the whole group
    lines = finish(run)
    if signals == 1:
        assert run.returncode == 0
        assert json.loads(lines[-1]) == ["done", "interrupted"]
    _, alive = psutil.wait_procs(workers, timeout=5)
    assert not alive
    folders = sorted(path.name.split("-")[0] for path in tmp_path.glob("*-*"))
    assert folders == ["quick"]
    assert list((tmp_path / ".scratch").glob("slow-*/checkpoint.json"))
