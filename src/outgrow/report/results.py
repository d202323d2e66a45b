"""`Results`: everything a study found, as plain data that turns into JSON and back into any table or plot.

Nothing in here depends on when or how fast a step ran, so that the tables made of it are the same bytes after every
rerun. Wall times are `outgrow.report.provenance`'s.
"""

from dataclasses import dataclass, field
from typing import Literal

from outgrow.metrics.estimate import Estimate

Role = Literal["floor", "untouched", "ceiling", "method"]
MEAN_VOTE = "mean vote"
"""The weak label of all supervisors together: the most probable class of their mean."""


@dataclass(frozen=True)
class Bin:
    """A point of a reliability curve: items of similar confidence."""

    confidence: float
    accuracy: Estimate


@dataclass(frozen=True)
class Calibration:
    """How far a row's probabilities mean what they say, on the test items."""

    ece: Estimate
    brier: Estimate
    log_loss: Estimate
    curve: tuple[Bin, ...]


@dataclass(frozen=True)
class RowResult:
    """One row of the main table, measured on the test items."""

    role: Role
    name: str
    method: str
    variant: str
    source: str | None
    view: str
    accuracy: Estimate
    per_seed: tuple[Estimate, ...]
    """In the order of the study's seeds; undefined where the row is missing."""
    pgr: Estimate | None = None
    """Methods only. Against the ceiling of the row's own view; a single-supervisor row against its own supervisor."""
    pgr_main: Estimate | None = None
    """Two-view rows only: against the ceiling of a single view."""
    pgr_by_supervisor: dict[str, Estimate] = field(default_factory=dict)
    versus_naive: Estimate | None = None
    """Paired difference of accuracy to naive in the same variant."""
    versus_plain_naive: Estimate | None = None
    """Paired difference of accuracy to naive without self-training or adjustment."""
    versus_best_supervisor: Estimate | None = None
    """Paired difference of accuracy to the supervisor with the highest test accuracy."""
    calibration: Calibration | None = None


@dataclass(frozen=True)
class SupervisorResult:
    """A weak source, or the mean of all."""

    name: str
    strong: Estimate
    """Accuracy on the items it labels for the student."""
    test: Estimate


@dataclass(frozen=True)
class PairResult:
    """Two supervisors on the same test items."""

    first: str
    second: str
    agreement: Estimate
    error_correlation: Estimate


@dataclass(frozen=True)
class CopyResult:
    """Whom a student follows where a weak label is wrong; the three shares sum to one."""

    row: str
    role: Role
    variant: str
    part: Literal["test", "strong"]
    weak: str
    """A supervisor, or `mean vote`."""
    follows_gold: Estimate
    follows_weak: Estimate
    neither: Estimate


@dataclass(frozen=True)
class Chosen:
    """Settings that were chosen on held-out items."""

    row: str
    seed: int
    settings: dict[str, str | int | float | bool | None]
    select_by: str
    oracle: bool
    """Whether gold was looked at to choose."""


@dataclass(frozen=True)
class MissingStep:
    """A row that one seed has no result for."""

    row: str
    seed: int
    step: str
    reason: str


@dataclass(frozen=True)
class About:
    """What was studied."""

    name: str
    task: str
    kind: str
    classes: tuple[str, ...]
    sizes: dict[str, int]
    """Items per seed in `weak`, `strong` and `test`."""
    seeds: tuple[int, ...]
    supervisors: tuple[str, ...]
    student: str
    variants: tuple[str, ...]
    baseline: str | None
    """The method that others are compared with: the first row that is naive multi-weak."""
    resamples: int
    notes: tuple[str, ...]
    """What loading the data left out or changed."""


@dataclass(frozen=True)
class Results:
    """What a study found."""

    about: About
    rows: tuple[RowResult, ...]
    supervisors: tuple[SupervisorResult, ...]
    """The last one is the mean vote, if there are several."""
    pairs: tuple[PairResult, ...]
    copying: tuple[CopyResult, ...]
    chosen: tuple[Chosen, ...]
    origins: dict[str, tuple[str, ...]]
    """By method: how its targets were made, and what had to be done otherwise."""
    missing: tuple[MissingStep, ...]

    def of(self, role: Role) -> list[RowResult]:
        """The rows of one role, in order."""
        return [row for row in self.rows if row.role == role]

    def named(self, name: str) -> RowResult:
        """The row of that name."""
        return next(row for row in self.rows if row.name == name)
