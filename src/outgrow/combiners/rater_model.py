"""Scores of several raters with a bias, a scale and a precision each: the true score of an item with its interval.

    x_is = a_s + b_s z_i + ε,   ε ~ N(0, 1/τ_s)         rater s on item i
    z_i ~ N(μ, σ²)    a_s ~ N(0, v_a)    b_s ~ N(1, v_b)    τ_s ~ Gamma(c, c r)

a_s is the rater's bias on an average item, b_s how far the rater spreads the items, 1/τ_s the noise. A rater with few
scores keeps the bias, the scale and the noise of the average rater. Scores are centred and divided by their standard
deviation first, so that every result follows a change of unit and of origin.

The posterior is approximated by q(z) q(a, b) q(τ), each factor in closed form (variational Bayes; Bishop, Pattern
Recognition and Machine Learning, 2006, section 10.1); μ, σ², v_a and v_b maximise the same bound, and r is the
variance of the scores within items. Each update raises the bound:

    q(z_i) = N(m_i, V_i)      1/V_i = 1/σ² + Σ_s t_s E[b_s²]      m_i = V_i (μ/σ² + Σ_s t_s (E[b_s] x_is − E[a_s b_s]))
    q(a_s, b_s) = N           precision = diag(1/v_a, 1/v_b) + t_s Σ_i E[(1, z_i)(1, z_i)ᵀ]
    q(τ_s) = Gamma(c + n_s/2, c r + ½ Σ_i E[(x_is − a_s − b_s z_i)²])         t_s = E[τ_s]

On an ordinal scale z_i is one of the K levels with the shares π instead, and q(z_i) is a distribution over them:

    q(z_i = k) ∝ π_k exp(−½ Σ_s t_s E[(x_is − a_s − b_s k)²])        π_k = (Σ_i q(z_i = k) + 1) / (N + K)

m_i and V_i are its mean and variance. Known scores fix z_i. The variance of an item's score adds to V_i what the
uncertainty of a_s and b_s moves m_i, which the factors leave out.
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


CONTINUOUS = Priors(noise_shape=3.0, raters=2.0, spread=0.3)
ORDINAL = Priors(noise_shape=10.0, raters=10.0, spread=0.1)
"""A few levels say less about a rater, and a shift by one level fits them almost as well. Both sets were chosen on
simulated raters."""
LEVEL_ODDS = 10.0
"""The median of an item's scores stays its level unless another level is so many times as probable."""
LEAST_NOISE = 1e-4
"""Smallest r, in variances of the scores."""
TOLERANCE = 1e-5
"""Change of the posterior means, in standard deviations of the scores, at which the iteration ends."""
MOST_ROUNDS = 2000


class RaterFit(NamedTuple):
    """The posterior, in the unit of the scores."""

    mean: Float[np.ndarray, "item"]
    """Posterior mean, which is the median too; without a score that of an average item."""
    deviation: Float[np.ndarray, "item"]
    """Standard deviation of the posterior; 0 for known scores."""
    bias: Float[np.ndarray, "source"]
    """How much higher the rater's scores of an average item are."""
    scale: Float[np.ndarray, "source"]
    """Change of the rater's score per unit of the true score; negative for a reversed scale."""
    levels: Float[np.ndarray, "item level"] | None
    """Probability of each level, on an ordinal scale."""
    noise: Float[np.ndarray, "source"]
    """Standard deviation of the rater's scores of one item."""
    bound: tuple[float, ...]
    """The variational bound after each round, in nats; it never falls."""


class _Scores(NamedTuple):
    """Standardised scores."""

    item: Int[np.ndarray, "vote"]
    source: Int[np.ndarray, "vote"]
    value: Float[np.ndarray, "vote"]
    known: Bool[np.ndarray, "item"]
    least_noise: float
    priors: Priors
    levels: Float[np.ndarray, "level"] | None


class _State(NamedTuple):
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


def fit_raters(
    item: Int[np.ndarray, "vote"],
    source: Int[np.ndarray, "vote"],
    value: Float[np.ndarray, "vote"],
    known: Float[np.ndarray, "item"],
    n_sources: int,
    levels: Float[np.ndarray, "level"] | None = None,
) -> RaterFit:
    """The model's posterior.

    Args:
        item, source: indices of each score's item and rater.
        value: the scores.
        known: each item's true score, nan = unknown.
        n_sources: number of raters; one without a score gets the priors' means.
        levels: of an ordinal scale all levels, ascending; a known score is the nearest of them.
    """
    centre, unit = float(value.mean()), float(value.std()) or 1.0
    is_known = ~np.isnan(known)
    step = np.diff(np.unique(value)).min(initial=np.inf) / unit
    least_noise = max(LEAST_NOISE, min(step, 1.0) ** 2 / 12)  # the noise of rounding to the nearest step
    standard_levels = None if levels is None else (levels - centre) / unit
    scores = _Scores(
        item,
        source,
        (value - centre) / unit,
        is_known,
        least_noise,
        CONTINUOUS if levels is None else ORDINAL,
        standard_levels,
    )
    state = _start(scores, np.where(is_known, (known - centre) / unit, 0.0), n_sources)
    bounds: list[float] = []
    for _ in range(MOST_ROUNDS):
        before = state.mean
        state = _improved(scores, state)
        bounds.append(_bound(scores, state))
        if np.abs(state.mean - before).max() < TOLERANCE:
            break
    deviation = np.sqrt(state.variance + np.where(is_known, 0.0, _moved(scores, state)))
    return RaterFit(
        mean=np.where(is_known, known, centre + unit * state.mean),
        deviation=unit * deviation,
        bias=unit * state.line[:, 0],
        scale=state.line[:, 1],
        levels=state.posterior,
        noise=unit * np.sqrt(state.rate / state.shape),
        bound=tuple(bounds),
    )


def most_probable_levels(
    posterior: Float[np.ndarray, "item level"], low: Int[np.ndarray, "item"], high: Int[np.ndarray, "item"]
) -> Int[np.ndarray, "item"]:
    """The level of each item, from its probabilities and its lower and upper median of the scores (as levels).

    The median of the posterior overrules that of the scores only where it is `LEVEL_ODDS` times as probable: a few
    raters' biases and noises are not known well enough for more.
    """
    rows = np.arange(len(posterior))
    median = np.where(posterior[rows, low] >= posterior[rows, high], low, high)
    modelled = np.minimum((posterior.cumsum(axis=1) < 0.5).sum(axis=1), posterior.shape[1] - 1)
    overruled = posterior[rows, modelled] > LEVEL_ODDS * posterior[rows, median]
    return np.asarray(np.where(overruled, modelled, median))


def _start(scores: _Scores, known: Float[np.ndarray, "item"], n_sources: int) -> _State:
    """Every rater without bias; an item's score is the mean of its scores."""
    n_items = len(known)
    n_scores = np.bincount(scores.item, minlength=n_items)
    total = np.bincount(scores.item, scores.value, minlength=n_items)
    mean = np.where(scores.known, known, total / np.maximum(n_scores, 1))
    within = ((scores.value - (total / np.maximum(n_scores, 1))[scores.item]) ** 2).sum()
    freedom = float(np.maximum(n_scores - 1, 0).sum())
    noise = max(float(within) / freedom, scores.least_noise) if freedom else 0.5
    posterior = None
    if scores.levels is not None:
        posterior = np.exp(-((mean[:, None] - scores.levels) ** 2) / (2 * 0.5))
        nearest = np.abs(mean[:, None] - scores.levels).argmin(axis=1)
        posterior = np.where(scores.known[:, None], np.eye(len(scores.levels))[nearest], posterior)
        posterior /= posterior.sum(axis=1, keepdims=True)
    shape, _, prior_spread = scores.priors
    return _State(
        posterior=posterior,
        mean=mean,
        variance=np.where(scores.known, 0.0, 0.5 / np.maximum(n_scores, 1)),
        centre=float(mean.mean()),
        spread=1.0,
        line=np.tile([0.0, 1.0], (n_sources, 1)),
        line_variance=np.tile(np.eye(2) * prior_spread**2, (n_sources, 1, 1)),
        prior_variance=np.full(2, prior_spread**2),
        shape=shape + 0.5 * np.bincount(scores.source, minlength=n_sources),
        rate=noise * (shape + 0.5 * np.bincount(scores.source, minlength=n_sources)),
        prior_rate=noise * shape,
    )


def _improved(scores: _Scores, state: _State) -> _State:
    """One round of all updates."""
    for update in (_items if scores.levels is None else _levels, _lines, _noises):
        state = update(scores, state)
    return state


def _items(scores: _Scores, state: _State) -> _State:
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


def _levels(scores: _Scores, state: _State) -> _State:
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


def _lines(scores: _Scores, state: _State) -> _State:
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


def _noises(scores: _Scores, state: _State) -> _State:
    """q(τ)."""
    square = np.bincount(scores.source, _square(scores, state), minlength=len(state.line))
    return state._replace(rate=state.prior_rate + 0.5 * square)


def _square(scores: _Scores, state: _State) -> Float[np.ndarray, "vote"]:
    """E[(x − a − b z)²] of each score."""
    z, variance = state.mean[scores.item], state.variance[scores.item]
    a, b = state.line[scores.source].T
    spread = state.line_variance[scores.source]
    of_line = spread[:, 0, 0] + 2 * z * spread[:, 0, 1] + (z * z + variance) * spread[:, 1, 1]
    return np.asarray((scores.value - a - b * z) ** 2 + b * b * variance + of_line)


def _moved(scores: _Scores, state: _State) -> Float[np.ndarray, "item"]:
    """The variance of m_i by that of a_s + b_s z_i, to first order."""
    source, z = scores.source, state.mean[scores.item]
    spread = state.line_variance[source]
    of_line = spread[:, 0, 0] + 2 * z * spread[:, 0, 1] + z * z * spread[:, 1, 1]
    pull = state.variance[scores.item] * (state.shape / state.rate)[source] * state.line[source, 1]
    return np.asarray(np.bincount(scores.item, pull**2 * of_line, minlength=len(state.mean)))


def _bound(scores: _Scores, state: _State) -> float:
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


def _bound_of_items(scores: _Scores, state: _State) -> float:
    """What the items add to the bound: E[log p(z)] and the entropy of q(z)."""
    if state.posterior is not None:
        log_shares = np.log(_shares(state.posterior))
        entropy = -(state.posterior * np.log(np.maximum(state.posterior, 1e-300))).sum()
        return float((state.posterior @ log_shares).sum() + log_shares.sum() + entropy)
    unknown = ~scores.known
    square = (state.variance + (state.mean - state.centre) ** 2) / state.spread
    total = -0.5 * (np.log(2 * np.pi * state.spread) + square).sum()
    return float(total + 0.5 * (np.log(2 * np.pi * state.variance[unknown]) + 1).sum())
