"""What the calls of `api.py` return: `Plan`, laid out and not executed, and `Result`, what a study found."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outgrow.errors import ConfigError, suggest
from outgrow.graph.event import StepOutcome
from outgrow.study.model_cost import Cost
from outgrow.text_format import short

if TYPE_CHECKING:
    import pandas as pd

    from outgrow.reporting.results import Results


@dataclass(frozen=True)
class PlannedStep:
    """One line of a plan: a step and its cost."""

    name: str
    label: str
    folder: str
    state: str
    """`cached` or `new`."""
    cost: Cost
    server: str = ""
    """The address that the step asks, if it asks one."""
    key: str | None = None
    """The environment variable whose value that server is sent."""
    code_changed: bool = False
    """new only: there is a result, made by other code of the step or of its inputs."""


@dataclass(frozen=True)
class Plan:
    """Every step of a study, inputs before users; nothing has been executed."""

    steps: tuple[PlannedStep, ...]
    code: tuple[str, ...] = ()
    """Code of its own that the study runs: plug-ins, functions of rules, models' code."""
    lacking: tuple[str, ...] = ()
    """Why it cannot run on this machine: a missing GPU or package, a folder."""
    notes: tuple[str, ...] = ()
    """Where paid responses are; why a run would be refused. One sentence each."""

    def __repr__(self) -> str:
        return f"Plan({len(self.steps)} steps, {len(self.new)} new)"

    @property
    def new(self) -> list[PlannedStep]:
        """The steps that a run would execute."""
        return [step for step in self.steps if step.state == "new"]

    @property
    def seconds(self) -> float:
        """Estimated seconds of all new steps one after another; steps of unknown size are not in it."""
        return sum(step.cost.seconds or 0 for step in self.new)

    def to_json(self) -> list[dict[str, Any]]:
        """One mapping per step."""
        return [asdict(step) for step in self.steps]


@dataclass(frozen=True)
class Result:
    """What a study found, and where its report lies."""

    folder: Path
    outcomes: Mapping[str, StepOutcome]
    load: "Callable[[], Results]" = field(repr=False)
    """Loads `results` at the first use."""
    notes: tuple[str, ...] = ()
    """Remarks on the report's place, one sentence each."""

    def __repr__(self) -> str:
        states = Counter(outcome.state for outcome in self.outcomes.values())
        counts = ", ".join(f"{count} {state}" for state, count in states.items())
        return f"Result({short(self.report, 150)}; steps: {counts})"

    @cached_property
    def results(self) -> "Results":
        """Everything that was found."""
        return self.load()

    @property
    def failed(self) -> list[StepOutcome]:
        """Steps that could not be finished, without those that only had to wait for them."""
        return [outcome for outcome in self.outcomes.values() if outcome.state == "failed"]

    @property
    def complaints(self) -> list[str]:
        """The errors, one sentence each; equal errors of several seeds once."""
        return list(dict.fromkeys(outcome.error for outcome in self.failed))

    @property
    def complete(self) -> bool:
        """Whether every step has a result."""
        return all(outcome.state in ("cached", "done") for outcome in self.outcomes.values())

    @property
    def interrupted(self) -> bool:
        """Whether the run was stopped before its end."""
        return any(outcome.state == "interrupted" for outcome in self.outcomes.values())

    @property
    def report(self) -> Path:
        """The report's HTML file."""
        return self.folder / "report.html"

    @property
    def tables(self) -> list[str]:
        """The names that `to_pandas` takes."""
        from outgrow.reporting.topics import make_tables

        return [table.name for table in make_tables(self.results)]

    def to_pandas(self, table: str = "main") -> "pd.DataFrame":
        """One of the report's tables as a data frame; every measured number with its interval, n and seeds."""
        from outgrow.reporting.topics import make_tables

        made = {made.name: made for made in make_tables(self.results)}
        if table not in made:
            raise ConfigError(f"no table named `{table}`; {suggest(table, made)}")
        return made[table].to_pandas()

    def to_json(self) -> dict[str, Any]:
        """Everything the study found, as plain data."""
        ended = {"failed": self.complaints, "interrupted": self.interrupted}
        from outgrow.reporting.collect import results_as_data

        return {"report": str(self.report), **ended, "results": results_as_data(self.results)}

    def _repr_html_(self) -> str:
        from outgrow.render.table_html import table_html
        from outgrow.reporting.topics import make_tables

        return table_html(make_tables(self.results)[0])
