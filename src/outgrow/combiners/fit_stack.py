"""The fit of a stack: one exponent per source and one bias per class, by the likelihood of gold.

    q_i(k) ∝ exp( b_k + Σ_s w_s log v_is(k) )        w_s >= 0

    loss = −Σ_i log q_i(y_i)  +  ½ ‖w − 1/S‖²  +  (5/2) ‖b‖²        in nats, summed over the items with gold

The penalty keeps a source with few or no votes there near 1/S. The problem is convex and has one solution. The
combiner `stacked` fits votes, `candidate_pool` the scores of texts.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from outgrow.lazy import optimize, sparse, special

EXPONENT_PENALTY, BIAS_PENALTY = 1.0, 5.0
"""Twice the weights of ‖w − 1/S‖² and ‖b‖²; the sum over items makes them matter less with more gold."""


class Stack(NamedTuple):
    """A fitted stack."""

    exponents: Float[np.ndarray, "source"]
    biases: Float[np.ndarray, "class"]


def fit_stack(
    logs: "sparse.csr_array | Float[np.ndarray, 'place source']",
    gold: Int[np.ndarray, "item"],
    *,
    class_biases: bool = True,
    absent: Bool[np.ndarray, "item class"] | None = None,
) -> Stack:
    """The exponents and biases of the least penalised loss, by L-BFGS-B with its exact gradient.

    Args:
        logs: log v of items with gold; a row per item and class, a column per source.
        gold: the class of each item.
        class_biases: without them all biases are 0.
        absent: classes that an item does not have, such as places behind the last of its candidates.
    """
    n_sources, n_classes = int(logs.shape[1]), int(logs.shape[0]) // len(gold)
    n_biases = n_classes if class_biases else 0
    right = np.eye(n_classes)[gold]
    excluded = np.where(absent, -np.inf, 0.0) if absent is not None else 0.0
    equal = np.full(n_sources, 1 / n_sources)

    def loss(parameters: Float[np.ndarray, "parameter"]) -> tuple[float, Float[np.ndarray, "parameter"]]:
        exponents, biases = parameters[:n_sources], parameters[n_sources:]
        scores = (logs @ exponents).reshape(-1, n_classes) + (biases if n_biases else 0.0) + excluded
        log_probs = special.log_softmax(scores, axis=1)
        away, error = exponents - equal, np.exp(log_probs) - right
        value = -log_probs[right > 0].sum() + EXPONENT_PENALTY / 2 * away @ away + BIAS_PENALTY / 2 * biases @ biases
        slope = logs.T @ error.ravel() + EXPONENT_PENALTY * away
        return float(value), np.concatenate([slope, error.sum(axis=0)[:n_biases] + BIAS_PENALTY * biases])

    start = np.concatenate([equal, np.zeros(n_biases)])
    bounds = [(0, None)] * n_sources + [(None, None)] * n_biases
    options = {"maxiter": 1000, "maxfun": 5000, "ftol": 1e-15, "gtol": 1e-9}
    result = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    biases = result.x[n_sources:] if n_biases else np.zeros(n_classes)
    return Stack(np.asarray(result.x[:n_sources]), np.asarray(biases))
