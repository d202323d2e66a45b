"""A column of a table as codes of its distinct texts, or as numbers.

The text of a cell does not depend on the type in its format: 7, 7.0 and "7" are the same id, and so is "7.0" if every
cell of a column ends in this way (pandas writes a column of integers with gaps so). Blanks around a cell are removed,
and an empty cell has no text. Only distinct values are processed, each of them once.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float, Int

from outgrow.errors import DataError
from outgrow.readers.source_table import Place
from outgrow.text_format import short

EMPTY = -1
LARGEST_EXACT = 2**53
"""From here on a float represents several integers."""
WHOLE = r"^-?\d+\.0+$"

MISSING = ("nan", "na", "n/a", "none", "null")
"""Spellings of a missing number; as labels they are ordinary classes."""


class Categorical(NamedTuple):
    """Each row's text as an index into `names`, in the order of first appearance; -1 = an empty cell."""

    code: Int[np.ndarray, "row"]
    names: list[str]

    def text(self, row: int) -> str:
        return self.names[int(self.code[row])]


def categorical(column: pa.ChunkedArray | pa.Array, subject: str) -> Categorical:
    """The texts of a column. `subject` names it in the `DataError` for lists, infinite numbers and the like."""
    column = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    if pa.types.is_nested(column.type):
        raise DataError(f"{subject}: contains {short(column.type)}; every cell must be a text or a number")
    try:
        encoded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column)
        joined = _one_chunk(encoded)
        texts = pc.dictionary_encode(_texts(joined.dictionary, subject))
        # Different values may have the same text, and a text may be empty.
        text_code = np.append(np.asarray(texts.indices.fill_null(EMPTY)), EMPTY)
        code = np.asarray(joined.indices.cast(pa.int64()).fill_null(len(text_code) - 1))
        names = texts.dictionary.to_pylist()
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise DataError(
            f"{subject}: contains {column.type}, which cannot be read as text ({str(error)[:120]})"
        ) from error
    return by_appearance(text_code[code], names)


def _one_chunk(encoded: pa.ChunkedArray) -> pa.DictionaryArray:
    joined = encoded.unify_dictionaries().combine_chunks()
    if isinstance(joined, pa.ChunkedArray):
        joined = joined.chunk(0) if joined.num_chunks else pa.array([], encoded.type)
    return joined


def by_appearance(code: Int[np.ndarray, "row"], names: list[str]) -> Categorical:
    """The rows with names in order of first appearance; unused names are dropped."""
    first = np.full(len(names) + 1, len(code))  # the last entry is for empty cells
    first[code[::-1]] = np.arange(len(code))[::-1]
    first = first[:-1]
    order = np.argsort(first, kind="stable")[: int((first < len(code)).sum())]
    rank = np.full(len(names) + 1, EMPTY)
    rank[order] = np.arange(len(order))
    if len(order) == len(names) and (order == np.arange(len(order))).all():
        return Categorical(np.asarray(code, dtype=np.int64), names)
    return Categorical(rank[code], [names[index] for index in order.tolist()])


def _texts(values: pa.Array, subject: str) -> pa.Array:
    """Distinct values as texts; null for an empty text."""
    if pa.types.is_floating(values.type):
        return _texts_of_floats(values.cast(pa.float64()), subject)
    texts = pc.utf8_trim_whitespace(values.cast(pa.string()))
    texts = pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
    if len(texts) - texts.null_count and pc.all(pc.match_substring_regex(texts, WHOLE)).as_py():
        texts = pc.replace_substring_regex(texts, r"\.0+$", "")
    return texts


def _texts_of_floats(values: pa.Array, subject: str) -> pa.Array:
    values_or_nan = np.asarray(values.fill_null(np.nan))
    if np.isinf(values_or_nan).any():
        raise DataError(f"{subject}: contains an infinite number; a name is needed")
    if (np.abs(values_or_nan) >= LARGEST_EXACT).any():
        raise DataError(f"{subject}: contains rounded numbers of 2^53 or more; write them as text")
    is_integer = values_or_nan == np.round(values_or_nan)
    integer_texts = pa.array(np.where(is_integer, values_or_nan, 0).astype(np.int64)).cast(pa.string())
    texts = pc.if_else(pa.array(is_integer), integer_texts, values.cast(pa.string()))
    return pc.if_else(pa.array(np.isnan(values_or_nan)), pa.scalar(None, pa.string()), texts)


def numbers(column: pa.ChunkedArray, subject: str, place: Place) -> Float[np.ndarray, "row"]:
    """The numbers of a column; nan = an empty cell. Raises `DataError` with the row for other cells."""
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_null(column.type):
        result = np.asarray(column.cast(pa.float64()).fill_null(np.nan), dtype=np.float64)
    else:
        cells = categorical(column, subject)
        values = [_number(name) for name in cells.names]
        is_invalid = np.asarray([*(value is None for value in values), False])[cells.code]
        if is_invalid.any():
            text = cells.text(int(is_invalid.argmax()))
            comma = "; decimals need a point, not a comma" if "," in text else ""
            raise DataError(f"{place(int(is_invalid.argmax()))}: `{short(text)}` in {subject} is not a number{comma}")
        result = np.asarray([*values, np.nan], dtype=np.float64)[cells.code]
    if np.isinf(result).any():
        raise DataError(f"{place(int(np.isinf(result).argmax()))}: an infinite number in {subject}")
    return result


def _number(text: str) -> float | None:
    if text.lower() in MISSING:
        return float("nan")
    try:
        return float(text)
    except ValueError:
        return None


def pick(cells: Categorical, rows: Any) -> Categorical:
    """Some of the rows, by an index or a mask."""
    return by_appearance(cells.code[rows], cells.names)


NUMBER = r"^[+-]?\d+(\.\d+)?([eE][+-]?\d{1,3})?$"
PLAIN = r"^(0|-?[1-9]\d*)$"
"""The usual spelling of integers, which is unique."""
LONGEST = 40
"""Characters of a number, at most."""


class EqualNumbers(NamedTuple):
    """Two names of one number, and the count of names whose number has another name."""

    first: str
    second: str
    n_names: int


def number_twice(names: Sequence[str]) -> EqualNumbers | None:
    """The first such pair in the order of `names`, which are distinct; None without one."""
    texts = pa.array(names, pa.large_string())
    numeric = pc.and_(pc.match_substring_regex(texts, NUMBER), pc.less_equal(pc.utf8_length(texts), LONGEST))
    if not pc.any(pc.and_not(numeric, pc.match_substring_regex(texts, PLAIN))).as_py():
        return None
    numeric_names = texts.filter(numeric)
    values = np.asarray(pc.utf8_ltrim(numeric_names, "+").cast(pa.float64()))
    _, group, count = np.unique(values, return_inverse=True, return_counts=True)
    # A large float represents several numbers, so the remaining names are compared as decimals.
    of_number: dict[Decimal, list[str]] = {}
    for name in numeric_names.filter(pa.array(count[group] > 1)).to_pylist():
        of_number.setdefault(Decimal(name), []).append(name)
    repeated = [spellings for spellings in of_number.values() if len(spellings) > 1]
    return EqualNumbers(repeated[0][0], repeated[0][1], sum(map(len, repeated))) if repeated else None
