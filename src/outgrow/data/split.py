"""The `split` step: which items the supervisors learn, which the student learns, which everybody is measured on."""

from typing import Any

import numpy as np

from outgrow.data.capability import speaking_of
from outgrow.data.draw import draw
from outgrow.data.task import Items, Split, Task
from outgrow.errors import DataError
from outgrow.graph.step import Job


def make_split(job: Job, *, sizes: dict[str, Any], seed: int) -> None:
    """Write `split.json`.

    `sizes` has the keys `weak`, `strong` and `test`, in items; of a mixture, such a mapping for every capability.
    """
    items = Task.load(job.inputs["pool"]).items
    by_capability = {"": sizes} if items.capabilities is None else sizes
    splits = [_draw_own(items, name, wanted, seed) for name, wanted in by_capability.items()]
    parts = (np.sort(np.concatenate(rows)) for rows in zip(*map(_parts, splits), strict=True))
    Split(*parts).save(job.out)


def _draw_own(items: Items, capability: str, sizes: dict[str, int], seed: int) -> Split:
    """One capability's split, as if it were alone."""
    mine = items.rows_of(capability)
    with speaking_of(capability):
        drawn = draw_split(items.take(mine), **sizes, seed=seed)
    return Split(*(mine[rows] for rows in _parts(drawn)))


def _parts(split: Split) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return split.weak, split.strong, split.test


def draw_split(items: Items, *, weak: int, strong: int, test: int, seed: int) -> Split:
    """Disjoint random sets of exactly these sizes; items of one group are never in two of them.

    Published test items stay the test set for every seed, and the other two are drawn from the rest. Without published
    test items, all three are drawn anew. Rows are ascending. Raises `DataError` where a set cannot be filled.
    """
    is_test = np.asarray(items.parts) == "test"
    rest = np.flatnonzero(~is_test)
    groups = [items.groups[i] for i in rest.tolist()]
    if is_test.any():
        a, b = draw(groups, [weak, strong], seed)
        split = Split(rest[a], rest[b], np.flatnonzero(is_test)[:test])
    else:
        c, a, b = draw(groups, [test, weak, strong], seed)
        split = Split(rest[a], rest[b], rest[c])
    for name, wanted in {"weak": weak, "strong": strong, "test": test}.items():
        have = len(getattr(split, name))
        if have < wanted:
            raise DataError(f"the {name} split gets only {have} of {wanted} items: lower task.sizes.{name} to {have}")
    return split
