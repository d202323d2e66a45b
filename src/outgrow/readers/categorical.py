"""A column of a table as numbers: numbers into its different texts, or the numbers that it holds.

The text of a cell does not depend on the type that a format gave it: 7, 7.0 and "7" are the same id, and so is "7.0"
where every cell of a column ends so (a column of numbers with gaps that went through pandas). Blanks around a cell
are no part of it, and an empty cell has no text. Work is done on the different values only, each of them once.
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
"""From here on a float stands for several whole numbers."""
WHOLE = r"^-?\d+\.0+$"

MISSING = ("nan", "na", "n/a", "none", "null")
"""What other programs write for a missing number; of a label it is a class like any other."""


class Categorical(NamedTuple):
    """Every row's text as a number into `names`, in the order in which they first appear; -1 = an empty cell."""

    code: Int[np.ndarray, "row"]
    names: list[str]

    def text(self, row: int) -> str:
        return self.names[int(self.code[row])]


def categorical(column: pa.ChunkedArray | pa.Array, what: str) -> Categorical:
    """The texts of a column. `what` names it in the `DataError` for lists, infinite numbers and the like."""
    column = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    if pa.types.is_nested(column.type):
        raise DataError(f"{what}: holds {short(column.type)}, where a text or a number is needed in every cell")
    try:
        encoded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column)
        whole = _one_chunk(encoded)
        texts = pc.dictionary_encode(_texts(whole.dictionary, what))
        # Different values may have the same text, and a value may be empty.
        number = np.append(np.asarray(texts.indices.fill_null(EMPTY)), EMPTY)
        code = np.asarray(whole.indices.cast(pa.int64()).fill_null(len(number) - 1))
        names = texts.dictionary.to_pylist()
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise DataError(f"{what}: holds {column.type}, which cannot be read as text ({str(error)[:120]})") from error
    return by_appearance(number[code], names)


def _one_chunk(encoded: pa.ChunkedArray) -> pa.DictionaryArray:
    whole = encoded.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.chunk(0) if whole.num_chunks else pa.array([], encoded.type)
    return whole


def by_appearance(code: Int[np.ndarray, "row"], names: list[str]) -> Categorical:
    """The same rows with the names in order of first appearance; names that no row has are dropped."""
    first = np.full(len(names) + 1, len(code))  # the last place takes the empty cells
    first[code[::-1]] = np.arange(len(code))[::-1]
    first = first[:-1]
    order = np.argsort(first, kind="stable")[: int((first < len(code)).sum())]
    rank = np.full(len(names) + 1, EMPTY)
    rank[order] = np.arange(len(order))
    if len(order) == len(names) and (order == np.arange(len(order))).all():
        return Categorical(np.asarray(code, dtype=np.int64), names)
    return Categorical(rank[code], [names[number] for number in order.tolist()])


def _texts(values: pa.Array, what: str) -> pa.Array:
    """Different values as texts; null where there is none."""
    if pa.types.is_floating(values.type):
        return _texts_of_floats(values.cast(pa.float64()), what)
    texts = pc.utf8_trim_whitespace(values.cast(pa.string()))
    texts = pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
    if len(texts) - texts.null_count and pc.all(pc.match_substring_regex(texts, WHOLE)).as_py():
        texts = pc.replace_substring_regex(texts, r"\.0+$", "")
    return texts


def _texts_of_floats(values: pa.Array, what: str) -> pa.Array:
    number = np.asarray(values.fill_null(np.nan))
    if np.isinf(number).any():
        raise DataError(f"{what}: holds an infinite number, where a name is needed")
    if (np.abs(number) >= LARGEST_EXACT).any():
        raise DataError(f"{what}: holds numbers of 2^53 and more that were rounded; write them as text")
    whole = number == np.round(number)
    as_whole = pa.array(np.where(whole, number, 0).astype(np.int64)).cast(pa.string())
    texts = pc.if_else(pa.array(whole), as_whole, values.cast(pa.string()))
    return pc.if_else(pa.array(np.isnan(number)), pa.scalar(None, pa.string()), texts)


def numbers(column: pa.ChunkedArray, what: str, place: Place) -> Float[np.ndarray, "row"]:
    """The numbers of a column; nan = an empty cell. Raises `DataError` for anything else, with its row."""
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_null(column.type):
        found = np.asarray(column.cast(pa.float64()).fill_null(np.nan), dtype=np.float64)
    else:
        cells = categorical(column, what)
        values = [_number(name) for name in cells.names]
        bad = np.asarray([*(value is None for value in values), False])[cells.code]
        if bad.any():
            text = cells.text(int(bad.argmax()))
            comma = "; decimals need a point, not a comma" if "," in text else ""
            raise DataError(f"{place(int(bad.argmax()))}: `{short(text)}` in {what} is no number{comma}")
        found = np.asarray([*values, np.nan], dtype=np.float64)[cells.code]
    if np.isinf(found).any():
        raise DataError(f"{place(int(np.isinf(found).argmax()))}: an infinite number in {what}")
    return found


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
"""How whole numbers are usually written; no two of these are the same."""
LONGEST = 40
"""Letters of a number."""


class EqualNumbers(NamedTuple):
    """Two names of one number, and how many names there are whose number has another name."""

    first: str
    second: str
    n_names: int


def number_twice(names: Sequence[str]) -> EqualNumbers | None:
    """The first such pair in the order of the names; `names` are all different."""
    texts = pa.array(names, pa.large_string())
    numeric = pc.and_(pc.match_substring_regex(texts, NUMBER), pc.less_equal(pc.utf8_length(texts), LONGEST))
    if not pc.any(pc.and_not(numeric, pc.match_substring_regex(texts, PLAIN))).as_py():
        return None
    written = texts.filter(numeric)
    values = np.asarray(pc.utf8_ltrim(written, "+").cast(pa.float64()))
    _, group, count = np.unique(values, return_inverse=True, return_counts=True)
    # Far from zero a float stands for several numbers: only the few that are left are compared digit by digit.
    of_number: dict[Decimal, list[str]] = {}
    for name in written.filter(pa.array(count[group] > 1)).to_pylist():
        of_number.setdefault(Decimal(name), []).append(name)
    several = [found for found in of_number.values() if len(found) > 1]
    return EqualNumbers(several[0][0], several[0][1], sum(map(len, several))) if several else None
