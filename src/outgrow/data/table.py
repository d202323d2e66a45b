"""Reading rows from a file: JSON lines, JSON, CSV, TSV, Parquet, Arrow; the text formats also gzipped.

A row is a plain dict. Every row remembers its line (text formats) or row number (binary formats), counted from 1, so
that whatever turns out to be wrong with it later can be said with its place. Text is UTF-8 (a byte order mark is
skipped); nothing is repaired: what cannot be read exactly is a `DataError` that names the place. One thing is found
out, what separates the cells of a `.csv` (`delimiter_of`): half of Europe writes semicolons.
"""

import csv
import gzip
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from outgrow.data.json_depth import refuse_deep
from outgrow.data.raw_file import decode, read_bytes, require_regular, shown
from outgrow.errors import DataError

Row = dict[str, Any]
SIGNS = {";": "`;`", "\t": "a tab"}
"""What may separate the cells of a `.csv` other than the comma, as messages call it."""
LONGEST_HEADER = 1 << 20
"""Letters; what separates the cells is looked for in no more of a file."""
IN_QUOTES = r'(?:^|(?<=[,;\t\r\n]))"(?:[^"]|"")*+"'
"""A cell in quotes, which may hold anything, also line ends."""
HEADER_LINE = re.compile(rf"[\r\n]*((?:{IN_QUOTES}|[^\r\n])*)")


class RecordTable(NamedTuple):
    """Rows and where they came from."""

    origin: str
    """The file's path, or the name of the hub data set."""
    columns: list[str]
    rows: list[Row]
    numbers: list[int]
    """For each row its line (text formats) or row number."""
    unit: str
    """`line` or `row`: what `numbers` counts."""

    def where(self, row: int) -> str:
        """The place of a row, for messages: `reviews.csv, line 7`."""
        return f"{self.origin}, {self.unit} {self.numbers[row]}"


def read_table(path: Path, header: Sequence[str] | None = None) -> RecordTable:
    """Read one file, by its suffix.

    `header` names the columns of a CSV or TSV file that has no header line; such a TSV file has no quoting either.
    Raises `DataError` for a missing file, an unknown suffix, or anything that is not what the suffix promises.
    """
    suffix, gzipped = _format(path)
    if suffix in TEXT_READERS:
        return TEXT_READERS[suffix](shown(path), decode(read_bytes(path, gzipped), shown(path)), header)
    if suffix in (".parquet", ".arrow") and not gzipped:
        return _columnar(path, suffix)
    raise DataError(
        f"{shown(path)}: `{shown(Path(suffix or path.name))}` is no format that can be read; known:"
        f" {', '.join(SUFFIXES)}"
    )


def read_columns(path: Path) -> RecordTable:
    """The same without its rows, from the first line alone; of JSON a later row may have more columns.

    Raises `DataError` where that does not work, which does not mean that the whole cannot be read.
    """
    suffix, gzipped = _format(path)
    if suffix not in TEXT_READERS and suffix != ".parquet":
        return read_table(path)._replace(rows=[], numbers=[])
    require_regular(path)
    try:
        if suffix == ".parquet":
            return RecordTable(shown(path), pq.read_schema(path).names, [], [], "row")
        with (gzip.open if gzipped else open)(path, "rb") as file:
            line = file.readline()
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        raise DataError(f"{shown(path)}: cannot be read ({error})") from error
    return TEXT_READERS[suffix](shown(path), decode(line, shown(path)), None)._replace(rows=[], numbers=[])


def _format(path: Path) -> tuple[str, bool]:
    """The suffix, and whether the file is gzipped."""
    suffixes = path.suffixes
    gzipped = bool(suffixes) and suffixes[-1].lower() == ".gz"
    return "".join(suffixes[-2:-1] if gzipped else suffixes[-1:]).lower(), gzipped


def read_lines(path: Path, pattern: str) -> RecordTable:
    """Read a text file with one item per line, by a regular expression whose named groups are the columns.

    Empty lines are left out. Raises `DataError` for any other line that does not match.
    """
    expression = re.compile(pattern)
    rows, numbers = [], []
    for number, line in enumerate(decode(read_bytes(path), shown(path)).split("\n"), start=1):
        if line.strip():
            found = expression.fullmatch(line.strip())
            if found is None:
                raise DataError(f"{shown(path)}, line {number}: {line.strip()[:60]!r} is not of the form {pattern}")
            rows.append(dict(found.groupdict()))
            numbers.append(number)
    return _table(shown(path), rows, numbers, "line")


def data_files(folder: Path) -> list[Path]:
    """Every file under `folder` that `read_table` can read, sorted by path."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return sorted(path for path in files if path.name.lower().removesuffix(".gz").endswith(SUFFIXES))


def delimiter_of(text: str) -> str:
    """What separates the cells of a CSV file: `,`, or `;` or a tab where the header has one of these and no comma.

    Cells in quotes do not count: a header that is one name with a semicolon in it stands in quotes. Of both, the more
    frequent one counts.

    >>> delimiter_of("item;label\\n7;3,5\\n"), delimiter_of('"first; last"\\nada\\n')
    (';', ',')
    """
    header = unquoted_header(text)
    return "," if "," in header else max(",", *SIGNS, key=header.count)


def unquoted_header(text: str) -> str:
    """The first line that is not empty, without its cells in quotes."""
    found = HEADER_LINE.match(text[:LONGEST_HEADER])
    return "" if found is None else re.sub(IN_QUOTES, "", found[1])


def _json_lines(origin: str, text: str, header: Sequence[str] | None) -> RecordTable:
    rows, numbers = [], []
    # Not splitlines(): JSON strings may contain U+2028 and its kin unescaped.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            rows.append(_as_object(_parse(line, f"{origin}, line {number}"), f"{origin}, line {number}"))
            numbers.append(number)
    return _table(origin, rows, numbers, "line")


def _json(origin: str, text: str, header: Sequence[str] | None) -> RecordTable:
    """A list of objects; a `.json` file that does not begin with `[` is read as JSON lines."""
    if not text.lstrip().startswith("["):
        return _json_lines(origin, text, header)
    values = _parse(text, origin)
    rows = [_as_object(value, f"{origin}, row {number}") for number, value in enumerate(values, start=1)]
    return _table(origin, rows, list(range(1, len(rows) + 1)), "row")


def _parse(text: str, where: str) -> Any:
    refuse_deep(text, where)
    try:
        return _DECODER.decode(text.strip())
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: not valid JSON ({error})") from error
    except (ValueError, RecursionError) as error:  # a number with thousands of digits; a thousand open brackets
        raise DataError(f"{where}: JSON that cannot be read ({error})") from error


def _as_object(value: Any, where: str) -> Row:
    if not isinstance(value, dict):
        raise DataError(f'{where}: needs an object such as {{"text": …}}, found {str(value)[:40]!r}')
    return value


def _table(origin: str, rows: list[Row], numbers: list[int], unit: str) -> RecordTable:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return RecordTable(origin, columns, rows, numbers, unit)


def _csv(origin: str, text: str, header: Sequence[str] | None) -> RecordTable:
    comma = delimiter_of(text) if header is None else ","
    hint = "" if comma == "," else f"; by the header, {SIGNS[comma]} separates the cells"
    return _separated(csv.reader(io.StringIO(text, newline=""), delimiter=comma, strict=True), origin, header, hint)


def _tsv(origin: str, text: str, header: Sequence[str] | None) -> RecordTable:
    lines = io.StringIO(text, newline="")
    if header is None:
        return _separated(csv.reader(lines, delimiter="\t", strict=True), origin, header)
    return _separated(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE, strict=True), origin, header)


def _separated(reader: Any, origin: str, header: Sequence[str] | None, hint: str = "") -> RecordTable:
    rows: list[Row] = []
    numbers: list[int] = []
    columns = None if header is None else list(header)
    last = 0
    try:
        for cells in reader:
            number, last = last + 1, reader.line_num  # a quoted cell may span lines: name the first
            if not cells:
                continue
            if columns is None:
                columns = _checked_header(cells, origin)
                continue
            if len(cells) != len(columns):
                raise DataError(
                    f"{origin}, line {number}: {len(cells)} cells, but there are {len(columns)} columns{hint}"
                )
            rows.append(dict(zip(columns, cells, strict=True)))
            numbers.append(number)
    except csv.Error as error:
        raise DataError(f"{origin}, line {last + 1}: not valid CSV ({error})") from error
    return RecordTable(origin, columns or [], rows, numbers, "line")


def _checked_header(cells: list[str], origin: str) -> list[str]:
    columns = [cell.strip() for cell in cells]
    _refuse_twins(columns, origin)
    return columns


def _refuse_twins(columns: list[str], origin: str) -> None:
    name, count = Counter(columns).most_common(1)[0] if columns else ("", 1)
    if count > 1:
        raise DataError(f"{origin}: {count} columns are called `{name}`; give each its own name")


def _columnar(path: Path, suffix: str) -> RecordTable:
    require_regular(path)
    try:
        table = pq.ParquetFile(path).read() if suffix == ".parquet" else _arrow(path)
        _refuse_twins(table.column_names, shown(path))
        rows = table.to_pylist()
    except (OSError, ValueError, OverflowError, MemoryError, pa.ArrowException) as error:
        raise DataError(f"{shown(path)}: not a readable {suffix[1:]} file ({str(error)[:200]})") from error
    return RecordTable(shown(path), table.column_names, rows, list(range(1, len(rows) + 1)), "row")


def _arrow(path: Path) -> pa.Table:
    raw = path.read_bytes()
    is_file_format = raw.startswith(b"ARROW1")
    with (pa.ipc.open_file if is_file_format else pa.ipc.open_stream)(pa.py_buffer(raw)) as reader:
        return reader.read_all()


# NaN and Infinity are not JSON, but pandas writes them for a missing value.
_DECODER = json.JSONDecoder(parse_constant=lambda name: None)

TEXT_READERS: dict[str, Callable[[str, str, Sequence[str] | None], RecordTable]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _tsv,
}
SUFFIXES = (*TEXT_READERS, ".parquet", ".arrow")
