"""`Results`: everything a study found, as plain data that turns into JSON and back into any table or plot.

Nothing in here depends on when or how fast a step ran, so that the tables made of it are the same bytes after every
rerun. Wall times are `outgrow.reporting.provenance`'s.
"""

from dataclasses import dataclass, field
from typing import Literal

from outgrow.metrics.estimate import Estimate
from outgrow.reporting.about import About
from outgrow.reporting.results_analyses import Analyses

Role = Literal["floor", "untouched", "ceiling", "method"]
MEAN_VOTE = "mean vote"
"""The weak label of all supervisors together: the most probable class of their mean."""

HEARD = "on the items that it answered"
"""The note of a score that is not measured on all items."""


@dataclass(frozen=True)
class Bin:
    """A point of a reliability curve: items of similar confidence."""

    confidence: float
    accuracy: Estimate


@dataclass(frozen=True)
class CalibrationResult:
    """How far a row's probabilities mean what they say, on the test items."""

    ece: Estimate
    brier: Estimate
    log_loss: Estimate
    curve: tuple[Bin, ...]


@dataclass(frozen=True)
class TextQuality:
    """What is to be known of a row's texts beside their score: shares of the test items, and span F1 of slots."""

    empty: Estimate
    """Items without a text: the model abstained, or ended at once."""
    cut_off: Estimate
    """Texts that had no end when they became too long."""
    span_f1: Estimate | None = None
    """Slot tasks only: F1 of slots that are equal to the letter."""
    unreadable: Estimate | None = None
    """Texts that are no answer at all (`metrics.readable`), among the items of which that can be told."""
    unreadable_by: dict[str, Estimate] = field(default_factory=dict)
    """Of a mixture: the same by capability, where it can be told."""


@dataclass(frozen=True)
class CapabilityResult:
    """A row's answers to the test items of one capability of a mixture."""

    score: Estimate
    """In the capability's own metric."""
    pgr: Estimate | None = None
    """Methods only."""
    versus_untouched: Estimate | None = None
    """Paired difference of the score to the student before any training."""


@dataclass(frozen=True)
class AnswerCount:
    """So many of so many answers; an item counts once under every seed."""

    count: int
    of: int

    def __str__(self) -> str:
        return f"{self.count} of {self.of}"


@dataclass(frozen=True)
class RatedCount:
    """To how many of a row's answers a judge gave a rating."""

    answers: AnswerCount
    why_not_all: str = ""
    """What was wrong where it gave none, with some of its words."""


@dataclass(frozen=True)
class RowResult:
    """One row of the main table, measured on the test items."""

    role: Role
    name: str
    method: str
    variant: str
    source: str | None
    view: str
    teachers: tuple[str, ...]
    """Methods only: the supervisors whose labels were learned."""
    score: Estimate
    """In the study's metric (`About.metric`): accuracy, or a score of texts."""
    per_seed: tuple[Estimate, ...]
    """In the order of the study's seeds; undefined where the row is missing."""
    pgr_per_seed: tuple[Estimate, ...] = ()
    """Methods only; in the order of the study's seeds."""
    oracle: bool = False
    """Whether gold chose some of the labels that it learned: an upper bound, compared with nobody."""
    before: str = ""
    """*generate*: the row of the student that this one was before it was tuned on preferences."""
    pgr: Estimate | None = None
    """Methods only. Against the ceiling of the row's own view; the mean over the row's teachers."""
    pgr_main: Estimate | None = None
    """Two-view rows only: against the ceiling of a single view."""
    pgr_by_supervisor: dict[str, Estimate] = field(default_factory=dict)
    versus_naive: Estimate | None = None
    """Paired difference of the score to naive in the same variant."""
    versus_plain_naive: Estimate | None = None
    """Paired difference of the score to naive without self-training or adjustment."""
    versus_best_supervisor: Estimate | None = None
    """Paired difference of the score to the supervisor with the highest one."""
    calibration: CalibrationResult | None = None
    """None for texts, and for answers that tell no probabilities."""
    texts: TextQuality | None = None
    """*generate* only."""
    measures: dict[str, Estimate] = field(default_factory=dict)
    """*generate*: the study's `measures` and its judges' ratings, by name."""
    rated: dict[str, RatedCount] = field(default_factory=dict)
    """*generate*: by judge; without those that have not come to the row yet."""
    capabilities: dict[str, CapabilityResult] = field(default_factory=dict)
    """Of a mixture only; the row's `score` is their macro average."""


@dataclass(frozen=True)
class SupervisorResult:
    """A weak source, or the mean of all."""

    name: str
    half_b: Estimate
    """Score on the items it labels for the student."""
    test: Estimate
    silent: dict[str, AnswerCount] = field(default_factory=dict)
    """By part, `half_b` and `test`: items to which it gave no answer."""
    silence_is_wrong: bool = True
    """Whether such an item counts as wrong. Of a file it does not: nobody need have asked."""

    @property
    def ever_silent(self) -> bool:
        """Whether it left an item without an answer."""
        return any(lost.count for lost in self.silent.values())


@dataclass(frozen=True)
class PairResult:
    """Two supervisors on the same test items."""

    first: str
    second: str
    agreement: Estimate
    """Share of equal answers; of texts the mean similarity, 1 − edit distance / length of the longer one."""
    error_correlation: Estimate | None = None
    """None for texts, which are seldom quite right or quite wrong."""


@dataclass(frozen=True)
class SlotTypeResult:
    """How well the slots of one type are filled."""

    type: str
    items: int
    """Different test items whose gold has a slot of this type."""
    f1: dict[str, Estimate]
    """SLU-F1 over the slots of this type, by the name of the row: supervisors, naive, best method, ceiling."""


@dataclass(frozen=True)
class CopyResult:
    """Whom a student follows where a weak label is wrong; the three shares sum to one."""

    row: str
    role: Role
    variant: str
    part: Literal["test", "half_b"]
    weak: str
    """A supervisor, or `mean vote`."""
    follows_gold: Estimate
    follows_weak: Estimate
    neither: Estimate


@dataclass(frozen=True)
class ChosenSettings:
    """Settings that were chosen on held-out items."""

    row: str
    seed: int
    settings: dict[str, str | int | float | bool | None]
    select_by: str
    oracle: bool
    """Whether gold was looked at to choose."""


@dataclass(frozen=True)
class MethodSettings:
    """In what a method differs from others of its kind, as the experiment says it."""

    method: str
    kind: str
    """How labels are combined and learned: the same for all that are compared."""
    plain: dict[str, str]
    """By key of the experiment file."""
    lists: dict[str, tuple[str, ...]]
    """Settings that are some of several: who teaches, what a soft target tells."""


@dataclass(frozen=True)
class ServerSpending:
    """What a model behind a server took in this study."""

    model: str
    url: str
    read: int
    """Tokens of questions."""
    written: int
    """Tokens of answers."""
    trained: int
    """Tokens of fine-tuning."""
    money: float
    """By the study's `prices`; 0 where it has none."""


@dataclass(frozen=True)
class MissingStep:
    """A row that one seed has no result for."""

    row: str
    seed: int
    step: str
    reason: str


@dataclass(frozen=True)
class Results:
    """What a study found."""

    about: About
    rows: tuple[RowResult, ...]
    supervisors: tuple[SupervisorResult, ...]
    """Of classes the last one is the mean vote, if there are several."""
    pairs: tuple[PairResult, ...]
    copying: tuple[CopyResult, ...]
    chosen: tuple[ChosenSettings, ...]
    origins: dict[str, tuple[str, ...]]
    """By method: how its targets were made, and what had to be done otherwise."""
    missing: tuple[MissingStep, ...]
    settings: tuple[MethodSettings, ...] = ()
    """Of methods that differ from others of their kind."""
    slot_types: tuple[SlotTypeResult, ...] = ()
    """Slot tasks only: the most frequent type first."""
    spent: tuple[ServerSpending, ...] = ()
    """By model behind a server."""
    analyses: Analyses = field(default_factory=Analyses)
    """Of labels, selections and capabilities."""
    edges: tuple[str, ...] = ()
    """Settings that were chosen at the edge of the grid that was searched: a sentence each."""

    def of(self, role: Role) -> list[RowResult]:
        """The rows of one role, in order."""
        return [row for row in self.rows if row.role == role]

    @property
    def fair(self) -> list[RowResult]:
        """The methods that have seen no gold."""
        return [row for row in self.of("method") if not row.oracle]

    def named(self, name: str) -> RowResult:
        """The row of that name."""
        return next(row for row in self.rows if row.name == name)
