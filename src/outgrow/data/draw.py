"""Drawing disjoint random sets of items without tearing groups apart."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int


def draw(groups: Sequence[str], sizes: Sequence[int], seed: int) -> list[Int[np.ndarray, "row"]]:
    """Disjoint sets of row numbers, one per size, each in ascending order; no two sets share a group.

    Groups are taken in random order; one that is larger than what a set still lacks waits for the next set. Where only
    larger ones remain, the smallest of them gives as many rows as are lacking and its other rows are used nowhere.
    With enough spare rows (see `spare`) every set has exactly its size; otherwise the last ones are smaller.
    """
    members: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        members.setdefault(group, []).append(row)
    blocks = list(members.values())
    order = np.random.default_rng(seed % 2**64).permutation(len(blocks)).tolist()
    waiting = [blocks[i] for i in order]
    sets = []
    for size in sizes:
        taken, waiting = _fill(waiting, size)
        sets.append(np.sort(np.asarray(taken, dtype=np.int64)))
    return sets


def spare(groups: Sequence[str], sets: int) -> int:
    """How many rows more than the sum of the sizes make it sure that `draw` can fill `sets` sets."""
    largest = max(np.unique(np.asarray(groups), return_counts=True)[1], default=1)
    return sets * (int(largest) - 1)


def _fill(waiting: list[list[int]], size: int) -> tuple[list[int], list[list[int]]]:
    taken: list[int] = []
    left: list[list[int]] = []
    for position, block in enumerate(waiting):
        if len(taken) == size:
            return taken, left + waiting[position:]
        if len(taken) + len(block) <= size:
            taken += block
        else:
            left.append(block)
    if len(taken) < size and left:
        smallest = min(left, key=len)
        taken += smallest[: size - len(taken)]
        left = [block for block in left if block is not smallest]
    return taken, left
