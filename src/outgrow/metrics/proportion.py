"""Intervals of shares near 0 or 1, where a bootstrap interval is too narrow: [0, 0] for 0 of 20.

A share is a mean over items of values in 0 … 1. It is near an edge if fewer than `FEW` of its independent groups of
items are wrong, or right. There its bootstrap interval is widened to the interval of Clopper and Pearson
(1934) at an effective number of groups m, as in Korn and Graubard (1998) for survey samples:

    m = min(groups, p (1 − p) / bootstrap variance of p);      m = groups if the bootstrap variance is 0
    low = Beta quantile(2.5 %; p m, m − p m + 1),    high = Beta quantile(97.5 %; p m + 1, m − p m)

with 0 and 1 for ends that do not exist. Its coverage is at least 95 % for every true share if the groups are
independent. For the difference of two shares with one near an edge, the interval is widened to

    d − √((a − low_a)² + (high_b − b)²)   …   d + √((high_a − a)² + (b − low_b)²)

(square and add, Newcombe 1998). This assumes independent rows, and is conservative for rows with common errors.
Away from the edges a bootstrap interval is unchanged.
"""

import math

import numpy as np
from jaxtyping import Float

from outgrow.metrics.estimate import TAILS, Estimate, from_draws, widened

FEW = 5
"""Number of right groups, or of wrong groups, below which a bootstrap interval is widened."""

Draws = Float[np.ndarray, "draw"]


def share_from_draws(draws: Draws, n: int, groups: int, seeds: int, note: str = "") -> Estimate:
    """`from_draws` for a share over `groups` independent groups of items; its interval is widened near 0 and 1."""
    plain = from_draws(draws, n, seeds, note)
    return widened(plain, *_covering(draws, groups)) if near_edge(draws, groups) else plain


def difference_from_draws(
    first: Draws, second: Draws, n: int, groups: int, seeds: int, difference: Draws | None = None
) -> Estimate:
    """The estimate of first − second, two shares of the same items; `difference`: their paired draws, if available."""
    paired_draws = first - second if difference is None else difference
    plain = from_draws(paired_draws, n, seeds)
    if not (near_edge(first, groups) or near_edge(second, groups)):
        return plain
    (low_a, high_a), (low_b, high_b) = _interval(first, groups), _interval(second, groups)
    a, b = float(first[0]), float(second[0])
    below, above = math.hypot(a - low_a, high_b - b), math.hypot(high_a - a, b - low_b)
    return widened(plain, max(a - b - below, -1.0), min(a - b + above, 1.0))


def near_edge(draws: Draws, groups: int) -> bool:
    """Whether fewer than `FEW` groups are right, or fewer than `FEW` are wrong."""
    share = float(draws[0])
    return math.isfinite(share) and groups > 0 and groups * min(share, 1 - share) < FEW


def clopper_pearson(share: float, n: float) -> tuple[float, float]:
    """The 95 % interval of a share of n, within 0 … 1. n may be fractional."""
    from scipy.special import betaincinv  # slow to import, and not needed to read a report

    right = share * n
    low = float(betaincinv(right, n - right + 1, TAILS[0])) if right > 0 else 0.0
    high = float(betaincinv(right + 1, n - right, TAILS[1])) if right < n else 1.0
    return low, high


def _covering(draws: Draws, groups: int) -> tuple[float, float]:
    share = min(max(float(draws[0]), 0.0), 1.0)
    resampled = draws[1:][np.isfinite(draws[1:])]
    variance = float(resampled.var()) if len(resampled) else 0.0
    effective = min(float(groups), share * (1 - share) / variance) if variance > 0 else float(groups)
    return clopper_pearson(share, max(effective, 1.0))


def _interval(draws: Draws, groups: int) -> tuple[float, float]:
    estimate = share_from_draws(draws, groups, groups, 1)
    share = float(draws[0])
    return share if estimate.low is None else estimate.low, share if estimate.high is None else estimate.high
