"""`SourceTable`: columns by name that are read when they are asked for, and the place of every row.

What is not asked for is not converted, so that a column of long texts costs nothing. The text of a file is checked
whole all the same: it is UTF-8 without NUL, or an error names the line.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from outgrow.data.raw_file import decode
from outgrow.errors import ConfigError, DataError
from outgrow.text_format import HALF_CHARACTER, listed


class SourceTable(NamedTuple):
    """A table that knows where its rows came from."""

    origin: str
    """The file's path, or what the table in memory is called in messages."""
    columns: list[str]
    read: Callable[[Sequence[str]], pa.Table]
    """The columns of these names."""
    place: Callable[[int], str]
    """Where a row stands: `votes.csv, line 7`."""
    notes: tuple[str, ...] = ()
    """Sentences about how it was read."""
    from_cells: bool = False
    """Whether it is a CSV or TSV file, whose header may be missing."""

    @property
    def named(self) -> str:
        """The columns, for messages."""
        return listed([name for name in self.columns if name])

    def column(self, name: str) -> pa.ChunkedArray:
        return self.read([name]).column(0)


def stem_of(origin: str) -> str:
    """What a source is called of which a whole table is: the file's name without its ending, or `source`."""
    name = Path(origin).name
    return name.split(".")[0] or name if "." in name else "source"


def refuse_twins(columns: Sequence[str], origin: str, hint: str = "") -> None:
    """Raise `DataError` where two columns share a name."""
    name, count = Counter(columns).most_common(1)[0] if columns else ("", 1)
    if count > 1:
        raise DataError(f"{origin}: {count} columns are called `{name}`; give each its own name{hint}")


def checked_text(raw: bytes, origin: str) -> bytes:
    """The bytes of a text file without byte order mark. Raises `DataError` unless they are UTF-8 without NUL."""
    decode(raw, origin)
    if (at := raw.find(b"\0")) >= 0:
        line = raw.count(b"\n", 0, at) + 1
        raise DataError(f"{origin}, line {line}: a NUL byte, which no text has; is the file damaged, or UTF-16?")
    return raw.removeprefix(b"\xef\xbb\xbf")


def table_sheet(table: pa.Table, origin: str, unit: str = "row") -> SourceTable:
    """A table in memory; rows are counted from 1."""
    refuse_twins(table.column_names, origin)
    return SourceTable(origin, list(table.column_names), table.select, lambda row: f"{origin}, {unit} {row + 1}")


def object_sheet(source: Any) -> SourceTable:
    """A pandas or polars DataFrame, a pyarrow Table or a `datasets.Dataset`. Raises `ConfigError` for all else."""
    origin = f"the {type(source).__name__}"
    if isinstance(source, pa.Table):
        return table_sheet(source, origin)
    if isinstance(source, pa.RecordBatch):
        return table_sheet(pa.Table.from_batches([source]), origin)
    if type(source).__module__.startswith("datasets."):
        return table_sheet(_of_dataset(source), origin)
    if type(source).__module__.startswith("pandas") and hasattr(source, "columns"):
        return table_sheet(_of_pandas(source, origin), origin)
    if hasattr(source, "__arrow_c_stream__"):
        return table_sheet(pa.table(source), origin)
    raise ConfigError(
        f"{origin} cannot be read as votes; give a path, a DataFrame, a pyarrow Table, a `Dataset` or a matrix"
    )


def _of_pandas(frame: Any, origin: str) -> pa.Table:
    """A DataFrame; an index with a name is a column."""
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    refuse_twins(list(frame.columns), origin)
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, OverflowError, UnicodeEncodeError):  # a column that mixes types, or half a character
        return table_of({name: frame[name].tolist() for name in frame.columns})


def _of_dataset(source: Any) -> pa.Table:
    """A data set of the hub's library; class numbers become the names that it has for them."""
    if not hasattr(source, "with_format") or isinstance(source, dict) or not hasattr(source, "features"):
        splits = listed(list(source)) if isinstance(source, dict) else type(source).__name__
        raise ConfigError(f"these votes are several splits or a stream ({splits}); give one split as a `Dataset`")
    table = source.with_format("arrow")[:]
    for number, name in enumerate(table.column_names):
        names = getattr(source.features[name], "names", None)
        if isinstance(names, list) and pa.types.is_integer(table.schema.field(name).type):
            code = np.asarray(table[name].fill_null(-1), dtype=np.int64)
            known = (code >= 0) & (code < len(names))
            words = pa.array(names, pa.string()).take(pa.array(np.where(known, code, 0), mask=~known))
            table = table.set_column(number, name, words)
    return table


def table_of(columns: dict[str, list[Any]]) -> pa.Table:
    """Columns of Python values; where types are mixed, their texts."""
    return pa.table({name: column_of(values, f"column `{name}`") for name, values in columns.items()})


def column_of(values: list[Any], what: str = "a column", place: Callable[[int], str] | None = None) -> pa.ChunkedArray:
    """A list of Python values as a column. Raises `DataError` for half a character: `what` and `place` say where."""
    try:
        column = pa.array(values, from_pandas=True)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        texts = [_text(value) for value in values]
        bad = next((row for row, text in enumerate(texts) if text and HALF_CHARACTER.search(text)), None)
        if bad is not None:
            where = f"row {bad + 1}" if place is None else place(bad)
            raise DataError(f"{where}: {what} holds half a character (a lone surrogate, \\uD800 … \\uDFFF)") from None
        column = pa.array(texts, pa.string())
    return pa.chunked_array([column]) if isinstance(column, pa.Array) else column


def _text(value: Any) -> str | None:
    if value is None or value != value:
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)
