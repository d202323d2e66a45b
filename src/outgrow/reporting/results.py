"""`Results`: everything that a study found, as plain data that turns into JSON and back.

Nothing in it depends on when or how fast a step ran: a rerun gives the same tables, byte by byte. Wall times are in
`outgrow.reporting.provenance`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from outgrow.metrics.estimate import Estimate
from outgrow.reporting.about import About
from outgrow.study.gold_use import GoldUse

Role = Literal["floor", "untouched", "ceiling", "method", "control"]

ANSWERED = "on the items that it answered"
"""The note of a score that is not measured on all items."""
WHOLE = ""
"""The key of what is measured over all capabilities: their mean, each with the same weight."""


@dataclass(frozen=True)
class RowResult:
    """One row of the main table, measured on the test items."""

    role: Role
    name: str
    method: str
    variant: str
    source: str | None
    view: str
    sources: tuple[str, ...]
    """Methods only: the supervisors whose labels were learned."""
    score: Estimate
    """In the study's metric (`About.metric`): accuracy, or a score of texts."""
    per_seed: tuple[Estimate, ...]
    """In the order of the study's seeds; undefined where the result is missing."""
    pgr_per_seed: tuple[Estimate, ...] = ()
    """Methods only; in the order of the study's seeds."""
    gold: GoldUse = "none"
    """Which gold it uses beside its supervisors' labels; of a floor, which gold the supervisor learns."""
    oracle: bool = False
    """Whether gold selected some of its labels or its weights: an upper bound, which is ranked with no other row."""
    pgr: Estimate | None = None
    """Methods only. Against the ceiling of the row's own view; the mean over the row's sources."""
    pgr_main: Estimate | None = None
    """Two-view rows only: against the ceiling of a single view."""
    pgr_by_supervisor: dict[str, Estimate] = field(default_factory=dict)
    versus_naive: Estimate | None = None
    """Paired difference of the score to naive in the same variant."""
    versus_plain_naive: Estimate | None = None
    """Paired difference of the score to naive without self-training or adjustment."""
    versus_best_supervisor: Estimate | None = None
    """Paired difference of the score to the supervisor with the highest one."""

    @property
    def ranked(self) -> bool:
        """Whether it may be the best of the methods."""
        return self.role == "method" and not self.oracle


@dataclass(frozen=True)
class AnswerCount:
    """A count of answers and their total; an item counts once under every seed."""

    count: int
    of: int

    def __str__(self) -> str:
        return f"{self.count} of {self.of}"


@dataclass(frozen=True)
class MissingStep:
    """A row that has no result under one seed."""

    row: str
    seed: int
    step: str
    reason: str


@dataclass(frozen=True)
class Results:
    """What a study found."""

    about: About
    rows: tuple[RowResult, ...]
    missing: tuple[MissingStep, ...]
    topics: Mapping[str, Any] = field(default_factory=dict)
    """By topic of the report (`topics.TOPICS`), what it measured."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """By topic of a plug-in, why it has no result."""

    def of(self, role: Role) -> list[RowResult]:
        """The rows of one role, in order."""
        return [row for row in self.rows if row.role == role]

    @property
    def fair(self) -> list[RowResult]:
        """The methods for which no label and no weight was selected by gold."""
        return [row for row in self.rows if row.ranked]

    def named(self, name: str) -> RowResult:
        """The row of that name."""
        return next(row for row in self.rows if row.name == name)

    @property
    def headline(self) -> RowResult | None:
        """The row that the headline is about; it was fixed before any result."""
        rows = [row for row in self.of("method") if row.method == self.about.headline and row.score.defined]
        return next((row for row in rows if row.variant == "plain"), next(iter(rows), None))

    @property
    def plain_naive(self) -> RowResult | None:
        """The row that others are compared with."""
        rows = [row for row in self.of("method") if row.method == self.about.baseline and row.variant == "plain"]
        return rows[0] if rows and rows[0].score.defined else None

    def ceiling(self, view: str = "main") -> RowResult | None:
        """The student trained on gold."""
        rows = [row for row in self.of("ceiling") if row.view == view and row.score.defined]
        return rows[0] if rows else None


def highest(rows: Sequence[RowResult]) -> RowResult | None:
    """The row with the highest score; the first one on a tie."""
    return next(iter(leaders(rows)), None)


def leaders(rows: Sequence[RowResult], scores: Mapping[str, Estimate] | None = None) -> list[RowResult]:
    """The rows with the highest score, several on a tie. `scores`: another number of each row, by its name."""
    values = [(row, (row.score if scores is None else scores[row.name]).value) for row in rows]
    top = max((value for _, value in values if value is not None), default=None)
    return [row for row, value in values if value is not None and value == top]
