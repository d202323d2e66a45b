"""The parent's side of the workers: starting them, talking to them, ending them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import wait

from outgrow.errors import StepFailed
from outgrow.graph.durable import full_disk
from outgrow.graph.lifeline import ProcessGroup
from outgrow.graph.message import Assignment, Message
from outgrow.graph.step import Step
from outgrow.graph.store import Store

GRACE = 3.0
"""Seconds for a worker that has closed its socket to be gone."""
LOOK_EVERY = 1.0
"""Seconds between looks whether silent workers are alive."""
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS",
)


class WorkerProcess:
    """One worker process, and the step that it is busy with."""

    def __init__(self, store: Store, threads: int) -> None:
        self.store = store
        self.step: Step | None = None
        self.line, far_end = Pipe()
        try:
            with far_end:
                self.group = _start(far_end.fileno(), store, threads)
            self.process = self.group.process
        except OSError as error:
            raise StepFailed(full_disk(error, store.root) or f"cannot start a worker process: {error}") from error

    def give(self, step: Step) -> None:
        """Have `step` made. If the worker is dead by now, `hear` will tell."""
        self.step = step
        with suppress(BrokenPipeError, ConnectionResetError):
            self.line.send(Assignment(step, self.store))

    def hear(self) -> Message | None:
        """The next message, waiting for it; `None` if the worker has died."""
        try:
            message: Message = self.line.recv()
        except (EOFError, OSError):
            return None
        return message

    def end(self) -> None:
        """Kill the worker, and all that its step has started: that may outlive it and still hold the step's lock.

        Nothing gentler is needed, as a step may be killed at any instant.
        """
        self.line.close()
        self.group.kill()
        self.process.wait()

    def bury(self) -> int:
        """Clear up after a worker that has died by itself; returns its exit code (below 0: minus the signal)."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE)
        self.end()
        return self.process.returncode


def _start(handle: int, store: Store, threads: int) -> ProcessGroup:
    with (store.root / ".logs" / "workers.log").open("ab") as output:
        return ProcessGroup(
            # -P: the worker's modules come from the parent's sys.path alone; -u: a killed step's output is kept.
            [sys.executable, "-P", "-u", "-m", "outgrow.graph.worker", str(handle)],
            [handle],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment(threads),
        )


def default_threads(jobs: int) -> int:
    """CPU threads of one of `jobs` steps at a time: an equal share of the cores that this process may use, or fewer
    where `OMP_NUM_THREADS` or another variable of its kind says so."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # OpenMP takes a list, one number per level of nesting.
    said = (os.environ.get(name, "").partition(",")[0].strip() for name in THREAD_VARIABLES)
    return max(1, min(cores // jobs, *(int(one) for one in said if one.isdecimal() and int(one)), cores))


def environment(threads: int) -> dict[str, str]:
    """What a worker finds in `os.environ`: the parent's, but for threads, the module path and hash randomisation."""
    paths = [path or os.getcwd() for path in sys.path]
    return {
        **os.environ,
        **dict.fromkeys(THREAD_VARIABLES, str(threads)),
        # Threads that spin while they wait starve the other workers, and on a busy machine themselves.
        "OMP_WAIT_POLICY": "PASSIVE",
        "OPENBLAS_THREAD_TIMEOUT": "4",  # the exponent of the turns before a thread sleeps; 26 by default
        # Sets of strings then iterate in one order, in every worker and every run.
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(paths),
    }


def listen(workers: Sequence[WorkerProcess]) -> Iterator[tuple[WorkerProcess, Message | None]]:
    """Wait a while for the busy workers; yields what they say, and `None` for a worker that has died."""
    busy = [worker for worker in workers if worker.step is not None]
    ready = wait([worker.line for worker in busy], timeout=LOOK_EVERY)
    for worker in busy:
        # A grandchild may hold a dead worker's socket open, so the process itself is looked at, too.
        if worker.line in ready or worker.process.poll() is not None:
            yield worker, worker.hear() if worker.line in ready else None


def exit_reason(code: int) -> str:
    """A worker's exit code as the end of a sentence about its step."""
    if code >= 0:
        return f"its process ended itself with exit code {code}"
    name = SIGNALS.get(-code, f"signal {-code}")
    if -code == signal.SIGKILL:
        return f"its process was killed ({name}); probably the machine ran out of memory"
    return f"its process was killed ({name})"


SIGNALS: Mapping[int, str] = {int(number): number.name for number in signal.Signals}
