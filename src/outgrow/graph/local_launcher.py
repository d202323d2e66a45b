"""Steps as worker processes of this machine, which share its devices, cores and memory."""

import os
from collections.abc import Iterator, Sequence

from outgrow.errors import ConfigError
from outgrow.graph.done import Damaged
from outgrow.graph.launcher import Launcher
from outgrow.graph.message import Failed, Finished, Message
from outgrow.graph.resources import needs_of
from outgrow.graph.slots import Placement, Slots
from outgrow.graph.step import Step
from outgrow.graph.store import Store
from outgrow.graph.worker_process import (
    POLL_SECONDS,
    WorkerProcess,
    default_threads,
    exit_reason,
    listen,
    own_cores,
)


class LocalLauncher(Launcher):
    """At most `jobs` steps at a time, and no more than the devices, cores and memory that they ask for."""

    def __init__(self, jobs: int = 1, threads: int | None = None, devices: Sequence[str] = ()) -> None:
        """`threads` of each step: by default its share of the cores, or as many as the cores that it asks for.

        `devices`: labels of GPUs. A step's process sees those that the step was given; without any labels it sees
        what this process sees. Raises `ConfigError` for numbers below one.
        """
        if jobs < 1 or (threads is not None and threads < 1):
            raise ConfigError(f"jobs = {jobs}, threads = {threads}: both must be at least 1")
        self.jobs, self.threads = jobs, threads
        self.devices = tuple(devices)
        self.slots = Slots(self.devices, own_cores(), own_memory())
        self.placed: dict[str, Placement] = {}
        """By the identities of running steps."""
        self.workers: list[WorkerProcess] = []

    def begin(self, steps: Sequence[Step], store: Store) -> None:
        self.store = store
        self.share = default_threads(self.jobs)
        for step in steps:
            lacking = self.slots.lacking(needs_of(step))
            if lacking:
                raise ConfigError(
                    f"resources: `{step.name} {step.label}".rstrip() + f"` {' and '.join(lacking)}; ask for less, or"
                    " run it on a larger machine"
                )

    @property
    def is_full(self) -> bool:
        return len(self.placed) >= self.jobs

    def fits(self, step: Step) -> bool:
        return self.slots.fits(step.identity, needs_of(step))

    def start(self, step: Step) -> None:
        needs = needs_of(step)
        placement = self.placed[step.identity] = self.slots.take(step.identity, needs)
        threads = self.threads or needs.cpus or self.share
        self._worker(threads, placement.labels if self.devices else None).give(step)

    def _worker(self, threads: int, visible: tuple[str, ...] | None) -> WorkerProcess:
        """A free worker with these threads and devices; a new one if there is none.

        An idle worker keeps memory of its devices, so those with devices of the new step end first.
        """
        idle = [worker for worker in self.workers if worker.step is None and worker.process.poll() is None]
        fitting = [worker for worker in idle if (worker.threads, worker.visible) == (threads, visible)]
        shared = set(visible or ())
        crowded = len(idle) > self.jobs
        for worker in idle:
            if worker not in fitting[:1] and (crowded or shared & set(worker.visible or ())):
                self.workers.remove(worker)
                worker.end()
        if not fitting:
            fitting = [WorkerProcess(self.store, threads, visible)]
            self.workers += fitting
        return fitting[0]

    def hear(self, seconds: float = POLL_SECONDS) -> Iterator[tuple[Step, Message]]:
        for worker, message in listen(self.workers, seconds):
            step = worker.step
            assert step is not None, "only busy workers send messages"
            if message is None:
                self.workers.remove(worker)
                message = after_exit(worker, step, self.store)
            if isinstance(message, Finished | Failed):
                worker.step = None
                self.slots.give_back(self.placed.pop(step.identity))
            yield step, message

    def end(self) -> None:
        for worker in self.workers:
            worker.end()
            if worker.step is not None:
                self.store.discard(worker.step)
        self.workers = []


def after_exit(worker: WorkerProcess, step: Step, store: Store) -> Finished | Failed:
    """The last message of a worker that has died, in its place."""
    code = worker.bury()
    store.discard(step)
    try:
        done = store.inspect(step)
    except Damaged:
        done = None
    if done is not None:  # it ended between the commit and its message
        return Finished(done.seconds, reused=False)
    return Failed(f"{exit_reason(code)} (its output: {store.log(step)})")


def own_memory() -> int | None:
    """Bytes of main memory of this machine, where the system says it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None
