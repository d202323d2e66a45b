"""The summary: accuracy of the combined label, sources to drop or to treat as one, the best next step, its size."""

from collections.abc import Sequence
from typing import NamedTuple

from outgrow.metrics.estimate import Estimate
from outgrow.text_format import many, short
from outgrow.trust_report.findings import (
    Basis,
    ClassTrust,
    CombinerTrust,
    NextItem,
    PairTrust,
    SourceTrust,
    TrustSummary,
    VoteCounts,
)
from outgrow.trust_report.gold_needed import gold_needed
from outgrow.trust_report.source_pairs import COPY, SAME, TOGETHER
from outgrow.trust_report.source_quality import ADVERSARIAL, ALWAYS_ONE, CHANCE, HARMS, ONE_CLASS

NAMED = 4
BAD = {
    ADVERSARIAL: "worse than chance",
    ONE_CLASS: "always the same",
    CHANCE: "no better than chance",
    HARMS: "the labels are better without",
}
OF_PAIRS = {
    SAME: "Treat as one, with equal votes everywhere",
    COPY: "Copies, or nearly always right (they agree more than independent errors explain)",
    TOGETHER: "Errors are correlated",
}
GOOD, POOR = 0.9, 0.75
"""Expected accuracy from which a label is called good, and below which it is called poor."""
ENOUGH, FEW = 3, 5
"""Sources from which agreement is evidence about each, and from which it is evidence about the labels."""
MANY_ONE_SIDED = 0.1
"""Share of one-sided sources from which agreement on their class is weak evidence."""
RARE, MOST_RARE = 0.05, 2
"""A class is rare below this share of the items (or half of an equal share); so many of them are named."""
LONELY = 0.3
"""Share of items with one vote or none from which more votes help most."""
SHARED = 0.15
"""Correlation of errors from which agreement is weak evidence."""
NARROW, LARGE = 0.05, 200
"""Gold that leaves a shorter interval than this, or is on so many items, is enough to measure."""


class Evidence(NamedTuple):
    """The measurements that the summary is made from."""

    counts: VoteCounts
    accuracy: Estimate
    basis: Basis
    classes: Sequence[ClassTrust]
    base: str
    sources: Sequence[SourceTrust]
    pairs: Sequence[PairTrust]
    combiners: Sequence[CombinerTrust]
    shared_errors: float | None
    ask_next: Sequence[NextItem]

    @property
    def voting(self) -> int:
        """Number of sources with a vote."""
        return self.counts.sources - self.counts.silent_sources


def summarise(evidence: Evidence) -> TrustSummary:
    """Headline and three or four sentences."""
    counts = evidence.counts
    to_ask = counts.items - counts.items_without_votes - counts.gold_items
    sentences = (
        how_good(evidence),
        sources_to_drop(evidence.sources, evidence.pairs, evidence.voting),
        what_helps(evidence),
        gold_needed(evidence.accuracy, to_ask, evidence.sources),
    )
    return TrustSummary(headline(evidence), tuple(sentence for sentence in sentences if sentence))


def headline(evidence: Evidence) -> str:
    """One line: the interval of the accuracy, and what stands against it."""
    accuracy, basis, voting = evidence.accuracy, evidence.basis, evidence.voting
    if not voting:
        return "There are no votes."
    if basis == "none" or accuracy.value is None:
        return "One source: its votes cannot be checked." if voting == 1 else "The votes are too few to judge."
    if basis == "agreement" and voting < ENOUGH:
        return "Two sources: they show how often they differ, not who is right."
    method = "measured by gold" if basis == "gold" else "as in simulated votes like these"
    right = f"{percent_range(accuracy)} of the combined labels right, {method}"
    low = accuracy.value if accuracy.low is None else accuracy.low
    doubts = [*(unknown_without_gold(evidence) if basis == "agreement" else ()), *rare_classes(evidence.classes)]
    if basis == "agreement" and doubts:
        return f"Gold is needed to tell: {'; '.join(doubts)}. {right}."
    if accuracy.value < POOR:
        return f"Do not trust these labels yet: {right}."
    if low >= GOOD and not doubts:
        return f"The combined labels look good: {right}."
    return f"Usable with care: {'; '.join([right, *doubts])}."


def unknown_without_gold(evidence: Evidence) -> list[str]:
    """Why agreement cannot show that the labels are good: few sources, shared errors, one-sided sources."""
    doubts, voting = [], evidence.voting
    if voting < FEW:
        doubts.append(f"there are only {voting} sources")
    if evidence.shared_errors is not None and evidence.shared_errors > SHARED:
        doubts.append(f"the sources' errors are correlated ({evidence.shared_errors:.2f})")
    one_sided = sum(ALWAYS_ONE in source.flags for source in evidence.sources)
    if one_sided > MANY_ONE_SIDED * voting:
        doubts.append(f"{one_sided} of {voting} sources are one-sided")
    return doubts


def rare_classes(classes: Sequence[ClassTrust]) -> list[str]:
    """A warning about each rare class of which many items may have another label."""
    least = min(RARE, 0.5 / max(len(classes), 1))
    return [
        f"of the rare class {short(one.name)} ({percent(one.share)} of items) {percent_range(one.recall)} are found"
        for one in classes
        if one.share < least and one.recall.low is not None and one.recall.low < POOR
    ][:MOST_RARE]


def how_good(evidence: Evidence) -> str:
    """What to expect of the combined label."""
    counts, accuracy, basis, base = evidence.counts, evidence.accuracy, evidence.basis, evidence.base
    unlabeled = counts.items_without_votes
    without_label = f"; {many(unlabeled, 'item has', 'items have')} no vote and so no label" if unlabeled else ""
    if basis == "none" or accuracy.value is None:
        return f"Without gold and without a second source there is nothing to compare the votes with{without_label}."
    if basis == "gold":
        best = max(
            (combiner for combiner in evidence.combiners if combiner.by_gold.defined),
            key=lambda combiner: combiner.by_gold.value or 0.0,
        )
        best_note = f"; best on gold is {best.name}, {percent(best.by_gold.value or 0.0)}" if best.name != base else ""
        return (
            f"Of {many(accuracy.n, 'item')} with gold, which was not used, the combined label ({base}) is right on"
            f" {percent(accuracy.value)}{_interval(accuracy)}{best_note}{without_label}."
        )
    return (
        f"Expect {percent(accuracy.value)} of the combined labels ({base}) to be right{_interval(accuracy)}: so many"
        f" were in simulated tables like this one, whose sources share errors as real ones do{without_label}."
    )


def sources_to_drop(sources: Sequence[SourceTrust], pairs: Sequence[PairTrust], voting: int) -> str:
    """Sources to drop, and sources to treat as one."""
    if voting < 2 and not any(source.basis == "gold" for source in sources):
        return "The votes do not show which source to drop."
    parts, listed = [], set()
    for flag, remark in BAD.items():
        names = [source.name for source in sources if flag in source.flags and source.name not in listed]
        listed |= set(names)
        if names:
            parts.append(f"{_named([short(name) for name in names])} ({remark})")
    advice = f"Drop {'; '.join(parts)}. `drop=NAME,…` leaves out their votes."
    sentences = [advice] if parts else ["No source looks like one to drop."]
    one_sided = [
        f"{short(source.name)} ({percent(source.top_class_share)} {short(source.top_class)})"
        for source in sources
        if ALWAYS_ONE in source.flags
    ]
    if one_sided:
        sentences.append(f"One-sided, much more than the other sources on the same items: {_named(one_sided)}.")
    for flag, remark in OF_PAIRS.items():
        flagged = [
            f"{short(pair.first)} and {short(pair.second)} ({many(pair.n, 'common item')})"
            for pair in pairs
            if pair.flag == flag
        ]
        if flagged:
            sentences.append(f"{remark}: {_named(flagged)}.")
    return " ".join(sentences)


def what_helps(evidence: Evidence) -> str:
    """The best next step."""
    counts, accuracy, basis, voting = evidence.counts, evidence.accuracy, evidence.basis, evidence.voting
    shared_errors, ask_next = evidence.shared_errors, evidence.ask_next
    few_votes = counts.items_without_votes + counts.items_with_one_vote
    if not voting:
        return "Check the columns: no votes were read."
    if voting < ENOUGH and not counts.gold_items:
        return "What would help most: a third source of another kind, and gold on a few dozen items drawn at random."
    if few_votes > LONELY * counts.items:
        return f"What would help most: more votes on the {many(few_votes, 'item')} with one vote or none."
    if not counts.gold_items and shared_errors is not None and shared_errors > SHARED:
        return (
            f"What would help most: gold. The sources' errors are correlated ({shared_errors:.2f}), so agreement is"
            " weak evidence."
        )
    if not counts.gold_items:
        return (
            f"What would help most: gold on the {many(len(ask_next), 'item')} to label next, and on some drawn at"
            " random to measure accuracy."
            if ask_next
            else "What would help most: gold on a few dozen items drawn at random, to measure accuracy."
        )
    wide = accuracy.low is not None and accuracy.high is not None and accuracy.high - accuracy.low > NARROW
    if basis != "gold" or (wide and accuracy.n < LARGE):
        return "What would help most: gold on more items drawn at random, until the interval is short enough."
    if ask_next:
        return f"What would help most: gold on the {many(len(ask_next), 'item')} to label next."
    return "Every item with votes has gold, or the combiners are certain of it: there is nothing to label next."


def percent(share: float) -> str:
    """`92 %`; one decimal above 95 % and below 5 %."""
    return f"{100 * share:.{0 if 0.05 <= share <= 0.95 else 1}f} %"


def percent_range(estimate: Estimate) -> str:
    """The interval, lower end first, where it is wide or excludes a claim: `63 % to 99.8 %`; `96.2 %` without one."""
    if estimate.low is None or estimate.high is None:
        return percent(estimate.value or 0.0)
    low, high = percent(estimate.low).removesuffix(" %"), percent(estimate.high)
    return high if f"{low} %" == high else f"{low} to {high}"


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    digits = 0 if estimate.high - estimate.low > 0.02 else 1
    return f" (95 % interval {100 * estimate.low:.{digits}f} to {100 * estimate.high:.{digits}f} %)"


def _named(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
