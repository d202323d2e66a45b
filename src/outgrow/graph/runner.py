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

from outgrow.graph.done import Done
from outgrow.graph.event import Event, EventLog, Kind, OnEvent, State, StepOutcome
from outgrow.graph.launcher import Launcher
from outgrow.graph.local_launcher import LocalLauncher
from outgrow.graph.message import Damage, Failed, Message, Progress, Waiting
from outgrow.graph.schedule import Schedule, needed
from outgrow.graph.step import Step, walk
from outgrow.graph.store import Store
from outgrow.text_format import many

__all__ = ["Event", "State", "StepOutcome", "run_steps"]


def run_steps(
    steps: Sequence[Step],
    store: Store,
    *,
    jobs: int = 1,
    threads: int | None = None,
    launcher: Launcher | None = None,
    on_event: OnEvent = lambda event: None,
    log: Path | None = None,
) -> dict[str, StepOutcome]:
    """Compute every unfinished step of `steps` and the inputs that it needs; returns the outcomes by identity.

    `launcher` says where steps run; by default as processes of this machine, `jobs` at a time, each with `threads`
    CPU threads (`LocalLauncher`).
    `on_event` is called from this thread. `log` gets one JSON line per event (default: `events.jsonl` in the store).
    An unfinished input whose users are all finished is not computed and has no outcome, unless `steps` contains it.

    Ctrl-C ends the workers and returns; unfinished steps are then `interrupted`. Raises `DataError` or `StepFailed` if
    the store cannot be used, `ConfigError` for `jobs` or `threads` below one.
    """
    launcher = launcher or LocalLauncher(jobs, threads)
    ledger = OutcomeLog(EventLog(log or store.root / "events.jsonl", on_event), len(walk(steps)))
    store = Store(store.root.absolute())
    try:
        store.sweep()
        with store.in_use(make=False):
            missing = _missing_steps(steps, store, ledger)
            if missing:
                _report_changed_code(missing, store, ledger)
                store.prepare()
                with store.in_use():  # the folder of locks may be new
                    launcher.begin(missing, store)
                    _compute_missing(missing, store, ledger, launcher)
    except KeyboardInterrupt:
        for step in steps:
            ledger.outcomes.setdefault(step.identity, StepOutcome("interrupted"))
    finally:
        launcher.end()
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


def _compute_missing(missing: Sequence[Step], store: Store, ledger: OutcomeLog, launcher: Launcher) -> None:
    schedule = Schedule(missing)
    try:
        while any(step.identity not in ledger.outcomes for step in missing):
            _hand_out(schedule, launcher, store, ledger)
            for step, message in launcher.hear():
                _handle(step, message, schedule, store, ledger)
    except KeyboardInterrupt:
        for step in missing:
            ledger.outcomes.setdefault(step.identity, StepOutcome("interrupted", log=_log(store, step)))


def _hand_out(schedule: Schedule, launcher: Launcher, store: Store, ledger: OutcomeLog) -> None:
    """Start steps while there is room for one."""
    while not launcher.is_full:
        step = schedule.take(store.is_busy, launcher.fits)
        if step is None:
            return
        launcher.start(step)
        ledger.say("started", step)


def _handle(step: Step, message: Message, schedule: Schedule, store: Store, ledger: OutcomeLog) -> None:
    """Handle a message of a running step."""
    match message:
        case Progress(text, share):
            return ledger.say("progress", step, text, share=share)
        case Waiting():
            return ledger.say("waiting", step, "another run is computing it; its result will be used")
        case Damage(sentence):
            return ledger.say("damaged", step, sentence)
        case Failed():
            return _record_failure(step, message, schedule, store, ledger)
    state: State = "cached" if message.reused else "done"
    outcome = StepOutcome(state, message.seconds, log=_log(store, step))
    ledger.close(step, "cached" if message.reused else "finished", outcome)
    return schedule.finish(step)


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
