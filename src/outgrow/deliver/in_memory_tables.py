"""Tables from Python as files, which steps can read again."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from outgrow.errors import DataError
from outgrow.graph.output import whole_file
from outgrow.readers.source_table import table_in_memory
from outgrow.texts import WeakTexts
from outgrow.vote_table import VoteTable

FOLDER = "in_memory"


def file_of_table(table: Any, store: Path, key: str) -> Path:
    """The path itself, or the path of a Parquet file in `store` with the table's content.

    `table`: a path, a pandas `DataFrame`, a `pyarrow.Table`, a `datasets.Dataset`, a list of dicts, a `VoteTable` or
    `WeakTexts`; `key` names it in messages.
    """
    if isinstance(table, str | os.PathLike):
        return Path(table)
    arrow = as_arrow(table, key)
    sink = pa.BufferOutputStream()
    pq.write_table(arrow.replace_schema_metadata(None), sink)
    content = sink.getvalue().to_pybytes()
    path = store / FOLDER / f"{key}-{hashlib.sha256(content).hexdigest()[:16]}.parquet"
    if not path.is_file():
        try:
            with whole_file(path) as unfinished:
                unfinished.write_bytes(content)
        except OSError as error:
            raise DataError(f"{path}: cannot be written ({error.strerror})") from error
    return path


def as_arrow(table: Any, key: str) -> pa.Table:
    """A table of a supported library as an Arrow table. Raises `ConfigError` for other objects."""
    if isinstance(table, VoteTable):
        return table.to_arrow()
    if isinstance(table, WeakTexts):
        return _rows_of(table)
    source = table_in_memory(table, key)
    return source.read(source.columns)


def _rows_of(table: WeakTexts) -> pa.Table:
    """A row per text in the form of `read_texts`; an item without texts has one row with an empty text."""
    rows = [(table.items[item], table.sources[source], text.text) for item, source, _, text in table.rows()]
    rows += [
        (item, table.sources[0], "") for item, row in zip(table.items, table.candidates, strict=True) if not any(row)
    ]
    columns = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table(
        {
            name: pa.array(column, pa.string())
            for name, column in zip(("item", "source", "label"), columns, strict=True)
        }
    )
