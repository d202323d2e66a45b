"""What a file of votes says about its items: texts and titles beside the votes, as a table with a row per item.

`outgrow train` takes the items from here if no table of items is given. A column is about the items if all rows of an
item have the same cell, or none.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from outgrow.errors import DataError
from outgrow.readers.categorical import EMPTY, Categorical
from outgrow.readers.source_table import Place, SourceTable
from outgrow.text_format import short


class ItemTexts(NamedTuple):
    """The columns of one file that may be about its items."""

    item: Categorical
    """The item of each row."""
    columns: Mapping[str, str]
    """What a column is called in the table of items, and in the file."""
    read: Callable[[str], pa.ChunkedArray]
    """Reads a column of the rows, by its name in the file."""
    place: Place


ID = "item"
"""The column of ids in a table of items."""


def item_table(parts: Sequence[ItemTexts], origin: str, wanted: Sequence[str]) -> SourceTable:
    """A row per item, with the column `item` and those of all files; an item has the cells of the first file with it.

    Only the `wanted` columns are in its rows: others may differ between the rows of an item.
    """
    names = list(dict.fromkeys(name for part in parts for name in part.item.names))
    index_of = {name: index for index, name in enumerate(names)}
    columns = [ID, *dict.fromkeys(name for part in parts for name in part.columns if name != ID)]

    def column(name: str) -> pa.Array:
        if name == ID:
            return pa.array(names, pa.string())
        cells: list[object] = [None] * len(names)
        for part in parts:
            if name in part.columns:
                _fill(cells, part, name, np.asarray([index_of[item] for item in part.item.names], dtype=np.int64))
        return pa.array([None if cell is None else str(cell) for cell in cells], pa.string())

    def place(row: int) -> str:
        return f"{origin}, item `{short(names[row])}`"

    def read(selected: Sequence[str]) -> pa.Table:
        return pa.table({name: column(name) for name in selected})

    in_rows = [name for name in columns if name == ID or name in wanted]
    return SourceTable(origin, columns, read, place, read_rows=lambda: list(read(in_rows).to_pylist()))


def _fill(cells: list[object], part: ItemTexts, name: str, index: Int[np.ndarray, "item"]) -> None:
    """Enter the cells of a file. Raises `DataError` for an item with two different ones."""
    encoded = part.read(part.columns[name]).combine_chunks()
    encoded = encoded if isinstance(encoded, pa.DictionaryArray) else encoded.dictionary_encode()
    values = encoded.dictionary.to_pylist()
    code = np.asarray(encoded.indices.fill_null(EMPTY))
    rows = np.flatnonzero((code != EMPTY) & (part.item.code != EMPTY))
    first = np.full(len(part.item.names), EMPTY)
    first[part.item.code[rows[::-1]]] = rows[::-1]
    other = rows[code[rows] != code[first[part.item.code[rows]]]]
    if len(other):
        row = int(other[0])
        former = int(first[part.item.code[row]])
        raise DataError(
            f"{part.place(row)}: `{part.columns[name]}` of item `{short(part.item.text(row))}` is not that at"
            f" {part.place(former)}; a text of an item is the same in all its rows"
        )
    for item in np.flatnonzero(first != EMPTY).tolist():
        if cells[int(index[item])] is None:
            cells[int(index[item])] = values[int(code[int(first[item])])]
