"""The `split` step: disjoint random sets of items for supervisors, student and test, which only grow with their sizes.

Groups are put in one order, by hashes of their names, so that neither the order of a file's rows nor added rows
shuffle the others. In this order they are dealt to the parts, in the proportions of `SHARES` and by lots that differ
from seed to seed; a part takes what it was dealt until it is full. Where the groups run out, a part takes what others
were dealt and do not need, from the far end, `test` before `half_a` before `half_b`.

So a larger part, all else equal, holds the smaller one, and the other parts stay the same as long as there are enough
groups. No group is in two parts. Every part has exactly its size: of its last group it may take a few rows, and then
the group's other rows are used nowhere.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from outgrow.config.task import Sizes
from outgrow.data.task import Items, Split, Task
from outgrow.data.task_kind import capability_errors
from outgrow.errors import DataError
from outgrow.graph.step import Job

SHARES: Mapping[str, int] = {"test": 3, "half_a": 1, "half_b": 2}
"""In what proportions groups are dealt, and in which order parts that lack items look for more."""
Rows = Int[np.ndarray, "row"]


class ItemGroup(NamedTuple):
    """One group of items."""

    name: str
    rows: list[int]


def in_order(groups: Sequence[str], ids: Sequence[str], seed: int) -> list[ItemGroup]:
    """The groups in the order of `seed`, each with its rows by their ids."""
    members: dict[str, list[int]] = {}
    for row, name in enumerate(groups):
        members.setdefault(name, []).append(row)
    return [
        ItemGroup(name, sorted(members[name], key=ids.__getitem__))
        for name in sorted(members, key=lambda name: (_hash("order", seed, name), name))
    ]


def needed(blocks: Sequence[ItemGroup], sizes: Mapping[str, int]) -> int:
    """How many of the blocks, from the first on, are enough for parts of these sizes, whatever the seed of the lots.

    After rows of n in all, a part with the share p was dealt at least p · n - (parts - 1) · g rows, where g is the
    largest block among them: see `deal`.
    """
    whole, n_others = sum(SHARES[part] for part in sizes), len(sizes) - 1
    rows, largest = 0, 0
    for index, block in enumerate(blocks):
        if all(rows * SHARES[part] >= (size + n_others * largest) * whole for part, size in sizes.items()):
            return index
        rows, largest = rows + len(block.rows), max(largest, len(block.rows))
    return len(blocks)


def deal(blocks: Sequence[ItemGroup], shares: Mapping[str, int], seed: int) -> list[str]:
    """By block, the part that it is dealt to: by lot among the parts that have no more than their share so far.

    No part ever has more than one block above its share.
    """
    whole, total = sum(shares.values()), 0
    dealt = dict.fromkeys(shares, 0)
    lots = []
    for block in blocks:
        open_to = [part for part, share in shares.items() if dealt[part] * whole <= share * total]
        lot = _hash("lot", seed, block.name) % sum(shares[part] for part in open_to)
        ends = np.cumsum([shares[part] for part in open_to])
        part = open_to[int(np.searchsorted(ends, lot, side="right"))]
        dealt[part], total = dealt[part] + len(block.rows), total + len(block.rows)
        lots.append(part)
    return lots


def draw(blocks: Sequence[ItemGroup], sizes: Mapping[str, int | None], seed: int) -> dict[str, Rows]:
    """The rows of every part, ascending. A size of `None` is all that the others leave; two such parts halve it.

    A part is smaller than asked for where the blocks do not suffice; they do for sizes that sum to the rows less
    (parts - 1) · (largest block - 1).
    """
    counted = {part: size for part in SHARES if (size := sizes.get(part)) is not None}
    lots = deal(blocks, {part: SHARES[part] for part in counted}, seed) if counted else []
    taken: set[int] = set()
    drawn: dict[str, list[int]] = {part: [] for part in sizes}
    for part, size in counted.items():
        own = [index for index, lot in enumerate(lots) if lot == part]
        others = [index for index, lot in enumerate(lots) if lot != part]
        for index in [*own, *reversed(others)]:
            if len(drawn[part]) < size and index not in taken:
                taken.add(index)
                drawn[part] += blocks[index].rows[: size - len(drawn[part])]
    left = [block for index, block in enumerate(blocks) if index not in taken]
    rest = {part: 1 for part, size in sizes.items() if size is None}
    for block, part in zip(left, deal(left, rest, seed) if rest else [], strict=False):
        drawn[part] += block.rows
    return {part: np.sort(np.asarray(rows, dtype=np.int64)) for part, rows in drawn.items()}


def _hash(purpose: str, seed: int, name: str) -> int:
    return int.from_bytes(blake2b(f"{purpose} {seed} {name}".encode("utf-8", "surrogatepass"), digest_size=8).digest())


def make_split(job: Job, *, sizes: dict[str, Any], seed: int) -> None:
    """Write `split.json`.

    `sizes` has the keys `half_a`, `half_b` and `test`, in items or `all`; of a mixture, such a mapping by capability.
    """
    items = Task.load(job.inputs["pool"]).items
    by_capability = {"": sizes} if items.capabilities is None else sizes
    splits = [_draw_own(items, name, own_sizes, seed) for name, own_sizes in by_capability.items()]
    parts = (np.sort(np.concatenate(rows)) for rows in zip(*map(_parts, splits), strict=True))
    Split(*parts).save(job.out)


def _draw_own(items: Items, capability: str, sizes: dict[str, Any], seed: int) -> Split:
    """One capability's split, as if it were alone."""
    mine = items.rows_of(capability)
    with capability_errors(capability):
        drawn = draw_split(items.alone(capability), Sizes(**sizes), seed)
    return Split(*(mine[rows] for rows in _parts(drawn)))


def _parts(split: Split) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return split.half_a, split.half_b, split.test


def draw_split(items: Items, sizes: Sizes, seed: int) -> Split:
    """Disjoint random sets of exactly these sizes of a pool's items; items of one group are never in two of them.

    A part with items of its own, such as published test items, has the same ones for every seed; the others are drawn
    from the rest, anew for every seed. Rows are ascending; `items` stand in the order in which `make_pool` drew
    them. Raises `DataError` where a set cannot be filled.
    """
    parts, counts = np.asarray(items.parts), sizes.counts
    own = {part: np.flatnonzero(parts == part)[: counts[part]] for part in parts_with_own_items(items)}
    open_to = {part: size for part, size in counts.items() if part not in own}
    drawn = draw(_as_they_stand(items, parts == "train"), open_to, seed)
    split = Split(**drawn, **own)
    for name, size in counts.items():
        have = len(getattr(split, name))
        if have < (size or 1):
            raise DataError(_unfilled(name, size, have))
    return split


def parts_with_own_items(items: Items) -> list[str]:
    """The parts for which alone some of the items are."""
    return [part for part in SHARES if part in items.parts]


def _as_they_stand(items: Items, among: Bool[np.ndarray, "item"]) -> list[ItemGroup]:
    """The groups in the order of their first items."""
    members: dict[str, list[int]] = {}
    for row in np.flatnonzero(among).tolist():
        members.setdefault(items.groups[row], []).append(row)
    return [ItemGroup(name, rows) for name, rows in members.items()]


def _unfilled(name: str, size: int | None, have: int) -> str:
    if size is None:
        return f"the {name} split gets what the others leave, and nothing is left: lower the other task.sizes"
    return f"the {name} split gets only {have} of {size} items: lower task.sizes.{name} to {have}"
