"""`Ballots`: long, wide and matrix tables in one form, with a row for everything that a source may have said."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from outgrow.data.row_numbers import row_numbers
from outgrow.supervise.files.coded import EMPTY, Coded, Place
from outgrow.supervise.files.distributions import Soft
from outgrow.supervise.files.gold import one_gold_each

Apart = Callable[[np.ndarray, np.ndarray], str | None]
"""Given rows, and the rows that repeat them: the column whose cells differ in all of these pairs, if there is one."""


def nothing_apart(former: np.ndarray, latter: np.ndarray) -> None:
    """Where no column was left out."""


@dataclass(frozen=True)
class Ballots:
    """What was said, before anybody asked whether it makes sense."""

    origin: str
    item: Coded
    source: Coded
    label: Coded
    """The class named; empty = none."""
    place: Place
    """Where a row stands."""
    soft: Soft | None = None
    confidence: Float[np.ndarray, "row"] | None = None
    seconds: Float[np.ndarray, "row"] | None = None
    price: Float[np.ndarray, "row"] | None = None
    gold: Coded | None = None
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
    item: Coded,
    sources: Sequence[str],
    label: Coded,
    soft: Soft | None,
    gold: Coded | None,
    place: Place,
    *notes: str,
) -> Ballots:
    """A row per item and source, item by item."""
    n_sources = len(sources)
    return Ballots(
        origin,
        Coded(np.repeat(item.code, n_sources), item.names),
        Coded(np.tile(np.arange(n_sources), len(item.code)), list(sources)),
        label,
        lambda row: f"{place(row // n_sources)}, source `{sources[row % n_sources]}`",
        soft,
        gold=None if gold is None else one_gold_each(item, gold, place),
        notes=notes,
    )


def by_row(n_rows: int) -> Coded:
    """Items that are called by the number of their row, from 0."""
    return Coded(np.arange(n_rows), row_numbers(n_rows))


def nothing(n_rows: int) -> Coded:
    """A column of empty cells."""
    return Coded(np.full(n_rows, EMPTY), [])
