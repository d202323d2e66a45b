"""A plain table, wherever it is: a file of any format, or a table in memory, as a `SourceTable`."""

import os
from pathlib import Path
from typing import Any

from outgrow.config.votes import AS_NAMED, VoteColumns
from outgrow.data.raw_file import read_bytes, shown
from outgrow.errors import ConfigError, DataError
from outgrow.readers.arrow_files import arrow_sheet, parquet_sheet
from outgrow.readers.csv_files import separated_sheet
from outgrow.readers.json_files import json_value, lines_sheet, rows_sheet
from outgrow.readers.source_table import SourceTable, object_sheet

COMMAS = {".csv": ",", ".tsv": "\t"}
JSON = (".jsonl", ".ndjson", ".json")
SUFFIXES = (*COMMAS, *JSON, ".parquet", ".arrow", ".npy")


def sheet_of(source: Any, columns: VoteColumns = AS_NAMED) -> SourceTable:
    """A path, a data frame, an Arrow table or a data set. Raises `ConfigError` or `DataError` for anything else."""
    if not isinstance(source, str | Path):
        return object_sheet(source)
    path = Path(source)
    suffix, raw = content_of(path)
    if suffix == ".npy":
        raise ConfigError(
            f"{shown(path)}: a table with named columns is needed here; load the array yourself and give that"
        )
    if suffix != ".json":
        return file_sheet(path, suffix, raw, columns)
    value = json_value(shown(path), raw)
    return rows_sheet(shown(path), value) if isinstance(value, list) else lines_sheet(path, raw)


def content_of(path: Path) -> tuple[str, bytes]:
    """The suffix and the bytes of a file. Raises `DataError` for no file and for no known format."""
    if os.path.isdir(path):
        raise DataError(f"{shown(path)}: is a folder; name the file in it")
    gzipped = path.suffix.lower() == ".gz"
    suffix = (Path(path.stem) if gzipped else path).suffix.lower()
    if suffix not in ((*COMMAS, *JSON) if gzipped else SUFFIXES):
        raise DataError(
            f"{shown(path)}: `{shown(Path(suffix or path.name))}` is no format that can be read; known:"
            f" {', '.join(SUFFIXES)}"
        )
    raw = read_bytes(path, gzipped)
    if not raw:
        raise DataError(f"{shown(path)}: is empty")
    return suffix, raw


def file_sheet(path: Path, suffix: str, raw: bytes, columns: VoteColumns = AS_NAMED) -> SourceTable:
    """A file with rows one after the other: CSV, TSV, JSON lines, Parquet or Arrow."""
    if suffix in COMMAS:
        return separated_sheet(
            shown(path),
            raw,
            COMMAS[suffix],
            delimiter=columns.delimiter,
            header=columns.header,
            matrix=columns.layout == "matrix",
        )
    if columns.header or columns.delimiter:
        raise ConfigError(
            f"{shown(path)}: `header` and `delimiter` are for .csv and .tsv; {suffix} files name their columns"
        )
    if suffix == ".parquet":
        return parquet_sheet(shown(path), raw)
    return arrow_sheet(shown(path), raw) if suffix == ".arrow" else lines_sheet(path, raw)
