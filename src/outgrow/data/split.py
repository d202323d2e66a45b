"""The `split` step: which items the supervisors learn, which the student learns, which everybody is measured on."""

from typing import Any

import numpy as np
from jaxtyping import Bool

from outgrow.config.task import Sizes
from outgrow.data.capability_errors import speaking_of
from outgrow.data.draw import ItemGroup, draw
from outgrow.data.task import Items, Split, Task
from outgrow.errors import DataError
from outgrow.graph.step import Job


def make_split(job: Job, *, sizes: dict[str, Any], seed: int) -> None:
    """Write `split.json`.

    `sizes` has the keys `half_a`, `half_b` and `test`, in items or `all`; of a mixture, such a mapping by capability.
    """
    items = Task.load(job.inputs["pool"]).items
    by_capability = {"": sizes} if items.capabilities is None else sizes
    splits = [_draw_own(items, name, wanted, seed) for name, wanted in by_capability.items()]
    parts = (np.sort(np.concatenate(rows)) for rows in zip(*map(_parts, splits), strict=True))
    Split(*parts).save(job.out)


def _draw_own(items: Items, capability: str, sizes: dict[str, Any], seed: int) -> Split:
    """One capability's split, as if it were alone."""
    mine = items.rows_of(capability)
    with speaking_of(capability):
        drawn = draw_split(items.alone(capability), Sizes(**sizes), seed)
    return Split(*(mine[rows] for rows in _parts(drawn)))


def _parts(split: Split) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return split.half_a, split.half_b, split.test


def draw_split(items: Items, sizes: Sizes, seed: int) -> Split:
    """Disjoint random sets of exactly these sizes of a pool's items; items of one group are never in two of them.

    Published test items stay the test set for every seed, and the other two are drawn from the rest. Without published
    test items, all three are drawn anew. Rows are ascending; `items` stand in the order in which `make_pool` drew
    them. Raises `DataError` where a set cannot be filled.
    """
    is_test = np.asarray(items.parts) == "test"
    wanted = sizes.counts
    published = {"test": np.flatnonzero(is_test)[: wanted["test"]]} if is_test.any() else {}
    drawn = draw(_as_they_stand(items, ~is_test), {part: wanted[part] for part in wanted.keys() - published}, seed)
    split = Split(**drawn, **published)
    for name, size in wanted.items():
        have = len(getattr(split, name))
        if have < (size or 1):
            raise DataError(_unfilled(name, size, have))
    return split


def _as_they_stand(items: Items, among: Bool[np.ndarray, "item"]) -> list[ItemGroup]:
    """The groups in the order of their first items."""
    members: dict[str, list[int]] = {}
    for row in np.flatnonzero(among).tolist():
        members.setdefault(items.groups[row], []).append(row)
    return [ItemGroup(name, rows) for name, rows in members.items()]


def _unfilled(name: str, wanted: int | None, have: int) -> str:
    if wanted is None:
        return f"the {name} split gets what the others leave, and nothing is left: lower the other task.sizes"
    return f"the {name} split gets only {have} of {wanted} items: lower task.sizes.{name} to {have}"
