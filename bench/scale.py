"""Overhead per step of this machine's launcher and of a Ray cluster, and what a lost node and a killed driver cost.

python bench/scale.py                               2,000 tiny steps each; then a study of about 2,000 steps
python bench/scale.py --steps 500 --seeds 10        smaller
python bench/scale.py --only overhead

Needs `outgrow[ray]`. The cluster has three nodes on this machine, two of which run steps, with two cores each. The
study is run twice: by the local launcher, and on the cluster, where the driver is killed after a third of the steps
and started again, and a node is removed after two thirds. The files of tables of both reports are compared.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from outgrow.graph.event import Event
from outgrow.graph.launcher import Launcher
from outgrow.graph.local_launcher import LocalLauncher
from outgrow.graph.ray_launcher import RayLauncher
from outgrow.graph.runner import run_steps
from outgrow.graph.step import Job, Step
from outgrow.graph.store import Store

CLUSTER = Path(__file__).parents[1] / "tests" / "graph" / "ray_cluster.py"
STUDY = {
    "name": "scale",
    "task": {"name": "mmlu_topic", "source": "bundled", "sizes": {"half_a": 40, "half_b": 40, "test": 60}},
    "supervisors": {"words": {"type": "ngram"}, "table": {"model": "bundled:wordllama", "dims": 16}},
    "student": {"model": "bundled:wordllama", "dims": 32},
    "methods": ["single", "naive", "vote", "bayesian"],
    "variants": ["plain"],
    "tune": {"l2": [0.1], "epochs": [5], "folds": 2},
    "bootstrap": 100,
    "threads": 1,
}


def tiny(job: Job, number: int) -> None:
    """A step that does next to nothing."""
    (job.out / "number.txt").write_text(str(number))


class Cluster:
    """Three nodes in a process of their own, which ends with this one."""

    def __enter__(self) -> "Cluster":
        command = [sys.executable, str(CLUSTER)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
        self.address = self._answer("address")
        return self

    def __exit__(self, *error: object) -> None:
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(60)

    def remove(self, number: int) -> None:
        """A node goes, with all that runs on it."""
        self.process.stdin.write(f"remove {number}\n")
        self.process.stdin.flush()
        self._answer("done")

    def _answer(self, begin: str) -> str:
        for line in self.process.stdout:
            if line.startswith(begin):
                return line.split()[-1]
        raise SystemExit("the cluster has ended")


def overhead(launcher: Launcher, steps: int, folder: Path) -> str:
    """Milliseconds from one finished step to the next one, without the first tenth, in which workers start."""
    times: list[tuple[float, float]] = []

    def watch(event: Event) -> None:
        if event.kind == "finished":
            times.append((time.perf_counter(), time.process_time()))

    made = [Step("tiny", "scale:tiny", {"number": number}) for number in range(steps)]
    outcomes = run_steps(made, Store(folder), launcher=launcher, on_event=watch)
    assert all(outcome.state == "done" for outcome in outcomes.values())
    skipped = len(times) // 10
    wall, busy = (
        1000 * (last - first) / (steps - 1 - skipped) for first, last in zip(times[skipped], times[-1], strict=True)
    )
    return f"{wall:.2f} ms per step, {busy:.2f} ms of it the runner's own processor time ({steps:,} steps)"


def run_study(folder: Path, *words: str) -> "subprocess.Popen[bytes]":
    """The command on the study, as a process."""
    command = [sys.executable, "-m", "outgrow", "run", "scale.yaml", "--quiet", *words]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, env={**os.environ, "HF_HUB_OFFLINE": "1"})


def prepared(folder: Path, seeds: int) -> Path:
    """The study's file in a folder of its own."""
    folder.mkdir()
    (folder / "scale.yaml").write_text(yaml.safe_dump({**STUDY, "seeds": list(range(seeds))}))
    return folder


def finished(folder: Path) -> list[float]:
    """Seconds of each finished step."""
    records = (folder / "runs" / "steps").glob("*/done.json")
    return [json.loads(record.read_text())["seconds"] for record in records]


def wait_for(folder: Path, count: int, run: "subprocess.Popen[bytes]") -> None:
    """Until so many steps are finished."""
    while len(list((folder / "runs" / "steps").glob("*/done.json"))) < count and run.poll() is None:
        time.sleep(0.2)


def tables(folder: Path) -> dict[str, bytes]:
    """Every file of the report's tables."""
    return {path.name: path.read_bytes() for path in sorted((folder / "runs" / "scale" / "tables").iterdir())}


def interrupted(cluster: Cluster, folder: Path, steps: int) -> None:
    """The study on a cluster whose driver is killed, and which loses a node."""
    ray = ["--launcher", "ray", "--address", cluster.address]
    run = run_study(folder, *ray)
    wait_for(folder, steps // 3, run)
    run.send_signal(signal.SIGKILL)
    run.wait()
    print(f"driver killed after {len(finished(folder)):,} steps", flush=True)
    run = run_study(folder, *ray)
    wait_for(folder, 2 * steps // 3, run)
    cluster.remove(2)
    print(f"node removed after {len(finished(folder)):,} steps", flush=True)
    if run.wait():
        raise SystemExit("the run on the cluster has failed")


def study(seeds: int, folder: Path) -> None:
    """The study by both launchers, and whether their tables are the same."""
    local, far = prepared(folder / "local", seeds), prepared(folder / "ray", seeds)
    began = time.perf_counter()
    if run_study(local, "--jobs", "2").wait():
        raise SystemExit("the local run has failed")
    each = finished(local)
    print(
        f"local: {len(each):,} steps in {time.perf_counter() - began:.0f} s ({sum(each):.0f} s in steps)", flush=True
    )
    began = time.perf_counter()
    with Cluster() as cluster:
        interrupted(cluster, far, len(each))
    print(f"ray: {len(finished(far)):,} steps in {time.perf_counter() - began:.0f} s", flush=True)
    same = tables(local) == tables(far)
    print(f"{len(tables(local))} files of tables: {'byte-identical' if same else 'DIFFERENT'}")
    if not same:
        raise SystemExit(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--only", choices=["overhead", "study"])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if asked.only != "study":
            print("local:", overhead(LocalLauncher(2, 1), asked.steps, folder / "local-launcher"), flush=True)
            with Cluster() as cluster:
                launcher = RayLauncher(cluster.address, None, 1)
                print("ray:", overhead(launcher, asked.steps, folder / "cluster"), flush=True)
        if asked.only != "overhead":
            study(asked.seeds, folder)


if __name__ == "__main__":
    main()
