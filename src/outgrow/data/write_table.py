"""Writing a table for others to open: CSV, TSV, JSON lines or Parquet, by the suffix.

A spreadsheet runs a cell that begins with = + - @, a tab or a carriage return as a formula, also one in a data set
from elsewhere. Text cells that begin so get an apostrophe before them, which a spreadsheet hides; numbers keep
their sign. Reading takes no apostrophe away again: `spreadsheet_safe=False` writes what is there. Lists and mappings
are JSON within CSV.
"""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from outgrow.errors import ConfigError, DataError
from outgrow.graph.output import whole_file

FORMULA = r"^[=+\-@\t\r]"
SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


def write_table(table: pa.Table, path: Path | str, *, spreadsheet_safe: bool = True) -> None:
    """Write a table in the format of the suffix; the file appears whole or not at all, folders above it are made.

    Raises `ConfigError` for an unknown suffix, `DataError` where the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigError(
            f"{path}: `{suffix or path.name}` is no format that can be written; {', '.join(SUFFIXES)} are"
        )
    try:
        with whole_file(path) as unfinished:
            if suffix == ".parquet":
                pq.write_table(table, unfinished)
            elif suffix == ".jsonl":
                _write_lines(table, unfinished)
            else:
                _write_cells(_as_cells(table, safe=spreadsheet_safe), unfinished, "\t" if suffix == ".tsv" else ",")
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from error


def _as_cells(table: pa.Table, *, safe: bool) -> pa.Table:
    """Columns that CSV can hold."""
    columns = [_cells(column, safe=safe) for column in table.columns]
    names = _safe(pa.chunked_array([table.column_names], pa.string())).to_pylist() if safe else table.column_names
    return pa.Table.from_arrays(columns, names=names)


def _cells(column: pa.ChunkedArray, *, safe: bool) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _cells(column.cast(kind.value_type), safe=safe)
    if pa.types.is_nested(kind):
        return pa.chunked_array([[None if cell is None else _json(cell) for cell in column.to_pylist()]], pa.string())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _safe(column) if safe else column
    return column.cast(pa.string()) if pa.types.is_null(kind) else column


def _safe(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """The same with an apostrophe before what would be a formula."""
    apostrophe, nothing = (pa.scalar(text, texts.type) for text in ("'", ""))
    return pc.if_else(
        pc.match_substring_regex(texts, FORMULA), pc.binary_join_element_wise(apostrophe, texts, nothing), texts
    )


def _write_cells(table: pa.Table, path: Path, delimiter: str) -> None:
    pa.csv.write_csv(table, path, pa.csv.WriteOptions(delimiter=delimiter))


def _write_lines(table: pa.Table, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        for batch in table.to_batches(max_chunksize=65536):
            file.writelines(_json(row) + "\n" for row in batch.to_pylist())


def _json(value: Any) -> str:
    return json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, default=str)


def _finite(value: Any) -> Any:
    """The same with null for what JSON has no number for."""
    if isinstance(value, float) and value - value != 0:
        return None
    if isinstance(value, dict):
        return {key: _finite(cell) for key, cell in value.items()}
    return [_finite(cell) for cell in value] if isinstance(value, list) else value
