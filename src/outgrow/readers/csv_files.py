"""CSV and TSV files of any size: columns by Arrow, rows and faults by Python's reader.

Every cell is text, as in the file. A header with `;` or tabs and no comma sets the delimiter of a `.csv`. Arrow reads
a quote that is never closed as a cell that reaches to the end of the file; a last row of NUL cells, which no text has,
reveals that.
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
"""Bytes that Arrow parses at a time; a file with longer lines is parsed whole."""
LARGEST_BLOCK = (1 << 31) - 1
LONGEST_HEADER = 1 << 20
"""Bytes; the delimiter is looked for in no more of a file."""
TEXT = pa.dictionary(pa.int32(), pa.string())
DETECTED = {";": "`;`", "\t": "a tab"}
"""Delimiters of a `.csv` other than the comma that its header may set, as messages call them."""
DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
END = "\0"
WHOLE_NUMBER = re.compile(r"\s*-?\d+\s*")
IN_QUOTES = r'(?:^|(?<=[,;\t\r\n]))"(?:[^"]|"")*+"'
"""A cell in quotes, which may hold anything, also line ends."""
HEADER_LINE = re.compile(rf"[\r\n]*((?:{IN_QUOTES}|[^\r\n])*)")


class Dialect(NamedTuple):
    """How the cells of a file are written."""

    delimiter: str
    quotes: bool = True
    """Whether a cell may stand in quotes."""


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
    """A CSV file; `usual` is its delimiter unless `delimiter`, or the header of a `.csv`, says otherwise.

    A `matrix` may begin without a header: a first line of whole numbers is data then. Raises `DataError` for text that
    is not UTF-8, a line that is no header, rows of another length and open quotes.
    """
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise ConfigError(f"`delimiter` is one character other than a quote, found {delimiter!r}")
    text = checked_text(raw, origin)
    head = text[:LONGEST_HEADER].decode(errors="ignore")
    # A header of one column that is given says that there is one, whatever its cells hold.
    fixed = delimiter is not None or usual != "," or (header is not None and len(header) == 1)
    dialect = Dialect((delimiter or usual) if fixed else delimiter_of(head), quotes)
    first, n_lines = _first_record(text, dialect, origin)
    if header is None:
        _refuse_qualtrics(head, origin)
        header = _numbered_columns(first, n_lines, origin, matrix=matrix)
    if len(first) == 1:
        _refuse_other_delimiters(unquoted_header(head), dialect.delimiter, origin)
    names = [cell.strip() for cell in first] if header is None else list(header)
    if len(names) != len(first):
        raise ConfigError(
            f"{origin}: `header` names {many(len(names), 'column')}, but line {n_lines} has {many(len(first), 'cell')}"
        )
    hint = "" if header else "; if the first line is data already, name the columns with `header`"
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
        notes=(f"Cells are separated by {DETECTED[dialect.delimiter]}.",) if detected else (),
        is_csv=True,
    )


def delimiter_of(text: str) -> str:
    """The delimiter of a CSV file: `,`, or `;` or a tab where the header has one of these and no comma.

    Cells in quotes do not count: a header that is one name with a semicolon in it stands in quotes. Of both, the more
    frequent one counts.

    >>> delimiter_of("item;label\\n7;3,5\\n"), delimiter_of('"first; last"\\nada\\n')
    (';', ',')
    """
    header = unquoted_header(text)
    return "," if "," in header else max(",", *DETECTED, key=header.count)


def unquoted_header(text: str) -> str:
    """The first line that is not empty, without its cells in quotes."""
    match = HEADER_LINE.match(text[:LONGEST_HEADER])
    return "" if match is None else re.sub(IN_QUOTES, "", match[1])


def _refuse_qualtrics(head: str, origin: str) -> None:
    if '""ImportId""' in head:
        raise DataError(
            f"{origin}: an export of Qualtrics, with three lines of headers and a row for each respondent; write a row"
            " for each answer, with columns `item`, `source` and `label` (in pandas"
            " `read_csv(…, skiprows=[1, 2]).melt('ResponseId')`)"
        )


def _numbered_columns(first: list[str], line: int, origin: str, *, matrix: bool) -> list[str] | None:
    """Column numbers where the first line of a matrix is data. Raises `DataError` for numbers instead of names."""
    if not all(WHOLE_NUMBER.fullmatch(cell) for cell in first):
        return None
    if not matrix:
        raise DataError(
            f"{origin}, line {line}: holds numbers, not names of columns; add a header line. Of votes, name the"
            " columns with `header`, or if it is a matrix of class numbers give `layout=matrix`"
        )
    return [str(index) for index in range(len(first))]


def _first_record(text: bytes, dialect: Dialect, origin: str) -> tuple[list[str], int]:
    """The cells of the first line that is not empty, and the line on which it ends."""
    for _, end, cells in _records(text, dialect, origin):
        return cells, end
    raise DataError(f"{origin}: is empty; a table needs a header and rows")


def _refuse_other_delimiters(cell: str, delimiter: str, origin: str) -> None:
    """Raise `DataError` where the only column's name holds, outside quotes, what usually separates columns."""
    others = [other for other in DELIMITERS if other != delimiter and other in cell]
    if others:
        most = max(others, key=cell.count)
        raise DataError(
            f"{origin}: one column, `{cell[:60]}`; its cells seem to be separated by {DELIMITERS[most]}:"
            f" give `delimiter={most!r}`"
        )


def _read(
    text: bytes, dialect: Dialect, names: list[str], skipped: int, columns: Sequence[str], origin: str
) -> pa.Table:
    quoted = dialect.quotes and b'"' in text
    index = {name: str(at) for at, name in enumerate(names)}
    wanted = [index[name] for name in columns]
    end = ("\n" + dialect.delimiter.join(END for _ in names) + "\n").encode() if quoted else b""
    try:
        table = _parse(text + end, dialect, list(index.values()), wanted, skipped, quoted)
    except pa.ArrowInvalid as error:
        if str(error).startswith(("Empty CSV", "Could not skip")):
            raise DataError(f"{origin}: has a header and no row") from error
        raise _fault(text, dialect, len(names), origin, str(error)) from error
    if quoted and table.column(0)[-1].as_py() != END:
        raise _fault(text, dialect, len(names), origin, "a quote is opened and never closed")
    table = table.slice(0, table.num_rows - quoted)
    if not table.num_rows:
        raise DataError(f"{origin}: has a header and no row")
    return table.rename_columns(list(columns))


def _parse(
    text: bytes, dialect: Dialect, names: list[str], wanted: list[str], skipped: int, quoted: bool, block: int = BLOCK
) -> pa.Table:
    try:
        return pa.csv.read_csv(
            pa.BufferReader(text),
            pa.csv.ReadOptions(column_names=names, skip_rows=skipped, block_size=block),
            pa.csv.ParseOptions(
                delimiter=dialect.delimiter, newlines_in_values=quoted, quote_char='"' if dialect.quotes else False
            ),
            pa.csv.ConvertOptions(
                column_types=dict.fromkeys(wanted, TEXT),
                include_columns=wanted,
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as error:
        if "straddling" not in str(error) or block > BLOCK:
            raise
    return _parse(text, dialect, names, wanted, skipped, quoted, min(max(len(text), BLOCK) + 1, LARGEST_BLOCK))


def _rows(text: bytes, dialect: Dialect, names: list[str], skipped: int, origin: str) -> Iterator[Row]:
    for line, _, cells in islice(_records(text, dialect, origin), skipped, None):
        if len(cells) != len(names):
            raise _wrong_length(len(cells), len(names), f"{origin}, line {line}", dialect.delimiter)
        yield dict(zip(names, cells, strict=True))


def _wrong_length(n_cells: int, n_columns: int, where: str, delimiter: str) -> DataError:
    return DataError(
        f"{where}: {many(n_cells, 'cell')} for {many(n_columns, 'column')}; cells are separated by"
        f" {DELIMITERS.get(delimiter, f'`{delimiter}`')}, and a cell that holds the delimiter must stand in quotes"
    )


def _fault(text: bytes, dialect: Dialect, n_columns: int, origin: str, otherwise: str) -> DataError:
    """What is wrong, with its line."""
    try:
        for line, _, cells in _records(text, dialect, origin):
            if len(cells) != n_columns:
                return _wrong_length(len(cells), n_columns, f"{origin}, line {line}", dialect.delimiter)
    except DataError as error:
        return error
    return DataError(f"{origin}: not valid CSV ({otherwise})")


def _records(text: bytes, dialect: Dialect, origin: str) -> Iterator[tuple[int, int, list[str]]]:
    """Every record with the lines on which it begins and ends. Raises `DataError` for faulty quotes."""
    reader = csv.reader(
        io.TextIOWrapper(io.BytesIO(text), "utf-8", newline=""),
        delimiter=dialect.delimiter,
        quoting=csv.QUOTE_MINIMAL if dialect.quotes else csv.QUOTE_NONE,
        strict=True,
    )
    end = 0
    while True:
        begin, limit = end + 1, csv.field_size_limit(LARGEST_BLOCK)  # Python's reader refuses long cells otherwise
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            hint = "; is a quote never closed?" if dialect.quotes else ""
            raise DataError(f"{origin}, line {begin}: not valid CSV ({error}){hint}") from error
        finally:
            csv.field_size_limit(limit)
        end = reader.line_num
        if cells:
            yield begin, end, cells
