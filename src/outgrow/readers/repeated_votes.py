"""Repeated votes of a source on an item: equal ones count once, others need the option `repeats`.

`average` makes one soft vote of a source's repeats. `all` keeps them as the votes of sources of their own, `gpt#1` and
`gpt#2`, which share the mistakes of `gpt` and are in the group `gpt`, so that combiners count them as one source.

Equal votes that differ in another column (the turn of a conversation, the second part of a question) may be votes on
two items with one name. They are an error, too, which suggests `item`.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from outgrow.errors import DataError
from outgrow.readers.categorical import EMPTY, Categorical
from outgrow.readers.vote_rows import VoteRows
from outgrow.text_format import many

Repeats = str | None
WAYS = (
    "select with `repeats=first`, `repeats=last`, `repeats=average` (one soft vote) or `repeats=all` (each repeat as a"
    " source of its own)"
)


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
    return first if repeats == "first" else _average(first.rows, rows[order], again, chosen, probs, n_classes, count)


def each_its_own(vote_rows: VoteRows, voted: Bool[np.ndarray, "row"]) -> VoteRows:
    """The rows with repeated votes as votes of sources of their own: the k-th vote of `gpt` on an item is of `gpt#k`.

    Sources without a repeated vote keep their names. Raises `DataError` if such a name is another source's.
    """
    rows = np.flatnonzero(voted & (vote_rows.source.code != EMPTY))
    key = vote_rows.item.code[rows] * len(vote_rows.source.names) + vote_rows.source.code[rows]
    order = np.argsort(key, kind="stable")
    starts = np.append(True, key[order][1:] != key[order][:-1]) if len(rows) else np.zeros(0, dtype=bool)
    position = np.arange(len(rows))
    repeat = np.empty(len(rows), np.int64)
    repeat[order] = position - np.maximum.accumulate(np.where(starts, position, 0))
    n_repeats = np.zeros(len(vote_rows.source.names), np.int64)
    np.maximum.at(n_repeats, vote_rows.source.code[rows], repeat + 1)
    names, first = list[str](), np.zeros(len(n_repeats), np.int64)
    for index, (name, n) in enumerate(zip(vote_rows.source.names, n_repeats.tolist(), strict=True)):
        first[index] = len(names)
        names += [name] if n < 2 else [f"{name}#{k}" for k in range(1, n + 1)]
    if len(set(names)) < len(names):
        again = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{vote_rows.origin}: with `repeats=all` two sources are called `{again}`; rename one of them")
    source_code = np.append(first, EMPTY)[vote_rows.source.code]
    source_code[rows] += repeat
    repeated = [name for name, n in zip(vote_rows.source.names, n_repeats.tolist(), strict=True) if n > 1]
    if not repeated:
        return vote_rows
    note = (
        f"Repeated votes count as those of sources of their own, such as `{repeated[0]}#1` and `{repeated[0]}#2`,"
        " which share their mistakes; `repeats=average` makes one soft vote of them."
    )
    return replace(vote_rows, source=Categorical(source_code, names), notes=(*vote_rows.notes, note))


def _average(
    kept: Int[np.ndarray, "kept"],
    ordered: Int[np.ndarray, "vote"],
    again: Bool[np.ndarray, "vote-1"],
    chosen: Int[np.ndarray, "row"],
    probs: Float[np.ndarray, "row class"] | None,
    n_classes: int,
    count: str,
) -> DistinctVotes:
    """The average of each group of `ordered` rows, at its first row; `again`: whether a row continues the group."""
    soft = np.zeros((len(chosen), n_classes))
    soft[ordered] = np.eye(n_classes)[chosen[ordered]] if probs is None else probs[ordered]
    starts = np.flatnonzero(np.append(True, ~again))
    size = np.diff(np.append(starts, len(ordered)))
    soft[ordered[starts]] = np.add.reduceat(soft[ordered], starts, axis=0) / size[:, None]
    return DistinctVotes(kept, soft, count + "their average counts, as a soft vote.")


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
