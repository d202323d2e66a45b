"""What a file may say about how several sources' labels become targets."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, model_serializer

from outgrow.config.section import Section

Smoothing = Annotated[float, Field(ge=0)]


class KeepAll(Section):
    """Every source's label is a row of its own (naive multi-weak, eq. 2)."""

    type: Literal["keep_all"] = "keep_all"
    weights: Literal["average", "confidence", "accuracy"] | dict[str, float] = "average"
    """Equal; each vote's own confidence (texts: softmax over the sources of mean log-probability); the sources'
    held-out accuracy (not for texts); or one number per source."""


class SingleSource(Section):
    """One source alone; without `source` the row is made once for every supervisor."""

    type: Literal["single"]
    source: str | None = None


class Temperable(Section):
    """Combiners whose posteriors one temperature can make mean what they say."""

    temper: bool = False
    """Temper the posteriors by held-out gold where there are enough anchors, else by held-out votes; by default they
    are as published."""

    @model_serializer(mode="wrap")
    def _without_default(self, dump: Any) -> dict[str, Any]:
        # Left out where it changes nothing, so that steps made before the option existed are still found.
        tree: dict[str, Any] = dump(self)
        return tree if self.temper else {key: value for key, value in tree.items() if key != "temper"}


class Vote(Temperable):
    """Majority of the hard votes."""

    type: Literal["vote"]


class WeightedVote(Temperable):
    """Hard votes weighed by log-odds of each source's held-out accuracy."""

    type: Literal["weighted_vote"]


class LogPool(Section):
    """Product of the sources' tempered distributions (log-linear pooling)."""

    type: Literal["log_pool"]
    weights: Literal["average", "accuracy"] | dict[str, float] = "average"
    calibrate: bool = True
    """Fit one temperature per source on its held-out labels first."""


class FlyingSquid(Section):
    """Triplet label model on the hard votes."""

    type: Literal["flying_squid"]
    moments: Literal["unconditional", "conditional"] = "unconditional"
    """How often two sources agree: over all items, with an abstention as a vote of 0 (as published); or over the items
    on which both voted (ours)."""
    balance: Literal["uniform", "votes"] | Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=2)] = (
        "uniform"
    )
    """The classes' shares: equal; those of the votes; or one number > 0 per class, in their order."""


class LabelModel(Temperable):
    """What all models of votes share that estimate how good each source is."""

    balanced: bool = False
    """The classes are equally frequent; by default their balance is estimated."""
    hard: bool = False
    """Take every source's most probable class for its vote; by default a vote counts as its distribution."""


class Triplets(LabelModel):
    """One accuracy per source in closed form, from how often sources agree."""

    type: Literal["triplets"]


class OneCoin(LabelModel):
    """One accuracy per source, by expectation maximisation."""

    type: Literal["one_coin"]
    smoothing: Smoothing = 1.0
    """Pseudo-votes of every source, and pseudo-items of every class."""


class DawidSkene(LabelModel):
    """A confusion matrix per source (Dawid & Skene 1979)."""

    type: Literal["dawid_skene"]
    smoothing: Smoothing = 1.0
    """Pseudo-votes in each row of a matrix, and pseudo-items of every class."""
    abstentions: Literal["ignored", "counted"] = "ignored"
    """`counted`: that a source is silent says something too, as of rules that know one class only."""


class BayesianDawidSkene(LabelModel):
    """The same with a prior that the sources share, and sources that copy counted once."""

    type: Literal["bayesian_dawid_skene"]
    correlated: bool = True
    """Look for copies and for errors that all share, and count such votes for less."""


class Glad(LabelModel):
    """An ability per source and a difficulty per item (Whitehill et al. 2009)."""

    type: Literal["glad"]


class Mace(LabelModel):
    """Sources that know, or answer by habit (Hovy et al. 2013)."""

    type: Literal["mace"]
    smoothing: Smoothing = 1.0
    """Pseudo-votes of every source's knowledge and habits, and pseudo-items of every class."""


class RuleVote(Temperable):
    """Rules that fire on one class or are silent: their firing and their silence, counted against the mean vote."""

    type: Literal["rule_vote"]
    hard: bool = False
    """Take every source's most probable class for its vote."""


class Auto(Temperable):
    """The combiner that gold of the anchors speaks for, or if there is too little, votes that were held out."""

    type: Literal["auto"]
    hard: bool = False
    """Take every source's most probable class for its vote."""


class JointDecoding(Section):
    """*generate*: all sources' candidates in one pool, scored by all; the best one is the target."""

    type: Literal["joint_decoding"]
    writers: list[str] | None = None
    """Supervisors whose candidates are pooled; default: all."""
    scorers: list[str] | None = None
    """Supervisors that score the pool; default: all."""
    beams: Annotated[int, Field(ge=1)] | None = None
    """Candidates per writer, by a beam search of this width; default: the study's `labelling`."""
    weights: Literal["average"] | dict[str, float] = "average"
    """Of the scorers' mean log-probabilities."""


class AnswerVote(Section):
    """*generate*: answers are read and counted; a text that gives the winning answer is kept whole."""

    type: Literal["answer_vote"]
    metric: Literal["exact_match", "answer_match", "math_match"] | None = None
    """When two answers are the same; default: the task's metric."""
    weight: Literal["share", "one"] = "share"
    """Of a row: the share of the votes that its answer won, or 1."""
    candidates: Literal["best", "all"] = "best"
    """A source's vote is for the answer of its best text, or shared among the answers of all of its texts."""


class SlotVote(Section):
    """*generate*, slots as JSON: what more than a share of the sources have, slot by slot, as one new text."""

    type: Literal["slot_vote"]
    threshold: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """A slot is kept if more than this share of the sources that could be read have it."""
    weight: Literal["share", "one"] = "share"
    """Of a row: the share of the sources that agree with it, over its slots, or 1."""


SHORT_NAMES: dict[str, dict[str, str]] = {"dawid_skene_counted": {"type": "dawid_skene", "abstentions": "counted"}}
"""Names of combiners that are another one with an option."""


def in_full(tree: Any) -> Any:
    """A section's tree with a short name written out; anything else as it is."""
    name = tree.get("type") if isinstance(tree, dict) else None
    if not isinstance(name, str) or name not in SHORT_NAMES:
        return tree
    meant = SHORT_NAMES[name]
    if told := [key for key in meant if key != "type" and tree.get(key, meant[key]) != meant[key]]:
        raise ValueError(
            f"`{name}` means `{told[0]}: {meant[told[0]]}`; leave `{told[0]}` out, or name `{meant['type']}`"
        )
    return {**tree, **meant}


Combine = Annotated[
    KeepAll
    | SingleSource
    | Vote
    | WeightedVote
    | LogPool
    | FlyingSquid
    | Triplets
    | OneCoin
    | DawidSkene
    | BayesianDawidSkene
    | Glad
    | Mace
    | RuleVote
    | Auto
    | JointDecoding
    | AnswerVote
    | SlotVote,
    Field(discriminator="type"),
    BeforeValidator(in_full),
]

OF_TEXTS: tuple[type[Section], ...] = (AnswerVote, SlotVote)
"""Combiners whose sources wrote texts."""


def names_of(sections: Iterable[type[Section]]) -> list[str]:
    """The values of `type` by which sections are asked for."""
    return [get_args(section.model_fields["type"].annotation)[0] for section in sections]


def for_votes() -> list[str]:
    """The combiners of votes that somebody has, by name; `single` is asked for with its source."""
    studies_only = (*OF_TEXTS, SingleSource, JointDecoding)
    sections = (section for section in get_args(get_args(Combine)[0]) if section not in studies_only)
    return [*names_of(sections), *SHORT_NAMES]


def short_name(section: Section) -> str:
    """The name that says most: a short one where the section has the options that it stands for, else its `type`."""
    own = dict(section)
    return next((name for name, tree in SHORT_NAMES.items() if tree.items() <= own.items()), own["type"])
