"""What the program knows of a combiner: its options, and the functions that run it.

A combiner is one file that ends with its record, and one row in `combiners.COMBINERS`. Most combiners of votes have a
`fit`; their targets, their posterior in `outgrow combine` and their place among the candidates of `auto` follow from
it. A combiner of votes without a posterior has `targets`, a combiner of texts has `text_targets`.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from pydantic import Field

from outgrow.config.section import Section
from outgrow.data.task import Kind
from outgrow.errors import suggest
from outgrow.extensions import Function, Record

Smoothing = Annotated[float, Field(ge=0)]


class CandidatePool(NamedTuple):
    """Supervisors whose candidates are pooled and scored; `None` = all that teach the row."""

    writers: Sequence[str] | None = None
    scorers: Sequence[str] | None = None
    beams: int | None = None
    """Candidates per writer; `None` = those of the study's `labelling`."""


class CombinerSection(Section):
    """Options of a combiner, and what a study must know of them before it runs."""

    type: str

    not_passed: ClassVar[frozenset[str]] = frozenset({"type"})
    """Options that the combiner's function does not take."""

    @property
    def options(self) -> dict[str, Any]:
        """What the combiner's function is called with."""
        return self.model_dump(exclude=set(self.not_passed))

    @property
    def only_source(self) -> str | None:
        """The one source that the labels are taken from."""
        return None

    @property
    def named_weights(self) -> dict[str, float]:
        """Weights by source."""
        weights = getattr(self, "weights", None)
        return weights if isinstance(weights, dict) else {}

    @property
    def calibrated(self) -> bool:
        """Whether one temperature calibrates the posteriors of the targets."""
        return False

    @property
    def hard_votes(self) -> bool:
        """Whether a source's most probable class counts as its vote."""
        return bool(getattr(self, "hard", False))

    @property
    def divides_prior(self) -> bool:
        """Whether the targets are posteriors divided by the classes' mean posterior."""
        return False

    @property
    def needs_gold(self) -> bool:
        """Whether it cannot do without gold for some items."""
        return getattr(self, "weights", None) == "accuracy"

    @property
    def uses_gold(self) -> bool:
        """Whether gold of some items, where there is any, changes the targets of the others."""
        return self.needs_gold

    @property
    def reads_silence(self) -> bool:
        """Whether an abstention is evidence, as that of a rule is."""
        return False

    @property
    def pool(self) -> CandidatePool | None:
        """Whose candidates and scores are needed beside the sources' best texts."""
        return None

    @property
    def text_metric(self) -> str | None:
        """The metric by which texts are compared, where the combiner sets it."""
        return None

    def with_text_metric(self, metric: str) -> "CombinerSection":
        """The section with the task's metric filled in, where the combiner compares texts and names no metric."""
        return self

    def for_kind(self, kind: Kind) -> "CombinerSection":
        """The section for a kind of task, of a combiner that differs between kinds."""
        return self

    def for_each(self, sources: Sequence[str]) -> dict[str, "CombinerSection"]:
        """By source, the sections of the rows that this one stands for; empty if it stands for one row."""
        return {}

    def text_complaints(self, metric: str, sources: Sequence[str]) -> Iterator[str]:
        """What is wrong with these options in a study of texts with this metric."""
        yield from ()


class PosteriorSection(CombinerSection):
    """Combiners with a posterior that one temperature can calibrate."""

    calibrate: bool = False
    """*studies*: calibrate the targets by one temperature, from held-out gold where there are enough anchors, else
    from held-out votes. By default the posteriors are as published. `outgrow combine` and `outgrow train` have an
    option of their own."""

    not_passed = frozenset({"type", "calibrate", "hard"})

    @property
    def uses_gold(self) -> bool:
        return True

    @property
    def calibrated(self) -> bool:
        return self.calibrate


class HardVotesSection(PosteriorSection):
    """The same with a choice between soft and hard votes."""

    hard: bool = False
    """Take every source's most probable class for its vote; by default a vote counts as its distribution."""


class LabelModelSection(HardVotesSection):
    """Models of votes that estimate how good each source is."""

    balanced: bool = False
    """The classes are equally frequent; by default their balance is estimated."""


class TableLimits(NamedTuple):
    """Sizes of a table of votes up to which a combiner takes seconds, not minutes."""

    matrices: float = 20_000_000
    """Sources × classes²: 160 MB for the matrices of a model."""
    sources: float = math.inf
    entries: float = math.inf
    """Votes on different rows, or rows × classes if that is more."""
    meetings: float = math.inf
    """Rows × classes × sources²."""
    sampled: float = math.inf
    """Votes on different rows; of more, `fit_sample` learns from a sample."""


class TrustReportOrder(NamedTuple):
    """The place of a combiner among those that the trust report compares; `None`: it is compared if it is named."""

    place: int | None = None
    of_rules: int | None = None
    """The same for sources that are rules for one class each."""
    of_rules_as: str = ""
    """The short name under which it is compared there, if not its own."""
    why: str = ""
    """Of a first one, why its labels are the base of the report: `which is made for rules`."""


class AveragedPart(NamedTuple):
    """The half of the combiner `averaged` that a combiner belongs to; `None`: to neither.

    The models of one half learn how each source errs, and fail together where errors are shared. The other half stays
    near the mean vote.
    """

    of_sources: Literal["model", "steady"] | None = None
    of_few: Literal["model", "steady"] | None = None
    """The same for `average_fit.FEW` sources or fewer."""
    of_rules: Literal["model", "steady"] | None = None
    """The same for sources that are rules for one class each."""
    of_soft: bool = False
    """Whether it reads the probabilities of soft votes, of which the halves take the most probable class."""


NOT_COMPARED, USUAL_LIMITS, NOT_AVERAGED = TrustReportOrder(), TableLimits(), AveragedPart()


def the_posterior(
    section: CombinerSection, posterior: Float[np.ndarray, "item class"]
) -> Float[np.ndarray, "item class"]:
    """Targets that are the posterior itself."""
    return posterior


@dataclass(frozen=True)
class CombinerRecord(Record):
    """One combiner."""

    section: type[CombinerSection]
    fit: Function | None = None
    """`(votes: Votes, **options) -> Fit`: a posterior for every item and an accuracy for every source. Raises
    `DataError` where these votes do not determine them."""
    targets: Function | None = None
    """`(labels: WeakLabels, anchors: Anchors | None, **options) -> Targets`; by default the posterior of `fit`."""
    targets_from: Callable[[Any, Any], Any] = the_posterior
    """`(section, posterior) -> posterior`: what a student learns of the voted items' posteriors."""
    text_targets: Function | None = None
    """`(texts: WeakTexts, scores: Mapping[str, WeakTexts] | None, **options) -> TextTargets`."""
    takes_text_gold: bool = False
    """Whether `text_targets` also takes `gold: Mapping[str, str]`, the right texts of some items."""
    choose: Function | None = None
    """`(votes: Votes) -> CombinerChoice`, of a combiner that chooses among the others."""
    instead: Function | None = None
    """`(labels, anchors, why: str) -> Targets`, a study's targets where `fit` raises `DataError`."""
    soft_only: bool = False
    """Whether `auto` considers it for soft votes only."""
    needs_source: bool = False
    """Whether it is asked for as `NAME: SOURCE`."""
    needs_scores: bool = False
    """Whether `text_targets` needs scores by a study's models."""
    takes_held_out_texts: bool = False
    """Whether `text_targets` also takes `held_out`, scores of texts of items with gold (`HeldOutTexts`)."""
    keeps_pool: bool = False
    """Whether every text of the pool stays a target of its own."""
    without_intervals: dict[str, Any] = field(default_factory=dict)
    """Options that leave out intervals of accuracies which take long; for fits of which only the posterior is used."""
    short_names: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Further names, each with the options that it stands for."""
    counted_model: Function | None = None
    """`(n_sources: int, n_classes: int, smoothing: float) -> SourceModel` (`em.py`), of a combiner that can be updated
    from the expected counts of its votes (`incremental.py`)."""
    compared: TrustReportOrder = NOT_COMPARED
    """Its place in the trust report."""
    averaged: AveragedPart = NOT_AVERAGED
    """Its part in the combiner `averaged`, which `auto` takes without gold."""
    limits: TableLimits = USUAL_LIMITS
    """Of the tables for which the trust report uses it unasked."""
    fit_sample: Function | None = None
    """`(votes: Votes, rows: Int[row]) -> Fit`: learned from some rows of votes, then applied to all of them."""

    @property
    def of_votes(self) -> bool:
        """Whether it combines votes on classes."""
        return bool(self.fit or self.targets or self.choose)

    @property
    def of_texts(self) -> bool:
        """Whether it combines texts."""
        return self.text_targets is not None

    @property
    def merges_texts(self) -> bool:
        """Whether it makes one text of several, of texts alone."""
        return self.of_texts and not self.of_votes and not self.needs_scores

    @property
    def keeps_votes(self) -> bool:
        """Whether every vote stays a target of its own."""
        return self.targets is not None and self.fit is None


def unknown_supervisors(key: str, names: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    """A sentence for every name under `key` that is no supervisor of the row."""
    known = list(known)
    for name in names:
        if name not in known:
            yield f"{key}: no supervisor `{name}` teaches this row; {suggest(name, known)}"
