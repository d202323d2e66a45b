"""Accuracy of the combined label: the share of items with a right label, with an interval.

With gold: counted on items with gold, which no fit has seen, with Jeffreys' interval. Without gold: that of the labels
of simulated tables like this one (`combiners/simulated_accuracy.py`).
"""

import numpy as np
from jaxtyping import Int
from scipy.special import betaincinv

from outgrow.combiners.simulated_accuracy import SimulatedShare
from outgrow.metrics.estimate import LEVEL, Estimate, undefined


def counted(right: float, n: int, *, note: str = "", nothing: str = "no vote on an item with gold") -> Estimate:
    """A share of n with Jeffreys' interval: Beta(right + 1/2, wrong + 1/2), closed at 0 and at 1.

    `note` is a remark on the number, `nothing` the reason for its absence if n is 0.
    """
    if not n:
        return undefined(nothing)
    tail = (1 - LEVEL) / 2
    low = betaincinv(right + 0.5, n - right + 0.5, tail) if right > 0 else 0.0
    high = betaincinv(right + 0.5, n - right + 0.5, 1 - tail) if right < n else 1.0
    return Estimate(float(right / n), float(low), float(high), n, 1, note)


def accuracy_by_gold(label: Int[np.ndarray, "item"], gold: Int[np.ndarray, "item"]) -> Estimate:
    """Accuracy of labels on items with gold. An item without a label (−1), such as a tie, counts as wrong."""
    has_gold = gold >= 0
    return counted(float((label == gold)[has_gold].sum()), int(has_gold.sum()), nothing="no item with votes has gold")


def simulated(share: SimulatedShare, n: int) -> Estimate:
    """A share as in simulated tables."""
    return Estimate(share.mean, share.low, share.high, n, 1)
