"""Gold, the known true classes: a column beside the votes, another table, or an array with an entry for every item.

Items are matched by their text (`categorical` makes 7, 7.0 and "7" the same). Gold of items without
votes is left out and counted; where no item of the two tables matches, the error shows some of both.
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
    """Empty = unknown."""
    origin: str
    """Where it stands: "`truth` of gold.csv"."""
    notes: tuple[str, ...] = ()
    """What did not fit."""


def one_gold_each(item: Categorical, gold: Categorical, place: Place) -> Categorical:
    """Every item's true class, from rows that may repeat it. Raises `DataError` where they contradict each other."""
    known = np.flatnonzero(gold.code != EMPTY)
    code = np.full(len(item.names), EMPTY)
    code[item.code[known[::-1]]] = gold.code[known[::-1]]  # the first row has the last word
    other = code[item.code[known]] != gold.code[known]
    if other.any():
        row = int(known[other.argmax()])
        first = int(known[(item.code[known] == item.code[row]).argmax()])
        raise DataError(
            f"{place(row)}: gold of item `{item.text(row)}` is `{gold.text(row)}`, but was `{gold.text(first)}` before"
            f" ({place(first)}); an item has one true class"
        )
    return Categorical(code, gold.names)


def gold_of_table(table: SourceTable, columns: VoteColumns, items: list[str], item_from: str | None = None) -> Gold:
    """The true classes of `items` from a table with a row per item; `item_from` is the votes' column of items.

    Raises `ConfigError` where a column is named that is not there, or none is known to be the items or the gold.
    """
    table = with_joined(table, item_from)
    _refuse_unknown(table, columns, item_from)
    names = [name for name in table.columns if name and (name not in columns.ignore or name == columns.gold)]
    known = {part: getattr(columns, part) for part in ("item", "gold", "label")}
    own = columns.model_copy(update={part: name if name in names else None for part, name in known.items()})
    found = {part: find(part, table, own, names) for part in ("item", "gold")}
    found["gold"] = found["gold"] or find("label", table, own, names)
    found["item"] = found["item"] or _of_items(table, [name for name in names if name != found["gold"]], items)
    left = [name for name in names if name != found["item"]]
    found["gold"] = found["gold"] or (left[0] if len(left) == 1 else None)
    if found["gold"] is None:
        raise ConfigError(
            f"{table.origin}: which column holds the true classes? There are {table.column_list}; name it, such as"
            f" `gold={left[-1] if left else 'NAME'}`"
        )
    if found["item"] is None and isinstance(items, RowNumbers):
        gold = categorical(table.column(found["gold"]), f"{table.origin}, column `{found['gold']}`")
        return _by_rows(table, gold, items, found["gold"])
    if found["item"] is None:
        raise ConfigError(
            f"{table.origin}: no column holds the votes' items, such as {listed(items[:EXAMPLES])}; there are"
            f" {table.column_list}. Name it by `item=…`, for both tables"
        )
    column = {
        part: categorical(table.column(str(name)), f"{table.origin}, column `{name}`") for part, name in found.items()
    }
    if isinstance(items, RowNumbers) and not set(items).issuperset(column["item"].names):
        return _by_rows(table, column["gold"], items, found["gold"])
    if (column["item"].code == EMPTY).any():
        raise DataError(f"{table.place(int((column['item'].code == EMPTY).argmax()))}: the item is empty")
    gold = one_gold_each(column["item"], column["gold"], table.place)
    fitted, notes = _matched(gold, column["item"].names, items, table.origin)
    return Gold(fitted, f"`{found['gold']}` of {table.origin}", notes)


def _by_rows(table: SourceTable, gold: Categorical, items: RowNumbers, column: str) -> Gold:
    """Votes that name no items: row k of the gold is their row k. Raises `DataError` for other than as many rows."""
    require_same_rows(items, "the table of votes", len(gold.code), table.origin)
    note = f"The votes name no items: row k of {table.origin} is the gold of their row k."
    return Gold(gold, f"`{column}` of {table.origin}", (note,))


def _refuse_unknown(table: SourceTable, columns: VoteColumns, item_from: str | None) -> None:
    """Raise `ConfigError` for a named column that is not there; the votes' items may be called otherwise here."""
    named = (columns.gold, None if columns.item == item_from else columns.item)
    for name in named:
        if name is not None and name not in table.columns:
            raise ConfigError(f"{table.origin}: there is no column `{name}`; {suggest(name, table.columns)}")


def _of_items(table: SourceTable, names: list[str], items: list[str]) -> str | None:
    """The column that holds most of the votes' items; None where no column holds any."""
    known = set(items)
    held = {name: len(known.intersection(categorical(table.column(name), name).names)) for name in names}
    best = max(held, key=lambda name: held[name], default=None)
    return best if best is not None and held[best] else None


def _matched(
    gold: Categorical, named: list[str], items: list[str], origin: str
) -> tuple[Categorical, tuple[str, ...]]:
    number = {name: at for at, name in enumerate(named)}
    at = np.asarray([number.get(name, EMPTY) for name in items])
    if (at == EMPTY).all():
        raise DataError(
            f"{origin}: gold is for items such as {listed(named[:EXAMPLES])}, the votes are on items such as"
            f" {listed(items[:EXAMPLES])}; none is the same"
        )
    code = np.append(gold.code, EMPTY)[at]
    left = len(named) - int((at != EMPTY).sum())
    notes = (f"Items in {origin} that have no votes: {left} of {len(named)}; left out.",) if left else ()
    return Categorical(code, gold.names), notes


def gold_of_array(values: np.ndarray, n_items: int) -> Categorical:
    """The true class of every item in its order, as numbers (-1 = unknown) or names."""
    if values.shape != (n_items,):
        raise ConfigError(f"gold has shape {values.shape}, and the items are {n_items}; give one entry for each")
    entries: list[Any] = values.tolist()
    unknown = values.dtype.kind in "iuf" and values < 0
    cells = categorical(column_of(entries), "gold")
    return by_appearance(np.where(unknown, EMPTY, cells.code), cells.names)
