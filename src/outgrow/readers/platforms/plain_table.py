"""An export as a plain table with usual names of columns, for kinds of votes that have readers of their own."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from outgrow.errors import DataError
from outgrow.readers.categorical import categorical
from outgrow.readers.column_roles import with_joined
from outgrow.readers.column_uses import ColumnUse, Naming, Reading, uses_of, uses_of_paths
from outgrow.readers.platforms.export import MULTI_LABEL, SCORES, Export
from outgrow.readers.row_filter import chosen_rows
from outgrow.readers.source_table import SourceTable, table_of_arrow

ROLES = ("item", "source", "label", "seconds", "gold")


def plain_table(export: Export, names: Mapping[str, str]) -> SourceTable:
    """The rows with a vote, and the columns `item`, `source`, `label` (of scores `score`), perhaps `start`, `end`,
    `gold` and `seconds`; `names` has other names for some of them. Gold of an item is in all its rows.

    Raises `DataError` for an export without a vote.
    """
    table = with_joined(export.table, export.columns.item)
    role_of = {str(name): role for role in ROLES if (name := getattr(export.columns, role))}
    rows = chosen_rows(table, table.columns, [], export.columns)
    arrow = rows.arrow
    if "gold" in role_of.values():
        arrow = _with_gold_in_all_rows(arrow, export)
    filled = ("source", "label") if export.kind == MULTI_LABEL else ("source",)
    voted = np.ones(arrow.num_rows, dtype=bool)
    for name, role in role_of.items():
        if role in filled:
            voted &= np.asarray(arrow[name].is_valid())
    if not voted.any():
        raise DataError(f"{table.origin}: has no vote")
    at = np.flatnonzero(voted)
    columns = [_name(role_of.get(name), name, export.kind, names) for name in arrow.column_names]
    plain = table_of_arrow(arrow.rename_columns(columns), table.origin)
    note = Reading(f"{table.origin} was read as {export.form}.", _uses(export))
    notes = (note, *rows.notes, *export.notes)
    return SourceTable(
        table.origin,
        plain.columns,
        lambda wanted: plain.read(wanted).take(pa.array(at)),
        lambda row: rows.place(int(at[row])),
        notes=notes,
    )


def _uses(export: Export) -> tuple[ColumnUse, ...]:
    """How the columns of the file were read."""
    naming = Naming(export.user, export.title, tuple(export.texts.values()))
    if export.made:
        return uses_of_paths(export.keys, export.paths, naming)
    role_of = {str(name): role for role in ROLES if (name := getattr(export.columns, role))}
    return uses_of(export.table.columns, role_of, {}, naming, "long", export.columns.where)


def _name(role: str | None, column: str, kind: str, names: Mapping[str, str]) -> str:
    """The name of a column in the plain table."""
    if role is None:
        return column
    usual = "score" if role == "label" and kind == SCORES else role
    return names.get(usual, usual)


def _with_gold_in_all_rows(arrow: pa.Table, export: Export) -> pa.Table:
    """The table with the gold of each item in all its rows: in exports a row of its own may have it."""
    item, gold = str(export.columns.item), str(export.columns.gold)
    cells = categorical(arrow[item], "the items")
    known = arrow[gold].to_pylist()
    of_item = {code: cell for code, cell in zip(cells.code.tolist(), known, strict=True) if cell not in (None, [])}
    column = pa.array([of_item.get(code) for code in cells.code.tolist()], arrow[gold].type)
    return arrow.set_column(arrow.column_names.index(gold), gold, column)
