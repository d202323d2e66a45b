"""Items that several columns name together: a question and its turn, a text and what was asked of it."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from outgrow.readers.categorical import EMPTY, Categorical, categorical
from outgrow.readers.source_table import SourceTable


def with_joined(sheet: SourceTable, item: str | None) -> SourceTable:
    """The sheet with one column, called `question,turn`, in place of the columns `question` and `turn`.

    The sheet itself where `item` is one of its columns, or some part of it is none.
    """
    parts = [] if item is None or item in sheet.columns else [part.strip() for part in item.split(",")]
    if item is None or len(parts) < 2 or not set(parts) <= set(sheet.columns):
        return sheet

    def read(columns: Sequence[str]) -> pa.Table:
        plain = sheet.read([name for name in columns if name != item])
        joined = {item: _joined([categorical(sheet.column(part), f"column `{part}`") for part in parts])}
        return pa.table({name: joined[name] if name in joined else plain[name] for name in columns})

    others = [name for name in sheet.columns if name not in parts]
    return sheet._replace(columns=[item, *others], read=read)


def _joined(parts: Sequence[Categorical]) -> pa.Array:
    """The texts of every row with commas between them; empty where a part is."""
    texts = [
        pa.array(part.names, pa.string()).take(pa.array(np.maximum(part.code, 0), mask=part.code == EMPTY))
        for part in parts
    ]
    return pa.compute.binary_join_element_wise(*texts, ",")
