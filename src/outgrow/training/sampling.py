"""The random draws of a training: held-out items, the order of examples, and global random numbers.

A batch is `batch_size` items with all of their rows: an item that several sources label has a row for each, and still
counts once. So a training makes as many updates with one source as with several.

The order is a pure function of the items' numbers, their lengths and a seed. Each pass shuffles the items, cuts the
shuffled row into stretches of many batches, sorts each stretch by length and cuts it into batches, whose order is then
shuffled. So a batch holds items of about equal length and pads little, yet batches differ from pass to pass. The
last batch of a pass may be smaller. A share of a pass is its first batches.
"""

import math
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Bool, Int

Batch = Int[np.ndarray, "_"]
"""Row numbers of one update (or item numbers); the rows of an item are neighbours."""

STRETCH = 16
"""Batches per stretch: more pad less, and mix less."""


def batches_of(
    lengths: Int[np.ndarray, "row"], item: Int[np.ndarray, "row"], batch_size: int, epochs: float, seed: int
) -> list[Batch]:
    """Row numbers of every batch of the whole training, `ceil(epochs · batches per pass)` of them.

    Args:
        lengths: tokens of each row.
        item: the number of each row's item; items are drawn in the order of these numbers, wherever their rows are.
        batch_size: items per batch.
        epochs: passes over the items.
        seed: of the order.
    """
    rows = rows_by_item(item)
    longest = np.asarray([lengths[own].max() for own in rows])
    per_pass = updates_per_pass(len(rows), batch_size)
    total = max(1, math.ceil(epochs * per_pass - 1e-9))
    batches: list[Batch] = []
    for pass_index in range(math.ceil(total / per_pass)):
        batches += one_pass(longest, batch_size, np.random.default_rng([seed, pass_index]))
    return [np.concatenate([rows[index] for index in batch.tolist()]) for batch in batches[:total]]


def rows_by_item(item: Int[np.ndarray, "row"]) -> list[Batch]:
    """The row numbers of every item, items and rows in ascending order."""
    order = np.argsort(item, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(item[order])) + 1)


def updates_per_pass(items: int, batch_size: int) -> int:
    """Batches that every item is in once."""
    return math.ceil(items / batch_size)


def one_pass(lengths: Int[np.ndarray, "item"], batch_size: int, rng: np.random.Generator) -> list[Batch]:
    """Every item once, in batches of similar lengths."""
    shuffled = rng.permutation(len(lengths))
    batches = []
    for start in range(0, len(shuffled), STRETCH * batch_size):
        stretch = shuffled[start : start + STRETCH * batch_size]
        stretch = stretch[np.argsort(-lengths[stretch], kind="stable")]
        batches += [stretch[first : first + batch_size] for first in range(0, len(stretch), batch_size)]
    return [batches[place] for place in rng.permutation(len(batches))]


def parts_of(item: Int[np.ndarray, "row"], most: int) -> list[int]:
    """How many rows the parts of a batch have, at most `most` each, where no item is cut that fits into a part.

    `item`: the number of each row's item; the rows of an item are neighbours. An item with more rows than `most` has
    parts of its own.
    """
    parts = [0]
    for own in np.split(item, np.flatnonzero(np.diff(item)) + 1):
        if parts[-1] + len(own) <= most:
            parts[-1] += len(own)
        else:
            parts += [min(most, len(own) - start) for start in range(0, len(own), most)]
    return [size for size in parts if size]


def holdout_rows(groups: list[str], share: float, seed: int) -> Bool[np.ndarray, "item"]:
    """Which items are not trained on: whole groups in random order, up to the share of the items.

    A share above 0 keeps at least one group aside and always leaves one to learn from.
    """
    names = np.asarray(groups)
    aside = np.zeros(len(names), dtype=bool)
    order = np.random.default_rng(seed).permutation(np.unique(names))
    for name in order[:-1].tolist():
        members = names == name
        if share == 0 or (aside.any() and (aside | members).mean() > share):
            break
        aside |= members
    return aside


@contextmanager
def sealed_randomness(seed: int) -> Iterator[None]:
    """Inside, everything starts from `seed`; afterwards all generators are where they were before."""
    python, legacy_numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(legacy_numpy)
