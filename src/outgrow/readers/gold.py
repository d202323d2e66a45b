"""Gold, the known true classes: a column of the votes, another table, or an array with an entry per item.

Items are matched by their text (`categorical` makes 7, 7.0 and "7" equal). Gold of items without votes is left out and
counted. If no item of the two tables matches, the error shows items of both.
"""

from typing import Any, NamedTuple

import numpy as np

from outgrow.config.votes import VoteColumns
from outgrow.errors import ConfigError, DataError, suggest
from outgrow.readers.categorical import EMPTY, Categorical, by_appearance, categorical
from outgrow.readers.column_roles import find, with_joined
from outgrow.readers.row_numbers import RowNumbers, require_same_rows
from outgrow.readers.source_table import Place, SourceTable, column_of
from outgrow.text_format import listed

EXAMPLES = 3


class Gold(NamedTuple):
    """The true classes of the votes' items."""

    of_items: Categorical
    """The class of each item; empty = unknown."""
    origin: str
    """Its place in messages: "`truth` of gold.csv"."""
    notes: tuple[str, ...] = ()
    """Notes on items that were left out."""


def one_gold_each(item: Categorical, gold: Categorical, place: Place) -> Categorical:
    """The true class of each item, from rows that may repeat it. Raises `DataError` for contradicting rows."""
    with_gold = np.flatnonzero(gold.code != EMPTY)
    code = np.full(len(item.names), EMPTY)
    code[item.code[with_gold[::-1]]] = gold.code[with_gold[::-1]]  # the first row counts
    differs = code[item.code[with_gold]] != gold.code[with_gold]
    if differs.any():
        row = int(with_gold[differs.argmax()])
        first = int(with_gold[(item.code[with_gold] == item.code[row]).argmax()])
        raise DataError(
            f"{place(row)}: gold of item `{item.text(row)}` is `{gold.text(row)}`, but `{gold.text(first)}` at"
            f" {place(first)}; an item has one true class"
        )
    return Categorical(code, gold.names)


def gold_of_table(table: SourceTable, columns: VoteColumns, items: list[str], item_from: str | None = None) -> Gold:
    """The true classes of `items` from a table with a row per item; `item_from` is the votes' column of items.

    Raises `ConfigError` for a named column that is missing, and if the column of the items or of gold is unknown.
    """
    table = with_joined(table, item_from)
    _refuse_unknown(table, columns, item_from)
    names = [name for name in table.columns if name and (name not in columns.ignore or name == columns.gold)]
    named = {part: getattr(columns, part) for part in ("item", "gold", "label")}
    own_columns = columns.model_copy(update={part: name if name in names else None for part, name in named.items()})
    column_of = {part: find(part, table, own_columns, names) for part in ("item", "gold")}
    column_of["gold"] = column_of["gold"] or find("label", table, own_columns, names)
    column_of["item"] = column_of["item"] or _of_items(
        table, [name for name in names if name != column_of["gold"]], items
    )
    other_columns = [name for name in names if name != column_of["item"]]
    column_of["gold"] = column_of["gold"] or (other_columns[0] if len(other_columns) == 1 else None)
    if column_of["gold"] is None:
        raise ConfigError(
            f"{table.origin}: no column is known to be gold; there are {table.column_list}. Name it, such as"
            f" `gold={other_columns[-1] if other_columns else 'NAME'}`"
        )
    if column_of["item"] is None and isinstance(items, RowNumbers):
        gold = categorical(table.column(column_of["gold"]), f"{table.origin}, column `{column_of['gold']}`")
        return _by_rows(table, gold, items, column_of["gold"])
    if column_of["item"] is None:
        raise ConfigError(
            f"{table.origin}: no column has the votes' items, such as {listed(items[:EXAMPLES])}; there are"
            f" {table.column_list}. Name it by `item=…`, for both tables"
        )
    cells_of = {
        part: categorical(table.column(str(name)), f"{table.origin}, column `{name}`")
        for part, name in column_of.items()
    }
    if isinstance(items, RowNumbers) and not set(items).issuperset(cells_of["item"].names):
        return _by_rows(table, cells_of["gold"], items, column_of["gold"])
    if (cells_of["item"].code == EMPTY).any():
        raise DataError(f"{table.place(int((cells_of['item'].code == EMPTY).argmax()))}: the item is empty")
    gold = one_gold_each(cells_of["item"], cells_of["gold"], table.place)
    of_items, notes = _matched(gold, cells_of["item"].names, items, table.origin)
    return Gold(of_items, f"`{column_of['gold']}` of {table.origin}", notes)


def _by_rows(table: SourceTable, gold: Categorical, items: RowNumbers, column: str) -> Gold:
    """Gold for votes without ids: row k of the gold is row k of the votes. Raises `DataError` for other lengths."""
    require_same_rows(items, "the table of votes", len(gold.code), table.origin)
    note = f"The votes have no ids: row k of {table.origin} is the gold of their row k."
    return Gold(gold, f"`{column}` of {table.origin}", (note,))


def _refuse_unknown(table: SourceTable, columns: VoteColumns, item_from: str | None) -> None:
    """Raise `ConfigError` for a named column that is missing; the column of items may have another name here."""
    named = (columns.gold, None if columns.item == item_from else columns.item)
    for name in named:
        if name is not None and name not in table.columns:
            raise ConfigError(f"{table.origin}: there is no column `{name}`; {suggest(name, table.columns)}")


def _of_items(table: SourceTable, names: list[str], items: list[str]) -> str | None:
    """The column with most of the votes' items; None if no column has any."""
    item_names = set(items)
    n_items_of = {name: len(item_names.intersection(categorical(table.column(name), name).names)) for name in names}
    best = max(n_items_of, key=lambda name: n_items_of[name], default=None)
    return best if best is not None and n_items_of[best] else None


def _matched(
    gold: Categorical, named: list[str], items: list[str], origin: str
) -> tuple[Categorical, tuple[str, ...]]:
    index_of = {name: index for index, name in enumerate(named)}
    position = np.asarray([index_of.get(name, EMPTY) for name in items])
    if (position == EMPTY).all():
        raise DataError(
            f"{origin}: gold has items such as {listed(named[:EXAMPLES])}, the votes have items such as"
            f" {listed(items[:EXAMPLES])}; no item is in both"
        )
    code = np.append(gold.code, EMPTY)[position]
    n_left_out = len(named) - int((position != EMPTY).sum())
    notes = (f"Items in {origin} that have no votes: {n_left_out} of {len(named)}; left out.",) if n_left_out else ()
    return Categorical(code, gold.names), notes


def gold_of_array(values: np.ndarray, n_items: int) -> Categorical:
    """The true class of each item, in the order of the items, as numbers (-1 = unknown) or names."""
    if values.shape != (n_items,):
        raise ConfigError(f"gold has shape {values.shape} for {n_items} items; give one entry per item")
    entries: list[Any] = values.tolist()
    unknown = values.dtype.kind in "iuf" and values < 0
    cells = categorical(column_of(entries), "gold")
    return by_appearance(np.where(unknown, EMPTY, cells.code), cells.names)
