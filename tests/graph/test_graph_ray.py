"""Steps on a real Ray cluster of three nodes on this machine: the same results, whatever dies.

The cluster runs in a process of its own (`ray_cluster.py`) that ends with this one.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
from step_functions import climbers, contents, mixed

from orphans import left_after
from outgrow.errors import ConfigError
from outgrow.graph.local_launcher import LocalLauncher
from outgrow.graph.ray_launcher import RayLauncher, connect
from outgrow.graph.runner import run_steps
from outgrow.graph.store import Store

HERE = Path(__file__).parent
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: `pip install 'outgrow[ray]'`")


class Cluster:
    """The process that has the cluster."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "ray_cluster.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self.address = self._line()

    def _line(self) -> str:
        while line := self.process.stdout.readline():
            if line.startswith(("address", "done")):
                return line.split()[-1]
        raise AssertionError("the cluster has ended")

    def do(self, order: str) -> None:
        self.process.stdin.write(f"{order}\n")
        self.process.stdin.flush()
        assert self._line() == "done"

    def end(self) -> None:
        session = self.process.pid
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(60)
        assert left_after(session, 20.0) == []


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    started = Cluster()
    yield started
    started.end()


def start(root: Path, graph: str, address: str) -> "subprocess.Popen[str]":
    command = [sys.executable, str(HERE / "drive.py"), str(root), "4", graph, address]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


def read_until(run: "subprocess.Popen[str]", *words: str) -> list[str]:
    """The lines up to the first one after which every word has been in a line."""
    lines, missing = [], set(words)
    while missing:
        line = run.stdout.readline()
        assert line, lines
        lines.append(line.strip())
        missing -= {word for word in missing if word in line}
    return lines


def outcome_of(run: "subprocess.Popen[str]") -> tuple[list[str], list[str]]:
    """The events, and the states of the steps in their order."""
    lines = run.communicate(timeout=120)[0].splitlines()
    return lines[:-1], json.loads(lines[-1])


def expected(tmp_path: Path) -> dict[str, bytes]:
    store = Store(tmp_path / "local")
    run_steps(climbers(width=3, rounds=15, pause=0.1), store, launcher=LocalLauncher(3, 1))
    return contents(store)


@needs_ray
def test_steps_end_as_they_do_on_this_machine(cluster: Cluster, tmp_path: Path) -> None:
    run, store, steps = start(tmp_path, "mixed", cluster.address), Store(tmp_path), mixed()
    events, states = outcome_of(run)
    assert states == ["done"] * 6 + ["failed", "failed", "skipped"]
    assert events.count("started wrong") == events.count("started crash") == 1
    by_name = {step.name: step for step in steps}
    assert store.log(by_name["wrong"]).read_text().count("Traceback") == 1, "it was not tried again"
    seen = json.loads((store.path(by_name["devices"]) / "seen.json").read_text())
    assert sorted(seen["visible"].split(",")) == ["0", "1"]
    assert (store.path(by_name["server"]) / "parent").read_text() == str(run.pid), "the driver asks servers"
    assert list((tmp_path / ".tmp").iterdir()) == []


@needs_ray
def test_a_lost_node_and_a_killed_driver_cost_unfinished_work_only(cluster: Cluster, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    run = start(store.root, "slow", cluster.address)
    read_until(run, "progress climb0", "progress climb1", "progress climb2")
    workers = {process.pid for process in psutil.process_iter(["cmdline"]) if _is_worker(process)}
    assert workers
    cluster.do("remove 2")
    events, states = outcome_of(run)
    # A step on the lost node may have ended at that moment.
    assert set(states) <= {"done", "cached"}, events
    assert contents(store) == expected(tmp_path)

    killed = Store(tmp_path / "killed")
    run = start(killed.root, "slow", cluster.address)
    read_until(run, "progress climb0")
    os.kill(run.pid, signal.SIGKILL)
    run.communicate()
    both = [start(killed.root, "slow", cluster.address) for _ in range(2)]
    results = [outcome_of(one) for one in both]
    assert all(set(states) <= {"done", "cached"} for _, states in results)
    finished = [line for events, _ in results for line in events if line.startswith("finished")]
    again = Counter(finished) - Counter(f"finished {step.name}" for step in climbers(3, 15, 0.1))
    assert not again, "two drivers share the work"
    assert contents(killed) == contents(store)


def _is_worker(process: psutil.Process) -> bool:
    return "outgrow.graph.worker" in (process.info["cmdline"] or [])


@needs_ray
def test_an_interrupted_driver_leaves_nothing_running(cluster: Cluster, tmp_path: Path) -> None:
    run = start(tmp_path, "long", cluster.address)
    read_until(run, "finished quick", "progress slow")
    run.send_signal(signal.SIGINT)
    _, states = outcome_of(run)
    assert states == ["done", "interrupted"]
    store, until = Store(tmp_path), time.monotonic() + 20
    while any(store.locks.is_held(path.name.removesuffix(".lease")) for path in (tmp_path / ".locks").glob("*.lease")):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert list((tmp_path / ".scratch").glob("slow-*/checkpoint.json"))


@needs_ray
@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1"])
def test_no_cluster_is_one_message(address: str) -> None:
    with pytest.raises(ConfigError, match=f"--address: there is no Ray cluster at `{address}`"):
        RayLauncher(address)


def test_without_ray_there_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"outgrow\[ray\]"):
        connect("auto")
