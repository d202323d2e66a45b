"""JSON lines and JSON, as a sheet or as plain Python values.

JSON lines of plain cells go through Arrow. Where it gives up (a column that mixes numbers and text, say) Python reads
them: slower, with the same result. Arrow is shown only lines of objects that are not nested deeply, as others end the
process. A `.json` file may be any value; exports of labelling tools are told by what it is.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json

from outgrow.data.json_depth import DEEPEST, depth_of, refuse_deep
from outgrow.data.raw_file import shown
from outgrow.data.table import read_table
from outgrow.errors import DataError
from outgrow.readers.categorical import Place
from outgrow.readers.source_table import SourceTable, checked_text, column_of, refuse_twins
from outgrow.text_format import HALF_CHARACTER

BLOCK = 1 << 24
LINE_END, OPEN = ord("\n"), ord("{")


def json_value(origin: str, raw: bytes) -> Any:
    """The value that a whole file is, None where it is several (JSON lines). Raises `DataError`."""
    text = checked_text(raw, origin).decode().strip()
    if not text:
        raise DataError(f"{origin}: is empty")
    refuse_deep(text, origin)
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and text.startswith("{"):
            return None
        raise DataError(f"{origin}: not valid JSON ({error})") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{origin}: JSON that cannot be read ({error})") from error


def lines_sheet(path: Path, raw: bytes) -> SourceTable:
    """JSON lines: one object per line. Raises `DataError` that names the line."""
    origin = shown(path)
    text = checked_text(raw, origin)

    def place(row: int) -> str:
        return f"{origin}, line {_line(text, row)}"

    table = _by_arrow(text) if _are_objects(text) else None
    rows = read_table(path).rows if table is None else []
    if not rows and (table is None or not table.num_rows):
        raise DataError(f"{origin}: is empty; it needs a line per vote")
    if table is None:
        return _sheet_of_objects(origin, rows, place)
    refuse_twins(table.column_names, origin)
    return SourceTable(origin, list(table.column_names), table.select, place)


def first_keys(raw: bytes) -> list[str]:
    """The keys of the first line's object; none where it is no object."""
    first = next((line for line in raw.removeprefix(b"\xef\xbb\xbf").splitlines() if line.strip()), b"")
    try:
        value = _DECODER.decode(first.decode().strip())
    except (ValueError, RecursionError):
        return []
    return list(value) if isinstance(value, dict) else []


def rows_sheet(origin: str, rows: list[Any]) -> SourceTable:
    """A list of objects, rows counted from 1."""
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise DataError(f"{origin}, row {number}: needs an object, found {str(row)[:40]!r}")
    return _sheet_of_objects(origin, rows, lambda row: f"{origin}, row {row + 1}")


def _sheet_of_objects(origin: str, rows: Sequence[dict[str, Any]], place: Place) -> SourceTable:
    """Objects as a table; a column is made when it is asked for."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    for name in columns:
        if (halves := HALF_CHARACTER.search(name)) is not None:
            first = next(number for number, row in enumerate(rows) if name in row)
            raise DataError(f"{place(first)}: the key {name!a} holds half a character, {halves[0]!a}")

    def read(names: Sequence[str]) -> pa.Table:
        return pa.table({name: column_of([row.get(name) for row in rows], f"`{name}`", place) for name in names})

    return SourceTable(origin, columns, read, place)


def _are_objects(text: bytes) -> bool:
    """Whether every line that is not blank begins like an object and none is nested deeper than Python reads."""
    start = 0
    while start < len(text):
        end = text.find(b"\n", start + BLOCK) + 1 or len(text)
        letters = np.frombuffer(text, np.uint8, end - start, start)
        begin = np.append(0, np.flatnonzero(letters[:-1] == LINE_END) + 1)
        odd = begin[letters[begin] != OPEN]
        if any(_first_letter(text, start + at) not in (b"", b"{") for at in odd.tolist()):
            return False
        brackets = np.flatnonzero((letters | 32) == OPEN)  # the bit by which [ and { differ
        count = np.diff(np.append(np.searchsorted(brackets, begin), len(brackets)))
        lines = np.append(begin, end - start)
        for line in np.flatnonzero(count > DEEPEST).tolist():
            if depth_of(text[start + int(lines[line]) : start + int(lines[line + 1])]) > DEEPEST:
                return False
        start = end
    return True


def _first_letter(text: bytes, start: int) -> bytes:
    """Of the line that begins at `start`; nothing of a blank one."""
    end = text.find(b"\n", start)
    return text[start : end if end >= 0 else len(text)].lstrip()[:1]


def _by_arrow(text: bytes, schema: pa.Schema | None = None) -> pa.Table | None:
    """The table, None where Arrow cannot make one that says what the file does."""
    block = BLOCK if len(text) > BLOCK and max(map(len, text.split(b"\n"))) < BLOCK else len(text) + 1
    try:
        table = pa.json.read_json(
            pa.BufferReader(text),
            pa.json.ReadOptions(block_size=min(block, (1 << 31) - 1)),
            pa.json.ParseOptions(explicit_schema=schema),
        )
    except (pa.ArrowException, UnicodeDecodeError):
        return None
    dates = [field.name for field in table.schema if pa.types.is_temporal(field.type)]
    if dates and schema is None:  # text that looks like a date is text
        return _by_arrow(text, pa.schema([(name, pa.string()) for name in dates]))
    large = any(pa.types.is_floating(field.type) and _loses_digits(table[field.name]) for field in table.schema)
    if large or table.num_rows != sum(1 for line in text.split(b"\n") if line.strip()):
        return None
    return table


def _loses_digits(column: pa.ChunkedArray) -> bool:
    most = pa.compute.max(pa.compute.abs(column)).as_py()
    return most is not None and most >= 2**53


def _line(text: bytes, row: int) -> int:
    filled = (number for number, line in enumerate(text.split(b"\n"), start=1) if line.strip())
    return next(number for count, number in enumerate(filled) if count == row)


_DECODER = json.JSONDecoder(
    parse_constant=lambda name: None
)  # NaN is no JSON, but a missing value as pandas writes it
