"""The paired bootstrap over seeds and items behind every interval.

A study is a table: the same items (more or less) are answered by every row under every seed. One resample draws the
seeds with replacement and, independently, the items with replacement; an item that was drawn twice counts twice
wherever it was tested, and the same drawn weights serve **every** row, so that a difference of two rows is resampled
as a difference (paired). This is the bootstrap for crossed designs ("pigeonhole bootstrap": McCullagh 2000; Owen 2007,
Annals of Applied Statistics 1). Items are drawn by identity because test sets of different seeds overlap, often
wholly: seeds add nothing to what we know about an item, and drawing items anew for every seed would pretend they do.
Items that belong together (two candidates for one question, several hypotheses on one premise) are drawn together:
the caller draws groups and looks their counts up, `draw_items(groups)[:, group_of_item]`.

What an interval covers: other items from the same source, and other seeds (split, initialisation, order) of the same
study. What it does not: other data sets, other models, the choice of the best of many rows. It errs to the wide side
where every seed has test items of its own. Three seeds tell little about the spread of seeds; with one seed the
interval covers items only.

Conventions: `draws[0]` is always the sample itself (every weight one), the other draws are resamples; a statistic is
computed for all of them at once. NaN marks what a row does not have (a failed seed).
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

CHUNK = 256
"""Resamples whose item weights are held as floats at once."""


class Resamples(NamedTuple):
    """How often each seed and each item was drawn; the first row is the sample itself."""

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
    per_seed: Float[np.ndarray, "draw *rest seed"], seeds: Int[np.ndarray, "draw seed"]
) -> Float[np.ndarray, "draw *rest"]:
    """Mean over the drawn seeds that have a value; NaN where none has."""
    there = np.isfinite(per_seed)
    weight = there * seeds.reshape(len(seeds), *[1] * (per_seed.ndim - 2), -1)
    total = (weight * np.where(there, per_seed, 0)).sum(axis=-1)
    count = weight.sum(axis=-1)
    mean = np.full(total.shape, np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean


def paired(*per_seed: Float[np.ndarray, "draw seed"]) -> list[Float[np.ndarray, "draw seed"]]:
    """The same arrays with NaN wherever any of them has NaN: a comparison uses the seeds that all have."""
    there = np.logical_and.reduce([np.isfinite(values) for values in per_seed])
    return [np.where(there, values, np.nan) for values in per_seed]


def difference(
    first: Float[np.ndarray, "draw seed"],
    second: Float[np.ndarray, "draw seed"],
    seeds: Int[np.ndarray, "draw seed"],
) -> Float[np.ndarray, "draw"]:
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
