"""Temperature of probabilities: T > 1 makes them less certain, T < 1 more; the order of the classes stays.

q(c) ∝ p(c)^(1/T),        the most likely T is argmin over T of  −Σ_i log softmax(log p_i / T)[gold_i]
"""

import numpy as np
from jaxtyping import Float, Int

from outgrow.lazy import optimize, special

FLOOR = 1e-6
"""Least probability before a temperature is fitted: a probability of exactly zero would exclude a class for good."""
LOG_TEMPERATURES = (-2.5, 4.0)
"""Search range of ln T."""


def most_likely_temperature(logs: Float[np.ndarray, "item class"], gold: Int[np.ndarray, "item"]) -> float:
    """The T under which gold is most probable; 1 without items. `logs`: log-probabilities."""
    if not len(gold):
        return 1.0

    def loss(log_temperature: float) -> float:
        return float(scaled_log_loss(logs, gold, float(np.exp(log_temperature))))

    return float(np.exp(optimize.minimize_scalar(loss, bounds=LOG_TEMPERATURES, method="bounded").x))


def scaled_log_loss(logs: Float[np.ndarray, "item class"], gold: Int[np.ndarray, "item"], temperature: float) -> float:
    """Mean of −log q(gold) at this temperature, in nats."""
    log_probs = special.log_softmax(logs / temperature, axis=1)
    return -float(log_probs[np.arange(len(gold)), gold].mean())
