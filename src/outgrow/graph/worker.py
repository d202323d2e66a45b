"""A worker process: runs one step after another until its parent ends.

It is started as `python -m outgrow.graph.worker HANDLE LIFELINE`, with its ends of a socket and of a pipe. A
`multiprocessing` child would import the caller's main module again, which fails for a notebook, for `python -` and for
a script without a `__main__` guard.

It stays alive between steps, so heavy libraries are imported once. When the parent ends for any reason, the worker and
all processes that its steps have started are killed (`lifeline.py`).
"""

import faulthandler
import importlib
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread

from outgrow.errors import OutgrowError, StepFailed
from outgrow.graph.code_identity import code_of_step, read_again
from outgrow.graph.durable import full_disk
from outgrow.graph.lifeline import guard
from outgrow.graph.message import Assignment, Damage, Failed, Finished, Message, Progress, Waiting
from outgrow.graph.step import Job, Step
from outgrow.graph.store import Store
from outgrow.plugins import line_in, require_loaded

REPORT_EVERY = 0.1
"""Minimal interval between two progress messages of a step, in seconds."""


def serve(parent: "Connection[Message, Assignment]") -> None:
    """Run the steps that `parent` assigns, forever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    faulthandler.enable()
    assigned: SimpleQueue[Assignment] = SimpleQueue()
    Thread(target=_listen, args=(parent, assigned), daemon=True).start()
    sending = Lock()

    def tell(message: Message) -> None:
        with sending:  # a step may report from a thread of its own
            parent.send(message)

    while True:
        task = assigned.get()
        tell(work(task.step, task.store, tell))


def _listen(parent: "Connection[Message, Assignment]", assigned: "SimpleQueue[Assignment]") -> None:
    # The guard may have been killed together with the parent, so the parent's end is detected here, too.
    while True:
        try:
            assigned.put(parent.recv())
        except (EOFError, OSError):
            os.killpg(os.getpgrp(), signal.SIGKILL)


def work(step: Step, store: Store, tell: Callable[[Message], None]) -> Finished | Failed:
    """Run `step`, or wait for another run that computes it; never raises."""
    try:
        with (
            _output_to(store.log(step)),
            store.lock(step, on_wait=lambda: tell(Waiting())) as confirm,
        ):
            done = store.finished_under_lock(step, lambda sentence: tell(Damage(sentence)))
            return Finished(done.seconds, reused=True) if done else _compute(step, store, tell, confirm)
    except BaseException as error:
        return _failure(error, step, store)


def _compute(
    step: Step, store: Store, tell: Callable[[Message], None], confirm: Callable[[], None]
) -> Finished | Failed:
    started = time.monotonic()
    _require_same_code(step)
    out = store.fresh_folder(step)
    job = Job(
        out=out,
        inputs={key: store.path(source) for key, source in step.inputs.items()},
        scratch=store.scratch_folder(step),
        hints=step.hints,
        report=_throttled(lambda message, share: tell(Progress(message, share))),
    )
    try:
        with job.at_end:
            _resolve(step.function)(job, **step.settings)
        done = store.commit(step, time.monotonic() - started, out, confirm)
    except BaseException as error:
        # Evaluated before the attempt is removed, which may free space on a full disk.
        failure = _failure(error, step, store)
        shutil.rmtree(out, ignore_errors=True)
        return failure
    return Finished(done.seconds, reused=False)


def _require_same_code(step: Step) -> None:
    """Load the step's plug-ins. Raises `StepFailed` if code has changed since the step was planned."""
    read_again()
    require_loaded(step.plugins)
    if code_of_step(step.function, step.params, [plugin.content for plugin in step.plugins]) != step.code:
        raise StepFailed("the code of this step has changed since the study was planned; run the study again")


def _resolve(function: str) -> Callable[..., object]:
    module, _, name = function.partition(":")
    resolved: Callable[..., object] = vars(importlib.import_module(module))[name]
    return resolved


def _throttled(report: Callable[[str, float], None]) -> Callable[[str, float], None]:
    last = -REPORT_EVERY

    def throttled(message: str, share: float) -> None:
        nonlocal last
        if (now := time.monotonic()) - last >= REPORT_EVERY:
            last = now
            report(message, share)

    return throttled


def _failure(error: BaseException, step: Step, store: Store) -> Failed:
    with suppress(OSError):
        traceback.print_exception(error)
    full = full_disk(error, store.root)
    if full is not None:
        return Failed(full, disk_full=True)
    if isinstance(error, OutgrowError):
        return Failed(str(error))
    message = " ".join(str(error).split("\n", 1)[0].split())
    kind = type(error).__name__
    places = ((plugin.place, line_in(Path(plugin.place), error)) for plugin in step.plugins)
    position = next((f"{place}{line}: " for place, line in places if line), "")
    return Failed(f"{position}{kind}{': ' if message else ''}{message} (traceback in {store.log(step)})")


@contextmanager
def _output_to(path: Path) -> Iterator[None]:
    """Append the output of this process to `path`, including that of compiled code and child processes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    saved = os.dup(1), os.dup(2)
    with path.open("ab", buffering=0) as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    try:
        yield
    finally:
        for stream, original in zip((1, 2), saved, strict=True):
            os.dup2(original, stream)
            os.close(original)


if __name__ == "__main__":
    guard(int(sys.argv[2]), int(sys.argv[1]))
    serve(Connection(int(sys.argv[1])))
