"""`VoteRows`: one form for long, wide and matrix tables, with a row per possible vote."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from outgrow.readers.categorical import EMPTY, Categorical
from outgrow.readers.column_uses import ColumnUse
from outgrow.readers.gold import one_gold_each
from outgrow.readers.item_texts import ItemTexts
from outgrow.readers.row_numbers import row_numbers
from outgrow.readers.soft_votes import SoftVotes
from outgrow.readers.source_table import Place

Apart = Callable[[np.ndarray, np.ndarray], str | None]
"""From rows and the rows that repeat them, a column whose cells differ in all of these pairs, or None."""


def nothing_apart(former: np.ndarray, latter: np.ndarray) -> None:
    """For tables without a column that was left out."""


@dataclass(frozen=True)
class VoteRows:
    """Votes before they are checked."""

    origin: str
    item: Categorical
    source: Categorical
    label: Categorical
    """The named class; empty = none."""
    place: Place
    """The place of a row, for messages."""
    soft: SoftVotes | None = None
    confidence: Float[np.ndarray, "row"] | None = None
    seconds: Float[np.ndarray, "row"] | None = None
    price: Float[np.ndarray, "row"] | None = None
    group: Categorical | None = None
    """The group of each row's source; empty = none."""
    gold: Categorical | None = None
    """The true class of each item; empty = unknown."""
    gold_from: str = ""
    """The place of gold in messages: "`truth` of gold.csv"; empty if it is `origin`."""
    item_from: str | None = None
    """The column of items, if there is one."""
    numbered: bool = False
    """Whether labels are class numbers, as in a matrix; -1 is no vote."""
    nameless: bool = False
    """Whether no column names the source: all votes are of one source."""
    doubt: str = ""
    """Why the columns of votes may be no votes; ignored if the classes are given."""
    apart: Apart = nothing_apart
    """Finds a column that was left out and in which repeated votes differ."""
    texts: tuple[ItemTexts, ...] = ()
    """What the file says about the items."""
    uses: tuple[ColumnUse, ...] = ()
    """How each column was read."""
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
    """A row per item and source, ordered by item."""
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
    """Items whose names are row numbers, from 0."""
    return Categorical(np.arange(n_rows), row_numbers(n_rows))


def nothing(n_rows: int) -> Categorical:
    """A column of empty cells."""
    return Categorical(np.full(n_rows, EMPTY), [])
