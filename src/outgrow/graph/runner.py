"""The runner: computes the missing steps of a study, several at a time.

    read the store ─► no step is missing: done, no process is started
                   └► workers compute the missing steps, inputs first; every finished step is stored

If a step fails, the steps that need it are skipped. A finished step is never lost: not by an error, a full disk, a
lack of memory, Ctrl-C or a kill. The same call continues there. Two runs on one store share the work: the second run
waits for a step of the first one and uses its result.

The runner does not depend on the content of steps, imports no heavy library and runs no step in its own process.
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
    """Compute every unfinished step of `steps` and the inputs that it needs; returns the outcomes by identity.

    `jobs` steps run at a time, each with `threads` CPU threads (default: see `pool.default_threads`).
    `on_event` is called from this thread. `log` gets one JSON line per event (default: `events.jsonl` in the store).
    An unfinished input whose users are all finished is not computed and has no outcome, unless `steps` contains it.

    Ctrl-C ends the workers and returns; unfinished steps are then `interrupted`. Raises `DataError` or `StepFailed` if
    the store cannot be used, `ConfigError` for `jobs` or `threads` below one.
    """
    threads = default_threads(max(1, jobs)) if threads is None else threads
    if jobs < 1 or threads < 1:
        raise ConfigError(f"jobs = {jobs}, threads = {threads}: both must be at least 1")
    ledger = OutcomeLog(EventLog(log or store.root / "events.jsonl", on_event), len(walk(steps)))
    store = Store(store.root.absolute())
    try:
        store.sweep()
        missing = _missing_steps(steps, store, ledger)
        if missing:
            _report_changed_code(missing, store, ledger)
            store.prepare()
            _compute_missing(missing, store, ledger, min(jobs, len(missing)), threads)
    except KeyboardInterrupt:
        for step in steps:
            ledger.outcomes.setdefault(step.identity, StepOutcome("interrupted"))
    return ledger.outcomes


@dataclass
class OutcomeLog:
    """The outcomes so far, and the listener of events."""

    tell: OnEvent
    total: int
    outcomes: dict[str, StepOutcome] = field(default_factory=dict)

    def say(self, kind: Kind, step: Step, message: str = "", share: float = 0.0, seconds: float = 0.0) -> None:
        """Send an event of `step`."""
        done = len(self.outcomes)
        self.tell(Event(kind, step, message, share=share, seconds=seconds, done=done, total=self.total))

    def close(self, step: Step, kind: Kind, outcome: StepOutcome) -> None:
        """Record the outcome of `step` and send its event."""
        self.outcomes[step.identity] = outcome
        self.say(kind, step, outcome.error, seconds=outcome.seconds)


def _missing_steps(steps: Sequence[Step], store: Store, ledger: OutcomeLog) -> list[Step]:
    """Record the finished steps; returns the missing ones, inputs first."""
    whole = store.whole(steps)

    def find(step: Step) -> Done | None:
        return whole.get(step.identity) or store.finished(step, lambda sentence: ledger.say("damaged", step, sentence))

    records = needed(steps, find)
    ledger.total = len(records)
    for step, done in records:
        if done is not None:
            ledger.close(step, "cached", StepOutcome("cached", done.seconds, log=_log(store, step)))
    return [step for step, done in records if done is None]


def _report_changed_code(missing: Sequence[Step], store: Store, ledger: OutcomeLog) -> None:
    """Report how many steps run again because of changed code, with the first of them."""
    changed = store.made_by_other_code(missing)
    if changed:
        first = next(step for step in missing if step.identity in changed)
        count = many(len(changed), "step")
        ledger.say(
            "changed", first, f"code changed: {count} to compute again, first {first.name} {first.label}".rstrip()
        )


def _compute_missing(missing: Sequence[Step], store: Store, ledger: OutcomeLog, jobs: int, threads: int) -> None:
    schedule = Schedule(missing)
    workers: list[WorkerProcess] = []
    try:
        while any(step.identity not in ledger.outcomes for step in missing):
            _hand_out(schedule, workers, store, ledger, jobs, threads)
            for worker, message in listen(workers):
                if message is None:
                    workers.remove(worker)
                _handle(worker, message, schedule, store, ledger)
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
    """Assign a step to every free worker; start workers while fewer than `jobs` are busy."""
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


def _handle(
    worker: WorkerProcess, message: Message | None, schedule: Schedule, store: Store, ledger: OutcomeLog
) -> None:
    """Handle a message of a worker, or its end."""
    step = worker.step
    assert step is not None, "only busy workers send messages"
    match message:
        case Progress(text, share):
            return ledger.say("progress", step, text, share=share)
        case Waiting():
            return ledger.say("waiting", step, "another run is computing it; its result will be used")
        case Damage(sentence):
            return ledger.say("damaged", step, sentence)
        case None:
            message = _after_exit(worker, step, store)
    worker.step = None
    if isinstance(message, Finished):
        log = _log(store, step)
        state: State = "cached" if message.reused else "done"
        ledger.close(step, "cached" if message.reused else "finished", StepOutcome(state, message.seconds, log=log))
        return schedule.finish(step)
    return _record_failure(step, message, schedule, store, ledger)


def _after_exit(worker: WorkerProcess, step: Step, store: Store) -> Finished | Failed:
    code = worker.bury()
    store.discard(step)
    try:
        done = store.inspect(step)
    except Damaged:
        done = None
    if done is not None:  # it ended between the commit and its message
        return Finished(done.seconds, reused=False)
    return Failed(f"{exit_reason(code)} (its output: {store.log(step)})")


def _record_failure(step: Step, failed: Failed, schedule: Schedule, store: Store, ledger: OutcomeLog) -> None:
    """Record a failed step and all steps that are skipped because of it."""
    ledger.close(step, "failed", StepOutcome("failed", error=failed.sentence, log=_log(store, step)))
    skipped, reason = schedule.beyond(step), f"needs `{_title(step)}`, which failed"
    if failed.disk_full:
        # Other steps could compute for hours and then fail to write.
        skipped, reason = schedule.withdraw(), "not started: the disk is full"
    for skipped_step in skipped:
        if skipped_step.identity not in ledger.outcomes:
            ledger.close(skipped_step, "skipped", StepOutcome("skipped", error=reason))


def _title(step: Step) -> str:
    return f"{step.name} {step.label}".strip()


def _log(store: Store, step: Step) -> Path | None:
    path = store.log(step)
    return path if path.exists() else None
