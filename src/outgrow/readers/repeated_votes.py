"""Repeated votes of a source on an item: equal ones count once, others need the option `repeats`.

Equal votes that differ in another column (the turn of a conversation, the second part of a question) may be votes on
two items with one name. They are an error, too, which suggests `item`.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from outgrow.errors import DataError
from outgrow.readers.vote_rows import VoteRows
from outgrow.text_format import many

Repeats = str | None
WAYS = "select with `repeats=first`, `repeats=last` or `repeats=mean`"


class DistinctVotes(NamedTuple):
    """The rows that count, at most one per item and source, with a note on the others."""

    rows: Int[np.ndarray, "kept"]
    probs: Float[np.ndarray, "row class"] | None
    """All rows as distributions, if any row is soft."""
    note: str = ""


def distinct_votes(
    vote_rows: VoteRows,
    rows: Int[np.ndarray, "vote"],
    chosen: Int[np.ndarray, "row"],
    probs: Float[np.ndarray, "row class"] | None,
    n_classes: int,
    repeats: Repeats = None,
) -> DistinctVotes:
    """One vote per item and source. Raises `DataError` for unequal ones without `repeats`."""
    key = vote_rows.item.code[rows] * len(vote_rows.source.names) + vote_rows.source.code[rows]
    if not _any_twice(key):
        return DistinctVotes(rows, probs)
    order = np.argsort(key, kind="stable")
    again = key[order][1:] == key[order][:-1]
    former, latter = rows[order[:-1][again]], rows[order[1:][again]]
    count = f"{many(len(latter), 'vote repeats', 'votes repeat')} another of the same source on the same item: "
    if repeats is None:
        _refuse_unlike(vote_rows, former, latter, chosen, probs)
        return DistinctVotes(np.setdiff1d(rows, latter, assume_unique=True), probs, count + "left out.")
    if repeats == "last":
        return DistinctVotes(np.setdiff1d(rows, former, assume_unique=True), probs, count + "the last one counts.")
    first = DistinctVotes(np.setdiff1d(rows, latter, assume_unique=True), probs, count + "the first one counts.")
    return first if repeats == "first" else _mean(first.rows, rows[order], again, chosen, probs, n_classes, count)


def _mean(
    kept: Int[np.ndarray, "kept"],
    ordered: Int[np.ndarray, "vote"],
    again: Bool[np.ndarray, "vote-1"],
    chosen: Int[np.ndarray, "row"],
    probs: Float[np.ndarray, "row class"] | None,
    n_classes: int,
    count: str,
) -> DistinctVotes:
    """The mean of each group of `ordered` rows, at its first row; `again`: whether a row continues the group."""
    soft = np.zeros((len(chosen), n_classes))
    soft[ordered] = np.eye(n_classes)[chosen[ordered]] if probs is None else probs[ordered]
    starts = np.flatnonzero(np.append(True, ~again))
    size = np.diff(np.append(starts, len(ordered)))
    soft[ordered[starts]] = np.add.reduceat(soft[ordered], starts, axis=0) / size[:, None]
    return DistinctVotes(kept, soft, count + "their mean counts, as a soft vote.")


def _any_twice(key: Int[np.ndarray, "vote"]) -> bool:
    """Whether a number occurs twice. For a small range, marking each number is faster than sorting."""
    n_values = int(key.max()) + 1
    if n_values <= 16 * len(key):
        seen = np.zeros(n_values, dtype=bool)
        seen[key] = True
        return int(seen.sum()) < len(key)
    ordered = np.sort(key)
    return bool((ordered[1:] == ordered[:-1]).any())


def _refuse_unlike(
    vote_rows: VoteRows,
    former: Int[np.ndarray, "pair"],
    latter: Int[np.ndarray, "pair"],
    chosen: Int[np.ndarray, "row"],
    probs: Float[np.ndarray, "row class"] | None,
) -> None:
    """Raise `DataError` for two votes that differ, or whose rows differ in another column."""
    differing_column = vote_rows.apart(former, latter)
    is_unlike = chosen[former] != chosen[latter]
    if probs is not None:
        is_unlike |= (probs[former] != probs[latter]).any(axis=1)
    if not is_unlike.any() and differing_column is None:
        return
    is_fault = is_unlike if is_unlike.any() else np.ones(len(latter), dtype=bool)
    index = int(np.where(is_fault, latter, latter.max() + 1).argmin())
    first, second = int(former[index]), int(latter[index])
    fault = "votes twice"
    if is_unlike.any():
        fault = "votes for two classes" if chosen[first] != chosen[second] else "gives two distributions"
    others = f"; {many(int(is_fault.sum()) - 1, 'more pair')}" if is_fault.sum() > 1 else ""
    as_items = ""
    if differing_column is not None:
        split = f"item={vote_rows.item_from},{differing_column}"
        as_items = f"; they differ in `{differing_column}`: `{split}` reads them as votes on two items"
    raise DataError(
        f"{vote_rows.place(second)}: source `{vote_rows.source.text(second)}` {fault} on item"
        f" `{vote_rows.item.text(second)}`, the other at {vote_rows.place(first)}{as_items}; keep one of them, or"
        f" {WAYS}{others}"
    )
