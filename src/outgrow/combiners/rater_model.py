"""Scores of several raters with a bias, a scale and a precision each: the true score of an item with its interval.

    x_is = a_s + b_s z_i + ε,   ε ~ N(0, 1/τ_s)         rater s on item i
    z_i ~ N(μ, σ²)    a_s ~ N(0, v_a)    b_s ~ N(1, v_b)    τ_s ~ Gamma(c, c r)

a_s is the rater's bias on an average item, b_s how far the rater spreads the items, 1/τ_s the noise. A rater with few
scores keeps the bias, the scale and the noise of the average rater. Scores are centred and divided by their standard
deviation first, so that every result follows a change of unit and of origin.

The posterior is approximated by variational Bayes (`rater_factors.py`). On an ordinal scale z_i is one of the K
levels. Known scores fix z_i. The variance of an item's score adds to that of its factor what the uncertainty of a_s
and b_s moves its mean, which the factors leave out.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from outgrow.combiners.rater_factors import Priors, RaterFactors, Scores, bound_of, improved, moved_by_lines

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
    scores = Scores(
        item,
        source,
        (value - centre) / unit,
        is_known,
        least_noise,
        CONTINUOUS if levels is None else ORDINAL,
        standard_levels,
    )
    state = start(scores, np.where(is_known, (known - centre) / unit, 0.0), n_sources)
    bounds: list[float] = []
    for _ in range(MOST_ROUNDS):
        before = state.mean
        state = improved(scores, state)
        bounds.append(bound_of(scores, state))
        if np.abs(state.mean - before).max() < TOLERANCE:
            break
    deviation = np.sqrt(state.variance + np.where(is_known, 0.0, moved_by_lines(scores, state)))
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


def start(scores: Scores, known: Float[np.ndarray, "item"], n_sources: int) -> RaterFactors:
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
    return RaterFactors(
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
