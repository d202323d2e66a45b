"""Log-linear pooling: the normalised product of tempered votes, q(k) ∝ prod_i p_i(k)^(N lambda_i / T_i).

Unlike the mean, the product grows more certain when sources agree. It needs votes that mean what they say: T_i is the
temperature that makes source i's held-out votes most likely, argmin over T of -sum log softmax(log p_i / T)[gold].
With equal weights and T = 1 it multiplies the votes as if sources were independent.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from outgrow.combiners.vote import one_row_each
from outgrow.combiners.weights import need_anchors, source_weights
from outgrow.labels import Anchors, Targets, WeakLabels

FLOOR = 1e-6
"""A vote of exactly zero would veto a class for good; no source knows that much."""
LOG_TEMPERATURES = (-2.5, 4.0)
"""Search range of ln T."""


def log_pool(
    labels: WeakLabels,
    anchors: Anchors | None = None,
    weights: str | Mapping[str, float] = "average",
    calibrate: bool = True,
) -> Targets:
    """One pooled row per item. `calibrate` and `weights: accuracy` need `anchors`; abstentions multiply by nothing."""
    strength = source_weights(labels, weights, anchors) * len(labels.sources)
    origin: tuple[str, ...] = ()
    if calibrate:
        known = need_anchors(anchors, "`combine: log_pool` with `calibrate: true`")
        temperature = temperatures(known.labels.only(labels.sources), known.gold)
        strength = strength / temperature
        told = ", ".join(f"{name} {value:.2f}" for name, value in zip(labels.sources, temperature, strict=True))
        origin = (f"Temperatures fitted on held-out items: {told}.",)
    # An abstention is the same number for every class, which the softmax takes out.
    log_votes = np.log(np.maximum(labels.probs, FLOOR))
    return one_row_each(labels, np.asarray(softmax(np.einsum("isc,s->ic", log_votes, strength), axis=1)), origin)


def temperatures(labels: WeakLabels, gold: Int[np.ndarray, "item"]) -> Float[np.ndarray, "source"]:
    """For every source the temperature with the highest held-out likelihood of gold; 1 for one that never voted."""
    log_votes = np.log(np.maximum(labels.probs, FLOOR))
    return np.asarray(
        [_temperature(log_votes[rows, number], gold[rows]) for number, rows in enumerate(labels.voted.T)]
    )


def _temperature(log_votes: Float[np.ndarray, "vote class"], gold: Int[np.ndarray, "vote"]) -> float:
    if not len(gold):
        return 1.0

    def loss(log_temperature: float) -> float:
        log_probs = log_softmax(log_votes / np.exp(log_temperature), axis=1)
        return -float(log_probs[np.arange(len(gold)), gold].mean())

    return float(np.exp(minimize_scalar(loss, bounds=LOG_TEMPERATURES, method="bounded").x))
