"""`Trust`: all measurements of a table of votes, as plain data that `dataclasses.asdict` turns into JSON."""

from dataclasses import dataclass
from typing import Literal

from outgrow.metrics.estimate import Estimate

Basis = Literal["gold", "agreement", "none"]


@dataclass(frozen=True)
class ClassShare:
    """The share of a class: among votes, among items (estimated), and among gold (None = no gold)."""

    name: str
    votes: float
    estimated: float | None
    gold: float | None


@dataclass(frozen=True)
class ClassTrust:
    """How far the combined label can be trusted in one class."""

    name: str
    share: float
    """Share of the items: by gold, or as the base's fit estimates."""
    labels: int
    """Items with this combined label."""
    recall: Estimate
    """Share of the items of this class that have its label."""
    precision: Estimate
    """Share of the items with this label that are of this class."""


@dataclass(frozen=True)
class VoteCounts:
    """The sizes of the table."""

    items: int
    sources: int
    votes: int
    classes: tuple[ClassShare, ...]
    least_per_item: int
    median_per_item: float
    mean_per_item: float
    most_per_item: int
    items_without_votes: int
    items_with_one_vote: int
    silent_sources: int
    """Sources that never voted."""
    soft_share: float
    """Share of the votes that are not certain of one class."""
    gold_items: int
    notes: tuple[str, ...]
    """Notes of the file's reader."""


@dataclass(frozen=True)
class TrustSummary:
    """The conclusions: a headline and a few sentences."""

    headline: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Confusion:
    """P(vote | truth) of a source: a row per true class. Rare classes are joined as the last one."""

    classes: tuple[str, ...]
    rows: tuple[tuple[float | None, ...], ...]
    """None where the source voted on no item of that class."""


@dataclass(frozen=True)
class SourceTrust:
    """The measurements of one source."""

    name: str
    votes: int
    coverage: float
    """Share of the items with its vote."""
    by_gold: Estimate
    """Accuracy given a vote, counted on items with gold."""
    by_agreement: Estimate
    """The same, estimated without gold."""
    basis: Basis
    """Which of the two estimates is used."""
    weight: float | None
    """Weight of its vote relative to an independent source's, where it was estimated."""
    top_class: str
    """Its most frequent class; `top_class_share` is the share of that class among its votes."""
    top_class_share: float
    chance: float
    """Accuracy of random votes with the same class shares."""
    balanced: Estimate
    """Balanced accuracy given a vote: the mean over classes of P(vote = c | truth = c)."""
    balanced_chance: float
    """Balanced accuracy of votes that do not depend on the truth: 1 / number of classes with an item."""
    adds: Estimate
    """On the items it voted on: balanced recall of the combined label with its votes, minus that without them."""
    differs: float
    """Share of its votes that are not the item's combined label."""
    seconds: float | None
    """Mean over its votes with a known time; `price` likewise."""
    price: float | None
    seconds_per_correct: float | None
    price_per_correct: float | None
    flags: tuple[str, ...]
    confusion: Confusion | None

    @property
    def accuracy(self) -> Estimate:
        """The estimate that is used: by gold or by agreement."""
        return self.by_gold if self.basis == "gold" else self.by_agreement


@dataclass(frozen=True)
class PairTrust:
    """The measurements of two sources."""

    first: str
    second: str
    n: int
    """Items on which both voted."""
    agreement: float
    kappa: float | None
    error_correlation: float | None
    both_wrong: float
    """Expected number of items on which both are wrong."""
    same_error: float | None
    """Share of equal votes among them; None with two classes, where it is always 1."""
    copied: float
    """Share of the votes that look copied."""
    flag: str


@dataclass(frozen=True)
class OverallAgreement:
    """A chance-corrected measure of all sources together."""

    name: str
    value: Estimate


@dataclass(frozen=True)
class CombinerTrust:
    """Expected and measured accuracy of a combiner's labels."""

    name: str
    own: float | None
    """The accuracy that it claims: mean of its posterior's maximum over items with a vote, before calibration."""
    expected: Estimate
    """Accuracy of its labels as in simulated tables like this one."""
    by_gold: Estimate
    """Share of right labels among items with gold, which it did not see."""
    note: str = ""


@dataclass(frozen=True)
class DisputedItems:
    """Items with different labels by different combiners, by falling dispute; stored by column for many items."""

    combiners: tuple[str, ...]
    items: tuple[str, ...]
    votes: tuple[int, ...]
    labels: tuple[tuple[str, ...], ...]
    """The label of each item by each combiner; empty for a tie."""


@dataclass(frozen=True)
class NextItem:
    """An item to label next."""

    item: str
    score: float
    """Expected information in nats, discounted for items with the same votes as earlier ones."""
    doubt: float
    """The part from the combiners' own uncertainty."""
    dispute: float
    """The part from differences between combiners: information about the sources."""
    label: str
    probability: float
    votes: int


@dataclass(frozen=True)
class Trust:
    """The whole report."""

    summary: TrustSummary
    counts: VoteCounts
    label_accuracy: Estimate
    """Accuracy of the combined label over items with a vote."""
    label_basis: Basis
    classes: tuple[ClassTrust, ...]
    """Recall and precision of the combined label in each class, over items with a vote."""
    base: str
    """The combiner that the combined label, the sources' estimates and the errors of pairs come from."""
    sources: tuple[SourceTrust, ...]
    """Most votes first."""
    shared_errors: float | None
    """Correlation of two sources' errors, without copied votes."""
    n_effective: float | None
    """Independent votes that the votes on an item are worth, on average (`combiners/effective_sources.py`)."""
    pairs: tuple[PairTrust, ...]
    agreement: tuple[OverallAgreement, ...]
    combiners: tuple[CombinerTrust, ...]
    disputed: DisputedItems
    next_items: tuple[NextItem, ...]
    notes: tuple[str, ...]
    """Notes on what was left out or approximated."""
