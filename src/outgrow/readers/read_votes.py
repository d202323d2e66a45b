"""Votes from a file, a data frame or a matrix as a `VoteTable`.

Long tables (a row per vote), wide ones (a row per item, a column per source) and matrices of class numbers (-1 = no
vote) are read, as CSV, TSV, JSON lines, JSON, Parquet, Arrow (the text formats also gzipped) or NumPy files, or from
memory: pandas, pyarrow, `datasets`, NumPy. Exports of labelling
platforms are recognised (`platforms/`). The header determines
the roles of the columns (`column_roles.py`), and the notes report how a table was read. Ambiguous headers are errors.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from outgrow.config.votes import AS_NAMED, VoteColumns
from outgrow.errors import DataError, suggest
from outgrow.readers.arrow_files import npy_array
from outgrow.readers.column_uses import ColumnUse
from outgrow.readers.gold import Gold, gold_of_array, gold_of_table
from outgrow.readers.item_texts import ItemTexts
from outgrow.readers.json_files import json_value, value_table
from outgrow.readers.long_and_wide import vote_rows_of_export, vote_rows_of_table
from outgrow.readers.matrix import KEY, is_weak_labels, vote_rows_of_array, vote_rows_of_weak_labels
from outgrow.readers.open_table import SUFFIXES, files_in, format_of, read_content, read_table, table_of_content
from outgrow.readers.platforms import export_of
from outgrow.readers.raw_file import shown
from outgrow.readers.several_files import one_table
from outgrow.readers.source_table import SourceTable, stem_of, table_in_memory
from outgrow.readers.to_vote_table import to_vote_table
from outgrow.readers.vote_rows import VoteRows
from outgrow.vote_table import VoteTable


def read_votes(
    source: Any,
    *,
    columns: VoteColumns = AS_NAMED,
    classes: Sequence[Any] | None = None,
    gold: Any = None,
    renormalise: bool = False,
    alone: str | None = None,
) -> VoteTable:
    """Read hard or soft votes in any of these forms.

    Args:
        source: a path, a table in memory, an array, or a list of paths (`several_files.py`).
        columns: roles of columns that their names do not determine.
        classes: the classes in their order; by default the labels of the votes, sorted (numbers by value).
        gold: a table of items and their true class, in any form of `source`, or an array with an entry per item
            (-1 = unknown). It replaces a column of gold in the votes. A text that is no file, and the name of a column
            of the votes, is that column.
        renormalise: divide probabilities by their sum if that is not 1.
        alone: the source of all votes, if nothing else names a source.

    Raises `ConfigError` for ambiguous columns, and `DataError` with the row for invalid votes.
    """
    if isinstance(gold, str) and columns.gold is None and not _may_be_file(gold):
        columns, gold = columns.model_copy(update={"gold": gold}), None
    # With a table of gold, `columns.gold` names a column of that table.
    own_columns = columns if gold is None else columns.model_copy(update={"gold": None})
    vote_rows = _rows_of_all(source, own_columns, alone, classes_given=classes is not None)
    if gold is not None:
        vote_rows = _with_gold(vote_rows, gold, columns)
    table = to_vote_table(
        vote_rows,
        classes=classes,
        abstain=columns.abstain,
        renormalise=renormalise,
        repeats=columns.repeats,
        nominal=columns.scale == "nominal",
        join_classes=columns.join_classes,
    )
    return _without(table, columns.drop) if columns.drop else table


def _without(table: VoteTable, sources: Sequence[str]) -> VoteTable:
    """The votes of the other sources. Raises `DataError` for a name that is no source, and where none is left."""
    unknown = [name for name in sources if name not in table.sources]
    if unknown:
        raise DataError(f"drop: no source is named `{unknown[0]}`; {suggest(unknown[0], table.sources)}")
    kept = table.only([name for name in table.sources if name not in sources])
    if not kept.n_votes:
        raise DataError("drop: no vote is left")
    note = f"Votes that `drop` leaves out: {table.n_votes - kept.n_votes} of {table.n_votes}."
    return replace(kept, notes=(*kept.notes, note))


def _may_be_file(gold: str) -> bool:
    suffix, _ = format_of(Path(gold))
    return suffix in SUFFIXES or Path(gold).exists()


def sources_of(path: Path, columns: VoteColumns = AS_NAMED, alone: str | None = None) -> list[str] | None:
    """The sources of a file, without a check of its votes. None: no source is named, all votes are of one source."""
    vote_rows = _vote_rows(path, columns, alone)
    return None if vote_rows.nameless and columns.one_source is None else list(vote_rows.source.names)


def explain_columns(source: Any, columns: VoteColumns = AS_NAMED) -> list[tuple[str, tuple[ColumnUse, ...]]]:
    """Of each file, its name and how each of its columns was read. Raises `ConfigError` and `DataError`."""
    return [(part.origin, part.uses) for part in _parts(source, columns)]


def item_texts(source: Any, columns: VoteColumns = AS_NAMED) -> list[ItemTexts]:
    """What files of votes say about their items, for `item_table`. Raises `ConfigError` and `DataError`."""
    return [one for part in _parts(source, columns) for one in part.texts]


def _rows_of_all(source: Any, columns: VoteColumns, alone: str | None, *, classes_given: bool) -> VoteRows:
    return one_table(_parts(source, columns, alone), classes_given=classes_given)


def _parts(source: Any, columns: VoteColumns, alone: str | None = None) -> list[VoteRows]:
    """The votes of each file; of several, one without sources is a source of the file's name."""
    files = files_in(source)
    if len(files) == 1:
        return [_vote_rows(files[0], columns, alone)]
    return [_vote_rows(one, columns, alone or stem_of(str(one))) for one in files]


def _vote_rows(source: Any, columns: VoteColumns, alone: str | None = None) -> VoteRows:
    if isinstance(source, np.ndarray):
        return vote_rows_of_array(source, "the matrix", columns.one_source or alone)
    if not isinstance(source, str | Path):
        return _of_table(table_in_memory(source), columns, alone)
    path = Path(source)
    suffix, raw = read_content(path)
    if suffix == ".npy":
        return vote_rows_of_array(npy_array(shown(path), raw), shown(path), columns.one_source or alone)
    if suffix == ".json" and not (columns.header or columns.delimiter):
        value = json_value(shown(path), raw)
        if value is not None:
            return _of_json(shown(path), value, columns, alone)
    return _of_table(table_of_content(path, suffix, raw, columns), columns, alone)


def _of_json(origin: str, value: Any, columns: VoteColumns, alone: str | None) -> VoteRows:
    """A list of objects, or one object for all items."""
    if is_weak_labels(value):
        return vote_rows_of_weak_labels(origin, value, columns)
    return _of_table(value_table(origin, value), columns, alone)


def _of_table(table: SourceTable, columns: VoteColumns, alone: str | None) -> VoteRows:
    """A plain table, or an export of a labelling tool."""
    if KEY in table.columns and is_weak_labels(table.rows):
        return vote_rows_of_weak_labels(table.origin, table.rows, columns)
    if not table.columns:
        raise DataError(f"{table.origin}: has no column")
    export = export_of(table, columns)
    if export is not None:
        return vote_rows_of_export(export, alone)
    return vote_rows_of_table(table, columns, alone)


def _with_gold(vote_rows: VoteRows, gold: Any, columns: VoteColumns) -> VoteRows:
    items = vote_rows.item.names
    replaced = (
        ("The column of gold in the votes was replaced by the given gold.",) if vote_rows.gold is not None else ()
    )
    if isinstance(gold, np.ndarray):
        gold_of_items = Gold(gold_of_array(gold, len(items)), "the given array")
    else:
        gold_of_items = gold_of_table(read_table(gold), columns, items, vote_rows.item_from)
    notes = (*vote_rows.notes, *replaced, *gold_of_items.notes)
    return replace(vote_rows, gold=gold_of_items.of_items, gold_from=gold_of_items.origin, notes=notes)
