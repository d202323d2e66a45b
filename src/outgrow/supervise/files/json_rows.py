"""JSON lines and JSON, as a sheet or as plain Python values.

JSON lines of plain cells go through Arrow. Where it gives up (a column that mixes numbers and text, say) Python reads
them: slower, with the same result. A `.json` file may be any value; exports of labelling tools are told by what it is.
"""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json

from outgrow.data.table import read_table
from outgrow.errors import DataError
from outgrow.supervise.files.sheet import Sheet, checked_text, refuse_twins, table_of

BLOCK = 1 << 24


def json_value(origin: str, raw: bytes) -> Any:
    """The value that a whole file is, None where it is several (JSON lines). Raises `DataError`."""
    text = checked_text(raw, origin).decode().strip()
    if not text:
        raise DataError(f"{origin}: is empty")
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and text.startswith("{"):
            return None
        raise DataError(f"{origin}: not valid JSON ({error})") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{origin}: JSON that cannot be read ({error})") from error


def lines_sheet(path: Path, raw: bytes) -> Sheet:
    """JSON lines: one object per line. Raises `DataError` that names the line."""
    origin = str(path)
    text = checked_text(raw, origin)
    table = _by_arrow(text)
    if table is None:
        rows = read_table(path)
        table = table_of({name: [row.get(name) for row in rows.rows] for name in rows.columns})
    if not table.num_rows:
        raise DataError(f"{origin}: is empty; it needs a line per vote")
    refuse_twins(table.column_names, origin)
    return Sheet(origin, list(table.column_names), table.select, lambda row: f"{origin}, line {_line(text, row)}")


def first_keys(raw: bytes) -> list[str]:
    """The keys of the first line's object; none where it is no object."""
    first = next((line for line in raw.removeprefix(b"\xef\xbb\xbf").splitlines() if line.strip()), b"")
    try:
        value = _DECODER.decode(first.decode().strip())
    except (ValueError, RecursionError):
        return []
    return list(value) if isinstance(value, dict) else []


def rows_sheet(origin: str, rows: list[Any]) -> Sheet:
    """A list of objects, rows counted from 1."""
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise DataError(f"{origin}, row {number}: needs an object, found {str(row)[:40]!r}")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = table_of({name: [row.get(name) for row in rows] for name in columns})
    return Sheet(origin, columns, table.select, lambda row: f"{origin}, row {row + 1}")


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
