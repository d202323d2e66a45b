"""Tiny real steps for the runner's tests, and small graphs made of them.

Workers find this module because they inherit `sys.path`, in which pytest has put this folder.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from outgrow.errors import DataError
from outgrow.graph.step import Job, Step
from outgrow.graph.store import Store
from outgrow.graph.worker_process import THREAD_VARIABLES

HERE = "step_functions"


# ---- functions that steps call ----------------------------------------------------------------------------


def join(job: Job, text: str, seconds: float = 0.0) -> None:
    """Writes `text` after all that the inputs wrote, and notes the execution in the file that the hints name."""
    _note(job)
    time.sleep(seconds)
    parts = [(folder / "text.txt").read_text() for _, folder in sorted(job.inputs.items())]
    (job.out / "text.txt").write_text("".join(parts) + text)
    (job.out / "deep").mkdir()
    (job.out / "deep" / "size.json").write_text(json.dumps(sum(map(len, parts))))


def climb(job: Job, rounds: int, pause: float) -> None:
    """Adds up slowly; goes on from its last checkpoint; writes one file per round as it goes."""
    checkpoint = job.scratch / "checkpoint.json"
    state = json.loads(checkpoint.read_text()) if checkpoint.exists() else {"round": 0, "sum": 0}
    _note(job, f"from {state['round']}")
    while state["round"] < rounds:
        state = {"round": state["round"] + 1, "sum": state["sum"] * 3 + state["round"]}
        time.sleep(pause)
        written = job.scratch / "checkpoint.new"
        written.write_text(json.dumps(state))
        written.rename(checkpoint)
        job.report(f"round {state['round']}", state["round"] / rounds)
    for number in range(5):
        (job.out / f"part-{number}.txt").write_text(str(state["sum"] + number) * 500)


def tell_threads(job: Job, asked: int | None) -> None:
    """Writes how many threads libraries are told to use."""
    told = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    (job.out / "threads.json").write_text(json.dumps(told))


def tell_devices(job: Job, number: int, seconds: float) -> None:
    """Writes which devices it sees, with how many threads, and from when to when it ran."""
    began = time.time()
    time.sleep(seconds)
    seen = {"visible": os.environ.get("CUDA_VISIBLE_DEVICES"), "threads": os.environ.get("OMP_NUM_THREADS")}
    (job.out / "seen.json").write_text(json.dumps({**seen, "began": began, "ended": time.time()}))


def complain(job: Job) -> None:
    raise DataError("x.jsonl, row 7: label `maybe` is not one of `yes`, `no`")


def break_down(job: Job) -> None:
    (job.out / "half.txt").write_text("half a result")
    (job.scratch / "checkpoint").write_text("worth keeping")
    print("about to divide")
    raise ZeroDivisionError("no classes\nsecond line")


def leave(job: Job, code: int) -> None:
    os._exit(code)


def shoot_itself(job: Job, number: int) -> None:
    (job.out / "half.txt").write_text("half a result")
    os.kill(os.getpid(), number)
    time.sleep(60)


def leave_child_and_die(job: Job) -> None:
    """Dies while a forked child, which has copies of all its handles, lives on."""
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)


def look_around(job: Job) -> None:
    names = [name for name in os.environ if name.endswith("_THREADS")] + ["OMP_WAIT_POLICY", "PYTHONHASHSEED"]
    about = {name: os.environ[name] for name in names} | {"pid": os.getpid(), "hash": hash("a"), "hints": job.hints}
    (job.out / "seen.json").write_text(json.dumps(about))


def speak(job: Job) -> None:
    print("printed by Python")
    os.write(2, b"printed by compiled code\n")
    subprocess.run([sys.executable, "-c", "print('printed by a child')"], check=True)


def fill(job: Job, size: int, way: str) -> None:
    """Writes `size` bytes in one of the ways that libraries do."""
    if way == "numpy":
        np.save(job.out / "array.npy", np.zeros(size, dtype=np.uint8))
    elif way == "quiet":
        try:
            (job.out / "array.bin").write_bytes(b"x" * size)
        except OSError:
            raise RuntimeError("the writer failed") from None
    else:
        (job.out / "array.bin").write_bytes(b"x" * size)


def _note(job: Job, about: str = "") -> None:
    if "notes" in job.hints:
        with Path(job.hints["notes"]).open("a") as file:
            file.write(f"{job.out.name.split('-')[0]} {about}".strip() + "\n")


# ---- graphs, and ways to look at what came out ------------------------------------------------------------


def step(name: str, function: str = "join", *, notes: Path | None = None, inputs: tuple[Step, ...] = (), **params):
    """A step of this module; its inputs are called by their names."""
    hints = {} if notes is None else {"notes": str(notes)}
    return Step(name, f"{HERE}:{function}", params, {source.name: source for source in inputs}, hints=hints)


def diamond(notes: Path | None = None, left: str = "L", seconds: float = 0.0) -> dict[str, Step]:
    """top → (left, right) → bottom."""
    top = step("top", notes=notes, text="T", seconds=seconds)
    one = step("left", notes=notes, inputs=(top,), text=left, seconds=seconds)
    two = step("right", notes=notes, inputs=(top,), text="R", seconds=seconds)
    bottom = step("bottom", notes=notes, inputs=(one, two), text="B", seconds=seconds)
    return {made.name: made for made in (top, one, two, bottom)}


def climbers(width: int, rounds: int, pause: float) -> list[Step]:
    """Several checkpointing steps side by side, on a common start, each with a step after it."""
    start = step("start", text="S")
    slow = [
        Step(f"climb{number}", f"{HERE}:climb", {"rounds": rounds + number, "pause": pause}, {"start": start})
        for number in range(width)
    ]
    ends = [Step("end", f"{HERE}:seal", {"number": number}, {"slow": one}) for number, one in enumerate(slow)]
    return [start, *slow, *ends]


def mixed() -> list[Step]:
    """Steps that end well, fail, crash, ask for devices, or ask a server."""
    fine = [step(f"fine{number}", text=str(number)) for number in range(4)]
    devices = Step(
        "devices",
        f"{HERE}:tell_devices",
        {"number": 0, "seconds": 0.0},
        hints={"resources": {"gpus": 2.0, "cpus": 1, "memory": 0}},
    )
    server = Step("server", f"{HERE}:tell_parent", hints={"endpoint": {}})
    bad = [step("wrong", "complain"), step("crash", "shoot_itself", number=int(signal.SIGSEGV))]
    return [*fine, devices, server, *bad, step("below", inputs=(bad[0],), text="b")]


def tell_parent(job: Job) -> None:
    """Writes who has started this worker."""
    (job.out / "parent").write_text(str(os.getppid()))


def seal(job: Job, number: int) -> None:
    """Copies what its input made, backwards."""
    for path in sorted(job.inputs["slow"].glob("part-*.txt")):
        (job.out / path.name).write_text(path.read_text()[::-1])


def notes_in(path: Path) -> list[str]:
    """The executions noted so far, sorted."""
    return sorted(path.read_text().split("\n")[:-1]) if path.exists() else []


def contents(store: Store) -> dict[str, bytes]:
    """Every byte of every finished step, but for how long it took and when."""
    found = {}
    for folder in sorted(store.root.iterdir()):
        if folder.name.startswith(".") or not folder.is_dir():
            continue
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                found[path.relative_to(store.root).as_posix()] = path.read_bytes()
        done = json.loads(found[f"{folder.name}/done.json"])
        found[f"{folder.name}/done.json"] = json.dumps({**done, "seconds": 0, "finished_at": ""}).encode()
    return found
