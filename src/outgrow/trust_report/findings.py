"""`Trust`: what is known of a table of votes, as plain data that `dataclasses.asdict` turns into JSON."""

from dataclasses import dataclass
from typing import Literal

from outgrow.metrics.estimate import Estimate

Basis = Literal["gold", "agreement", "none"]


@dataclass(frozen=True)
class ClassShare:
    """How frequent a class is: among the votes, as estimated among the items, among the gold (None = no gold)."""

    name: str
    votes: float
    estimated: float | None
    gold: float | None


@dataclass(frozen=True)
class VoteCounts:
    """The table in numbers."""

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
    """Of the votes that are no bare class."""
    gold_items: int
    notes: tuple[str, ...]
    """What the reader of the file did."""


@dataclass(frozen=True)
class TrustSummary:
    """What to think of it, and what to do."""

    headline: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Confusion:
    """P(said | truth) of a source: a row per true class. Rare classes are put together as the last one."""

    classes: tuple[str, ...]
    rows: tuple[tuple[float | None, ...], ...]
    """None where the source met no item of that class."""


@dataclass(frozen=True)
class SourceTrust:
    """One source."""

    name: str
    votes: int
    coverage: float
    """Share of the items that it voted on."""
    by_gold: Estimate
    """Accuracy given a vote, counted on its votes on items with gold."""
    by_agreement: Estimate
    """The same, estimated without gold."""
    basis: Basis
    """Which of the two to go by."""
    weight: float | None
    """How much a vote counts beside an independent one, where that was estimated."""
    said: str
    """What it says most."""
    said_share: float
    chance: float
    """How often one would be right who says what it says, as often, at random."""
    seconds: float | None
    """Per vote, the mean of those told; price likewise."""
    price: float | None
    seconds_per_correct: float | None
    price_per_correct: float | None
    flags: tuple[str, ...]
    confusion: Confusion | None

    @property
    def accuracy(self) -> Estimate:
        """The one to go by."""
        return self.by_gold if self.basis == "gold" else self.by_agreement


@dataclass(frozen=True)
class PairTrust:
    """Two sources."""

    first: str
    second: str
    n: int
    """Items on which both voted."""
    agreement: float
    kappa: float | None
    error_correlation: float | None
    both_wrong: float
    """Items, as expected, on which both err."""
    same_error: float | None
    """How often they then say the same; None with two classes, where it is always."""
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
    """What to expect of a combiner's labels."""

    name: str
    expected: float | None
    """Mean of its posterior's maximum over items with a vote."""
    by_gold: Estimate
    """Share of right labels among items with gold, which it did not see."""
    note: str = ""


@dataclass(frozen=True)
class DisputedItems:
    """Items to which combiners give different labels, most in dispute first; by column, as there may be many."""

    combiners: tuple[str, ...]
    items: tuple[str, ...]
    votes: tuple[int, ...]
    labels: tuple[tuple[str, ...], ...]
    """For every combiner the label of every item; empty where it has none, as a majority that ties."""


@dataclass(frozen=True)
class NextItem:
    """An item worth a gold label."""

    item: str
    score: float
    """Expected information in nats, less for items like those above it."""
    doubt: float
    """What of it is every combiner's own doubt."""
    dispute: float
    """What of it is that combiners differ: it tells about the sources."""
    label: str
    probability: float
    votes: int


@dataclass(frozen=True)
class Trust:
    """Everything."""

    summary: TrustSummary
    counts: VoteCounts
    label_accuracy: Estimate
    """Of the combined label, over items with a vote."""
    label_basis: Basis
    base: str
    """The combiner that the combined label, the sources' estimates and the errors of pairs come from."""
    sources: tuple[SourceTrust, ...]
    """Most votes first."""
    shared_errors: float | None
    """Correlation of two sources' errors, copies aside."""
    pairs: tuple[PairTrust, ...]
    agreement: tuple[OverallAgreement, ...]
    combiners: tuple[CombinerTrust, ...]
    disputed: DisputedItems
    next_items: tuple[NextItem, ...]
    notes: tuple[str, ...]
    """What was left out or done otherwise."""
