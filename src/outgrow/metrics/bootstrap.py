"""The paired bootstrap over seeds and items behind every interval.

A study is a table: the same items (more or less) are answered by every row under every seed. One resample draws the
items with replacement; an item that was drawn twice counts twice wherever it was tested. Independently, it gives every
seed a standard normal number ξ, and moves a mean over S seeds by Σ ξ (value of the seed − mean) / √(S (S − 1)), which
has the variance of such a mean. The same draw serves **every** row, so that a difference of two rows is resampled as a
difference (paired). Items are drawn by identity because test sets of different seeds overlap, often wholly: seeds add
nothing to what we know about an item, and drawing items anew for every seed would pretend they do. Items that belong
together (two candidates for one question, several hypotheses on one premise) are drawn together: the caller draws
groups and looks their counts up, `draw_items(groups)[:, group_of_item]`.

These draws are then stretched around the mean, for two reasons. They count twice what items add to one seed alone,
which is also a part of the spread between seeds. And few seeds tell little about their spread. With

    C = mean covariance of two seeds' values under resampled items: what all seeds share
    B = variance of the seeds' values (with S − 1): seed effects, and what items add to one seed alone
    V = C + B / S,   u = (B / S) / V,   q = z + (t − z) u^1.25

V is the variance of the mean (the pigeonhole model of Owen 2007, Annals of Applied Statistics 1), t and z the 97.5 %
quantiles of Student's distribution with S − 1 degrees of freedom and of the normal distribution, and the interval
reaches about q √V to either side. The exponent lies between that of Cochran's approximation (1: .94 to .98 for two
seeds, whatever the share u) and Welch and Satterthwaite's (about 2: .87 to .95); with 1.25 the coverage of a normal
mean is .930 to .971 for two seeds and .947 to .965 for more. `bench/coverage.py` measures all of it.

What an interval covers: other items from the same source, and other seeds (split, initialisation, order) of the same
study. What it does not: other data sets, other models, the choice of the best of many rows. Two seeds tell so little
that intervals are wide (t is 12.7, for three 4.3, for five 2.8); with one seed the interval covers items only.

Conventions: `draws[0]` is always the sample itself (every item once, every ξ zero), the other draws are resamples; a
statistic is computed for all of them at once. NaN marks what a row does not have (a failed seed).
"""

import math
from collections.abc import Iterator
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8

from outgrow.metrics.estimate import TAILS

CHUNK = 256
"""Resamples whose item weights are held as floats at once."""
EXPONENT = 1.25
"""How the quantile goes from the normal distribution's to Student's; see above."""


class Resamples(NamedTuple):
    """What was drawn for each seed and how often each item; the first row is the sample itself."""

    seeds: Float[np.ndarray, "draw seed"]
    items: UInt8[np.ndarray, "draw item"]


def draw_seeds(n_seeds: int, n_resamples: int, generator: np.random.Generator) -> Float[np.ndarray, "draw seed"]:
    """A standard normal number for every seed; the first row is all zeros."""
    drawn = generator.standard_normal((n_resamples, n_seeds))
    return np.concatenate([np.zeros((1, n_seeds)), drawn])


def draw_items(n_items: int, n_resamples: int, generator: np.random.Generator) -> UInt8[np.ndarray, "draw item"]:
    """Counts of every item; rows sum to `n_items`, the first row is all ones."""
    counts = np.ones((n_resamples + 1, n_items), dtype=np.uint8)
    for draw in range(1, n_resamples + 1):
        counts[draw] = np.bincount(generator.integers(n_items, size=n_items), minlength=n_items)
    return counts


def draw_resamples(n_seeds: int, n_items: int, n_resamples: int, generator: np.random.Generator) -> Resamples:
    """Independent draws of seeds and items."""
    return Resamples(
        draw_seeds(n_seeds, n_resamples, generator),
        draw_items(n_items, n_resamples, generator),
    )


def resampled_sums(
    items: UInt8[np.ndarray, "draw item"],
    columns: Bool[np.ndarray, "item column"] | Float[np.ndarray, "item column"],
) -> Float[np.ndarray, "draw column"]:
    """Weighted sums over the items, for every draw."""
    # Sums of small whole numbers are exact in float32 whatever the order of summation.
    exact = columns.dtype == np.bool_ and columns.shape[0] * 255 < 2**24
    dtype = np.float32 if exact else np.float64
    typed = np.ascontiguousarray(columns, dtype=dtype)
    sums = [np.matmul(chunk.astype(dtype), typed) for chunk in _chunks(items)]
    return np.concatenate(sums).astype(np.float64)


def seed_means(
    items: UInt8[np.ndarray, "draw item"],
    values: Bool[np.ndarray, "row seed item"] | Float[np.ndarray, "row seed item"],
    among: Bool[np.ndarray, "#row seed item"],
) -> Float[np.ndarray, "draw row seed"]:
    """Weighted mean of `values` over the items marked in `among`; NaN where none is marked or drawn.

    `among` may have one row for all rows of `values`.
    """
    empty = values.dtype.type(0)
    total = resampled_sums(items, _columns(np.where(among, values, empty)))
    count = resampled_sums(items, _columns(among))
    mean = np.full((len(items), *values.shape[:2]), np.nan)
    counts = np.broadcast_to(count.reshape(len(items), *among.shape[:2]), mean.shape)
    np.divide(total.reshape(mean.shape), counts, out=mean, where=counts > 0)
    return mean


def over_seeds(
    per_seed: Float[np.ndarray, "draw *rest seed"], seeds: Float[np.ndarray, "draw seed"]
) -> Float[np.ndarray, "draw *rest"]:
    """Mean over the seeds that have a value, stretched for an interval that covers; NaN where none has a value."""
    return stretched(mean_over_seeds(per_seed, seeds), stretch(per_seed))


def mean_over_seeds(
    per_seed: Float[np.ndarray, "draw *rest seed"], seeds: Float[np.ndarray, "draw seed"]
) -> Float[np.ndarray, "draw *rest"]:
    """The same before it is stretched: draws of several rows may be combined, for the result to be stretched."""
    off, count = _deviations(per_seed)
    moved = np.tensordot(seeds, off, axes=(1, -1)) / np.sqrt(np.maximum(count * (count - 1), 1))
    return np.asarray(_mean(per_seed, -1) + moved)


def stretch(per_seed: Float[np.ndarray, "draw *rest seed"]) -> Float[np.ndarray, "*rest"]:
    """The factor by which draws of the mean over seeds are stretched; see the module. It is 1 for one seed."""
    off, count = _deviations(per_seed)
    several = np.asarray(np.maximum(count, 2))
    pairs = several * (several - 1)
    items = _variance(_mean(per_seed[1:], -1))
    shared = np.maximum(several**2 * items - _variance(per_seed[1:]).sum(axis=-1), 0.0) / pairs
    between = np.asarray((off**2).sum(axis=-1) / pairs)
    target_variance, drawn_variance = shared + between, items + between
    defined = (count > 1) & (target_variance > 0)
    part, ratio = (
        np.divide(numerator, denominator, out=np.ones_like(numerator), where=defined)
        for numerator, denominator in ((between, target_variance), (target_variance, drawn_variance))
    )
    return np.where(defined, _quantile_ratio(part, np.asarray(several - 1)) * np.sqrt(ratio), 1.0)


def _deviations(per_seed: Float[np.ndarray, "draw *rest seed"]) -> tuple[np.ndarray, np.ndarray]:
    """The sample's values less their mean over the seeds (zero for a missing seed), and how many seeds there are."""
    sample = per_seed[0]
    finite = np.isfinite(sample)
    off = np.where(finite, sample - _mean(sample, -1)[..., None], 0.0)
    return off, np.asarray(finite.sum(axis=-1))


def stretched(draws: Float[np.ndarray, "draw *rest"], factor: Float[np.ndarray, "*rest"]) -> np.ndarray:
    """The draws moved away from the first one by a factor."""
    return np.asarray(draws[:1] + factor * (draws - draws[:1]))


def _quantile_ratio(part: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """q / z, by the share of the variance that lies between the seeds."""
    from scipy.special import stdtrit  # slow to import, and not needed to read a report

    normal = NormalDist().inv_cdf(TAILS[1])
    return np.asarray(1 + (stdtrit(freedom, TAILS[1]) / normal - 1) * part**EXPONENT)


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    """Over the finite values; NaN where there is none."""
    finite = np.isfinite(values)
    if finite.all() and values.shape[axis]:
        return np.asarray(values.mean(axis=axis))
    count = finite.sum(axis=axis)
    mean = np.full(count.shape, np.nan)
    np.divide(np.where(finite, values, 0.0).sum(axis=axis), count, out=mean, where=count > 0)
    return mean


def _variance(draws: np.ndarray) -> np.ndarray:
    """Over the finite draws; zero where there is none."""
    variance = _mean((draws - _mean(draws, 0)) ** 2, 0)
    return np.where(np.isfinite(variance), variance, 0.0)


def paired(*per_seed: Float[np.ndarray, "draw *rest seed"]) -> list[Float[np.ndarray, "draw *rest seed"]]:
    """The same arrays with NaN wherever any of them has NaN: a comparison uses the seeds that all have."""
    finite = np.logical_and.reduce([np.isfinite(values) for values in per_seed])
    return [np.where(finite, values, np.nan) for values in per_seed]


def difference(
    first: Float[np.ndarray, "draw *rest seed"],
    second: Float[np.ndarray, "draw *rest seed"],
    seeds: Float[np.ndarray, "draw seed"],
) -> Float[np.ndarray, "draw *rest"]:
    """Paired difference of two rows, over the seeds that both have."""
    left, right = paired(first, second)
    return over_seeds(left - right, seeds)


def seeds_with(per_seed: Float[np.ndarray, "draw seed"]) -> int:
    """How many seeds a row has."""
    return int(np.isfinite(per_seed[0]).sum())


def _columns(values: np.ndarray) -> np.ndarray:
    return values.reshape(math.prod(values.shape[:-1]), values.shape[-1]).T


def _chunks(items: UInt8[np.ndarray, "draw item"]) -> Iterator[UInt8[np.ndarray, "some item"]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
