"""The rows of a table that count: those selected by `where`, without repeated headers and empty rows.

Files joined by `cat` contain several headers. A line that repeats the header is left out with a note. A header of
other columns starts another table and is an error. Exports of crowd platforms contain rejected answers: without an
option for them they are an error.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Int

from outgrow.config.votes import VoteColumns
from outgrow.errors import ConfigError, DataError
from outgrow.readers.categorical import categorical
from outgrow.readers.column_hints import ignoring
from outgrow.readers.column_roles import NAMES, USUAL, WEAK, plain
from outgrow.readers.source_table import Place, SourceTable
from outgrow.text_format import listed, many

MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
"""The byte order mark at the start of some files; `cat` leaves it in the middle of its output."""
UNCOUNTED = ("rejected", "reject", "discarded", "cancelled", "canceled", "draft")
"""States of answers that usually do not count."""


SPELLED = [*" ".join([*USUAL.values(), *WEAK.values()]).split(), *(name for part in NAMES for name in NAMES[part][0])]
"""The usual names of columns, with and without their underscores."""


class FilteredRows(NamedTuple):
    """The rows that count, the place of each row, and notes on rows left out."""

    arrow: pa.Table
    place: Place
    notes: tuple[str, ...] = ()
    at: Int[np.ndarray, "row"] | None = None
    """Their indices in the whole table; None = all rows."""

    def pick(self, column: np.ndarray) -> np.ndarray:
        """The cells of these rows in a column of the whole table."""
        return column if self.at is None else column[self.at]


def chosen_rows(
    table: SourceTable, wanted: Sequence[str], left_out: Sequence[str], columns: VoteColumns, *, named: bool = False
) -> FilteredRows:
    """The `wanted` columns of the rows that count.

    Where items are `named`, empty rows do not count; else an item is the number of its row. Raises `ConfigError` for
    rejected answers without an option, `DataError` for a second header of other columns, and if no row is left.
    """
    _refuse_uncounted(table, left_out, columns)
    arrow = table.read(wanted)
    kept = np.ones(arrow.num_rows, dtype=bool)
    notes = []
    for name, values in columns.where.items():
        cells = categorical(table.column(name), f"{table.origin}, column `{name}`")
        is_selected = np.asarray([*(name in values for name in cells.names), False])
        kept &= is_selected[cells.code]
        if not is_selected.any():
            raise ConfigError(
                f"{table.origin}: column `{name}` does not contain {listed(values)}; it contains {listed(cells.names)}"
            )
    if columns.where:
        notes.append(f"Rows that `where` leaves out: {int((~kept).sum())} of {len(kept)}.")
    headers = _headers(arrow, table)
    if headers.any():
        first = table.place(int(headers.argmax()))
        notes.append(f"Repeated headers were left out: {first}{_more(headers)}.")
    empty = _empty(arrow) if named else np.zeros(arrow.num_rows, dtype=bool)
    if empty.any():
        notes.append(f"Empty rows were left out: {table.place(int(empty.argmax()))}{_more(empty)}.")
    kept &= ~headers & ~empty
    if kept.all():
        return FilteredRows(arrow, table.place)
    row_index = np.flatnonzero(kept)
    if not len(row_index):
        raise DataError(f"{table.origin}: no row is left")
    return FilteredRows(
        arrow.filter(pa.array(kept)), lambda row: table.place(int(row_index[row])), tuple(notes), row_index
    )


def _more(headers: Bool[np.ndarray, "row"]) -> str:
    others = int(headers.sum()) - 1
    return f" and {others} more" if others else ""


def _headers(arrow: pa.Table, table: SourceTable) -> Bool[np.ndarray, "row"]:
    """Rows that repeat the header. Raises `DataError` for the header of another table."""
    is_header = np.zeros(arrow.num_rows, dtype=bool)
    names = [name for name in arrow.column_names if _is_text(arrow[name].type)]
    if len(names) < 2 or all(plain(name).isdecimal() for name in names):  # in a matrix such a row may be votes
        return is_header
    header = [name.lower() for name in names]
    spelled = [*(name.lower() for name in table.columns if name), *SPELLED]
    known_names = {plain(name) for name in spelled}
    candidates = _holds_any(arrow[names[0]], [*spelled, *(MARK + name for name in spelled)])
    for row in np.flatnonzero(candidates).tolist():
        cells = [str(arrow[name][row].as_py() or "").strip(MARK + " ") for name in names]
        is_header[row] = [cell.lower() for cell in cells] == header
        if not is_header[row] and known_names.issuperset(map(plain, cells)) and len(set(cells)) == len(cells):
            raise DataError(
                f"{table.place(row)}: a second header with other columns ({listed(cells)}; the first has"
                f" {listed(names)}): join the two files by the names of their columns"
            )
    return is_header


def _empty(arrow: pa.Table) -> Bool[np.ndarray, "row"]:
    """Rows without a cell, as spreadsheets write them."""
    is_empty = np.ones(arrow.num_rows, dtype=bool)
    for column in arrow.columns:
        if is_empty.any():
            is_empty &= np.asarray(column.is_null())
    return is_empty


def _is_text(kind: pa.DataType) -> bool:
    value_type = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(value_type) or pa.types.is_large_string(value_type))


def _holds_any(column: pa.ChunkedArray, names: Sequence[str]) -> Bool[np.ndarray, "row"]:
    """The rows whose lowercase cell is one of `names`; only the distinct cells of a chunk are compared."""
    parts = []
    for chunk in column.chunks:
        encoded = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
        cells = pc.utf8_lower(encoded.dictionary)
        is_name = np.append(np.asarray(pc.is_in(cells, pa.array(names, cells.type))), False)
        parts.append(is_name[np.asarray(encoded.indices.cast(pa.int64()).fill_null(len(is_name) - 1))])
    return np.concatenate(parts) if parts else np.zeros(0, dtype=bool)


def _refuse_uncounted(table: SourceTable, left_out: Sequence[str], columns: VoteColumns) -> None:
    """Raise `ConfigError` for a column of states with rejected answers, unless an option covers it."""
    for name in left_out:
        if "status" not in name.lower() or name in columns.where or name in columns.ignore:
            continue
        if pa.types.is_nested(table.column(name).type):
            continue
        cells = categorical(table.column(name), f"{table.origin}, column `{name}`")
        rejected = [state for state in cells.names if state.lower() in UNCOUNTED]
        counted = [state for state in cells.names if state not in rejected]
        if rejected and counted:
            count = int(np.isin(cells.code, [cells.names.index(state) for state in rejected]).sum())
            raise ConfigError(
                f"{table.origin}: {count} of {many(len(cells.code), 'row')} {'is' if count == 1 else 'are'}"
                f" {listed(rejected)} in column `{name}`; leave them out with `{_where(name, counted)}`, or count"
                f" them with `{ignoring([name], columns.ignore)}`"
            )


def _where(name: str, values: Sequence[str]) -> str:
    """The option that keeps some values, as typed on the command line."""
    joined = ",".join(values)
    return f"where={{'{name}': [{joined}]}}" if "." in name else f"where.{name}={joined}"
