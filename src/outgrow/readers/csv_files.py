"""CSV and TSV files of any size, by Arrow; when something is wrong, the line by Python's own reader.

Every cell is text, as in the file; only the columns asked for are made. Arrow does not count lines, so a place is
looked up by reading the file again up to it, which happens once, for an error. Arrow also takes a quote that is never
closed for a cell that reaches to the end of the file: a last row of NUL cells, which no text has, tells it.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.csv

from outgrow.data.table import LONGEST_HEADER, SIGNS, delimiter_of, unquoted_header
from outgrow.errors import ConfigError, DataError
from outgrow.readers.source_table import SourceTable, checked_text, refuse_twins
from outgrow.text_format import many

BLOCK = 1 << 24
"""Bytes that Arrow parses at a time; a file with longer lines is parsed whole."""
LARGEST_BLOCK = (1 << 31) - 1
TEXT = pa.dictionary(pa.int32(), pa.string())
DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
END = "\0"
WHOLE_NUMBER = re.compile(r"\s*-?\d+\s*")


def separated_sheet(
    origin: str,
    raw: bytes,
    usual: str,
    *,
    delimiter: str | None = None,
    header: Sequence[str] | None = None,
    matrix: bool = False,
) -> SourceTable:
    """A CSV file; `usual` is what separates the cells unless `delimiter`, or the header of a `.csv`, says otherwise.

    A `matrix` may begin without a header: a first line of whole numbers is data then. Raises `DataError` for text that
    is not UTF-8, a header that is none, rows of another length and open quotes.
    """
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise ConfigError(f"`delimiter` is one character other than a quote, found {delimiter!r}")
    text = checked_text(raw, origin)
    head = text[:LONGEST_HEADER].decode(errors="ignore")
    # One name for all columns says that there is one, whatever its cells hold.
    told = delimiter is not None or usual != "," or (header is not None and len(header) == 1)
    comma = (delimiter or usual) if told else delimiter_of(head)
    first, lines = _first_record(text, comma, origin)
    if header is None and '""ImportId""' in head:
        raise DataError(
            f"{origin}: an export of Qualtrics, with three lines of headers and a row for each respondent; write a row"
            " for each answer, with columns `item`, `source` and `label` (in pandas"
            " `read_csv(…, skiprows=[1, 2]).melt('ResponseId')`)"
        )
    if header is None and all(WHOLE_NUMBER.fullmatch(cell) for cell in first):
        if not matrix:
            raise DataError(
                f"{origin}, line {lines}: holds numbers, not names. Name the columns with `header`, or if it is a"
                " matrix of class numbers give `layout=matrix`"
            )
        header = [str(number) for number in range(len(first))]
    if len(first) == 1:
        _refuse_other_delimiters(unquoted_header(head), comma, origin)
    names = [cell.strip() for cell in first] if header is None else list(header)
    if len(names) != len(first):
        raise ConfigError(
            f"{origin}: `header` names {many(len(names), 'column')}, but line {lines} has {many(len(first), 'cell')}"
        )
    hint = "" if header else "; if the first line is data already, name the columns with `header`"
    refuse_twins(names, origin, hint)
    skipped = lines if header is None else 0

    def read(columns: Sequence[str]) -> pa.Table:
        return _read(text, comma, names, skipped, columns, origin)

    notes = () if told or comma == usual else (f"Cells are separated by {SIGNS[comma]}.",)

    def place(row: int) -> str:
        return f"{origin}, line {_line(text, comma, row + (header is None))}"

    return SourceTable(origin, names, read, place, notes, from_cells=True)


def _first_record(text: bytes, comma: str, origin: str) -> tuple[list[str], int]:
    """The cells of the first line that is not empty, and how many lines that took."""
    with _long_cells():
        lines = io.TextIOWrapper(io.BytesIO(text), "utf-8", newline="")
        reader = csv.reader(lines, delimiter=comma, strict=True)
        try:
            first = next(cells for cells in reader if cells)
        except StopIteration:
            raise DataError(f"{origin}: is empty; a table of votes needs a header and a row per vote") from None
        except csv.Error as error:
            raise DataError(f"{origin}, line 1: not valid CSV ({error})") from error
        return first, reader.line_num


def _refuse_other_delimiters(cell: str, comma: str, origin: str) -> None:
    """Raise `DataError` where the only column's name holds, outside quotes, what usually separates columns."""
    found = [other for other in DELIMITERS if other != comma and other in cell]
    if found:
        most = max(found, key=cell.count)
        raise DataError(
            f"{origin}: one column, `{cell[:60]}`; its cells seem to be separated by {DELIMITERS[most]}:"
            f" give `delimiter={most!r}`"
        )


def _read(text: bytes, comma: str, names: list[str], skipped: int, columns: Sequence[str], origin: str) -> pa.Table:
    quoted = b'"' in text
    numbers = [str(number) for number in range(len(names))]
    number = dict(zip(names, numbers, strict=True))
    wanted = [number[name] for name in columns]
    try:
        table = _parse(text + _last_row(comma, names) if quoted else text, comma, numbers, wanted, skipped, quoted)
    except pa.ArrowInvalid as error:
        if str(error).startswith(("Empty CSV", "Could not skip")):
            raise DataError(f"{origin}: has a header and no row") from error
        raise _fault(text, comma, len(names), origin, str(error)) from error
    if quoted and table.column(0)[-1].as_py() != END:
        raise _fault(text, comma, len(names), origin, "a quote is opened and never closed")
    table = table.slice(0, table.num_rows - quoted)
    if not table.num_rows:
        raise DataError(f"{origin}: has a header and no row")
    return table.rename_columns(list(columns))


def _last_row(comma: str, names: list[str]) -> bytes:
    return ("\n" + comma.join(END for _ in names) + "\n").encode()


def _parse(
    text: bytes, comma: str, names: list[str], wanted: list[str], skipped: int, quoted: bool, block: int = BLOCK
) -> pa.Table:
    try:
        return pa.csv.read_csv(
            pa.BufferReader(text),
            pa.csv.ReadOptions(column_names=names, skip_rows=skipped, block_size=block),
            pa.csv.ParseOptions(delimiter=comma, newlines_in_values=quoted),
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
    return _parse(text, comma, names, wanted, skipped, quoted, min(max(len(text), BLOCK) + 1, LARGEST_BLOCK))


def _fault(text: bytes, comma: str, n_columns: int, origin: str, otherwise: str) -> DataError:
    """What is wrong, with its line."""
    line = 0
    try:
        for line, cells in _records(text, comma):
            if len(cells) != n_columns:
                return DataError(
                    f"{origin}, line {line}: {many(len(cells), 'cell')} for {many(n_columns, 'column')};"
                    " a cell that holds the delimiter must stand in quotes"
                )
    except csv.Error as error:
        return DataError(f"{origin}, after line {line}: not valid CSV ({error}); is a quote never closed?")
    return DataError(f"{origin}: not valid CSV ({otherwise})")


def _line(text: bytes, comma: str, record: int) -> int | str:
    """The line on which a record begins; empty lines are no records."""
    try:
        return next(line for number, (line, _) in enumerate(_records(text, comma)) if number == record)
    except (csv.Error, StopIteration):
        return f"of record {record + 1}"


def _records(text: bytes, comma: str) -> Iterator[tuple[int, list[str]]]:
    """Every record with the line on which it begins."""
    with _long_cells():
        reader = csv.reader(io.TextIOWrapper(io.BytesIO(text), "utf-8", newline=""), delimiter=comma, strict=True)
        last = 0
        for cells in reader:
            begin, last = last + 1, reader.line_num
            if cells:
                yield begin, cells


@contextmanager
def _long_cells() -> Iterator[None]:
    """Cells of any length, which Python's reader refuses otherwise."""
    before = csv.field_size_limit(LARGEST_BLOCK)
    try:
        yield
    finally:
        csv.field_size_limit(before)
