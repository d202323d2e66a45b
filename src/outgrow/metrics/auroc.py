"""AUROC: how well scores separate positive examples from negative ones.

The probability that a random positive example scores higher than a random negative one, where a tie counts half (the
Mann-Whitney statistic). 1/2 is chance. With r the average ranks of all scores, it is

    (Σ r over the positives − P (P + 1) / 2) / (P N)

With weights w (how often a resample contains each example) it is the AUROC of examples repeated w times:

    Σ over positives i of w_i (Σ w_j over negatives below + ½ Σ w_j over negatives as high) / (W₊ W₋)
"""

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy.stats import rankdata

CHUNK = 1 << 22
"""Weights that are converted to floats at a time."""


def auroc(positive: Float[np.ndarray, "positive"], negative: Float[np.ndarray, "negative"]) -> float | None:
    """AUROC of finite scores; `None` if there is no positive or no negative example."""
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
    """AUROC of finite scores under the weights of each draw; NaN for a draw without positives or without negatives."""
    result = np.full(len(weight), np.nan)
    if not len(score):
        return result
    order = np.argsort(score, kind="stable")
    level = np.flatnonzero(np.diff(score[order], prepend=-np.inf) > 0)
    step = max(1, CHUNK // len(score))
    for start in range(0, len(weight), step):
        weights = weight[start : start + step, order].astype(np.float64)
        positives = np.add.reduceat(weights * positive[order], level, axis=1)
        negatives = np.add.reduceat(weights * ~positive[order], level, axis=1)
        above = (positives * (negatives.cumsum(axis=1) - negatives / 2)).sum(axis=1)
        pairs = positives.sum(axis=1) * negatives.sum(axis=1)
        np.divide(above, pairs, out=result[start : start + step], where=pairs > 0)
    return result
