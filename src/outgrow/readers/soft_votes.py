"""Soft votes: whole distributions, or the confidence in the class that was named.

A distribution stands in one column as a list or a mapping (in CSV: as JSON), or in a column per class. A confidence p
means P(class named) = p; every other class gets (1 - p)/(K - 1).
Probabilities that do not sum to one are an error that names the row. On request they are divided by their sum,
with a note. A sum that is off by rounding (1e-4) passes.
"""

import io
import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
from jaxtyping import Bool, Float, Int

from outgrow.errors import DataError
from outgrow.labels import SUM_TOLERANCE
from outgrow.readers.categorical import EMPTY, categorical, numbers
from outgrow.readers.column_patterns import MARKS, class_named
from outgrow.readers.json_files import refuse_deep, too_deep
from outgrow.readers.source_table import Place, column_of
from outgrow.text_format import many, short


class SoftVotes(NamedTuple):
    """Every row's distribution, nan where it has none, and the classes in its order (None = class numbers)."""

    probs: Float[np.ndarray, "row class"]
    classes: tuple[str, ...] | None


def holds_distributions(column: pa.ChunkedArray) -> bool:
    """Whether the cells are lists or mappings, or JSON of them."""
    if pa.types.is_nested(column.type):
        return True
    text = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(text) or pa.types.is_large_string(text)):
        return False
    first = next((text for cell in column.drop_null()[:1] if (text := cell.as_py().strip())), "")
    return first.startswith(("[", "{"))


def soft_of_columns(table: pa.Table, place: Place) -> SoftVotes:
    """A column per class: probabilities, or marks, of which an empty cell is none."""
    marks = [_marks(table[name], f"column `{name}`") for name in table.column_names]
    if all(column is not None for column in marks):
        probs = np.stack([column for column in marks if column is not None], axis=1)
        probs[~probs.any(axis=1)] = np.nan
    else:
        probs = np.stack([numbers(table[name], f"column `{name}`", place) for name in table.column_names], axis=1)
    _refuse_gaps(probs, "probabilities", place)
    return SoftVotes(probs, tuple(class_named(name) for name in table.column_names))


def _marks(column: pa.ChunkedArray, what: str) -> Float[np.ndarray, "row"] | None:
    """1 where a cell is true, 0 elsewhere; None for a column that holds anything but true and false."""
    if pa.types.is_nested(column.type) or pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        return None
    cells = categorical(column, what)
    if not MARKS.issuperset(map(str.lower, cells.names)):
        return None
    marked = np.asarray([*(name.lower() == "true" for name in cells.names), False], dtype=np.float64)
    return np.asarray(marked[cells.code])


def soft_of_column(column: pa.ChunkedArray, what: str, place: Place) -> SoftVotes:
    """One column of lists, mappings, or JSON of either. Raises `DataError` for anything else, with its row."""
    if not pa.types.is_nested(column.type):
        column = _parsed(column, what, place)
    kind = column.type
    if pa.types.is_struct(kind):
        return _of_mappings(column, what, place)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _of_lists(column, what, place)
    raise DataError(f"{place(0)}: {what} holds {kind}; a distribution is a list of numbers, or classes with numbers")


def _of_lists(column: pa.ChunkedArray, what: str, place: Place) -> SoftVotes:
    given = np.asarray(column.is_valid())
    length = np.asarray(pc.list_value_length(column).fill_null(0))
    n_classes = int(length.max()) if len(length) else 0
    uneven = given & (length != n_classes)
    if uneven.any() or not n_classes:
        row = int(uneven.argmax())
        raise DataError(f"{place(row)}: {what} has {many(int(length[row]), 'number')}, other rows have {n_classes}")
    probs = np.full((len(given), n_classes), np.nan)
    inside = np.flatnonzero(given)
    values = numbers(
        pc.list_flatten(column.filter(pa.array(given))), what, lambda at: place(int(inside[at // n_classes]))
    )
    probs[given] = values.reshape(-1, n_classes)
    bad = np.isnan(probs).any(axis=1) & given
    if bad.any():
        raise DataError(f"{place(int(bad.argmax()))}: a probability is missing in {what}")
    return SoftVotes(probs, None)


def _of_mappings(column: pa.ChunkedArray, what: str, place: Place) -> SoftVotes:
    """Classes that a mapping leaves out have probability 0 there."""
    names = [field.name for field in column.type]
    if not names:
        raise DataError(f"{place(0)}: {what} has mappings without any class")
    found = [numbers(pc.struct_field(column, [at]), f"{what}, `{name}`", place) for at, name in enumerate(names)]
    probs = np.stack(found, axis=1)
    given = ~np.isnan(probs).all(axis=1)
    probs[given] = np.nan_to_num(probs[given], nan=0.0)
    return SoftVotes(probs, tuple(names))


def _parsed(column: pa.ChunkedArray, what: str, place: Place) -> pa.ChunkedArray:
    """Cells of JSON as the values that they hold."""
    cells = categorical(column, what)
    deep = next((at for at, text in enumerate(cells.names) if too_deep(text)), None)
    if deep is not None:
        refuse_deep(cells.names[deep], place(int((cells.code == deep).argmax())))
    found = _parsed_at_once(cells.names)
    if found is None:
        values = []
        for at, text in enumerate(cells.names):
            try:
                values.append(json.loads(text))
            except (ValueError, RecursionError) as error:
                where = place(int((cells.code == at).argmax()))
                raise DataError(f"{where}: `{short(text)}` in {what} is no JSON list or mapping ({error})") from error
        found = column_of(values, what, lambda at: place(int((cells.code == at).argmax())))
    index = pa.array(np.maximum(cells.code, 0), mask=cells.code == EMPTY)
    return found.take(index)


def _parsed_at_once(texts: Sequence[str]) -> pa.ChunkedArray | None:
    lines = "".join(f'{{"it":{text}}}\n' for text in texts).encode()
    try:
        table = pa.json.read_json(
            io.BytesIO(lines), pa.json.ReadOptions(block_size=min(len(lines) + 1, (1 << 31) - 1))
        )
    except (pa.ArrowException, UnicodeDecodeError):
        return None
    if table.column_names != ["it"] or table.num_rows != len(texts):
        return None
    return table["it"]


def interleaved(columns: Sequence[SoftVotes], origin: str) -> SoftVotes:
    """The distributions of several columns, row by row."""
    first = columns[0]
    if any(other.classes != first.classes or other.probs.shape != first.probs.shape for other in columns):
        raise DataError(f"{origin}: the columns' distributions are over different classes; give all the same")
    return SoftVotes(
        np.stack([column.probs for column in columns], axis=1).reshape(-1, first.probs.shape[1]), first.classes
    )


def _refuse_gaps(probs: Float[np.ndarray, "row class"], what: str, place: Place) -> None:
    missing = np.isnan(probs)
    partly = missing.any(axis=1) & ~missing.all(axis=1)
    if partly.any():
        raise DataError(
            f"{place(int(partly.argmax()))}: some of the {what} are missing; give all of a vote's, or none"
        )


def checked(
    probs: Float[np.ndarray, "vote class"], row: Int[np.ndarray, "vote"], place: Place, *, renormalise: bool
) -> tuple[Float[np.ndarray, "vote class"], int]:
    """Distributions that sum to one exactly, and how many of them were repaired for it."""
    negative = (probs < 0).any(axis=1)
    if negative.any():
        at = int(negative.argmax())
        raise DataError(f"{place(int(row[at]))}: {probs[at].min():g} is no probability")
    total = probs.sum(axis=1)
    off = np.abs(total - 1) > SUM_TOLERANCE
    hopeless = total <= 0 if renormalise else off
    if hopeless.any():
        at = int(hopeless.argmax())
        more = f" ({int(off.sum())} rows are so)" if off.sum() > 1 else ""
        fix = (
            ""
            if total[at] <= 0
            else "; mend it, or let `--renormalise` (in Python `renormalise=True`) divide by the sum"
        )
        raise DataError(f"{place(int(row[at]))}: the probabilities sum to {total[at]:.6g}, not to 1{more}{fix}")
    return probs / total[:, None], int(off.sum())


def spread(
    chosen: Int[np.ndarray, "vote"], confidence: Float[np.ndarray, "vote"], n_classes: int
) -> Float[np.ndarray, "vote class"]:
    """Hard votes as distributions: `confidence` (nan = sure) for the class chosen, the rest evenly for the others."""
    sure = np.where(np.isnan(confidence), 1.0, confidence)
    probs = np.repeat(((1 - sure) / (n_classes - 1))[:, None], n_classes, axis=1)
    probs[np.arange(len(chosen)), chosen] = sure
    return probs


def refuse_no_probability(confidence: Float[np.ndarray, "row"], voted: Bool[np.ndarray, "row"], place: Place) -> None:
    """Raise `DataError` for a confidence outside 0 … 1."""
    bad = voted & ((confidence < 0) | (confidence > 1))
    if bad.any():
        at = int(bad.argmax())
        percent = "; a percentage? divide it by 100" if 1 < confidence[at] <= 100 else ""
        raise DataError(f"{place(at)}: a confidence of {confidence[at]:g}; it is a probability, 0 to 1{percent}")
