"""CSV and TSV files of any size: Arrow reads columns, Python's reader finds rows and faults.

Every cell is text, as in the file. A header with `;` or tabs and no comma sets the delimiter of a `.csv`. Arrow reads
an unclosed quote as a cell up to the end of the file. An additional last row of NUL cells, which text does not
contain, detects that.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import pyarrow as pa
import pyarrow.csv

from outgrow.errors import ConfigError, DataError
from outgrow.readers.raw_file import checked_text
from outgrow.readers.source_table import LineNumbers, Row, SourceTable, refuse_duplicates
from outgrow.text_format import many

BLOCK = 1 << 24
"""Bytes that Arrow parses at a time; a file with longer lines is parsed in one block."""
LARGEST_BLOCK = (1 << 31) - 1
LONGEST_HEADER = 1 << 20
"""Bytes at the start of a file in which the header is read."""
TEXT = pa.dictionary(pa.int32(), pa.string())
DETECTED = {";": "`;`", "\t": "a tab"}
"""Delimiters of a `.csv` that its header may set besides the comma, with their names in messages."""
DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
END = "\0"
WHOLE_NUMBER = re.compile(r"\s*-?\d+\s*")
IN_QUOTES = r'(?:^|(?<=[,;\t\r\n]))"(?:[^"]|"")*+"'
"""A cell in quotes, which may contain line ends."""
HEADER_LINE = re.compile(rf"[\r\n]*((?:{IN_QUOTES}|[^\r\n])*)")


class Dialect(NamedTuple):
    """The syntax of the cells of a file."""

    delimiter: str
    quotes: bool = True
    """Whether cells may be in quotes."""


def csv_table(
    origin: str,
    raw: bytes,
    usual: str,
    *,
    delimiter: str | None = None,
    header: Sequence[str] | None = None,
    matrix: bool = False,
    quotes: bool = True,
) -> SourceTable:
    """A CSV file; `usual` is its delimiter unless `delimiter`, or the header of a `.csv`, gives another.

    A `matrix` may lack a header: then a first line of integers is data. Raises `DataError` for text that is not UTF-8,
    a line that is not a header, rows of different lengths and unclosed quotes.
    """
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise ConfigError(f"`delimiter` is one character other than a quote, found {delimiter!r}")
    text = checked_text(raw, origin)
    head = text[:LONGEST_HEADER].decode(errors="ignore")
    # A given header of one column fixes the number of columns, whatever the cells contain.
    fixed = delimiter is not None or usual != "," or (header is not None and len(header) == 1)
    dialect = Dialect((delimiter or usual) if fixed else delimiter_of(head), quotes)
    first, n_lines = _first_record(text, dialect, origin)
    if header is None:
        header = _numbered_columns(first, n_lines, origin, matrix=matrix)
    if len(first) == 1:
        _refuse_other_delimiters(unquoted_header(head), dialect.delimiter, origin)
    names = [cell.strip() for cell in first] if header is None else list(header)
    if len(names) != len(first):
        raise ConfigError(
            f"{origin}: `header` names {many(len(names), 'column')}, but line {n_lines} has {many(len(first), 'cell')}"
        )
    hint = "" if header else "; if the first line is data, name the columns with `header`"
    refuse_duplicates(names, origin, hint)
    skipped = 0 if header is not None else 1
    lines = LineNumbers(line for line, _, _ in _records(text, dialect, origin))

    def place(row: int) -> str:
        try:
            line = lines(row + skipped)
        except DataError:
            line = None
        return f"{origin}, line {line or f'of record {row + skipped + 1}'}"

    detected = not fixed and dialect.delimiter != usual
    return SourceTable(
        origin,
        names,
        lambda columns: _read(text, dialect, names, n_lines * skipped, columns, origin),
        place,
        read_rows=lambda: list(_rows(text, dialect, names, skipped, origin)),
        read_first=lambda n_rows: list(islice(_rows(text, dialect, names, skipped, origin), n_rows)),
        notes=(f"Cells are separated by {DETECTED[dialect.delimiter]}.",) if detected else (),
        is_csv=True,
    )


def delimiter_of(text: str) -> str:
    """The delimiter of a CSV file: `,`, or `;` or a tab if the header has one of these and no comma.

    Cells in quotes do not count, because a name may contain a semicolon. Of `;` and tab the more frequent one counts.

    >>> delimiter_of("item;label\\n7;3,5\\n"), delimiter_of('"first; last"\\nada\\n')
    (';', ',')
    """
    header = unquoted_header(text)
    return "," if "," in header else max(",", *DETECTED, key=header.count)


def unquoted_header(text: str) -> str:
    """The first non-empty line without its quoted cells."""
    match = HEADER_LINE.match(text[:LONGEST_HEADER])
    return "" if match is None else re.sub(IN_QUOTES, "", match[1])


def _numbered_columns(first: list[str], line: int, origin: str, *, matrix: bool) -> list[str] | None:
    """Column numbers if the first line of a matrix is data. Raises `DataError` for numbers instead of names."""
    if not all(WHOLE_NUMBER.fullmatch(cell) for cell in first):
        return None
    if not matrix:
        raise DataError(
            f"{origin}, line {line}: has numbers instead of column names; add a header line. For votes, name the"
            " columns with `header`, or if it is a matrix of class numbers give `layout=matrix`"
        )
    return [str(index) for index in range(len(first))]


def _first_record(text: bytes, dialect: Dialect, origin: str) -> tuple[list[str], int]:
    """The cells of the first non-empty record, and the line on which it ends."""
    for _, end, cells in _records(text, dialect, origin):
        return cells, end
    raise DataError(f"{origin}: is empty; a table needs a header and rows")


def _refuse_other_delimiters(cell: str, delimiter: str, origin: str) -> None:
    """Raise `DataError` if the name of the only column contains, outside quotes, another usual delimiter."""
    candidates = [candidate for candidate in DELIMITERS if candidate != delimiter and candidate in cell]
    if candidates:
        likeliest = max(candidates, key=cell.count)
        raise DataError(
            f"{origin}: one column, `{cell[:60]}`; its cells seem to be separated by {DELIMITERS[likeliest]}:"
            f" give `delimiter={likeliest!r}`"
        )


def _read(
    text: bytes, dialect: Dialect, names: list[str], skipped: int, columns: Sequence[str], origin: str
) -> pa.Table:
    quoted = dialect.quotes and b'"' in text
    index = {name: str(position) for position, name in enumerate(names)}
    include_columns = [index[name] for name in columns]
    end = ("\n" + dialect.delimiter.join(END for _ in names) + "\n").encode() if quoted else b""
    try:
        table = _parse(text + end, dialect, list(index.values()), include_columns, skipped, quoted)
    except pa.ArrowInvalid as error:
        if str(error).startswith(("Empty CSV", "Could not skip")):
            raise DataError(f"{origin}: has a header and no rows") from error
        raise _fault(text, dialect, len(names), origin, str(error)) from error
    if quoted and table.column(0)[-1].as_py() != END:
        raise _fault(text, dialect, len(names), origin, "a quote is not closed")
    table = table.slice(0, table.num_rows - quoted)
    if not table.num_rows:
        raise DataError(f"{origin}: has a header and no rows")
    return table.rename_columns(list(columns))


def _parse(
    text: bytes,
    dialect: Dialect,
    names: list[str],
    include_columns: list[str],
    skipped: int,
    quoted: bool,
    block: int = BLOCK,
) -> pa.Table:
    try:
        return pa.csv.read_csv(
            pa.BufferReader(text),
            pa.csv.ReadOptions(column_names=names, skip_rows=skipped, block_size=block),
            pa.csv.ParseOptions(
                delimiter=dialect.delimiter, newlines_in_values=quoted, quote_char='"' if dialect.quotes else False
            ),
            pa.csv.ConvertOptions(
                column_types=dict.fromkeys(include_columns, TEXT),
                include_columns=include_columns,
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as error:
        if "straddling" not in str(error) or block > BLOCK:
            raise
    return _parse(
        text, dialect, names, include_columns, skipped, quoted, min(max(len(text), BLOCK) + 1, LARGEST_BLOCK)
    )


def _rows(text: bytes, dialect: Dialect, names: list[str], skipped: int, origin: str) -> Iterator[Row]:
    for line, _, cells in islice(_records(text, dialect, origin), skipped, None):
        if len(cells) != len(names):
            raise _wrong_length(len(cells), len(names), f"{origin}, line {line}", dialect.delimiter)
        yield dict(zip(names, cells, strict=True))


def _wrong_length(n_cells: int, n_columns: int, where: str, delimiter: str) -> DataError:
    return DataError(
        f"{where}: {many(n_cells, 'cell')} for {many(n_columns, 'column')}; cells are separated by"
        f" {DELIMITERS.get(delimiter, f'`{delimiter}`')}, and a cell that contains the delimiter must be in quotes"
    )


def _fault(text: bytes, dialect: Dialect, n_columns: int, origin: str, otherwise: str) -> DataError:
    """The fault of a file, with its line."""
    try:
        for line, _, cells in _records(text, dialect, origin):
            if len(cells) != n_columns:
                return _wrong_length(len(cells), n_columns, f"{origin}, line {line}", dialect.delimiter)
    except DataError as error:
        return error
    return DataError(f"{origin}: not valid CSV ({otherwise})")


def _records(text: bytes, dialect: Dialect, origin: str) -> Iterator[tuple[int, int, list[str]]]:
    """Each record with its first and last line. Raises `DataError` for wrong quotes."""
    reader = csv.reader(
        io.TextIOWrapper(io.BytesIO(text), "utf-8", newline=""),
        delimiter=dialect.delimiter,
        quoting=csv.QUOTE_MINIMAL if dialect.quotes else csv.QUOTE_NONE,
        strict=True,
    )
    end = 0
    while True:
        begin, limit = end + 1, csv.field_size_limit(LARGEST_BLOCK)  # otherwise Python's reader refuses long cells
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            hint = "; is a quote not closed?" if dialect.quotes else ""
            raise DataError(f"{origin}, line {begin}: not valid CSV ({error}){hint}") from error
        finally:
            csv.field_size_limit(limit)
        end = reader.line_num
        if cells:
            yield begin, end, cells
