"""Events of a run (`Event`), and the outcome of each step (`StepOutcome`)."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from outgrow.graph.step import Step

Kind = Literal["started", "progress", "finished", "cached", "failed", "skipped", "damaged", "waiting", "changed"]
State = Literal["cached", "done", "failed", "skipped", "interrupted"]
LOGGED = ("started", "finished", "failed", "skipped", "damaged", "waiting", "changed")


@dataclass(frozen=True)
class Event:
    """An event of a step."""

    kind: Kind
    """`damaged`: a stored result is damaged and is computed again; `waiting`: another run computes this step;
    `changed`: the stored result of this step was computed by other code."""
    step: Step
    message: str = ""
    share: float = 0.0
    """For `progress`: the completed share of the step, 0 … 1."""
    seconds: float = 0.0
    """For `finished` and `cached`: the time of the computation."""
    done: int = 0
    """Steps of this run with an outcome, out of `total`."""
    total: int = 0


@dataclass(frozen=True)
class StepOutcome:
    """The outcome of a step."""

    state: State
    """`skipped`: not started, for the reason in `error`; `interrupted`: the run was stopped before its end."""
    seconds: float = 0.0
    error: str = ""
    """One sentence, for `failed` and `skipped`."""
    log: Path | None = None
    """The output of the step, and its traceback if there is one."""


OnEvent = Callable[[Event], None]


class EventLog:
    """Appends events to a file, one JSON object per line, except `cached` and `progress`.

    A log that cannot be written does not stop the run: the first failure is reported as an event and ends the log.
    """

    def __init__(self, path: Path, tell: OnEvent) -> None:
        self.path: Path | None = path
        self.tell = tell

    def __call__(self, event: Event) -> None:
        self.tell(event)
        if self.path is None or event.kind not in LOGGED:
            return
        try:
            self._append(self.path, event)
        except OSError as error:
            path, self.path = self.path, None
            self.tell(Event("damaged", event.step, f"{path} cannot be written ({error.strerror}); the log ends here"))

    def _append(self, path: Path, event: Event) -> None:
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "kind": event.kind,
            "folder": event.step.folder,
            "label": event.step.label,
            "message": event.message,
            "seconds": round(event.seconds, 3),
            "done": event.done,
            "total": event.total,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        # One write per line in append mode, because two runs may share the file.
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
