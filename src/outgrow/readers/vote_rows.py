"""`VoteRows`: long, wide and matrix tables in one form, with a row for every possible vote."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from outgrow.errors import DataError
from outgrow.readers.categorical import EMPTY, Categorical, categorical, numbers
from outgrow.readers.gold import one_gold_each
from outgrow.readers.row_numbers import row_numbers
from outgrow.readers.soft_votes import SoftVotes
from outgrow.readers.source_table import Place, column_of

Apart = Callable[[np.ndarray, np.ndarray], str | None]
"""Given rows, and the rows that repeat them: the column whose cells differ in all of these pairs, if there is one."""


def nothing_apart(former: np.ndarray, latter: np.ndarray) -> None:
    """Where no column was left out."""


@dataclass(frozen=True)
class VoteRows:
    """Votes before they are checked."""

    origin: str
    item: Categorical
    source: Categorical
    label: Categorical
    """The class named; empty = none."""
    place: Place
    """Where a row stands."""
    soft: SoftVotes | None = None
    confidence: Float[np.ndarray, "row"] | None = None
    seconds: Float[np.ndarray, "row"] | None = None
    price: Float[np.ndarray, "row"] | None = None
    gold: Categorical | None = None
    """The true class of every item; empty = unknown."""
    gold_from: str = ""
    """Where gold stands, for messages: "`truth` of gold.csv"; the origin where that is the same."""
    item_from: str | None = None
    """The votes' column of items, where there is one."""
    numbered: bool = False
    """Labels are numbers of classes, as in a matrix, -1 being no vote."""
    nameless: bool = False
    """No column names the source: all votes are one source's."""
    doubt: str = ""
    """Why the columns that are read as votes may be none; settled where the classes are given."""
    apart: Apart = nothing_apart
    """A column that was left out and in which repeated votes differ."""
    notes: tuple[str, ...] = ()


def dense(
    origin: str,
    item: Categorical,
    sources: Sequence[str],
    label: Categorical,
    soft: SoftVotes | None,
    gold: Categorical | None,
    place: Place,
    *notes: str,
) -> VoteRows:
    """A row per item and source, item by item."""
    n_sources = len(sources)
    return VoteRows(
        origin,
        Categorical(np.repeat(item.code, n_sources), item.names),
        Categorical(np.tile(np.arange(n_sources), len(item.code)), list(sources)),
        label,
        lambda row: f"{place(row // n_sources)}, source `{sources[row % n_sources]}`",
        soft,
        gold=None if gold is None else one_gold_each(item, gold, place),
        notes=notes,
    )


def by_row(n_rows: int) -> Categorical:
    """Items that are called by the number of their row, from 0."""
    return Categorical(np.arange(n_rows), row_numbers(n_rows))


def nothing(n_rows: int) -> Categorical:
    """A column of empty cells."""
    return Categorical(np.full(n_rows, EMPTY), [])


class LongRow(NamedTuple):
    """A vote. Without a source it only names the item; without a label it is an abstention."""

    place: str
    item: Any
    source: Any = None
    label: Any = None
    confidence: Any = None
    seconds: Any = None
    gold: Any = None


def vote_rows_of_rows(origin: str, votes: Sequence[LongRow], *notes: str) -> VoteRows:
    """Rows of an export. Raises `DataError` where there are none, or a cell is not what it must be."""
    if not votes:
        raise DataError(f"{origin}: has no vote")

    def place(row: int) -> str:
        return votes[row].place

    def text(part: str) -> Categorical:
        return categorical(
            column_of([getattr(vote, part) for vote in votes], f"the {part}", place), f"{origin}, the {part}s"
        )

    def number(part: str) -> Any:
        values = [getattr(vote, part) for vote in votes]
        if all(value is None for value in values):
            return None
        return numbers(column_of(values, f"the {part}", place), f"the {part}", place)

    item, gold = text("item"), text("gold")
    if (item.code == EMPTY).any():
        raise DataError(f"{place(int((item.code == EMPTY).argmax()))}: the name of the item is blank")
    return VoteRows(
        origin,
        item,
        text("source"),
        text("label"),
        place,
        confidence=number("confidence"),
        seconds=number("seconds"),
        gold=one_gold_each(item, gold, place) if gold.names else None,
        notes=notes,
    )
