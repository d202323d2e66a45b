"""Several votes of one source on one item: equal ones count once, others need the option `repeats`.

Equal votes that differ in a further column (the turn of a conversation, a question's second half) are no repeats, but
votes on two items with one name: an error asks for `item` there, too.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from outgrow.errors import DataError
from outgrow.readers.vote_rows import VoteRows
from outgrow.text_format import many

Repeats = str | None
WAYS = "`repeats=first`, `repeats=last` or `repeats=mean` says which counts"


class DistinctVotes(NamedTuple):
    """The rows that count, at most one for every item and source, and what was made of the others."""

    rows: Int[np.ndarray, "kept"]
    probs: Float[np.ndarray, "row class"] | None
    """All rows as distributions, where any is soft."""
    note: str = ""


def distinct_votes(
    vote_rows: VoteRows,
    rows: Int[np.ndarray, "vote"],
    chosen: Int[np.ndarray, "row"],
    probs: Float[np.ndarray, "row class"] | None,
    n_classes: int,
    repeats: Repeats = None,
) -> DistinctVotes:
    """One vote for every item and source. Raises `DataError` for unequal ones without `repeats`."""
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
    """The mean of every group of `ordered` rows, in the place of its first; `again`: a row is of the group before."""
    soft = np.zeros((len(chosen), n_classes))
    soft[ordered] = np.eye(n_classes)[chosen[ordered]] if probs is None else probs[ordered]
    starts = np.flatnonzero(np.append(True, ~again))
    size = np.diff(np.append(starts, len(ordered)))
    soft[ordered[starts]] = np.add.reduceat(soft[ordered], starts, axis=0) / size[:, None]
    return DistinctVotes(kept, soft, count + "their mean counts, as a soft vote.")


def _any_twice(key: Int[np.ndarray, "vote"]) -> bool:
    """Whether a number stands twice; where the numbers are few a mark for each is faster than sorting."""
    most = int(key.max()) + 1
    if most <= 16 * len(key):
        seen = np.zeros(most, dtype=bool)
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
    """Raise `DataError` for two votes that differ, or that differ in a further column."""
    apart = vote_rows.apart(former, latter)
    differ = chosen[former] != chosen[latter]
    if probs is not None:
        differ |= (probs[former] != probs[latter]).any(axis=1)
    if not differ.any() and apart is None:
        return
    wrong = differ if differ.any() else np.ones(len(latter), dtype=bool)
    at = int(np.where(wrong, latter, latter.max() + 1).argmin())
    first, second = int(former[at]), int(latter[at])
    what = "votes twice"
    if differ.any():
        what = "says two things" if chosen[first] != chosen[second] else "gives two distributions"
    more = f"; {many(int(wrong.sum()) - 1, 'more is', 'more are')} so" if wrong.sum() > 1 else ""
    split = ""
    if apart is not None:
        split = f"; they differ in `{apart}`: `item={vote_rows.item_from},{apart}` takes them for votes on two items"
    raise DataError(
        f"{vote_rows.place(second)}: source `{vote_rows.source.text(second)}` {what} on item"
        f" `{vote_rows.item.text(second)}`, the other at {vote_rows.place(first)}{split}; keep one of them, or"
        f" {WAYS}{more}"
    )
