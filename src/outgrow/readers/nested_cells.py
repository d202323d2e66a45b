"""Cells that hold lists or mappings and no distribution: what can be read of them, and a sentence for the rest."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from outgrow.errors import DataError
from outgrow.readers.categorical import Place
from outgrow.readers.column_hints import ignoring
from outgrow.text_format import listed, short


def one_each(column: pa.ChunkedArray, what: str, place: Place) -> pa.ChunkedArray:
    """A column of labels in which lists of one stand for what is in them, and empty lists for no vote.

    Raises `DataError` for a list of several, with its row.
    """
    if not is_list(column.type):
        return column
    length = np.asarray(pc.list_value_length(column).fill_null(0))
    if (length > 1).any():
        row = int((length > 1).argmax())
        raise DataError(
            f"{place(row)}: {what} holds {length[row]} labels, where a text or a number is needed in every cell: a"
            " vote is for one class; ask about each class by itself, or keep one of them"
        )
    at = np.cumsum(length) - 1
    return pa.chunked_array([pc.list_flatten(column).combine_chunks().take(pa.array(at, mask=length == 0))])


def refuse_nested(table: pa.Table, origin: str, ignored: Sequence[str]) -> None:
    """Raise `DataError` where columns of a wide table hold lists or mappings, and are no distributions."""
    nested = [name for name in table.column_names if pa.types.is_nested(table[name].type)]
    if not nested:
        return
    soft = [name for name in nested if _holds_numbers(table[name].type)]
    if len(soft) == len(table.column_names):
        return
    if soft:
        name = soft[0]
        raise DataError(
            f"{origin}: column `{name}` holds numbers for every class, beside columns of single cells;"
            f" `probability={name}` reads it as the soft votes of one source (counts of votes: with `--renormalise`);"
            f" if it is none of these, leave it out with `{ignoring([name], ignored)}`"
        )
    them, hold = ("them", "hold") if len(nested) > 1 else ("it", "holds")
    others = len(nested) < len(table.column_names)
    leave = f", or leave {them} out with `{ignoring(nested, ignored)}`" if others else ""
    kind = short(table[nested[0]].type)
    raise DataError(
        f"{origin}: {listed(nested)} {hold} lists or mappings that are no probabilities ({kind});"
        " write a row for each vote, with columns `item`, `source` and `label` (in pandas `explode` and"
        " `json_normalize` do that)"
        f"{leave}"
    )


def is_list(kind: pa.DataType) -> bool:
    """Whether cells are lists, of any of Arrow's kinds."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _holds_numbers(kind: pa.DataType) -> bool:
    """Whether cells are lists of numbers, or mappings to numbers."""
    inner = [kind.value_type] if is_list(kind) else [field.type for field in kind] if pa.types.is_struct(kind) else []
    return bool(inner) and all(
        pa.types.is_integer(one) or pa.types.is_floating(one) or pa.types.is_null(one) for one in inner
    )
