"""`SourceTable`: a table of votes or items, with the place of each row for messages.

Columns are converted when they are read, so unused columns of long texts cost nothing. Rows as Python values are made
at the first use of `rows`.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from outgrow.errors import ConfigError, DataError
from outgrow.text_format import HALF_CHARACTER, listed

Row = dict[str, Any]
Place = Callable[[int], str]
"""The place of a row in messages: `votes.csv, line 7`."""


@dataclass(frozen=True)
class SourceTable:
    """A table with its origin."""

    origin: str
    """The path of the file, or the name of the table in messages."""
    columns: list[str]
    read: Callable[[Sequence[str]], pa.Table]
    """Reads the columns of these names."""
    place: Place
    read_rows: Callable[[], list[Row]] | None = None
    """Reads all rows as Python values of the format; None = by Arrow."""
    read_first: Callable[[int], list[Row]] | None = None
    """Reads that many first rows, at most, in the same form; None = by Arrow."""
    notes: tuple[str, ...] = ()
    """Notes of the reader."""
    is_csv: bool = False
    """Whether it is a CSV or TSV file, which may lack a header."""

    @cached_property
    def rows(self) -> list[Row]:
        """All rows as dicts. Raises `DataError` for values that Python cannot represent."""
        if self.read_rows is not None:
            return self.read_rows()
        try:
            return list(self.read(self.columns).to_pylist())
        except (ValueError, OverflowError, MemoryError, pa.ArrowException) as error:
            raise DataError(f"{self.origin}: contains a value that cannot be read ({str(error)[:200]})") from error

    def first_rows(self, n_rows: int) -> list[Row]:
        """The first rows as dicts, at most `n_rows`. Raises `DataError` like `rows`."""
        if self.read_first is not None:
            return self.read_first(n_rows)
        if self.read_rows is not None:
            return self.rows[:n_rows]
        return list(self.read(self.columns).slice(0, n_rows).to_pylist())

    @property
    def column_list(self) -> str:
        """The columns, for messages."""
        return listed([name for name in self.columns if name])

    def column(self, name: str) -> pa.ChunkedArray:
        return self.read([name]).column(0)


class LineNumbers:
    """The line on which each record begins. Lines are read on demand, each of them once."""

    def __init__(self, lines: Iterator[int]) -> None:
        self._rest = lines
        self._lines = array("q")

    def __call__(self, record: int) -> int | None:
        """The line (from 1) of a record (from 0); None beyond the last record."""
        self._lines.extend(islice(self._rest, max(0, record + 1 - len(self._lines))))
        return self._lines[record] if record < len(self._lines) else None


def stem_of(origin: str) -> str:
    """The name of the only source of a table: the file's name without its suffix, or `source`."""
    name = Path(origin).name
    return name.split(".")[0] or name if "." in name else "source"


def refuse_duplicates(columns: Sequence[str], origin: str, hint: str = "") -> None:
    """Raise `DataError` if two columns have the same name."""
    name, count = Counter(columns).most_common(1)[0] if columns else ("", 1)
    if count > 1:
        raise DataError(f"{origin}: {count} columns are called `{name}`; give them different names{hint}")


def table_of_arrow(table: pa.Table, origin: str) -> SourceTable:
    """An Arrow table; rows are counted from 1."""
    refuse_duplicates(table.column_names, origin)
    return SourceTable(origin, list(table.column_names), table.select, lambda row: f"{origin}, row {row + 1}")


def table_of_rows(
    origin: str, rows: Sequence[Any], place: Place | None = None, columns: Sequence[str] | None = None
) -> SourceTable:
    """Dicts as a table; a column is made when it is read. By default rows are counted from 1.

    Raises `DataError` for a row that is not a dict and for a key with half a character.
    """
    where = place or (lambda row: f"{origin}, row {row + 1}")
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            raise DataError(f'{where(index)}: needs an object such as {{"text": …}}, found {str(row)[:40]!r}')
    names = list(dict.fromkeys(key for row in rows for key in row) if columns is None else columns)
    for name in names:
        if (half := HALF_CHARACTER.search(str(name))) is not None:
            first = next(index for index, row in enumerate(rows) if name in row)
            raise DataError(f"{where(first)}: the key {name!a} contains half a character, {half[0]!a}")

    def read(selected: Sequence[str]) -> pa.Table:
        return pa.table({name: column_of([row.get(name) for row in rows], f"`{name}`", where) for name in selected})

    return SourceTable(origin, names, read, where, read_rows=lambda: list(rows))


def table_in_memory(source: Any, name: str | None = None) -> SourceTable:
    """The table of a pandas or polars DataFrame, a pyarrow Table, a `datasets.Dataset` or a list of dicts.

    `name` is its name in messages. Raises `ConfigError` for other objects.
    """
    origin = name or f"the {type(source).__name__}"
    if isinstance(source, list) and all(isinstance(row, dict) for row in source):
        return table_of_rows(origin, source)
    if isinstance(source, pa.Table):
        return table_of_arrow(source, origin)
    if isinstance(source, pa.RecordBatch):
        return table_of_arrow(pa.Table.from_batches([source]), origin)
    if type(source).__module__.startswith("datasets."):
        return table_of_arrow(_of_dataset(source), origin)
    if type(source).__module__.startswith("pandas") and hasattr(source, "columns"):
        return table_of_arrow(_of_pandas(source, origin), origin)
    if hasattr(source, "__arrow_c_stream__"):
        return table_of_arrow(pa.table(source), origin)
    raise ConfigError(
        f"{origin}: {type(source).__name__} is not a table; give a path, a DataFrame, an Arrow table, a `Dataset`,"
        " a list of dicts or an array"
    )


def _of_pandas(frame: Any, origin: str) -> pa.Table:
    """A DataFrame; an index with a name becomes a column."""
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    refuse_duplicates(list(frame.columns), origin)
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, OverflowError, UnicodeEncodeError):  # a column that mixes types, or half a character
        return pa.table({name: column_of(frame[name].tolist(), f"column `{name}`") for name in frame.columns})


def _of_dataset(source: Any) -> pa.Table:
    """A data set of the `datasets` library; class numbers become names."""
    if not hasattr(source, "with_format") or isinstance(source, dict) or not hasattr(source, "features"):
        splits = listed(list(source)) if isinstance(source, dict) else type(source).__name__
        raise ConfigError(f"these votes are several splits or a stream ({splits}); give one split as a `Dataset`")
    table = source.with_format("arrow")[:]
    for index, name in enumerate(table.column_names):
        classes = getattr(source.features[name], "names", None)
        if isinstance(classes, list) and pa.types.is_integer(table.schema.field(name).type):
            code = np.asarray(table[name].fill_null(-1), dtype=np.int64)
            is_class = (code >= 0) & (code < len(classes))
            labels = pa.array(classes, pa.string()).take(pa.array(np.where(is_class, code, 0), mask=~is_class))
            table = table.set_column(index, name, labels)
    return table


def column_of(values: list[Any], subject: str = "a column", place: Place | None = None) -> pa.ChunkedArray:
    """A list of Python values as a column; mixed types become texts.

    Raises `DataError` for half a character; `subject` and `place` locate it in the message.
    """
    try:
        column = pa.array(values, from_pandas=True)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        texts = [_text(value) for value in values]
        bad = next((row for row, text in enumerate(texts) if text and HALF_CHARACTER.search(text)), None)
        if bad is not None:
            where = f"row {bad + 1}" if place is None else place(bad)
            raise DataError(
                f"{where}: {subject} contains half a character (a lone surrogate, \\uD800 … \\uDFFF)"
            ) from None
        column = pa.array(texts, pa.string())
    return pa.chunked_array([column]) if isinstance(column, pa.Array) else column


def _text(value: Any) -> str | None:
    if value is None or value != value:
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)
