"""JSON lines and JSON, as a table or as plain Python values.

Columns of JSON lines of plain cells are read by Arrow. Where Arrow gives up (a column that mixes numbers and text),
Python reads them: slower, with the same result. Rows are always Python's values. Arrow is shown only lines of objects
that are not nested deeply: parsers that recurse end the process at some depth.
"""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json

from outgrow.errors import DataError
from outgrow.readers.raw_file import checked_text
from outgrow.readers.source_table import LineNumbers, Row, SourceTable, refuse_duplicates, table_of_rows

DEEPEST = 100
"""Lists and objects within one another that are read."""
BLOCK = 1 << 24
"""Bytes looked at together."""
LARGEST_BLOCK = (1 << 31) - 1
LINE_END, OPEN, QUOTE = ord("\n"), ord("{"), ord('"')
STEP = np.zeros(256, np.int8)
STEP[list(b"[{")], STEP[list(b"]}")] = 1, -1
# NaN and Infinity are not JSON, but pandas writes them for a missing value.
_DECODER = json.JSONDecoder(parse_constant=lambda name: None)


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
    except (ValueError, RecursionError) as error:  # a number with thousands of digits; a thousand open brackets
        raise DataError(f"{origin}: JSON that cannot be read ({error})") from error


def json_table(origin: str, raw: bytes) -> SourceTable:
    """A `.json` file: a list of objects, one object, or JSON lines. Raises `DataError` for any other value."""
    value = json_value(origin, raw)
    if value is None and checked_text(raw, origin).lstrip().startswith(b"{"):
        return lines_table(origin, raw)
    return value_table(origin, value)


def value_table(origin: str, value: Any) -> SourceTable:
    """A value of JSON that is a list of objects, or one object."""
    if not isinstance(value, list | dict):
        raise DataError(f"{origin}: needs a list of objects, found {type(value).__name__}")
    return table_of_rows(origin, value if isinstance(value, list) else [value])


def lines_table(origin: str, raw: bytes) -> SourceTable:
    """JSON lines: one object per line. Raises `DataError` that names the line."""
    text = checked_text(raw, origin)
    lines = LineNumbers(number for number, line in _filled_lines(text))

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
        origin, list(table.column_names), table.select, place, read_rows=lambda: list(_rows(text, origin))
    )


def _filled_lines(text: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers."""
    # Not splitlines(): JSON strings may contain U+2028 and its kin unescaped.
    return ((number, line) for number, line in enumerate(text.split(b"\n"), start=1) if line.strip())


def _rows(text: bytes, origin: str) -> Iterator[Row]:
    for number, raw in _filled_lines(text):
        line, where = raw.decode().strip(), f"{origin}, line {number}"
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
    """The table, None where Arrow cannot make one that holds what the file does."""
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
    if dates and schema is None:  # text that looks like a date is text
        return _by_arrow(text, pa.schema([(name, pa.string()) for name in dates]))
    large = any(pa.types.is_floating(field.type) and _loses_digits(table[field.name]) for field in table.schema)
    return None if large or table.num_rows != sum(1 for _ in _filled_lines(text)) else table


def _loses_digits(column: pa.ChunkedArray) -> bool:
    import pyarrow.compute as pc  # slow to import, and plans read no columns

    most = pc.max(pc.abs(column)).as_py()
    return most is not None and most >= 2**53


def depth_of(text: bytes) -> int:
    """The largest number of lists and objects that are open at once; the text need not be valid JSON.

    >>> depth_of(b'{"a": [1, [2]], "b": "[[[["}')
    3
    """
    if b"\\" in text:  # pairs first: what then stands before a quote escapes it
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    deepest = depth = 0
    within = False
    for start in range(0, len(text), BLOCK):
        letters = np.frombuffer(text, np.uint8, min(BLOCK, len(text) - start), start)
        quoted = np.logical_xor.accumulate(np.append(within, letters == QUOTE))
        steps = np.where(quoted[1:], 0, STEP[letters])
        open_then = depth + np.cumsum(steps, dtype=np.int64)
        deepest, depth, within = max(deepest, int(open_then.max())), int(open_then[-1]), bool(quoted[-1])
    return deepest


def too_deep(text: str) -> bool:
    """Whether JSON is nested deeper than `DEEPEST`."""
    return text.count("[") + text.count("{") > DEEPEST and depth_of(text.encode("utf-8", "replace")) > DEEPEST


def refuse_deep(text: str, where: str) -> None:
    """Raises `DataError` for JSON that is nested deeper than `DEEPEST`."""
    if too_deep(text):
        raise DataError(
            f"{where}: cannot be read: lists and objects stand within one another more than {DEEPEST} deep"
        )
