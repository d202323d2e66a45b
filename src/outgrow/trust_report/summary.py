"""The summary: accuracy of the combined label, sources to drop or to treat as one, and the best next step."""

from collections.abc import Sequence

from outgrow.metrics.estimate import Estimate
from outgrow.text_format import many, short
from outgrow.trust_report.findings import (
    Basis,
    CombinerTrust,
    NextItem,
    PairTrust,
    SourceTrust,
    TrustSummary,
    VoteCounts,
)
from outgrow.trust_report.source_pairs import COPY, SAME
from outgrow.trust_report.source_quality import ADVERSARIAL, CHANCE, ONE_CLASS

NAMED = 4
BAD = {ADVERSARIAL: "worse than chance", ONE_CLASS: "always the same", CHANCE: "no better than chance"}
GOOD, POOR = 0.9, 0.75
"""Expected accuracy from which a label is called good, and below which it is called poor."""
ENOUGH = 3
"""Sources from which agreement is evidence about each."""
LONELY = 0.3
"""Share of items with one vote or none from which more votes help most."""
SHARED = 0.15
"""Correlation of errors from which agreement is weak evidence."""
NARROW, LARGE = 0.05, 200
"""Gold that leaves a shorter interval than this, or is on so many items, is enough to measure."""


def summarise(
    counts: VoteCounts,
    accuracy: Estimate,
    basis: Basis,
    base: str,
    sources: Sequence[SourceTrust],
    pairs: Sequence[PairTrust],
    combiners: Sequence[CombinerTrust],
    shared_errors: float | None,
    ask_next: Sequence[NextItem],
) -> TrustSummary:
    """Headline and three sentences."""
    voting = counts.sources - counts.silent_sources
    return TrustSummary(
        headline(accuracy, basis, voting),
        (
            how_good(counts, accuracy, basis, base, combiners),
            sources_to_drop(sources, pairs, voting),
            what_helps(counts, accuracy, basis, voting, shared_errors, ask_next),
        ),
    )


def headline(accuracy: Estimate, basis: Basis, voting: int) -> str:
    """One line."""
    if not voting:
        return "There are no votes."
    if basis == "none" or accuracy.value is None:
        return "One source: its votes cannot be checked." if voting == 1 else "The votes are too few to judge."
    if basis == "agreement" and voting < ENOUGH:
        return "Two sources: they show how often they differ, not who is right."
    method = "measured by gold" if basis == "gold" else "estimated from agreement"
    low = accuracy.value if accuracy.low is None else accuracy.low
    if low >= GOOD:
        return f"The combined labels look good: {percent(accuracy)} right, {method}."
    if accuracy.value < POOR:
        return f"Do not trust these labels yet: {percent(accuracy)} right, {method}."
    return f"Usable with care: {percent(accuracy)} of the combined labels right, {method}."


def how_good(
    counts: VoteCounts, accuracy: Estimate, basis: Basis, base: str, combiners: Sequence[CombinerTrust]
) -> str:
    """What to expect of the combined label."""
    unlabeled = counts.items_without_votes
    without_label = f"; {many(unlabeled, 'item has', 'items have')} no vote and so no label" if unlabeled else ""
    if basis == "none" or accuracy.value is None:
        return f"Without gold and without a second source there is nothing to compare the votes with{without_label}."
    if basis == "gold":
        best = max(
            (combiner for combiner in combiners if combiner.by_gold.defined),
            key=lambda combiner: combiner.by_gold.value or 0.0,
        )
        best_note = f"; best on gold is {best.name}, {percent(best.by_gold)}" if best.name != base else ""
        return (
            f"Of {many(accuracy.n, 'item')} with gold, which was not used, the combined label ({base}) is right on"
            f" {percent(accuracy)}{_interval(accuracy)}{best_note}{without_label}."
        )
    return (
        f"Expect about {percent(accuracy)} of the combined labels ({base}) to be right{_interval(accuracy)}, if the"
        f" sources do not all make the same mistakes, which votes alone cannot show{without_label}."
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
    sentences = [f"Drop {'; '.join(parts)}."] if parts else ["No source looks like one to drop."]
    flagged_pairs = [
        f"{short(pair.first)} and {short(pair.second)} ({pair.flag}, {many(pair.n, 'common item')})"
        for pair in pairs
        if pair.flag
    ]
    copies = any(pair.flag in (SAME, COPY) for pair in pairs)
    if flagged_pairs:
        sentences.append(
            f"{'Treat as one, or nearly' if copies else 'Errors are correlated'}: {_named(flagged_pairs)}."
        )
    return " ".join(sentences)


def what_helps(
    counts: VoteCounts,
    accuracy: Estimate,
    basis: Basis,
    voting: int,
    shared_errors: float | None,
    ask_next: Sequence[NextItem],
) -> str:
    """The best next step."""
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


def percent(estimate: Estimate) -> str:
    """`92 %`; one decimal above 95 %."""
    value = estimate.value or 0.0
    return f"{100 * value:.1f} %" if value > 0.95 else f"{100 * value:.0f} %"


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    digits = 0 if estimate.high - estimate.low > 0.02 else 1
    return f" (95 % interval {100 * estimate.low:.{digits}f} to {100 * estimate.high:.{digits}f} %)"


def _named(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
