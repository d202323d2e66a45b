"""AUROC: how well scores tell positive examples from negative ones.

The probability that a random positive example scores higher than a random negative one, where a tie counts half (the
Mann-Whitney statistic). 1/2 is guessing. With r the average ranks of all scores, it is

    (Σ r over the positives − P (P + 1) / 2) / (P N)

With weights w (how often a resample has drawn each example) it is the same of the examples repeated w times:

    Σ over positives i of w_i (Σ w_j over negatives below + ½ Σ w_j over negatives as high) / (W₊ W₋)
"""

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy.stats import rankdata

CHUNK = 1 << 22
"""Weights that are held as floats at once."""


def auroc(positive: Float[np.ndarray, "positive"], negative: Float[np.ndarray, "negative"]) -> float | None:
    """Of finite scores; `None` where one kind has no example."""
    n_positive, n_negative = len(positive), len(negative)
    if not n_positive or not n_negative:
        return None
    ranks = rankdata(np.concatenate([positive, negative]))
    above = ranks[:n_positive].sum() - n_positive * (n_positive + 1) / 2
    return float(above / (n_positive * n_negative))


def resampled_auroc(
    weight: UInt8[np.ndarray, "draw example"],
    score: Float[np.ndarray, "example"],
    positive: Bool[np.ndarray, "example"],
) -> Float[np.ndarray, "draw"]:
    """Of finite scores under every draw's weights; NaN where a draw lacks one kind."""
    found = np.full(len(weight), np.nan)
    if not len(score):
        return found
    order = np.argsort(score, kind="stable")
    level = np.flatnonzero(np.diff(score[order], prepend=-np.inf) > 0)
    step = max(1, CHUNK // len(score))
    for start in range(0, len(weight), step):
        some = weight[start : start + step, order].astype(np.float64)
        good = np.add.reduceat(some * positive[order], level, axis=1)
        bad = np.add.reduceat(some * ~positive[order], level, axis=1)
        above = (good * (bad.cumsum(axis=1) - bad / 2)).sum(axis=1)
        pairs = good.sum(axis=1) * bad.sum(axis=1)
        np.divide(above, pairs, out=found[start : start + step], where=pairs > 0)
    return found
