"""What a run tells while it goes on (`Event`), and how each of its steps ended (`StepOutcome`)."""

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
    """Something happened to a step."""

    kind: Kind
    """`damaged`: a stored result was bad and is made again; `waiting`: another run is busy with this step; `changed`:
    there is a result of this step that was made by other code."""
    step: Step
    message: str = ""
    share: float = 0.0
    """progress only: how much of the step is behind it, 0 … 1."""
    seconds: float = 0.0
    """finished and cached: what the step took when it was computed."""
    done: int = 0
    """Steps of this run whose outcome is known, out of …"""
    total: int = 0


@dataclass(frozen=True)
class StepOutcome:
    """How a step ended."""

    state: State
    """`skipped`: never started, for the reason in `error`; `interrupted`: the run was stopped before its end."""
    seconds: float = 0.0
    error: str = ""
    """One sentence, for `failed` and `skipped`."""
    log: Path | None = None
    """What the step printed, and its traceback if it has one."""


OnEvent = Callable[[Event], None]


class EventLog:
    """Appends events, one JSON object a line; what was cached and mere progress are left out.

    A log that cannot be written stops no run: the first failure is told as an event, and the log is given up.
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
            self.tell(Event("damaged", event.step, f"{path} cannot be written ({error.strerror}); it ends here"))

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
        # One write of one line in append mode: two runs may share the file.
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
