"""Which share of new items a student may answer alone: the lowest confidence at which its accuracy is certain enough.

Given are thresholds t_1 > t_2 > … that do not depend on the held-out items, and a target accuracy a. For each there is
a hypothesis: the accuracy of the answers with a confidence of at least t_j is below a. Of n_j such held-out items, k_j
were answered rightly; k_j is binomial, so an exact p-value is

    p_j = P(Bin(n_j, a) >= k_j),

and p_j <= α means that the lower bound of Clopper and Pearson at the level 1 − α is at least a. Many thresholds are
tried, so the hypotheses are tested in order by the fallback procedure (Wiens 2003): hypothesis j has an own share of
the error δ, and gets that of j − 1, too, if j − 1 was rejected. The chance of any wrong rejection is at most δ,
whatever the dependence; so all rejected thresholds keep the promise, and the lowest is taken. With all of δ at one
threshold this is fixed-sequence testing, as in Learn then Test (Angelopoulos et al., 2022).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

STARTS = 4
"""Thresholds among which the error is divided at first; evenly spaced."""
SHARES = np.arange(1, 21) / 20
"""Shares of the answers at whose confidences the thresholds lie."""


class Cascade(NamedTuple):
    """A threshold with its evidence from held-out items."""

    threshold: float
    """The lowest confidence with which the student answers alone."""
    n: int
    """Held-out items with at least that confidence."""
    right: int
    low: float
    """The lower bound of the accuracy, at the level that is left after the search."""


def certified(
    confidence: Float[np.ndarray, "item"],
    right: Bool[np.ndarray, "item"],
    reference: Float[np.ndarray, "other"],
    accuracy: float,
    level: float,
) -> Cascade | None:
    """The lowest threshold at which the accuracy is at least `accuracy`, or `None` if there is none.

    With a chance of at least `level` over the held-out items, the accuracy on new items with at least that confidence
    is as promised, if they are drawn like the held-out ones.

    Args:
        confidence: the student's, on held-out items.
        right: whether it was right.
        reference: its confidences on other items, which only place the thresholds.
        accuracy: 0 … 1, exclusive.
        level: the same.
    """
    thresholds = thresholds_of(reference, len(confidence), accuracy, 1 - level)
    answered = [confidence >= threshold for threshold in thresholds]
    counts = [(int(rows.sum()), int(right[rows].sum())) for rows in answered]
    p_values = [p_value(k, n, accuracy) for n, k in counts]
    errors = fallback(p_values, starting_shares(len(thresholds)), 1 - level)
    passed = [j for j, (p, error) in enumerate(zip(p_values, errors, strict=True)) if p <= error]
    if not passed:
        return None
    n, k = counts[passed[-1]]
    return Cascade(float(thresholds[passed[-1]]), n, k, lower_bound(k, n, errors[passed[-1]]))


def thresholds_of(
    reference: Float[np.ndarray, "other"], n: int, accuracy: float, error: float
) -> Float[np.ndarray, "threshold"]:
    """Falling confidences, the last one 0; without those that so few of `n` items would reach that none could pass."""
    enough = items_needed(accuracy, error / STARTS)
    shares = [share for share in SHARES[:-1] if share * n >= enough]
    found = np.quantile(reference, 1 - np.asarray(shares)) if shares and len(reference) else np.empty(0)
    return np.append(np.unique(found[found > 0])[::-1], 0.0)


def items_needed(accuracy: float, error: float) -> int:
    """How many items, all answered rightly, make an accuracy certain: the smallest n with accuracyⁿ <= error."""
    return math.ceil(math.log(error) / math.log(accuracy))


def starting_shares(n: int) -> Float[np.ndarray, "threshold"]:
    """The own shares of the error of `n` hypotheses: equal at up to `STARTS` of them, the first and then evenly."""
    shares = np.zeros(n)
    shares[np.unique(np.arange(min(n, STARTS)) * n // min(n, STARTS))] = 1.0
    return np.asarray(shares / shares.sum())


def fallback(p_values: Sequence[float], shares: Float[np.ndarray, "threshold"], error: float) -> list[float]:
    """The error at which each hypothesis is tested, in order."""
    errors: list[float] = []
    carried = 0.0
    for p, share in zip(p_values, shares.tolist(), strict=True):
        errors.append(error * share + carried)
        carried = errors[-1] if p <= errors[-1] else 0.0
    return errors


def p_value(right: int, n: int, accuracy: float) -> float:
    """P(Bin(n, accuracy) >= right)."""
    from scipy.special import betainc  # slow to import

    return float(betainc(right, n - right + 1, accuracy)) if right > 0 else 1.0


def lower_bound(right: int, n: int, error: float) -> float:
    """The one-sided lower bound of Clopper and Pearson at the level 1 − error."""
    from scipy.special import betaincinv

    return float(betaincinv(right, n - right + 1, error)) if right > 0 and error > 0 else 0.0
