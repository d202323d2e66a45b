"""Items without gold, from a table: for votes at hand, for questions to models, for a student's answers."""

from collections.abc import Sequence

import numpy as np

from outgrow.data.parse_cells import item_name, prompt_of, require_column
from outgrow.data.task import Items
from outgrow.data.user_data import refuse_duplicate_ids
from outgrow.readers.source_table import SourceTable

NAMES = ("id", "item", "item_id", "task", "task_id", "example", "example_id", "uid", "key")
"""Usual names of the column of ids."""
LOOKED_AT = 10_000
"""Rows that are compared to find the column of ids."""


def read_unlabelled(table: SourceTable, text: str = "text", name: str | None = None) -> Items:
    """The items of a table, all without gold.

    `text` is a column or a template of several, `name` the column of unique ids: by default the row's number, from 0.
    Raises `DataError`.
    """
    prompt = prompt_of(text, table, "items.text")
    if name is not None:
        require_column(table, name, "items.id")
    places = [table.place(index) for index in range(len(table.rows))]
    ids = [
        str(index) if name is None else item_name(row.get(name), where)
        for index, (row, where) in enumerate(zip(table.rows, places, strict=True))
    ]
    refuse_duplicate_ids(zip(ids, places, strict=True))
    prompts = [prompt(row, where) for row, where in zip(table.rows, places, strict=True)]
    return Items(ids=ids, prompts=prompts, gold=np.full(len(ids), -1))


def id_column(table: SourceTable, seen: Sequence[str]) -> str | None:
    """The column of ids where none is named: one of `NAMES`, else the one with most cells among `seen`, if any.

    A column in which a value occurs twice holds no ids.
    """
    usual = next((column for column in table.columns if column.lower() in NAMES), None)
    if usual is not None:
        return usual
    seen_ids, rows = set(seen), table.rows[:LOOKED_AT]
    counts = {column: _held([str(row.get(column)) for row in rows], seen_ids) for column in table.columns}
    best = max(counts, key=lambda column: counts[column], default=None)
    return best if best is not None and counts[best] else None


def _held(cells: Sequence[str], seen_ids: set[str]) -> int:
    """How many of the cells are in `seen_ids`; none where they cannot be ids."""
    distinct = set(cells)
    return len(distinct & seen_ids) if len(distinct) == len(cells) else 0
