"""Ranks of systems with intervals that hold the true rank.

System A is surely above B if the difference of their skills is more than c_A standard errors of the difference, where

    c_A = 95 % quantile of max over B of |difference − estimate| / standard error        under the normal approximation

The interval of A's rank reaches from 1 + the number of systems surely above A to the number of systems less those
surely below it. It holds the true rank with at least 95 % (Mogstad, Romano, Shaikh & Wilhelm 2024, marginal sets),
also for systems that are nearly equal, where quantiles of simulated ranks do not.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from outgrow.lazy import special

DRAWS, SEED, LEVEL = 4_000, 0, 0.95


class SystemRanks(NamedTuple):
    """1 = best; equal skills share the better rank."""

    rank: Int[np.ndarray, "system"]
    low: Int[np.ndarray, "system"]
    high: Int[np.ndarray, "system"]


def ranks_of(
    skill: Float[np.ndarray, "system"], variances: Sequence[Float[np.ndarray, "system system"]]
) -> SystemRanks:
    """Ranks by skill. Of several covariances the larger variance of each difference counts, and the correlations of
    the last one."""
    n = len(skill)
    lead = skill[None, :] - skill[:, None]
    sds = [np.sqrt(np.maximum(_of_differences(variance), 0.0)) for variance in variances]
    sd = np.maximum.reduce(sds)
    critical = _critical(variances[-1], sds[-1])
    bound = critical[:, None] * sd
    better, worse = (lead > bound).sum(axis=1), (lead < -bound).sum(axis=1)
    return SystemRanks(1 + (lead > 0).sum(axis=1), 1 + better, n - worse)


def _of_differences(variance: Float[np.ndarray, "system system"]) -> Float[np.ndarray, "system system"]:
    own = np.diag(variance)
    return np.asarray(own[:, None] + own[None, :] - 2 * variance)


def _critical(
    variance: Float[np.ndarray, "system system"], sd: Float[np.ndarray, "system system"]
) -> Float[np.ndarray, "system"]:
    """c of every system, at least that of one comparison."""
    values, vectors = np.linalg.eigh(variance)
    noise = np.random.default_rng(SEED).standard_normal((DRAWS, len(values)))
    draws = noise @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    least = float(special.ndtri((1 + LEVEL) / 2))
    critical = np.full(len(sd), least)
    for row, scale in enumerate(sd):
        others = np.flatnonzero(scale > 0)
        if len(others):
            ratio = np.abs(draws[:, [row]] - draws[:, others]) / scale[others]
            critical[row] = max(least, float(np.quantile(ratio.max(axis=1), LEVEL)))
    return critical
