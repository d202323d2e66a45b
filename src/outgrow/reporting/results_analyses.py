"""What is found of labels, selections and capabilities beside the rows' own scores: a part of `Results`.

Whatever is measured in all and by capability is a mapping whose first key is `WHOLE`; the other keys are the
capabilities of a mixture. In all means the macro average: of the capabilities, each with the same weight.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from outgrow.metrics.estimate import Estimate

WHOLE = ""
"""The key of what is measured in all."""
GOLD = "gold"
"""The name of the labels that gold would be."""


@dataclass(frozen=True)
class KeptMeasures:
    """Selected labels beside all of them. The differences of two sets whose items overlap are paired."""

    kept: Estimate
    """Accuracy: the mean of the task's metric against gold."""
    everything: Estimate
    """Of all labels, in the capabilities of which some are kept."""
    difference: Estimate
    words_kept: Estimate | None = None
    """Mean length; texts only, as all that follows."""
    words: Estimate | None = None
    distinct_kept: Estimate | None = None
    """Share of different texts."""
    distinct: Estimate | None = None
    shift: Estimate | None = None
    """How far the centre of the kept answers' vectors is from the centre of all, in units of their spread."""
    shift_by_chance: Estimate | None = None
    """The same of a random selection of the same size, root mean square."""


@dataclass(frozen=True)
class SelectionResult:
    """Some of the labels, and how they differ from all of them."""

    methods: tuple[str, ...]
    """Whose student learned them."""
    type: str
    """Of `config.select`."""
    by: str
    """What selected, in words."""
    oracle: bool
    sizes: Mapping[str, tuple[float, float]]
    """Labels, and labels kept, with gold or without; means over the seeds."""
    measured: Mapping[str, KeptMeasures]


@dataclass(frozen=True)
class Cloud:
    """The answers of some labels as a strong model reads them, on the plane of their two principal components."""

    points: tuple[tuple[float, float], ...]
    capabilities: tuple[str, ...]
    """Of every point; empty names where the task is no mixture."""
    kept: Mapping[str, tuple[bool, ...]]
    """By selection, which of the points it keeps."""
    explained: tuple[float, float]
    """Shares of all variance along the two axes."""
    labels: int
    """All, of which the points are a random part."""
    seed: int


@dataclass(frozen=True)
class RankMeasures:
    """How well scores tell right labels from wrong ones."""

    right: Estimate
    """The share of right labels."""
    reward: Estimate
    """AUROC of the reward model."""
    confidence: Estimate
    """AUROC of the writers' own confidence."""
    difference: Estimate


@dataclass(frozen=True)
class RewardExamples:
    """What a reward model learned from; means over the seeds."""

    positives: float
    negatives: float
    told_apart: float | None
    """AUROC of the rewards of these very examples."""


@dataclass(frozen=True)
class RewardResult:
    """A reward model and what it is worth."""

    methods: tuple[str, ...]
    examples: Mapping[str, RewardExamples]
    held_out: bool
    """Whether every example was scored by a model that had not learned from it."""
    measured: Mapping[str, RankMeasures]


@dataclass(frozen=True)
class ConsistencyMeasures:
    """What it tells that a weak label and the strong model's own answer agree."""

    agreeing: Estimate
    """Share of the labels."""
    weak_if_agree: Estimate
    """Accuracy of the labels where they agree: there, of both."""
    weak_if_not: Estimate
    strong_if_not: Estimate
    """Accuracy of the strong model's own answers where they do not."""


@dataclass(frozen=True)
class ConsistencyResult:
    """Labels held against the strong model's own answers."""

    methods: tuple[str, ...]
    measured: Mapping[str, ConsistencyMeasures]


@dataclass(frozen=True)
class LabelMeasures:
    """A table of labels by itself: how right, how sure, how diverse."""

    accuracy: Estimate
    confidence: Estimate
    """Mean over the labels of the geometric mean of their pieces' probabilities."""
    overconfidence: Estimate
    """Confidence less accuracy."""
    words: Estimate
    distinct: Estimate
    """Share of different texts."""
    unigrams: Estimate
    """Different words among all words."""
    bigrams: Estimate
    entropy: Estimate
    """Of the answers, in bits."""


@dataclass(frozen=True)
class LabelsResult:
    """One source's labels of half B, as methods learn them."""

    name: str
    methods: tuple[str, ...]
    measured: Mapping[str, LabelMeasures]


Setting = Literal["noise", "share"]


@dataclass(frozen=True)
class CurvePoint:
    """A row of a series in which rows differ in one number only."""

    series: str
    """What the rows have in common: the name of the one that is like all others but for this number."""
    setting: Setting
    """`noise`: the share of exchanged labels; `share`: the share of the labels, drawn at random."""
    line: str
    """Of rows that may be joined by a line."""
    row: str
    value: float
    accuracy: Estimate
    """Of the labels that it learned."""
    labels: float | None
    """Their number; mean over the seeds. None: not there yet."""


@dataclass(frozen=True)
class Analyses:
    """All of it; empty where the study has no such thing."""

    selections: tuple[SelectionResult, ...] = ()
    clouds: tuple[Cloud, ...] = ()
    rewards: tuple[RewardResult, ...] = ()
    consistency: tuple[ConsistencyResult, ...] = ()
    labels: tuple[LabelsResult, ...] = ()
    curves: tuple[CurvePoint, ...] = ()
    alone: Mapping[str, str] = field(default_factory=dict)
    """By row that learned one capability only, which one."""
