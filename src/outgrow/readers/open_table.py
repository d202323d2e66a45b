"""A table of votes or items, from a file of any format or from memory, as a `SourceTable`."""

import gzip
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from outgrow.config.votes import AS_NAMED, VoteColumns
from outgrow.errors import ConfigError, DataError
from outgrow.readers.arrow_files import arrow_table, parquet_table
from outgrow.readers.csv_files import LONGEST_HEADER, csv_table
from outgrow.readers.json_files import json_table, lines_table
from outgrow.readers.raw_file import read_bytes, require_regular, shown
from outgrow.readers.source_table import SourceTable, table_in_memory, table_of_rows

DELIMITERS = {".csv": ",", ".tsv": "\t"}
JSON = (".jsonl", ".ndjson", ".json")
TABLES = (*DELIMITERS, *JSON, ".parquet", ".arrow")
"""Suffixes of files of rows; `.gz` may follow those of text files."""
SUFFIXES = (*TABLES, ".npy")


def read_table(source: Any, columns: VoteColumns = AS_NAMED, *, header: Sequence[str] | None = None) -> SourceTable:
    """The table of a path, a data frame, an Arrow table or a data set.

    `header` names the columns of a published CSV or TSV file without a header line. Such a TSV file has no quotes.
    Raises `ConfigError` or `DataError` for anything else.
    """
    files = files_in(source)
    if len(files) > 1:
        raise ConfigError(f"{shown(Path(files[1]))}: only votes on classes may be in several files; join the files")
    if not isinstance(files[0], str | Path):
        return table_in_memory(files[0])
    path = Path(files[0])
    suffix, raw = read_content(path)
    if header is not None and suffix in DELIMITERS:
        return csv_table(shown(path), raw, DELIMITERS[suffix], header=header, quotes=suffix == ".csv")
    return table_of_content(path, suffix, raw, columns)


def files_in(source: Any) -> list[Any]:
    """The files of a list of paths; any other source alone."""
    if isinstance(source, list | tuple) and source and all(isinstance(one, str | Path) for one in source):
        return list(source)
    return [source]


def read_content(path: Path) -> tuple[str, bytes]:
    """The suffix and the bytes of a file. Raises `DataError` for a missing file and for an unknown format."""
    if os.path.isdir(path):
        raise DataError(f"{shown(path)}: is a folder; name the file in it")
    suffix, gzipped = format_of(path)
    if suffix not in ((*DELIMITERS, *JSON) if gzipped else SUFFIXES):
        raise DataError(
            f"{shown(path)}: `{shown(Path(suffix or path.name))}` is an unknown format; known: {', '.join(SUFFIXES)}"
        )
    raw = read_bytes(path, gzipped)
    if not raw:
        raise DataError(f"{shown(path)}: is empty")
    return suffix, raw


def format_of(path: Path) -> tuple[str, bool]:
    """The suffix, and whether the file is gzipped.

    >>> format_of(Path("votes.CSV.gz"))
    ('.csv', True)
    """
    gzipped = path.suffix.lower() == ".gz"
    return (Path(path.stem) if gzipped else path).suffix.lower(), gzipped


def table_of_content(path: Path, suffix: str, raw: bytes, columns: VoteColumns = AS_NAMED) -> SourceTable:
    """The table of a file's bytes."""
    origin = shown(path)
    if suffix == ".npy":
        raise ConfigError(f"{origin}: an array has no named columns; load it and pass a table with names")
    if suffix in DELIMITERS:
        return csv_table(
            origin,
            raw,
            DELIMITERS[suffix],
            delimiter=columns.delimiter,
            header=columns.header,
            matrix=columns.layout == "matrix",
        )
    if columns.header or columns.delimiter:
        raise ConfigError(
            f"{origin}: `header` and `delimiter` are for .csv and .tsv; {suffix} files name their columns"
        )
    if suffix in JSON:
        return json_table(origin, raw) if suffix == ".json" else lines_table(origin, raw)
    return parquet_table(origin, raw) if suffix == ".parquet" else arrow_table(origin, raw)


def read_columns(path: Path) -> SourceTable:
    """The columns of a file without its rows, from the first line. In JSON a later row may have more columns.

    Raises `DataError` if that fails; the whole file may still be readable.
    """
    suffix, gzipped = format_of(path)
    if suffix not in (*DELIMITERS, *JSON, ".parquet"):
        names = read_table(path).columns
    else:
        require_regular(path)
        try:
            if suffix == ".parquet":
                names = pq.read_schema(path).names
            else:
                with (gzip.open if gzipped else open)(path, "rb") as file:
                    line = file.readline(LONGEST_HEADER)
                if len(line) == LONGEST_HEADER:
                    raise DataError(f"{shown(path)}: the first line is longer than {LONGEST_HEADER} bytes")
                names = table_of_content(path, suffix, line).columns
        except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
            raise DataError(f"{shown(path)}: cannot be read ({error})") from error
    return table_of_rows(shown(path), [], columns=names)


def data_files(folder: Path) -> list[Path]:
    """All files under `folder` that can be read as a table, sorted by path."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return sorted(path for path in files if path.name.lower().removesuffix(".gz").endswith(TABLES))
