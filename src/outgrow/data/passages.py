"""Which items share a passage, told from their texts alone.

Exam questions are asked about one passage without a column that says so. Two items share one where `RUN` words in a
row are the same after normalisation, wherever they stand in both. A run that more than `TEMPLATE` groups have is the
wording of a set ("use the following key to translate …"), no passage. What is shared by chains is joined too: of
three items, the first may share one passage with the second, and another one with the third.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int, UInt64

from outgrow.data.leak import normalise

RUN = 15
"""Words in a row; some 90 letters of English."""
TEMPLATE = 30
"""Groups; questions about one passage are fewer."""
_BASE = np.uint64(0x9E3779B97F4A7C15)
"""An odd number; hashes of runs are polynomials in it, modulo 2^64."""


def join_by_passage(texts: Sequence[str], groups: Sequence[str]) -> list[str]:
    """Every item's group, where groups that share a passage are one, under the name of the first of them.

    Args:
        texts: one per item.
        groups: one per item; items of one group stay together whatever their texts say.
    """
    from scipy.sparse import coo_array  # a plan makes no groups, and this takes a third of a second
    from scipy.sparse.csgraph import connected_components

    names, group = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    runs, owner = runs_of(texts)
    pairs = _linked(runs, group[owner])
    graph = coo_array((np.ones(len(pairs)), pairs.T), shape=(len(names), len(names)))
    joined = connected_components(graph, directed=False)[1][group]
    first: dict[int, str] = {}
    return [first.setdefault(one, name) for one, name in zip(joined.tolist(), groups, strict=True)]


def sharing(texts: Sequence[str], groups: Sequence[str]) -> int:
    """How many items share a passage with an item of another group."""
    joined = np.unique(np.asarray(join_by_passage(texts, groups), dtype=np.str_), return_inverse=True)[1]
    own = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)[1]
    several = np.bincount(np.unique(np.stack([joined, own]), axis=1)[0]) > 1
    return int(several[joined].sum())


def runs_of(texts: Sequence[str]) -> tuple[UInt64[np.ndarray, "run"], Int[np.ndarray, "run"]]:
    """Every run of `RUN` words as a 64-bit hash, and the row of the text that it stands in."""
    words = [normalise(text).split() for text in texts]
    number: dict[str, int] = {}
    flat = np.asarray([number.setdefault(word, len(number) + 1) for line in words for word in line], dtype=np.uint64)
    owner = np.repeat(np.arange(len(words)), [len(line) for line in words])
    ends = len(flat) - RUN + 1
    if ends <= 0:
        return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64)
    hashes = np.zeros(ends, dtype=np.uint64)
    for step in range(RUN):
        hashes = hashes * _BASE + flat[step : step + ends] * (flat[step : step + ends] ^ _BASE)
    whole = owner[:ends] == owner[RUN - 1 :]
    return hashes[whole], owner[:ends][whole]


def _linked(runs: UInt64[np.ndarray, "run"], group: Int[np.ndarray, "run"]) -> Int[np.ndarray, "pair two"]:
    """Pairs of groups with a run in common: every group that has it with the first one that does."""
    order = np.lexsort((group, runs))
    runs, group = runs[order], group[order]
    new_run = np.r_[True, runs[1:] != runs[:-1]][: len(runs)]
    once = new_run | np.r_[True, group[1:] != group[:-1]][: len(runs)]
    runs, group, new_run = runs[once], group[once], new_run[once]
    starts = np.flatnonzero(new_run)
    counts = np.diff(np.r_[starts, len(runs)])
    first, kept = np.repeat(group[starts], counts), np.repeat((counts > 1) & (counts <= TEMPLATE), counts)
    return np.stack([first[kept], group[kept]], axis=1)
