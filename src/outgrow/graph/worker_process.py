"""The parent's side of the workers: start, messages, end."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import wait

from outgrow.errors import StepFailed
from outgrow.graph.devices import VISIBLE
from outgrow.graph.durable import full_disk
from outgrow.graph.lifeline import ProcessGroup
from outgrow.graph.message import Assignment, Message
from outgrow.graph.step import Step
from outgrow.graph.store import Store

GRACE = 3.0
"""Seconds to wait for the exit of a worker that has closed its socket."""
POLL_SECONDS = 1.0
"""Seconds between checks that silent workers are alive."""
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS",
)


class WorkerProcess:
    """A worker process and its current step."""

    def __init__(self, store: Store, threads: int, visible: Sequence[str] | None = None) -> None:
        """`visible`: labels of the devices that it sees; `None`: those that this process sees."""
        self.store = store
        self.threads = threads
        self.visible = None if visible is None else tuple(visible)
        self.step: Step | None = None
        self.line, far_end = Pipe()
        try:
            with far_end:
                self.group = _start(far_end.fileno(), store, environment(threads, self.visible))
            self.process = self.group.process
        except OSError as error:
            raise StepFailed(full_disk(error, store.root) or f"cannot start a worker process: {error}") from error

    def give(self, step: Step) -> None:
        """Assign `step`. If the worker has died, `hear` returns `None`."""
        self.step = step
        with suppress(BrokenPipeError, ConnectionResetError):
            self.line.send(Assignment(step, self.store))

    def hear(self) -> Message | None:
        """Wait for the next message; `None` if the worker has died."""
        try:
            message: Message = self.line.recv()
        except (EOFError, OSError):
            return None
        return message

    def end(self) -> None:
        """Kill the worker and all processes of its step, which could survive it and hold the step's lock.

        A step may be killed at any time, so no other signal is sent first.
        """
        self.line.close()
        self.group.kill()
        self.process.wait()

    def bury(self) -> int:
        """Release the resources of a worker that has died; returns its exit code (below 0: minus the signal)."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE)
        self.end()
        return self.process.returncode


def _start(handle: int, store: Store, variables: Mapping[str, str]) -> ProcessGroup:
    with (store.root / ".logs" / "workers.log").open("ab") as output:
        return ProcessGroup(
            # -P: the worker's modules come from the parent's sys.path alone; -u: a killed step's output is kept.
            [sys.executable, "-P", "-u", "-m", "outgrow.graph.worker", str(handle)],
            [handle],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=variables,
        )


def own_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_threads(jobs: int) -> int:
    """CPU threads per step with `jobs` steps at a time: an equal share of the cores of this process, or fewer if
    `OMP_NUM_THREADS` or a similar variable sets a lower number."""
    cores = own_cores()
    # OpenMP accepts a list, one number per nesting level.
    limits = (os.environ.get(name, "").partition(",")[0].strip() for name in THREAD_VARIABLES)
    return max(1, min(cores // jobs, *(int(limit) for limit in limits if limit.isdecimal() and int(limit)), cores))


def environment(threads: int, visible: Sequence[str] | None = None) -> dict[str, str]:
    """The environment of a worker: the parent's, with its own threads, devices, module path and hash seed."""
    paths = [path or os.getcwd() for path in sys.path]
    return {
        **os.environ,
        **dict.fromkeys(THREAD_VARIABLES, str(threads)),
        # Threads that spin while they wait take CPU time from the other workers.
        "OMP_WAIT_POLICY": "PASSIVE",
        "OPENBLAS_THREAD_TIMEOUT": "4",  # log2 of the cycles before a thread sleeps; 26 by default
        # Sets of strings then have one iteration order, in all workers and runs.
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(paths),
        **({} if visible is None else {VISIBLE: ",".join(visible), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}),
    }


def listen(
    workers: Sequence[WorkerProcess], seconds: float = POLL_SECONDS
) -> Iterator[tuple[WorkerProcess, Message | None]]:
    """Wait up to some seconds for the busy workers; yields their messages, and `None` for one that has died."""
    busy = [worker for worker in workers if worker.step is not None]
    ready = wait([worker.line for worker in busy], timeout=seconds)
    for worker in busy:
        # A grandchild may keep a dead worker's socket open, so the process itself is checked, too.
        if worker.line in ready or worker.process.poll() is not None:
            yield worker, worker.hear() if worker.line in ready else None


def exit_reason(code: int) -> str:
    """The reason of a worker's exit, as the end of a sentence about its step."""
    if code >= 0:
        return f"its process ended with exit code {code}"
    name = SIGNALS.get(-code, f"signal {-code}")
    if -code == signal.SIGKILL:
        return f"its process was killed ({name}); probably the machine ran out of memory"
    return f"its process was killed ({name})"


SIGNALS: Mapping[int, str] = {int(member): member.name for member in signal.Signals}
