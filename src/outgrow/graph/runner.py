"""The runner: brings the steps of a study into the store, several at a time.

    look into the store ─► nothing missing? done, no process was started
                        └► workers make what is missing, inputs first; whatever they finish is kept

A step that fails takes along only what needs it. Nothing that happens to a run (an error, a full disk, a lack of
memory, Ctrl-C, a kill) loses a finished step, and the same call again goes on from there. Two runs on one store share
the work: whichever comes second to a step waits for it and uses it.

The runner knows nothing of what steps do, imports nothing heavy and never runs a step in its own process.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from outgrow.errors import ConfigError
from outgrow.graph.done import Damaged, Done
from outgrow.graph.event import Event, EventLog, Kind, OnEvent, State, StepOutcome
from outgrow.graph.message import Damage, Failed, Finished, Message, Progress, Waiting
from outgrow.graph.schedule import Schedule, needed
from outgrow.graph.step import Step, walk
from outgrow.graph.store import Store
from outgrow.graph.worker_process import WorkerProcess, default_threads, exit_reason, listen
from outgrow.text_format import many

__all__ = ["Event", "State", "StepOutcome", "run_steps"]


def run_steps(
    steps: Sequence[Step],
    store: Store,
    *,
    jobs: int = 1,
    threads: int | None = None,
    on_event: OnEvent = lambda event: None,
    log: Path | None = None,
) -> dict[str, StepOutcome]:
    """Make every step of `steps` that is not finished, and what it needs; returns how each ended, by identity.

    `jobs` steps are made at a time, each with `threads` CPU threads (default: see `pool.default_threads`).
    `on_event` is called from this thread. `log` gets one JSON line per event (default: `events.jsonl` in the store).
    An unfinished input whose users are all finished is left alone, and has no outcome, unless `steps` names it.

    Ctrl-C ends the workers and returns; what was not finished is then `interrupted`.
    Raises `DataError` or `StepFailed` if the store cannot be used, `ConfigError` for `jobs` or `threads` below one.
    """
    threads = default_threads(max(1, jobs)) if threads is None else threads
    if jobs < 1 or threads < 1:
        raise ConfigError(f"jobs = {jobs}, threads = {threads}: both must be at least 1")
    ledger = OutcomeLog(EventLog(log or store.root / "events.jsonl", on_event), len(walk(steps)))
    store = Store(store.root.absolute())
    try:
        store.sweep()
        missing = _look(steps, store, ledger)
        if missing:
            _tell_of_other_code(missing, store, ledger)
            store.prepare()
            _make(missing, store, ledger, min(jobs, len(missing)), threads)
    except KeyboardInterrupt:
        for step in steps:
            ledger.outcomes.setdefault(step.identity, StepOutcome("interrupted"))
    return ledger.outcomes


@dataclass
class OutcomeLog:
    """The outcomes so far, and who is told of them."""

    tell: OnEvent
    total: int
    outcomes: dict[str, StepOutcome] = field(default_factory=dict)

    def say(self, kind: Kind, step: Step, message: str = "", share: float = 0.0, seconds: float = 0.0) -> None:
        """Tell of something that happened to `step`."""
        done = len(self.outcomes)
        self.tell(Event(kind, step, message, share=share, seconds=seconds, done=done, total=self.total))

    def close(self, step: Step, kind: Kind, outcome: StepOutcome) -> None:
        """`step` has come to its end."""
        self.outcomes[step.identity] = outcome
        self.say(kind, step, outcome.error, seconds=outcome.seconds)


def _look(steps: Sequence[Step], store: Store, ledger: OutcomeLog) -> list[Step]:
    """Close what is finished already; returns what is to be made, inputs first."""
    whole = store.whole(steps)

    def find(step: Step) -> Done | None:
        return whole.get(step.identity) or store.finished(step, lambda sentence: ledger.say("damaged", step, sentence))

    found = needed(steps, find)
    ledger.total = len(found)
    for step, done in found:
        if done is not None:
            ledger.close(step, "cached", StepOutcome("cached", done.seconds, log=_log(store, step)))
    return [step for step, done in found if done is None]


def _tell_of_other_code(missing: Sequence[Step], store: Store, ledger: OutcomeLog) -> None:
    """Say how many steps are made again for a change of code, and by the first of them which code."""
    changed = store.made_by_other_code(missing)
    if changed:
        first = next(step for step in missing if step.identity in changed)
        count = many(len(changed), "step")
        ledger.say("changed", first, f"code changed: {count} made again, first {first.name} {first.label}".rstrip())


def _make(missing: Sequence[Step], store: Store, ledger: OutcomeLog, jobs: int, threads: int) -> None:
    schedule = Schedule(missing)
    workers: list[WorkerProcess] = []
    try:
        while any(step.identity not in ledger.outcomes for step in missing):
            _hand_out(schedule, workers, store, ledger, jobs, threads)
            for worker, message in listen(workers):
                if message is None:
                    workers.remove(worker)
                _take_in(worker, message, schedule, store, ledger)
    except KeyboardInterrupt:
        for step in missing:
            ledger.outcomes.setdefault(step.identity, StepOutcome("interrupted", log=_log(store, step)))
    finally:
        for worker in workers:
            worker.end()
            if worker.step is not None:
                store.discard(worker.step)


def _hand_out(
    schedule: Schedule, workers: list[WorkerProcess], store: Store, ledger: OutcomeLog, jobs: int, threads: int
) -> None:
    """Give every free worker a step, starting workers as long as there are fewer than `jobs`."""
    while sum(worker.step is not None for worker in workers) < jobs:
        step = schedule.take(store.is_busy)
        if step is None:
            return
        free = [worker for worker in workers if worker.step is None and worker.process.poll() is None]
        if not free:
            free = [WorkerProcess(store, threads)]
            workers += free
        free[0].give(step)
        ledger.say("started", step)


def _take_in(
    worker: WorkerProcess, message: Message | None, schedule: Schedule, store: Store, ledger: OutcomeLog
) -> None:
    """Act on what a worker has said, or on its death."""
    step = worker.step
    assert step is not None, "only busy workers are listened to"
    match message:
        case Progress(words, share):
            return ledger.say("progress", step, words, share=share)
        case Waiting():
            return ledger.say("waiting", step, "another run is working on it; its result will be used")
        case Damage(sentence):
            return ledger.say("damaged", step, sentence)
        case None:
            message = _after_death(worker, step, store)
    worker.step = None
    if isinstance(message, Finished):
        log = _log(store, step)
        state: State = "cached" if message.reused else "done"
        ledger.close(step, "cached" if message.reused else "finished", StepOutcome(state, message.seconds, log=log))
        return schedule.finish(step)
    return _give_up(step, message, schedule, store, ledger)


def _after_death(worker: WorkerProcess, step: Step, store: Store) -> Finished | Failed:
    code = worker.bury()
    store.discard(step)
    try:
        done = store.inspect(step)
    except Damaged:
        done = None
    if done is not None:  # it died between finishing the step and saying so
        return Finished(done.seconds, reused=False)
    return Failed(f"{exit_reason(code)} (its output: {store.log(step)})")


def _give_up(step: Step, failed: Failed, schedule: Schedule, store: Store, ledger: OutcomeLog) -> None:
    """Close a failed step and all that will never start because of it."""
    ledger.close(step, "failed", StepOutcome("failed", error=failed.sentence, log=_log(store, step)))
    lost, why = schedule.beyond(step), f"needs `{_title(step)}`, which failed"
    if failed.disk_full:
        # What has not begun would compute, for hours perhaps, only to fail at writing.
        lost, why = schedule.withdraw(), "not started, because the disk is full"
    for other in lost:
        if other.identity not in ledger.outcomes:
            ledger.close(other, "skipped", StepOutcome("skipped", error=why))


def _title(step: Step) -> str:
    return f"{step.name} {step.label}".strip()


def _log(store: Store, step: Step) -> Path | None:
    path = store.log(step)
    return path if path.exists() else None
