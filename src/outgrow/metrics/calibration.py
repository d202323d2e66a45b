"""Calibration of probabilities: expected calibration error, Brier score, log loss, reliability curve.

    ECE = sum_b (n_b / n) |mean confidence in b − accuracy in b|        confidence = the top class's probability

Bins hold equally many items (15 for the error, 10 for the curve; quantiles of the confidences, ties stay together).
With bins of equal width, the common alternative, most bins of a good classifier are almost empty and the full ones are
coarse. ECE is never negative, so noise biases it upwards, more with fewer items. A bootstrap adds this bias a second
time. So its draws are shifted down by their mean excess before the interval is taken.

An abstention counts as the uniform distribution. Brier score is the multi-class one, sum_k (p_k − y_k)², 0 … 2.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

ECE_BINS = 15
CURVE_BINS = 10


def filled(probs: Float[np.ndarray, "item class"]) -> Float[np.ndarray, "item class"]:
    """The probabilities with abstentions as uniform distributions."""
    uniform = np.full(probs.shape[1], 1 / probs.shape[1])
    return np.where(probs.any(axis=1, keepdims=True), probs, uniform)


def confidence(probs: Float[np.ndarray, "item class"]) -> Float[np.ndarray, "item"]:
    """Probability of the most probable class."""
    return np.asarray(filled(probs).max(axis=1))


def brier(probs: Float[np.ndarray, "item class"], gold: Int[np.ndarray, "item"]) -> Float[np.ndarray, "item"]:
    """Squared distance to the one-hot gold, per item."""
    probs = filled(probs)
    right = probs[np.arange(len(gold)), gold]
    return np.asarray((probs**2).sum(axis=1) - 2 * right + 1)


def log_loss(probs: Float[np.ndarray, "item class"], gold: Int[np.ndarray, "item"]) -> Float[np.ndarray, "item"]:
    """−log of gold's probability, per item; probabilities are clipped at float64's epsilon (36 nats)."""
    right = filled(probs)[np.arange(len(gold)), gold]
    return np.asarray(-np.log(np.maximum(right, np.finfo(np.float64).eps)))


def equal_mass_bins(confidence: Float[np.ndarray, "item"], bins: int) -> Int[np.ndarray, "item"]:
    """The bin of each item, 0 … bins − 1; bins hold equally many items, up to ties."""
    if not len(confidence):
        return np.zeros(0, dtype=np.int64)
    edges = np.quantile(confidence, np.arange(1, bins) / bins)
    return np.searchsorted(edges, confidence, side="right").astype(np.int64)


def bin_indicators(bin_of: Int[np.ndarray, "item"], bins: int) -> Bool[np.ndarray, "item bin"]:
    """Indicators of the bins, one column per bin."""
    return np.asarray(bin_of[:, None] == np.arange(bins))


def expected_calibration_error(
    excess: Float[np.ndarray, "*draw bin"], count: Float[np.ndarray, "*draw"]
) -> Float[np.ndarray, "*draw"]:
    """ECE from the bins' sums of (confidence − correct) and the number of items."""
    return np.asarray(np.abs(excess).sum(axis=-1) / count)


def without_excess(draws: Float[np.ndarray, "draw"]) -> Float[np.ndarray, "draw"]:
    """Draws of a non-negative error, shifted so that the resamples' mean is the sample's value; at least 0."""
    if not np.isfinite(draws[1:]).any():
        return draws
    shifted = np.maximum(draws - (np.nanmean(draws[1:]) - draws[0]), 0)
    return np.concatenate([draws[:1], shifted[1:]])
