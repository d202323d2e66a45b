"""Which rows of a table count: those that are asked for (`where`), and no header that stands among them.

Files joined by `cat` have the header of each. A line that repeats the header is left out and told; one of other
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
from outgrow.readers.categorical import Place, categorical
from outgrow.readers.column_hints import ignoring
from outgrow.readers.column_roles import NAMES, USUAL, WEAK, plain
from outgrow.readers.source_table import SourceTable
from outgrow.text_format import listed, many

MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
"""What begins the text of a file that some editors write; `cat` leaves it in the middle."""
UNCOUNTED = ("rejected", "reject", "discarded", "cancelled", "canceled", "draft")
"""What a column of states says of answers that are not to count."""


SPELLED = [*" ".join([*USUAL.values(), *WEAK.values()]).split(), *(name for part in NAMES for name in NAMES[part][0])]
"""The usual names of columns, with and without their underscores."""


class FilteredRows(NamedTuple):
    """A table of the rows that count, where each stands, and what was left out."""

    table: pa.Table
    place: Place
    notes: tuple[str, ...] = ()
    at: Int[np.ndarray, "row"] | None = None
    """Their numbers in the whole table; None = all."""

    def pick(self, column: np.ndarray) -> np.ndarray:
        """Of a column of the whole table what belongs to these rows."""
        return column if self.at is None else column[self.at]


def chosen_rows(
    sheet: SourceTable, wanted: Sequence[str], left_out: Sequence[str], columns: VoteColumns
) -> FilteredRows:
    """The `wanted` columns of the rows that count. Raises `ConfigError` for rejected answers that nobody spoke of,
    `DataError` for a second header of other columns and where no row is left."""
    _refuse_uncounted(sheet, left_out, columns)
    table = sheet.read(wanted)
    kept = np.ones(table.num_rows, dtype=bool)
    notes = []
    for name, values in columns.where.items():
        cells = categorical(sheet.column(name), f"{sheet.origin}, column `{name}`")
        asked = np.asarray([*(one in values for one in cells.names), False])
        kept &= asked[cells.code]
        if not asked.any():
            raise ConfigError(
                f"{sheet.origin}: column `{name}` never holds {listed(values)}, but {listed(cells.names)}"
            )
    if columns.where:
        notes.append(f"Rows that `where` leaves out: {int((~kept).sum())} of {len(kept)}.")
    headers = _headers(table, sheet)
    if headers.any():
        first = sheet.place(int(headers.argmax()))
        notes.append(f"The header stands again at {first}{_more(headers)}: left out.")
    kept &= ~headers
    if kept.all():
        return FilteredRows(table, sheet.place)
    at = np.flatnonzero(kept)
    if not len(at):
        raise DataError(f"{sheet.origin}: no row is left")
    return FilteredRows(table.filter(pa.array(kept)), lambda row: sheet.place(int(at[row])), tuple(notes), at)


def _more(headers: Bool[np.ndarray, "row"]) -> str:
    others = int(headers.sum()) - 1
    return f" and {many(others, 'more time')}" if others else ""


def _headers(table: pa.Table, sheet: SourceTable) -> Bool[np.ndarray, "row"]:
    """Rows that hold the names of the columns. Raises `DataError` where they are of another table's columns."""
    found = np.zeros(table.num_rows, dtype=bool)
    names = [name for name in table.column_names if _is_text(table[name].type)]
    if len(names) < 2 or all(plain(name).isdecimal() for name in names):  # such a row of a matrix may be votes
        return found
    here = [name.lower() for name in names]
    spelled = [*(name.lower() for name in sheet.columns if name), *SPELLED]
    known = {plain(name) for name in spelled}
    first = _holds_any(table[names[0]], [*spelled, *(MARK + name for name in spelled)])
    for row in np.flatnonzero(first).tolist():
        cells = [str(table[name][row].as_py() or "").strip(MARK + " ") for name in names]
        found[row] = [cell.lower() for cell in cells] == here
        if not found[row] and known.issuperset(map(plain, cells)) and len(set(cells)) == len(cells):
            raise DataError(
                f"{sheet.place(row)}: a second header, of other columns ({listed(cells)} where the first has"
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


def _refuse_uncounted(sheet: SourceTable, left_out: Sequence[str], columns: VoteColumns) -> None:
    """Raise `ConfigError` where a column of states says that some answers were rejected, and nobody said what then."""
    for name in left_out:
        if "status" not in name.lower() or name in columns.where or name in columns.ignore:
            continue
        if pa.types.is_nested(sheet.column(name).type):
            continue
        cells = categorical(sheet.column(name), f"{sheet.origin}, column `{name}`")
        bad = [one for one in cells.names if one.lower() in UNCOUNTED]
        others = [one for one in cells.names if one not in bad]
        if bad and others:
            count = int(np.isin(cells.code, [cells.names.index(one) for one in bad]).sum())
            raise ConfigError(
                f"{sheet.origin}: {count} of {many(len(cells.code), 'row')} {'is' if count == 1 else 'are'}"
                f" {listed(bad)} in column `{name}`; leave them out with `{_where(name, others)}`, or count them with"
                f" `{ignoring([name], columns.ignore)}`"
            )


def _where(name: str, values: Sequence[str]) -> str:
    """The word that keeps some values, as it is typed."""
    told = ",".join(values)
    return f"where={{'{name}': [{told}]}}" if "." in name else f"where.{name}={told}"
