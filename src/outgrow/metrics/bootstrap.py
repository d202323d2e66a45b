"""The paired bootstrap over seeds and items, used for the intervals of a study.

In a study every row answers (nearly) the same items under every seed. One resample draws the seeds with replacement
and, independently, the items with replacement. An item that is drawn twice counts twice in every test set that has it.
All rows use the same weights, so a difference of two rows is resampled as a difference (paired). This is the bootstrap
for crossed designs ("pigeonhole bootstrap": McCullagh 2000; Owen 2007, Annals of Applied Statistics 1). Items are
drawn by identity because the test sets of different seeds overlap, often completely. Independent draws per seed would
underestimate the variance: more seeds are not more items. Items that belong together (two candidates for one question,
several hypotheses on one premise) are drawn together: the caller draws groups and takes their counts,
`draw_items(groups)[:, group_of_item]`.

An interval covers other items from the same distribution, and other seeds (split, initialisation, order) of the same
study. It does not cover other data sets, other models, or the selection of the best of many rows. It is too wide if
every seed has test items of its own. Three seeds estimate the variance between seeds poorly. With one seed the
interval covers items only.

Conventions: `draws[0]` is the sample itself (every weight one), the other draws are resamples. A statistic is computed
for all draws at once. NaN marks a missing value (a failed seed).
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

CHUNK = 256
"""Resamples whose item weights are converted to floats at a time."""


class Resamples(NamedTuple):
    """Counts of each seed and each item per draw; the first row is the sample itself."""

    seeds: Int[np.ndarray, "draw seed"]
    items: UInt8[np.ndarray, "draw item"]


def draw_seeds(n_seeds: int, n_resamples: int, generator: np.random.Generator) -> Int[np.ndarray, "draw seed"]:
    """Counts of every seed; rows sum to `n_seeds`, the first row is all ones."""
    drawn = generator.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=n_resamples)
    return np.concatenate([np.ones((1, n_seeds), dtype=drawn.dtype), drawn])


def draw_items(n_items: int, n_resamples: int, generator: np.random.Generator) -> UInt8[np.ndarray, "draw item"]:
    """Counts of every item; rows sum to `n_items`, the first row is all ones."""
    counts = np.ones((n_resamples + 1, n_items), dtype=np.uint8)
    for draw in range(1, n_resamples + 1):
        counts[draw] = np.bincount(generator.integers(n_items, size=n_items), minlength=n_items)
    return counts


def resampled_sums(
    items: UInt8[np.ndarray, "draw item"],
    columns: Bool[np.ndarray, "item column"] | Float[np.ndarray, "item column"],
) -> Float[np.ndarray, "draw column"]:
    """Weighted sums over the items for each draw."""
    # Sums of small integers are exact in float32 in any order of summation.
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
    per_seed: Float[np.ndarray, "draw *rest seed"], seeds: Int[np.ndarray, "draw seed"]
) -> Float[np.ndarray, "draw *rest"]:
    """Mean over the drawn seeds with a value; NaN if no drawn seed has one."""
    has_value = np.isfinite(per_seed)
    weight = has_value * seeds.reshape(len(seeds), *[1] * (per_seed.ndim - 2), -1)
    total = (weight * np.where(has_value, per_seed, 0)).sum(axis=-1)
    count = weight.sum(axis=-1)
    mean = np.full(total.shape, np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean


def paired(*per_seed: Float[np.ndarray, "draw seed"]) -> list[Float[np.ndarray, "draw seed"]]:
    """The arrays with NaN wherever one of them has NaN: a comparison uses the seeds that all of them have."""
    has_value = np.logical_and.reduce([np.isfinite(values) for values in per_seed])
    return [np.where(has_value, values, np.nan) for values in per_seed]


def difference(
    first: Float[np.ndarray, "draw seed"],
    second: Float[np.ndarray, "draw seed"],
    seeds: Int[np.ndarray, "draw seed"],
) -> Float[np.ndarray, "draw"]:
    """Paired difference of two rows over the seeds of both."""
    left, right = paired(first, second)
    return over_seeds(left - right, seeds)


def seeds_with(per_seed: Float[np.ndarray, "draw seed"]) -> int:
    """Number of seeds of a row."""
    return int(np.isfinite(per_seed[0]).sum())


def _columns(values: np.ndarray) -> np.ndarray:
    return values.reshape(math.prod(values.shape[:-1]), values.shape[-1]).T


def _chunks(items: UInt8[np.ndarray, "draw item"]) -> Iterator[UInt8[np.ndarray, "some item"]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
