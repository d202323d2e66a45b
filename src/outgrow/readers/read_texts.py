"""Texts of several sources: the same tables as votes, with a text where a vote names a class.

    item,source,answer                       item,ada,ben
    7,ada,"18 - 5 = 13 #### 13"              7,"18 - 5 = 13 #### 13",13
    7,ben,13

A long table may have several rows of one item and source: candidates, in their order, the best one first. An empty
cell is an abstention. The probability of such a text under its source is unknown, so that all of its pieces count as
certain (`texts.certain`), as gold's do; columns of confidence, seconds or gold are not read.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from outgrow.config.votes import AS_NAMED, VoteColumns
from outgrow.errors import ConfigError, DataError
from outgrow.readers.categorical import EMPTY, Categorical, categorical
from outgrow.readers.column_roles import ColumnRoles, roles_of, with_joined
from outgrow.readers.open_table import read_table
from outgrow.readers.source_table import Place, SourceTable
from outgrow.readers.vote_rows import by_row
from outgrow.text_format import many
from outgrow.texts import Candidate, WeakTexts, certain

OF_CLASSES = ("probability", "confidence", "seconds", "price", "gold")
"""Parts that texts do not have."""


class TextCells(NamedTuple):
    """Every cell that may hold a text."""

    item: Categorical
    source: Categorical
    text: Categorical
    place: Place


def read_texts(source: Any, *, columns: VoteColumns = AS_NAMED) -> WeakTexts:
    """Texts of several sources from a file or a table in memory, long or wide.

    `source` is a path (.csv, .tsv, .jsonl, .json, .parquet, .arrow), a data frame, an Arrow table or a data set; of
    `columns` the parts `item`, `source`, `label` (the text), `votes`, `ignore`, `abstain` and `layout` count. Items
    and sources come in the order in which they first appear. Raises `ConfigError` where the columns are ambiguous,
    `DataError`, with the row, for what cannot be read.
    """
    named = [part for part in OF_CLASSES if getattr(columns, part) is not None]
    if named:
        raise ConfigError(f"columns.{named[0]}: texts of a file count as certain and have none; leave it out")
    if columns.join_classes:
        raise ConfigError("columns.join_classes: is for the classes of votes, and texts have none; leave it out")
    if columns.layout == "matrix" or isinstance(source, np.ndarray):
        raise ConfigError("a matrix holds class numbers, and texts are wanted: give a long table or a wide one")
    table = with_joined(read_table(source, columns), columns.item)
    roles = roles_of(table, columns)
    cells = (_long if roles.layout == "long" else _wide)(table, roles)
    return _weak_texts(cells, table, _rows_with_text(cells, columns))


def _long(table: SourceTable, roles: ColumnRoles) -> TextCells:
    """A row per text."""
    if roles.label is None or roles.item is None or roles.source is None:
        raise ConfigError(
            f"{table.origin}: holds probabilities and no text; name the column of texts, such as `label=answer`"
        )
    item, source, text = (_column(table, name) for name in (roles.item, roles.source, roles.label))
    return TextCells(item, source, text, table.place)


def _wide(table: SourceTable, roles: ColumnRoles) -> TextCells:
    """A row per item and a column per source."""
    texts = [_column(table, name) for name in roles.votes]
    n_rows, n_sources = len(texts[0].code), len(texts)
    item = by_row(n_rows) if roles.item is None else _column(table, roles.item)
    names = [name for column in texts for name in column.names]
    starts = np.cumsum([0, *(len(column.names) for column in texts)])
    code = np.stack(
        [
            np.where(column.code == EMPTY, EMPTY, column.code + start)
            for column, start in zip(texts, starts, strict=False)
        ],
        axis=1,
    )
    return TextCells(
        Categorical(np.repeat(item.code, n_sources), item.names),
        Categorical(np.tile(np.arange(n_sources), n_rows), list(roles.votes)),
        Categorical(code.ravel(), names),
        lambda row: f"{table.place(row // n_sources)}, source `{roles.votes[row % n_sources]}`",
    )


def _column(table: SourceTable, name: str) -> Categorical:
    return categorical(table.column(name), f"{table.origin}, column `{name}`")


def _rows_with_text(cells: TextCells, columns: VoteColumns) -> Int[np.ndarray, "row"]:
    """The rows that hold a text, in order. Raises `DataError` for one without item or source."""
    abstained = np.asarray([*(name in (columns.abstain or ()) for name in cells.text.names), True])
    written = ~abstained[cells.text.code]
    for part, of, wrong in (
        ("item", cells.item, cells.item.code == EMPTY),
        ("source", cells.source, written & (cells.source.code == EMPTY)),
    ):
        if wrong.any():
            raise DataError(f"{cells.place(int(wrong.argmax()))}: the {part} is empty")
        if not of.names:
            raise DataError(f"{cells.place(0)}: there is no {part}")
    return np.flatnonzero(written)


def _weak_texts(cells: TextCells, table: SourceTable, rows: Int[np.ndarray, "text"]) -> WeakTexts:
    if not len(rows):
        raise DataError(f"{table.origin}: {many(len(cells.text.code), 'row')} and no text in any of them")
    candidate = cache(lambda number: Candidate(cells.text.names[number], certain(cells.text.names[number])))
    items, sources = cells.item.names, cells.source.names
    found: list[list[list[Candidate]]] = [[[] for _ in sources] for _ in items]
    columns = (cells.item.code[rows], cells.source.code[rows], cells.text.code[rows])
    for item, source, text in zip(*(column.tolist() for column in columns), strict=True):
        found[item][source].append(candidate(text))
    return WeakTexts(items, tuple(sources), found)
