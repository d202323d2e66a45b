"""What runs on a cluster's nodes: one task per step, and the mailbox through which running steps report.

A task gives its step to a worker process of its own, as the local launcher does. So a step that crashes ends that
process only: the task returns the failure, and Ray, which repeats lost tasks, does not repeat it. The worker process
stays for the next task of the same kind. It ends with the task's process, however that ends (`lifeline.py`).
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from outgrow.errors import OutgrowError
from outgrow.graph.local_launcher import after_exit
from outgrow.graph.message import Assignment, Failed, Finished, Message
from outgrow.graph.worker_process import WorkerProcess, listen


class Letter(NamedTuple):
    """A message of a running step."""

    identity: str
    message: Message


class Mailbox:
    """An actor that keeps letters until the driver takes them."""

    def __init__(self) -> None:
        self.letters: asyncio.Queue[Letter] = asyncio.Queue()

    async def put(self, letter: Letter) -> None:
        """Add a letter."""
        await self.letters.put(letter)

    async def take(self, seconds: float) -> list[Letter]:
        """All letters, as soon as there is one; none if there is none within that time."""
        try:
            found = [await asyncio.wait_for(self.letters.get(), seconds)]
        except TimeoutError:
            return []
        while not self.letters.empty():
            found.append(self.letters.get_nowait())
        return found


_kept: WorkerProcess | None = None
"""The worker process of this task's process, idle."""


def compute(assignment: Assignment, threads: int, paths: Sequence[str], mailbox: Any) -> Finished | Failed:
    """Run a step, with the devices that Ray gave to this task; never raises, but at a cancellation."""
    global _kept
    _import_from(paths)
    step, store = assignment
    worker: WorkerProcess | None = None
    try:
        worker, _kept = _worker(assignment, threads), None
        worker.give(step)
        while True:
            for _, heard in listen([worker]):
                message = after_exit(worker, step, store) if heard is None else heard
                if not isinstance(message, Finished | Failed):
                    mailbox.put.remote(Letter(step.identity, message))
                    continue
                worker.step = None
                _kept = None if heard is None else worker
                return message
    except OutgrowError as error:
        return Failed(str(error))
    except BaseException:  # cancelled
        if worker is not None:
            worker.end()
            store.discard(step)
        raise


def _import_from(paths: Sequence[str]) -> None:
    """Find modules where the driver finds them, as far as the folders are on this node too."""
    sys.path += [path for path in paths if path not in sys.path and os.path.exists(path)]


def _worker(assignment: Assignment, threads: int) -> WorkerProcess:
    """The idle worker, if it has these threads and devices."""
    visible = _devices()
    if _kept is not None:
        same = (_kept.threads, _kept.visible, _kept.store.root) == (threads, visible, assignment.store.root)
        if same and _kept.process.poll() is None:
            return _kept
        _kept.end()
    assignment.store.prepare()
    return WorkerProcess(assignment.store, threads, visible)


def _devices() -> tuple[str, ...]:
    """Labels of the devices of this task; none where it asked for none."""
    import ray

    found = ray.get_runtime_context().get_accelerator_ids()
    return tuple(map(str, found.get("GPU", [])))
