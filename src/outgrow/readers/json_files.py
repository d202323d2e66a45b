"""JSON lines and JSON, as a table or as plain Python values.

Arrow reads columns of JSON lines with plain cells. Where Arrow fails (a column with numbers and text), Python reads
them more slowly, with the same result. Rows are always Python values. Arrow gets only objects that are not deeply
nested, because a recursive parser ends the process at some depth.
"""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json

from outgrow.errors import DataError
from outgrow.readers.raw_file import checked_text
from outgrow.readers.source_table import LineNumbers, Row, SourceTable, refuse_duplicates, table_of_rows

DEEPEST = 100
"""Nesting depth of lists and objects, at most."""
BLOCK = 1 << 24
"""Bytes that are processed at a time."""
LARGEST_BLOCK = (1 << 31) - 1
LINE_END, OPEN, QUOTE = ord("\n"), ord("{"), ord('"')
STEP = np.zeros(256, np.int8)
STEP[list(b"[{")], STEP[list(b"]}")] = 1, -1
# NaN and Infinity are not JSON, but pandas writes them for a missing value.
_DECODER = json.JSONDecoder(parse_constant=lambda name: None)


def json_value(origin: str, raw: bytes) -> Any:
    """The value of a whole file, None for several values (JSON lines). Raises `DataError`."""
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
    except (ValueError, RecursionError) as error:  # numbers with thousands of digits, a thousand open brackets
        raise DataError(f"{origin}: JSON that cannot be read ({error})") from error


def json_table(origin: str, raw: bytes) -> SourceTable:
    """A `.json` file: a list of objects, one object, or JSON lines. Raises `DataError` for any other value."""
    value = json_value(origin, raw)
    if value is None and checked_text(raw, origin).lstrip().startswith(b"{"):
        return lines_table(origin, raw)
    return value_table(origin, value)


def value_table(origin: str, value: Any) -> SourceTable:
    """The table of a JSON value: a list of objects, or one object."""
    if not isinstance(value, list | dict):
        raise DataError(f"{origin}: needs a list of objects, found {type(value).__name__}")
    return table_of_rows(origin, value if isinstance(value, list) else [value])


def lines_table(origin: str, raw: bytes) -> SourceTable:
    """JSON lines: one object per line. Raises `DataError` with the line."""
    text = checked_text(raw, origin)
    lines = LineNumbers(line_number for line_number, line in _filled_lines(text))

    def place(row: int) -> str:
        return f"{origin}, line {lines(row)}"

    table = _by_arrow(text) if _are_objects(text) else None
    rows = list(_rows(text, origin)) if table is None else []
    if not rows and (table is None or not table.num_rows):
        raise DataError(f"{origin}: is empty; it needs an object per line")
    if table is None:
        return table_of_rows(origin, rows, place)
    refuse_duplicates(table.column_names, origin)
    return SourceTable(
        origin,
        list(table.column_names),
        table.select,
        place,
        read_rows=lambda: list(_rows(text, origin)),
        read_first=lambda n_rows: list(islice(_rows(text, origin), n_rows)),
    )


def _filled_lines(text: bytes) -> Iterator[tuple[int, bytes]]:
    """The non-blank lines with their numbers."""
    # splitlines() would also split at U+2028, which JSON strings may contain.
    return ((line_number, line) for line_number, line in enumerate(text.split(b"\n"), start=1) if line.strip())


def _rows(text: bytes, origin: str) -> Iterator[Row]:
    for line_number, raw in _filled_lines(text):
        line, where = raw.decode().strip(), f"{origin}, line {line_number}"
        refuse_deep(line, where)
        try:
            value = _DECODER.decode(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{where}: not valid JSON ({error})") from error
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where}: JSON that cannot be read ({error})") from error
        if not isinstance(value, dict):
            raise DataError(f'{where}: needs an object such as {{"text": …}}, found {str(value)[:40]!r}')
        yield value


def _are_objects(text: bytes) -> bool:
    """Whether every non-blank line begins like an object, and none is nested deeper than `DEEPEST`."""
    start = 0
    while start < len(text):
        end = text.find(b"\n", start + BLOCK) + 1 or len(text)
        block = np.frombuffer(text, np.uint8, end - start, start)
        line_starts = np.append(0, np.flatnonzero(block[:-1] == LINE_END) + 1)
        suspects = line_starts[block[line_starts] != OPEN]
        if any(_first_letter(text, start + offset) not in (b"", b"{") for offset in suspects.tolist()):
            return False
        brackets = np.flatnonzero((block | 32) == OPEN)  # [ and { differ in this bit
        count = np.diff(np.append(np.searchsorted(brackets, line_starts), len(brackets)))
        lines = np.append(line_starts, end - start)
        for line in np.flatnonzero(count > DEEPEST).tolist():
            if depth_of(text[start + int(lines[line]) : start + int(lines[line + 1])]) > DEEPEST:
                return False
        start = end
    return True


def _first_letter(text: bytes, start: int) -> bytes:
    """The first character of the line at `start`; empty for a blank line."""
    end = text.find(b"\n", start)
    return text[start : end if end >= 0 else len(text)].lstrip()[:1]


def _by_arrow(text: bytes, schema: pa.Schema | None = None) -> pa.Table | None:
    """The table by Arrow, None if Arrow cannot represent the content of the file."""
    block = BLOCK if len(text) > BLOCK and max(map(len, text.split(b"\n"))) < BLOCK else len(text) + 1
    try:
        table = pa.json.read_json(
            pa.BufferReader(text),
            pa.json.ReadOptions(block_size=min(block, LARGEST_BLOCK)),
            pa.json.ParseOptions(explicit_schema=schema),
        )
    except (pa.ArrowException, UnicodeDecodeError):
        return None
    dates = [field.name for field in table.schema if pa.types.is_temporal(field.type)]
    if dates and schema is None:  # texts that look like dates stay text
        return _by_arrow(text, pa.schema([(name, pa.string()) for name in dates]))
    large = any(pa.types.is_floating(field.type) and _loses_digits(table[field.name]) for field in table.schema)
    return None if large or table.num_rows != sum(1 for _ in _filled_lines(text)) else table


def _loses_digits(column: pa.ChunkedArray) -> bool:
    import pyarrow.compute as pc  # slow to import, and not needed for plans

    most = pc.max(pc.abs(column)).as_py()
    return most is not None and most >= 2**53


def depth_of(text: bytes) -> int:
    """The largest nesting depth of lists and objects; the text need not be valid JSON.

    >>> depth_of(b'{"a": [1, [2]], "b": "[[[["}')
    3
    """
    if b"\\" in text:  # pairs first: a remaining backslash before a quote escapes it
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    deepest = depth = 0
    in_quotes = False
    for start in range(0, len(text), BLOCK):
        block = np.frombuffer(text, np.uint8, min(BLOCK, len(text) - start), start)
        quoted = np.logical_xor.accumulate(np.append(in_quotes, block == QUOTE))
        steps = np.where(quoted[1:], 0, STEP[block])
        depths = depth + np.cumsum(steps, dtype=np.int64)
        deepest, depth, in_quotes = max(deepest, int(depths.max())), int(depths[-1]), bool(quoted[-1])
    return deepest


def too_deep(text: str) -> bool:
    """Whether JSON is nested deeper than `DEEPEST`."""
    return text.count("[") + text.count("{") > DEEPEST and depth_of(text.encode("utf-8", "replace")) > DEEPEST


def refuse_deep(text: str, where: str) -> None:
    """Raise `DataError` for JSON that is nested deeper than `DEEPEST`."""
    if too_deep(text):
        raise DataError(f"{where}: cannot be read: lists and objects are nested more than {DEEPEST} deep")
