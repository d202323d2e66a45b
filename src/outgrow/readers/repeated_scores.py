"""Repeated numbers of a source on an item: equal ones count once, others need the option `repeats`."""

import numpy as np
from jaxtyping import Float, Int

from outgrow.errors import DataError
from outgrow.readers.repeated_votes import Repeats
from outgrow.readers.source_table import Place
from outgrow.text_format import many


def kept_scores(
    key: Int[np.ndarray, "row"], value: Float[np.ndarray, "row"], repeats: Repeats, place: Place
) -> tuple[Int[np.ndarray, "kept"], Float[np.ndarray, "kept"], tuple[str, ...]]:
    """The rows that count, one per key, their numbers, and notes; `key` is the same for one item and source.

    Raises `DataError` for two different numbers without `repeats`.
    """
    order = np.argsort(key, kind="stable")
    is_first = np.append(True, key[order][1:] != key[order][:-1])
    group = np.cumsum(is_first) - 1
    n_again = int((~is_first).sum())
    if not n_again:
        return np.arange(len(key)), value, ()
    first = order[is_first]
    differs = value[order] != value[first][group]
    if repeats is None and differs.any():
        row = int(order[differs].min())
        other = int(first[group[np.flatnonzero(order == row)[0]]])
        raise DataError(
            f"{place(row)}: {value[row]:g}, and {value[other]:g} of the same source on the same item at"
            f" {place(other)}; keep one of them, or select with `repeats=first`, `repeats=last` or `repeats=average`"
        )
    last = order[np.append(is_first[1:], True)]
    kept = np.sort(last if repeats == "last" else first)
    mean = np.empty(len(key))
    mean[first] = np.bincount(group, value[order]) / np.bincount(group)
    counted = mean if repeats == "average" else value
    ways = {"first": "the first counts", "last": "the last counts", "average": "their average counts"}
    way = "equal" if repeats is None else ways[repeats]
    return kept, counted[kept], (f"{many(n_again, 'score')} of a source repeated on the same item: {way}.",)
