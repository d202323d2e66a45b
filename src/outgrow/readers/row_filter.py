"""Which rows of a table count: those that are asked for (`where`), without repeated headers.

Files joined by `cat` have the header of each. A line that repeats the header is left out with a note; one of other
columns means that the rows after it are of another table, and is an error. Exports of crowd platforms
hold answers that were rejected: whether these are votes is asked.
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
"""What begins the text of a file that some editors write; `cat` leaves it in the middle."""
UNCOUNTED = ("rejected", "reject", "discarded", "cancelled", "canceled", "draft")
"""States of answers that do not count."""


SPELLED = [*" ".join([*USUAL.values(), *WEAK.values()]).split(), *(name for part in NAMES for name in NAMES[part][0])]
"""The usual names of columns, with and without their underscores."""


class FilteredRows(NamedTuple):
    """A table of the rows that count, where each stands, and what was left out."""

    arrow: pa.Table
    place: Place
    notes: tuple[str, ...] = ()
    at: Int[np.ndarray, "row"] | None = None
    """Their numbers in the whole table; None = all."""

    def pick(self, column: np.ndarray) -> np.ndarray:
        """Of a column of the whole table what belongs to these rows."""
        return column if self.at is None else column[self.at]


def chosen_rows(
    table: SourceTable, wanted: Sequence[str], left_out: Sequence[str], columns: VoteColumns
) -> FilteredRows:
    """The `wanted` columns of the rows that count. Raises `ConfigError` for rejected answers without an option,
    `DataError` for a second header of other columns and where no row is left."""
    _refuse_uncounted(table, left_out, columns)
    arrow = table.read(wanted)
    kept = np.ones(arrow.num_rows, dtype=bool)
    notes = []
    for name, values in columns.where.items():
        cells = categorical(table.column(name), f"{table.origin}, column `{name}`")
        asked = np.asarray([*(name in values for name in cells.names), False])
        kept &= asked[cells.code]
        if not asked.any():
            raise ConfigError(
                f"{table.origin}: column `{name}` never holds {listed(values)}, but {listed(cells.names)}"
            )
    if columns.where:
        notes.append(f"Rows that `where` leaves out: {int((~kept).sum())} of {len(kept)}.")
    headers = _headers(arrow, table)
    if headers.any():
        first = table.place(int(headers.argmax()))
        notes.append(f"The header stands again at {first}{_more(headers)}: left out.")
    kept &= ~headers
    if kept.all():
        return FilteredRows(arrow, table.place)
    at = np.flatnonzero(kept)
    if not len(at):
        raise DataError(f"{table.origin}: no row is left")
    return FilteredRows(arrow.filter(pa.array(kept)), lambda row: table.place(int(at[row])), tuple(notes), at)


def _more(headers: Bool[np.ndarray, "row"]) -> str:
    others = int(headers.sum()) - 1
    return f" and {many(others, 'more time')}" if others else ""


def _headers(arrow: pa.Table, table: SourceTable) -> Bool[np.ndarray, "row"]:
    """Rows that hold the names of the columns. Raises `DataError` where they are of another table's columns."""
    found = np.zeros(arrow.num_rows, dtype=bool)
    names = [name for name in arrow.column_names if _is_text(arrow[name].type)]
    if len(names) < 2 or all(plain(name).isdecimal() for name in names):  # such a row of a matrix may be votes
        return found
    here = [name.lower() for name in names]
    spelled = [*(name.lower() for name in table.columns if name), *SPELLED]
    known = {plain(name) for name in spelled}
    first = _holds_any(arrow[names[0]], [*spelled, *(MARK + name for name in spelled)])
    for row in np.flatnonzero(first).tolist():
        cells = [str(arrow[name][row].as_py() or "").strip(MARK + " ") for name in names]
        found[row] = [cell.lower() for cell in cells] == here
        if not found[row] and known.issuperset(map(plain, cells)) and len(set(cells)) == len(cells):
            raise DataError(
                f"{table.place(row)}: a second header, of other columns ({listed(cells)} where the first has"
                f" {listed(names)}): join the two files by their columns' names"
            )
    return found


def _is_text(kind: pa.DataType) -> bool:
    held = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(held) or pa.types.is_large_string(held))


def _holds_any(column: pa.ChunkedArray, names: Sequence[str]) -> Bool[np.ndarray, "row"]:
    """The rows whose cell is one of `names` in lower case; of every chunk only the different cells are compared."""
    found = []
    for chunk in column.chunks:
        encoded = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
        cells = pc.utf8_lower(encoded.dictionary)
        which = np.append(np.asarray(pc.is_in(cells, pa.array(names, cells.type))), False)
        found.append(which[np.asarray(encoded.indices.cast(pa.int64()).fill_null(len(which) - 1))])
    return np.concatenate(found) if found else np.zeros(0, dtype=bool)


def _refuse_uncounted(table: SourceTable, left_out: Sequence[str], columns: VoteColumns) -> None:
    """Raise `ConfigError` for a column of states with rejected answers, unless an option says how they count."""
    for name in left_out:
        if "status" not in name.lower() or name in columns.where or name in columns.ignore:
            continue
        if pa.types.is_nested(table.column(name).type):
            continue
        cells = categorical(table.column(name), f"{table.origin}, column `{name}`")
        bad = [state for state in cells.names if state.lower() in UNCOUNTED]
        others = [state for state in cells.names if state not in bad]
        if bad and others:
            count = int(np.isin(cells.code, [cells.names.index(state) for state in bad]).sum())
            raise ConfigError(
                f"{table.origin}: {count} of {many(len(cells.code), 'row')} {'is' if count == 1 else 'are'}"
                f" {listed(bad)} in column `{name}`; leave them out with `{_where(name, others)}`, or count them with"
                f" `{ignoring([name], columns.ignore)}`"
            )


def _where(name: str, values: Sequence[str]) -> str:
    """The word that keeps some values, as it is typed."""
    joined = ",".join(values)
    return f"where={{'{name}': [{joined}]}}" if "." in name else f"where.{name}={joined}"
