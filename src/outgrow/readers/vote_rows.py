"""`VoteRows`: long, wide and matrix tables in one form, with a row for everything that a source may have said."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from outgrow.data.row_numbers import row_numbers
from outgrow.readers.categorical import EMPTY, Categorical, Place
from outgrow.readers.gold import one_gold_each
from outgrow.readers.soft_votes import SoftVotes

Apart = Callable[[np.ndarray, np.ndarray], str | None]
"""Given rows, and the rows that repeat them: the column whose cells differ in all of these pairs, if there is one."""


def nothing_apart(former: np.ndarray, latter: np.ndarray) -> None:
    """Where no column was left out."""


@dataclass(frozen=True)
class VoteRows:
    """What was said, before anybody asked whether it makes sense."""

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
    """Where gold stands, for messages: "`truth` of gold.csv"; the origin where that says no more."""
    item_from: str | None = None
    """The votes' column of items, where there is one."""
    numbered: bool = False
    """Labels are numbers of classes, as in a matrix, -1 being no vote."""
    nameless: bool = False
    """No column says whose the votes are: all are one source's."""
    doubt: str = ""
    """Why the columns that are read as votes may be none; settled where the classes are given."""
    apart: Apart = nothing_apart
    """A column that was left out and tells repeated votes apart."""
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
