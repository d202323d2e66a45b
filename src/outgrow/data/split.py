"""The `split` step: which items the supervisors learn, which the student learns, which everybody is measured on."""

import numpy as np

from outgrow.data.draw import draw
from outgrow.data.task import Items, Split, Task
from outgrow.errors import DataError
from outgrow.graph.step import Job


def make_split(job: Job, *, sizes: dict[str, int], seed: int) -> None:
    """Write `split.json`. `sizes` has the keys `weak`, `strong` and `test`, in items."""
    items = Task.load(job.inputs["pool"]).items
    draw_split(items, weak=sizes["weak"], strong=sizes["strong"], test=sizes["test"], seed=seed).save(job.out)


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
