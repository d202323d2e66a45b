"""How many items with gold would settle a question.

**The accuracy.** n of N items drawn at random, of which a share p is right, leave a normal 95 % interval of half-width

    h = z √(p (1 − p) / n · (N − n) / (N − 1))          z = 1.96

**Two labellings.** Gold on an item tells two labellings apart only where they differ, on a share q of the items. If
the first is better by d, and one of both is right there, the first is right on a share (1 + d/q) / 2 of those. A test
of level 5 % finds this with a chance of 80 % from

    m = (z + z')² (1 − (d/q)²) / (d/q)²                 z' = 0.84

items where they differ (the normal form of the sign test; Connor 1987). d can be at most q.
"""

import math
from collections.abc import Sequence

from scipy.special import ndtri

from outgrow.metrics.estimate import LEVEL, Estimate
from outgrow.text_format import many, short
from outgrow.trust_report.findings import SourceTrust

POWER = 0.8
LEAST_DIFFERENCES = 6
"""Fewer cannot show a difference in a test of level 5 %: 2 · (1/2)^5 > 0.05."""
NARROW = 0.05
"""Half-width of the interval, and difference of two accuracies, that are worth asking for."""
LEAST_COVERAGE = 0.5
"""A source with votes on fewer items cannot stand in for the combined label."""
EACH_SIDE = float(ndtri((1 + LEVEL) / 2))


def items_for_width(share: float, half_width: float, n_items: int) -> int:
    """The least number of items, drawn at random from `n_items`, with which the interval has this half-width."""
    without_end = EACH_SIDE**2 * share * (1 - share) / half_width**2
    needed = without_end * n_items / (n_items - 1 + without_end) if n_items > 1 else 1.0
    return min(max(math.ceil(needed), 1), n_items)


def items_to_compare(differs: float, difference: float) -> int | None:
    """Items on which two labellings differ that show a difference in accuracy; `None` if it cannot be so large."""
    if differs <= difference:
        return None
    of_these = difference / differs
    deviations = EACH_SIDE + float(ndtri(POWER))
    return max(math.ceil(deviations**2 * (1 - of_these**2) / of_these**2), LEAST_DIFFERENCES)


def gold_needed(accuracy: Estimate, n_items: int, sources: Sequence[SourceTrust]) -> str:
    """A sentence on how many items settle the accuracy, and the comparison with the best source; empty if settled.

    `n_items`: items with a vote and without gold.
    """
    if accuracy.low is None or accuracy.high is None or not n_items:
        return ""
    parts = []
    if accuracy.high - accuracy.low > 2 * NARROW:
        typical = min(max(0.5, accuracy.low), accuracy.high)
        needed = items_for_width(typical, NARROW, n_items)
        parts.append(
            f"gold of {many(needed, 'item')} drawn at random would narrow the interval to ±{100 * NARROW:.0f} points"
        )
    best = best_alone(sources)
    to_compare = None if best is None else items_to_compare(best.differs, NARROW)
    if best is not None and to_compare is not None and to_compare < best.differs * best.votes:
        parts.append(
            f"gold of {many(to_compare, 'item')} on which {short(best.name)} and the combined label differ would tell"
            f" whether {short(best.name)} alone is better by {100 * NARROW:.0f} points"
        )
    sentence = "; ".join(parts)
    return f"{sentence[:1].upper()}{sentence[1:]}." if sentence else ""


def best_alone(sources: Sequence[SourceTrust]) -> SourceTrust | None:
    """The source with the highest accuracy among those that vote on enough items."""
    able = [one for one in sources if one.coverage >= LEAST_COVERAGE and one.accuracy.value is not None]
    return max(able, key=lambda one: one.accuracy.value or 0.0, default=None)
