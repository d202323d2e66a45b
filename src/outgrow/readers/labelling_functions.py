"""Collections of labelling functions' votes, as benchmarks of weak supervision write them.

    {"0": {"data": {"text": …}, "label": 1, "weak_labels": [-1, 0, -1]}, …}      or a list of such objects

`weak_labels` has a class number per labelling function, -1 for none; `label`, where it is there, is gold, unless
`columns.ignore` names it. The functions have no names in these files: they are numbered from 0.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from outgrow.config.votes import VoteColumns
from outgrow.errors import ConfigError, DataError, suggest
from outgrow.readers.categorical import categorical
from outgrow.readers.matrix import ballots_of_matrix
from outgrow.readers.source_table import column_of
from outgrow.readers.vote_rows import VoteRows
from outgrow.text_format import short

KEY = "weak_labels"


def is_weak_labels(value: Any) -> bool:
    """Whether this is such a collection."""
    rows = value.values() if isinstance(value, dict) else value
    return (
        bool(rows)
        and isinstance(rows, list | type({}.values()))
        and all(isinstance(row, dict) and isinstance(row.get(KEY), list) for row in rows)
    )


def ballots_of_weak_labels(origin: str, value: dict[str, Any] | list[Any], columns: VoteColumns) -> VoteRows:
    """The votes of a collection. Raises `DataError` for rows of different lengths or entries that are no numbers."""
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    rows = [(str(row.get("id", name)), row) for name, row in entries]
    width = len(rows[0][1][KEY])
    for name, row in rows:
        if len(row[KEY]) != width or not all(type(vote) is int and abs(vote) < 2**31 for vote in row[KEY]):
            raise DataError(f"{origin}, item `{name}`: `{KEY}` must be {width} class numbers, found {short(row[KEY])}")
    key = columns.gold or "label"
    if columns.gold is not None and not any(key in row for _, row in rows):
        raise ConfigError(f"{origin}: there is no `{key}`; {suggest(key, rows[0][1])}")
    known = [None if key in columns.ignore or row.get(key) == -1 else row.get(key) for _, row in rows]
    gold = categorical(column_of(known), f"{origin}, `{key}`")
    item = categorical(column_of([name for name, _ in rows]), f"{origin}, the items")
    ballots = ballots_of_matrix(
        np.asarray([row[KEY] for _, row in rows]),
        origin,
        item,
        None,
        gold if gold.names else None,
        lambda row: f"{origin}, item `{rows[row][0]}`",
        f"{origin} was read as votes of {width} labelling functions, numbered from 0"
        + (f"; its `{key}` was read as gold." if gold.names else "."),
    )
    return replace(ballots, gold_from=f"`{key}` of {origin}")
