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
    how = "measured by gold" if basis == "gold" else "estimated from agreement"
    low = accuracy.value if accuracy.low is None else accuracy.low
    if low >= GOOD:
        return f"The combined labels look good: {percent(accuracy)} right, {how}."
    if accuracy.value < POOR:
        return f"Do not trust these labels yet: {percent(accuracy)} right, {how}."
    return f"Usable with care: {percent(accuracy)} of the combined labels right, {how}."


def how_good(
    counts: VoteCounts, accuracy: Estimate, basis: Basis, base: str, combiners: Sequence[CombinerTrust]
) -> str:
    """What to expect of the combined label."""
    lost = counts.items_without_votes
    nobody = f"; {many(lost, 'item has', 'items have')} no vote and so no label" if lost else ""
    if basis == "none" or accuracy.value is None:
        return f"Without gold and without a second source there is nothing to compare the votes with{nobody}."
    if basis == "gold":
        best = max((one for one in combiners if one.by_gold.defined), key=lambda one: one.by_gold.value or 0.0)
        other = f"; best on gold is {best.name}, {percent(best.by_gold)}" if best.name != base else ""
        return (
            f"Of {many(accuracy.n, 'item')} with gold, which was not used, the combined label ({base}) is right on"
            f" {percent(accuracy)}{_interval(accuracy)}{other}{nobody}."
        )
    return (
        f"Expect about {percent(accuracy)} of the combined labels ({base}) to be right{_interval(accuracy)}, if the"
        f" sources do not all make the same mistakes, which votes alone cannot show{nobody}."
    )


def sources_to_drop(sources: Sequence[SourceTrust], pairs: Sequence[PairTrust], voting: int) -> str:
    """Sources to drop, and sources to treat as one."""
    if voting < 2 and not any(one.basis == "gold" for one in sources):
        return "The votes do not show which source to drop."
    parts, listed = [], set()
    for flag, what in BAD.items():
        names = [one.name for one in sources if flag in one.flags and one.name not in listed]
        listed |= set(names)
        if names:
            parts.append(f"{_named([short(name) for name in names])} ({what})")
    sentences = [f"Drop {'; '.join(parts)}."] if parts else ["No source looks like one to drop."]
    alike = [
        f"{short(one.first)} and {short(one.second)} ({one.flag}, {many(one.n, 'common item')})"
        for one in pairs
        if one.flag
    ]
    copies = any(one.flag in (SAME, COPY) for one in pairs)
    if alike:
        sentences.append(f"{'Treat as one, or nearly' if copies else 'Errors are correlated'}: {_named(alike)}.")
    return " ".join(sentences)


def what_helps(
    counts: VoteCounts,
    accuracy: Estimate,
    basis: Basis,
    voting: int,
    shared_errors: float | None,
    ask_next: Sequence[NextItem],
) -> str:
    """The one thing to do next."""
    lonely = counts.items_without_votes + counts.items_with_one_vote
    if not voting:
        return "Look whether the right columns were read."
    if voting < ENOUGH and not counts.gold_items:
        return (
            "What would help most: a third source that works in another way, and gold on a few dozen items drawn at"
            " random."
        )
    if lonely > LONELY * counts.items:
        return f"What would help most: more votes on items that have one or none, which are {lonely}."
    if not counts.gold_items and shared_errors is not None and shared_errors > SHARED:
        return (
            f"What would help most: gold. The sources' errors go together (correlation {shared_errors:.2f}), so that"
            " agreement is weaker evidence than it seems."
        )
    if not counts.gold_items:
        return (
            f"What would help most: gold on the {many(len(ask_next), 'item')} to label next, and on some drawn at"
            " random to measure by."
            if ask_next
            else "What would help most: gold on a few dozen items drawn at random, to measure by."
        )
    wide = accuracy.low is not None and accuracy.high is not None and accuracy.high - accuracy.low > NARROW
    if basis != "gold" or (wide and accuracy.n < LARGE):
        return "What would help most: gold on some more items drawn at random, until the interval is short enough."
    if ask_next:
        return f"What would help most: gold on the {many(len(ask_next), 'item')} to label next."
    return "Every item with votes has gold, or the combiners are certain: nothing is left to label."


def percent(one: Estimate) -> str:
    """`92 %`, or with a decimal where it is near the end."""
    value = one.value or 0.0
    return f"{100 * value:.1f} %" if value > 0.95 else f"{100 * value:.0f} %"


def _interval(one: Estimate) -> str:
    if one.low is None or one.high is None:
        return ""
    digits = 0 if one.high - one.low > 0.02 else 1
    return f" (95 % interval {100 * one.low:.{digits}f} to {100 * one.high:.{digits}f} %)"


def _named(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
