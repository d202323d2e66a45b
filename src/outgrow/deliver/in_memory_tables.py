"""Tables that are given from Python, as files: what steps read must be there when they are run again."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from outgrow.errors import ConfigError, DataError
from outgrow.graph.output import whole_file
from outgrow.texts import WeakTexts
from outgrow.vote_table import VoteTable

FOLDER = "given"


def given_file(table: Any, store: Path, key: str) -> Path:
    """The path itself, or that of a Parquet file in `store` with the table's content.

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
    """A table of any of the usual libraries as Arrow. Raises `ConfigError` for anything else."""
    if isinstance(table, pa.Table):
        return table
    if isinstance(table, VoteTable):
        return table.to_arrow()
    if isinstance(table, WeakTexts):
        return _rows_of(table)
    kind = type(table).__module__.partition(".")[0]
    try:
        if kind == "pandas":
            return pa.Table.from_pandas(table, preserve_index=False)
        if kind == "datasets":
            return table.with_format("arrow")[:]
        if isinstance(table, list):
            return pa.Table.from_pylist(table)
    except (pa.ArrowException, TypeError, AttributeError) as error:
        raise DataError(f"{key}: cannot be read as a table ({str(error)[:200]})") from error
    raise ConfigError(
        f"{key}: {type(table).__name__} is no table; give a path, a pandas DataFrame, an Arrow table, a"
        " datasets.Dataset or a list of dicts"
    )


def _rows_of(table: WeakTexts) -> pa.Table:
    """A row per text, as `read_texts` reads it again; an item without any keeps an empty one."""
    rows = [(table.items[item], table.sources[source], one.text) for item, source, _, one in table.rows()]
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
