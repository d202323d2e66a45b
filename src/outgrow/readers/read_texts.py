"""Texts of several sources: the same tables as votes, with a text where a vote names a class.

    item,source,answer                       item,ada,ben
    7,ada,"18 - 5 = 13 #### 13"              7,"18 - 5 = 13 #### 13",13
    7,ben,13

A long table may have several rows of one item and source: candidates, the best one first. An empty cell is an
abstention. The probability of such a text under its source is unknown, so all its pieces count as certain
(`texts.certain`), like those of gold. Columns of confidence, seconds or gold are not read.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from outgrow.config.votes import AS_NAMED, VoteColumns
from outgrow.errors import ConfigError, DataError
from outgrow.readers.categorical import EMPTY, Categorical, categorical
from outgrow.readers.column_roles import USUAL, ColumnRoles, roles_of, with_joined
from outgrow.readers.open_table import read_table
from outgrow.readers.platforms import export_of
from outgrow.readers.source_table import Place, SourceTable
from outgrow.readers.vote_rows import by_row
from outgrow.text_format import many
from outgrow.texts import Candidate, WeakTexts, certain

OF_CLASSES = ("probability", "confidence", "seconds", "price", "gold", "group")
"""Roles of columns that texts do not have."""


class TextCells(NamedTuple):
    """All cells that may contain a text."""

    item: Categorical
    source: Categorical
    text: Categorical
    place: Place


TEXT_NAMES = ("text", "output", "completion", "generation", "reply")
"""Names of a column with what a source wrote. In tables of votes on classes they are names of items' texts."""


def read_texts(source: Any, *, columns: VoteColumns = AS_NAMED) -> WeakTexts:
    """Texts of several sources from a file or a table in memory, long or wide.

    `source` is a path (.csv, .tsv, .jsonl, .json, .parquet, .arrow), a data frame, an Arrow table or a data set; of
    `columns` the roles `item`, `source`, `label` (the text), `votes`, `ignore`, `abstain` and `layout` count. Items
    and sources are in the order of their first appearance. Raises `ConfigError` for ambiguous columns, `DataError`
    with the row for unreadable cells.
    """
    named = [part for part in OF_CLASSES if getattr(columns, part) is not None]
    if named:
        raise ConfigError(f"columns.{named[0]}: texts of a file count as certain and do not use it; leave it out")
    if columns.join_classes:
        raise ConfigError("columns.join_classes: texts have no classes; leave it out")
    if columns.layout == "matrix" or isinstance(source, np.ndarray):
        raise ConfigError("a matrix has class numbers, not texts; give a long table or a wide one")
    table = read_table(source, columns)
    export = export_of(table, columns)
    if export is not None:
        table, columns = export.table, export.columns
    table = with_joined(table, columns.item)
    roles = roles_of(table, _with_text_column(table, columns))
    cells = (_long if roles.layout == "long" else _wide)(table, roles)
    return _weak_texts(cells, table, _rows_with_text(cells, columns))


def _with_text_column(table: SourceTable, columns: VoteColumns) -> VoteColumns:
    """The roles with the column of texts, if that has a name which only texts have."""
    names = {name.lower(): name for name in table.columns}
    found = [names[name] for name in TEXT_NAMES if name in names]
    known = columns.label or columns.votes or set(names) & set(USUAL["label"].split())
    return columns if known or len(found) != 1 else columns.model_copy(update={"label": found[0]})


def right_texts(source: Any) -> dict[str, str]:
    """By item the right text, from a mapping, or from a table of items and texts.

    Raises `ConfigError` for a table without such columns, `DataError` for an item with two texts.
    """
    if isinstance(source, Mapping):
        return {str(item): str(text) for item, text in source.items()}
    columns = VoteColumns(one_source="gold")
    table = read_table(source, columns)
    roles = roles_of(table, _with_text_column(table, columns))
    if roles.item is None or roles.label is None:
        raise ConfigError(
            f"{table.origin}: gold needs a column of items and one of texts, such as `item` and `answer`"
        )
    item, text = _column(table, roles.item), _column(table, roles.label)
    right: dict[str, str] = {}
    for row in np.flatnonzero((item.code != EMPTY) & (text.code != EMPTY)).tolist():
        name, answer = item.names[item.code[row]], text.names[text.code[row]]
        if right.setdefault(name, answer) != answer:
            raise DataError(f"{table.place(row)}: gold: item `{name}` has two right texts; keep one")
    return right


def _long(table: SourceTable, roles: ColumnRoles) -> TextCells:
    """A row per text."""
    if roles.label is None or roles.item is None or roles.source is None:
        raise ConfigError(
            f"{table.origin}: has probabilities and no text; name the column of texts, such as `label=answer`"
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
    """The rows with a text, in order. Raises `DataError` for a row without item or source."""
    abstained = np.asarray([*(name in (columns.abstain or ()) for name in cells.text.names), True])
    has_text = ~abstained[cells.text.code]
    for part, column, is_wrong in (
        ("item", cells.item, cells.item.code == EMPTY),
        ("source", cells.source, has_text & (cells.source.code == EMPTY)),
    ):
        if is_wrong.any():
            raise DataError(f"{cells.place(int(is_wrong.argmax()))}: the {part} is empty")
        if not column.names:
            raise DataError(f"{cells.place(0)}: there is no {part}")
    return np.flatnonzero(has_text)


def _weak_texts(cells: TextCells, table: SourceTable, rows: Int[np.ndarray, "text"]) -> WeakTexts:
    if not len(rows):
        raise DataError(f"{table.origin}: {many(len(cells.text.code), 'row')} and no text in any of them")
    candidate = cache(lambda index: Candidate(cells.text.names[index], certain(cells.text.names[index])))
    items, sources = cells.item.names, cells.source.names
    candidates: list[list[list[Candidate]]] = [[[] for _ in sources] for _ in items]
    columns = (cells.item.code[rows], cells.source.code[rows], cells.text.code[rows])
    for item, source, text in zip(*(column.tolist() for column in columns), strict=True):
        candidates[item][source].append(candidate(text))
    return WeakTexts(items, tuple(sources), candidates)
