"""Votes that somebody has already: from a file, a data frame or a matrix to a `VoteTable`.

Read are long tables (a row per vote), wide ones (a row per item, a column per source) and matrices of class numbers
(-1 = no vote), as CSV, TSV, JSON lines, JSON, Parquet, Arrow (the text formats also gzipped) or NumPy files, or from
memory: pandas, pyarrow, `datasets`, NumPy. Exports of Label Studio and Argilla are recognised. What a table means is
found by its header (`files/header.py`) and said in the notes; where the header does not tell, nothing is guessed.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from outgrow.config.votes import AS_NAMED, VoteColumns
from outgrow.data.raw_file import shown
from outgrow.data.table import read_table
from outgrow.errors import DataError
from outgrow.readers.argilla import ballots_of_records, is_argilla
from outgrow.readers.arrow_files import matrix_file
from outgrow.readers.gold import Gold, gold_of_array, gold_of_sheet
from outgrow.readers.json_files import first_keys, json_value, lines_sheet, rows_sheet
from outgrow.readers.label_studio import ballots_of_tasks, is_label_studio
from outgrow.readers.labelling_functions import KEY, ballots_of_weak_labels, is_weak_labels
from outgrow.readers.long_and_wide import ballots_of_sheet
from outgrow.readers.matrix import ballots_of_array
from outgrow.readers.open_table import JSON, content_of, file_sheet, sheet_of
from outgrow.readers.source_table import SourceTable, object_sheet
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
    """Read votes, hard or soft, from any of the above.

    `classes` gives the classes in their order; without it they are the labels seen, sorted (numbers as numbers).
    `gold` is a table of items and their true class, from anywhere votes may come from, or an array with an entry per
    item (-1 = unknown); it replaces gold that stands beside the votes. `renormalise` divides probabilities by their
    sum where that is not 1; `alone` says whose the votes are where nothing else does. Raises `ConfigError` where the
    columns cannot be told, and `DataError`, with the row, for anything that cannot be counted.
    """
    # With a table of gold the name of gold's column is that table's.
    ballots = _ballots(source, columns if gold is None else columns.model_copy(update={"gold": None}), alone)
    if gold is not None:
        ballots = _with_gold(ballots, gold, columns)
    return to_vote_table(
        ballots,
        classes=classes,
        abstain=columns.abstain,
        renormalise=renormalise,
        repeats=columns.repeats,
        nominal=columns.scale == "nominal",
        join_classes=columns.join_classes,
    )


def sources_of(path: Path, columns: VoteColumns = AS_NAMED, alone: str | None = None) -> list[str] | None:
    """Who votes in a file; what they vote for is not looked at. None: nothing says it, all votes are one source's."""
    ballots = _ballots(path, columns, alone)
    return None if ballots.nameless and columns.one_source is None else list(ballots.source.names)


def _ballots(source: Any, columns: VoteColumns, alone: str | None = None) -> VoteRows:
    if isinstance(source, np.ndarray):
        return ballots_of_array(source, "the matrix", columns.one_source or alone)
    if not isinstance(source, str | Path):
        return _of_sheet(object_sheet(source), columns, alone)
    path = Path(source)
    suffix, raw = content_of(path)
    if suffix == ".npy":
        return ballots_of_array(matrix_file(shown(path), raw), shown(path), columns.one_source or alone)
    if suffix in JSON and not (columns.header or columns.delimiter):
        return _of_json(path, suffix, raw, columns, alone)
    return _of_sheet(file_sheet(path, suffix, raw, columns), columns, alone)


def _of_json(path: Path, suffix: str, raw: bytes, columns: VoteColumns, alone: str | None) -> VoteRows:
    """A list of objects, one object for all items, or JSON lines."""
    value = json_value(shown(path), raw) if suffix == ".json" else None
    if value is None:
        if _is_export(first_keys(raw)):
            return _of_rows(shown(path), read_table(path).rows, columns, alone)
        return _of_sheet(lines_sheet(path, raw), columns, alone)
    if is_weak_labels(value):
        return ballots_of_weak_labels(shown(path), value, columns)
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        raise DataError(f"{shown(path)}: needs a list of objects, found {type(value).__name__}")
    return _of_rows(shown(path), value, columns, alone)


def _is_export(columns: Sequence[str]) -> bool:
    return bool({"annotations", "completions", KEY}.intersection(columns)) or is_argilla(columns)


def _of_rows(origin: str, rows: list[Any], columns: VoteColumns, alone: str | None) -> VoteRows:
    """Objects: an export of a labelling tool, or rows of a table."""
    if is_label_studio(rows):
        return ballots_of_tasks(origin, rows, columns)
    if is_weak_labels(rows):
        return ballots_of_weak_labels(origin, rows, columns)
    sheet = rows_sheet(origin, rows)
    return ballots_of_records(origin, rows, columns) if is_argilla(sheet.columns) else _plain(sheet, columns, alone)


def _of_sheet(sheet: SourceTable, columns: VoteColumns, alone: str | None) -> VoteRows:
    """A table, or an export of a labelling tool that comes as one."""
    if _is_export(sheet.columns):
        return _of_rows(sheet.origin, sheet.read(sheet.columns).to_pylist(), columns, alone)
    return _plain(sheet, columns, alone)


def _plain(sheet: SourceTable, columns: VoteColumns, alone: str | None) -> VoteRows:
    if not sheet.columns:
        raise DataError(f"{sheet.origin}: has no column")
    return ballots_of_sheet(sheet, columns, alone)


def _with_gold(ballots: VoteRows, gold: Any, columns: VoteColumns) -> VoteRows:
    items = ballots.item.names
    told = ("The gold beside the votes was replaced by the gold given.",) if ballots.gold is not None else ()
    if isinstance(gold, np.ndarray):
        found = Gold(gold_of_array(gold, len(items)), "the array given")
    else:
        found = gold_of_sheet(sheet_of(gold), columns, items, ballots.item_from)
    return replace(ballots, gold=found.of_items, gold_from=found.origin, notes=(*ballots.notes, *told, *found.notes))
