"""The factors of the posterior in `rater_model.py`: one round of updates, and the bound that each of them raises.

The posterior is approximated by q(z) q(a, b) q(τ), each factor in closed form (variational Bayes; Bishop, Pattern
Recognition and Machine Learning, 2006, section 10.1); μ, σ², v_a and v_b maximise the same bound, and r is the
variance of the scores within items. Each update raises the bound:

    q(z_i) = N(m_i, V_i)      1/V_i = 1/σ² + Σ_s t_s E[b_s²]      m_i = V_i (μ/σ² + Σ_s t_s (E[b_s] x_is − E[a_s b_s]))
    q(a_s, b_s) = N           precision = diag(1/v_a, 1/v_b) + t_s Σ_i E[(1, z_i)(1, z_i)ᵀ]
    q(τ_s) = Gamma(c + n_s/2, c r + ½ Σ_i E[(x_is − a_s − b_s z_i)²])         t_s = E[τ_s]

On an ordinal scale z_i is one of the K levels with the shares π instead, and q(z_i) is a distribution over them:

    q(z_i = k) ∝ π_k exp(−½ Σ_s t_s E[(x_is − a_s − b_s k)²])        π_k = (Σ_i q(z_i = k) + 1) / (N + K)

m_i and V_i are its mean and variance. Known scores fix z_i.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import digamma, gammaln


class Priors(NamedTuple):
    """What is assumed of raters, as if others had been seen before."""

    noise_shape: float
    """c: the prior of a rater's noise counts like 2 c scores."""
    raters: float
    """Raters that the priors of v_a and v_b count for."""
    spread: float
    """Standard deviation of these raters' biases and scales, in standard deviations of the scores."""


class Scores(NamedTuple):
    """Standardised scores."""

    item: Int[np.ndarray, "vote"]
    source: Int[np.ndarray, "vote"]
    value: Float[np.ndarray, "vote"]
    known: Bool[np.ndarray, "item"]
    least_noise: float
    priors: Priors
    levels: Float[np.ndarray, "level"] | None


class RaterFactors(NamedTuple):
    """The factors and what maximises the bound."""

    mean: Float[np.ndarray, "item"]
    variance: Float[np.ndarray, "item"]
    centre: float
    spread: float
    posterior: Float[np.ndarray, "item level"] | None
    """q(z) on an ordinal scale; `centre` and `spread` are then not used."""
    line: Float[np.ndarray, "source 2"]
    """E[a], E[b]."""
    line_variance: Float[np.ndarray, "source 2 2"]
    prior_variance: Float[np.ndarray, "2"]
    """v_a, v_b."""
    shape: Float[np.ndarray, "source"]
    rate: Float[np.ndarray, "source"]
    prior_rate: float
    """c r; r is the variance of the scores within items."""


def improved(scores: Scores, state: RaterFactors) -> RaterFactors:
    """One round of all updates."""
    for update in (with_items if scores.levels is None else with_levels, with_lines, with_noises):
        state = update(scores, state)
    return state


def with_items(scores: Scores, state: RaterFactors) -> RaterFactors:
    """q(z), μ and σ²."""
    n_items, source = len(state.mean), scores.source
    precision = (state.shape / state.rate)[source]
    a, b = state.line[source].T
    ab, bb = a * b + state.line_variance[source, 0, 1], b * b + state.line_variance[source, 1, 1]
    total = 1 / state.spread + np.bincount(scores.item, precision * bb, minlength=n_items)
    pull = np.bincount(scores.item, precision * (b * scores.value - ab), minlength=n_items)
    mean = np.where(scores.known, state.mean, (state.centre / state.spread + pull) / total)
    variance = np.where(scores.known, 0.0, 1 / total)
    centre = float(mean.mean())
    spread = max(float((variance + (mean - centre) ** 2).mean()), scores.least_noise)
    return state._replace(mean=mean, variance=variance, centre=centre, spread=spread)


def with_levels(scores: Scores, state: RaterFactors) -> RaterFactors:
    """q(z) over the levels, and their shares."""
    if scores.levels is None or state.posterior is None:
        raise ValueError("the scale has no levels")
    n_items, source, levels = len(state.mean), scores.source, scores.levels
    precision = (state.shape / state.rate)[source]
    a, b = state.line[source].T
    ab, bb = a * b + state.line_variance[source, 0, 1], b * b + state.line_variance[source, 1, 1]
    linear = np.bincount(scores.item, precision * (b * scores.value - ab), minlength=n_items)
    square = np.bincount(scores.item, precision * bb, minlength=n_items)
    log = np.log(_shares(state.posterior)) + linear[:, None] * levels - 0.5 * square[:, None] * levels**2
    posterior = np.exp(log - log.max(axis=1, keepdims=True))
    posterior /= posterior.sum(axis=1, keepdims=True)
    posterior = np.where(scores.known[:, None], state.posterior, posterior)
    mean = posterior @ levels
    variance = np.maximum(posterior @ levels**2 - mean**2, 0.0)
    return state._replace(posterior=posterior, mean=mean, variance=variance)


def _shares(posterior: Float[np.ndarray, "item level"]) -> Float[np.ndarray, "level"]:
    """π, which maximises the bound under a flat prior with one imaginary item per level."""
    total = posterior.sum(axis=0) + 1
    return np.asarray(total / total.sum())


def with_lines(scores: Scores, state: RaterFactors) -> RaterFactors:
    """q(a, b), v_a and v_b."""
    n_sources, source, z = len(state.line), scores.source, state.mean[scores.item]
    second = z * z + state.variance[scores.item]
    precision = state.shape / state.rate

    def total(values: Float[np.ndarray, "vote"]) -> Float[np.ndarray, "source"]:
        return np.asarray(precision * np.bincount(source, values, minlength=n_sources))

    inverse = np.empty((n_sources, 2, 2))
    inverse[:, 0, 0], inverse[:, 1, 1] = total(np.ones(len(z))), total(second)
    inverse[:, 0, 1] = inverse[:, 1, 0] = total(z)
    inverse += np.diag(1 / state.prior_variance)
    right = np.stack([total(scores.value), total(scores.value * z)], axis=1)
    right[:, 1] += 1 / state.prior_variance[1]
    covariance = np.linalg.inv(inverse)
    line = np.einsum("sij,sj->si", covariance, right)
    square = (line - [0.0, 1.0]) ** 2 + np.diagonal(covariance, axis1=1, axis2=2)
    _, raters, prior_spread = scores.priors
    prior = (square.sum(axis=0) + raters * prior_spread**2) / (n_sources + raters)
    return state._replace(line=line, line_variance=covariance, prior_variance=prior)


def with_noises(scores: Scores, state: RaterFactors) -> RaterFactors:
    """q(τ)."""
    square = np.bincount(scores.source, _square(scores, state), minlength=len(state.line))
    return state._replace(rate=state.prior_rate + 0.5 * square)


def _square(scores: Scores, state: RaterFactors) -> Float[np.ndarray, "vote"]:
    """E[(x − a − b z)²] of each score."""
    z, variance = state.mean[scores.item], state.variance[scores.item]
    a, b = state.line[scores.source].T
    spread = state.line_variance[scores.source]
    of_line = spread[:, 0, 0] + 2 * z * spread[:, 0, 1] + (z * z + variance) * spread[:, 1, 1]
    return np.asarray((scores.value - a - b * z) ** 2 + b * b * variance + of_line)


def moved_by_lines(scores: Scores, state: RaterFactors) -> Float[np.ndarray, "item"]:
    """The variance of m_i by that of a_s + b_s z_i, to first order."""
    source, z = scores.source, state.mean[scores.item]
    spread = state.line_variance[source]
    of_line = spread[:, 0, 0] + 2 * z * spread[:, 0, 1] + z * z * spread[:, 1, 1]
    pull = state.variance[scores.item] * (state.shape / state.rate)[source] * state.line[source, 1]
    return np.asarray(np.bincount(scores.item, pull**2 * of_line, minlength=len(state.mean)))


def bound_of(scores: Scores, state: RaterFactors) -> float:
    """The variational bound with the log-priors of v_a and v_b, in nats, without constants of these."""
    shape, rate = state.shape, state.rate
    log_tau, tau = digamma(shape) - np.log(rate), shape / rate
    fit = 0.5 * (log_tau[scores.source] - np.log(2 * np.pi) - tau[scores.source] * _square(scores, state)).sum()
    of_items = _bound_of_items(scores, state)
    covariance, prior = state.line_variance, state.prior_variance
    square = (state.line - [0.0, 1.0]) ** 2 + np.diagonal(covariance, axis1=1, axis2=2)
    of_lines = 0.5 * (np.linalg.slogdet(covariance)[1] + 2 - np.log(prior).sum() - (square / prior).sum(axis=1)).sum()
    c, raters, prior_spread = scores.priors
    of_lines -= 0.5 * raters * (np.log(prior) + prior_spread**2 / prior).sum()
    cr = state.prior_rate
    of_noise = c * np.log(cr) - gammaln(c) + (c - 1) * log_tau - cr * tau
    of_noise += shape - np.log(rate) + gammaln(shape) + (1 - shape) * digamma(shape)
    return float(fit + of_items + of_lines + of_noise.sum())


def _bound_of_items(scores: Scores, state: RaterFactors) -> float:
    """What the items add to the bound: E[log p(z)] and the entropy of q(z)."""
    if state.posterior is not None:
        log_shares = np.log(_shares(state.posterior))
        entropy = -(state.posterior * np.log(np.maximum(state.posterior, 1e-300))).sum()
        return float((state.posterior @ log_shares).sum() + log_shares.sum() + entropy)
    unknown = ~scores.known
    square = (state.variance + (state.mean - state.centre) ** 2) / state.spread
    total = -0.5 * (np.log(2 * np.pi * state.spread) + square).sum()
    return float(total + 0.5 * (np.log(2 * np.pi * state.variance[unknown]) + 1).sum())
