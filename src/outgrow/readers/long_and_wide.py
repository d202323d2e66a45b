"""Long and wide tables as `VoteRows`: the columns by their parts, the rows that count, and their cells."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from outgrow.config.votes import VoteColumns
from outgrow.errors import DataError
from outgrow.readers.ambiguous_columns import doubt_of_columns
from outgrow.readers.categorical import EMPTY, Categorical, Place, by_appearance, categorical, numbers
from outgrow.readers.column_roles import ColumnRoles, roles_of
from outgrow.readers.gold import one_gold_each
from outgrow.readers.joined_columns import with_joined
from outgrow.readers.matrix import ballots_of_matrix
from outgrow.readers.nested_cells import one_each, refuse_nested
from outgrow.readers.row_filter import FilteredRows, chosen_rows
from outgrow.readers.soft_votes import holds_distributions, interleaved, soft_of_column, soft_of_columns
from outgrow.readers.source_table import SourceTable, stem_of
from outgrow.readers.vote_rows import Apart, VoteRows, by_row, dense, nothing


def ballots_of_sheet(sheet: SourceTable, columns: VoteColumns, alone: str | None = None) -> VoteRows:
    """The votes of a table in any layout; `alone` says whose they are where no column does.

    Raises `ConfigError` for its columns, `DataError` for its cells.
    """
    sheet = with_joined(sheet, columns.item)
    roles = roles_of(sheet, columns, alone)
    rows = chosen_rows(sheet, _wanted(roles), roles.left_out, columns)
    if not rows.table.num_rows:
        raise DataError(f"{sheet.origin}: has no row")
    if roles.layout == "long":
        found = _long(sheet, roles, rows, columns.one_source or alone or stem_of(sheet.origin))
    else:
        found = _wide(sheet, roles, rows, columns)
    gold_from = "" if roles.gold is None else f"`{roles.gold}` of {sheet.origin}"
    notes = (*found.notes, *sheet.notes, *rows.notes)
    return replace(found, gold_from=gold_from, item_from=roles.item, notes=notes)


def _wanted(roles: ColumnRoles) -> list[str]:
    several = (*roles.probability, *roles.votes)
    single = (getattr(roles, part) for part in ColumnRoles._fields if part not in ("layout", "left_out"))
    return list(dict.fromkeys([*(name for name in single if isinstance(name, str)), *several]))


def _long(sheet: SourceTable, roles: ColumnRoles, rows: FilteredRows, alone: str) -> VoteRows:
    table, place = rows.table, rows.place

    def text(name: str | None) -> Categorical:
        return (
            nothing(table.num_rows) if name is None else categorical(table[name], f"{sheet.origin}, column `{name}`")
        )

    def number(name: str | None) -> Float[np.ndarray, "row"] | None:
        return None if name is None else numbers(table[name], f"column `{name}`", place)

    roles = _confidence_or_distribution(roles, table)
    item = text(roles.item)
    _refuse_empty(item, "item", place)
    soft = None
    if len(roles.probability) == 1:
        soft = soft_of_column(table[roles.probability[0]], f"column `{roles.probability[0]}`", place)
    elif roles.probability:
        soft = soft_of_columns(table.select(list(roles.probability)), place)
    label = nothing(table.num_rows)
    if roles.label is not None:
        label = categorical(
            one_each(table[roles.label], f"column `{roles.label}`", place), f"{sheet.origin}, the labels"
        )
    nameless = roles.source is None
    all_his = f" All votes are those of one source, `{alone}`." if nameless else ""
    return VoteRows(
        sheet.origin,
        item,
        Categorical(np.zeros(table.num_rows, np.int64), [alone]) if nameless else text(roles.source),
        label,
        place,
        soft,
        number(roles.confidence),
        number(roles.seconds),
        number(roles.price),
        None if roles.gold is None else one_gold_each(item, text(roles.gold), place),
        nameless=nameless,
        apart=_telling_apart(sheet, roles.left_out, rows),
        notes=(roles.note(sheet.origin) + all_his,),
    )


def _telling_apart(sheet: SourceTable, left_out: Sequence[str], rows: FilteredRows) -> Apart:
    """The first column that was left out, holds something in few values, and differs in every pair of rows."""

    def apart(former: np.ndarray, latter: np.ndarray) -> str | None:
        for name in left_out:
            if not pa.types.is_nested(sheet.column(name).type):
                code = rows.pick(categorical(sheet.column(name), name).code)
                one, other = code[former], code[latter]
                if (one != other).all() and len(np.unique(code)) <= len(code) / 2:
                    return name
        return None

    return apart


def _confidence_or_distribution(roles: ColumnRoles, table: pa.Table) -> ColumnRoles:
    """A column `probability` is what its cells are: numbers say how sure a vote is, lists are whole distributions."""
    name = roles.confidence
    if name is None or roles.probability or not holds_distributions(table[name]):
        return roles
    return roles._replace(confidence=None, probability=(name,))


def _wide(sheet: SourceTable, roles: ColumnRoles, rows: FilteredRows, asked: VoteColumns) -> VoteRows:
    table, place = rows.table, rows.place

    def text(name: str) -> Categorical:
        return categorical(table[name], f"{sheet.origin}, column `{name}`")

    item = by_row(table.num_rows) if roles.item is None else text(roles.item)
    _refuse_empty(item, "item", place)
    gold = None if roles.gold is None else text(roles.gold)
    note = roles.note(sheet.origin)
    if roles.layout == "matrix":
        columns = [numbers(table[name], f"column `{name}`", place) for name in roles.votes]
        return ballots_of_matrix(np.stack(columns, axis=1), sheet.origin, item, roles.votes, gold, place, note)
    refuse_nested(table.select(list(roles.votes)), sheet.origin, asked.ignore)
    if all(holds_distributions(table[name]) for name in roles.votes):
        of_each = [soft_of_column(table[name], f"column `{name}`", place) for name in roles.votes]
        label, soft = nothing(table.num_rows * len(roles.votes)), interleaved(of_each, sheet.origin)
        return dense(sheet.origin, item, roles.votes, label, soft, gold, place, note)
    said = {name: text(name) for name in roles.votes}
    doubt = "" if asked.votes else doubt_of_columns(said, sheet.origin, sheet.columns, asked.ignore)
    label = _interleaved_labels(said)
    told, n_sources = _telling_apart(sheet, roles.left_out, rows), len(roles.votes)

    def apart(former: np.ndarray, latter: np.ndarray) -> str | None:
        return told(former // n_sources, latter // n_sources)

    return replace(dense(sheet.origin, item, roles.votes, label, None, gold, place, note), doubt=doubt, apart=apart)


def _interleaved_labels(columns: dict[str, Categorical]) -> Categorical:
    """The labels of all columns, row by row."""
    names = list(dict.fromkeys(name for cells in columns.values() for name in cells.names))
    number = {name: at for at, name in enumerate(names)}
    code = np.empty((len(next(iter(columns.values())).code), len(columns)), np.int64)
    for at, cells in enumerate(columns.values()):
        code[:, at] = np.asarray([*(number[name] for name in cells.names), EMPTY])[cells.code]
    return by_appearance(code.ravel(), names)


def _refuse_empty(cells: Categorical, part: str, place: Place) -> None:
    if (cells.code == EMPTY).any():
        raise DataError(f"{place(int((cells.code == EMPTY).argmax()))}: the {part} is empty")
