"""Soft votes: distributions, or the confidence in a class.

A distribution is one column of lists or mappings (in CSV: of JSON), or a column per class. A confidence p means
P(named class) = p; every other class gets (1 - p)/(K - 1). Probabilities that do not sum to 1 are an error with the
row. With `renormalise` they are divided by their sum, with a note. A rounding error of the sum (1e-4) is accepted.
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
    """The distribution of each row (nan = none), and the classes of its columns (None = class numbers)."""

    probs: Float[np.ndarray, "row class"]
    classes: tuple[str, ...] | None


def holds_distributions(column: pa.ChunkedArray) -> bool:
    """Whether the cells are lists, mappings, or JSON of either."""
    if pa.types.is_nested(column.type):
        return True
    text = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(text) or pa.types.is_large_string(text)):
        return False
    first = next((text for cell in column.drop_null()[:1] if (text := cell.as_py().strip())), "")
    return first.startswith(("[", "{"))


def soft_of_columns(table: pa.Table, place: Place) -> SoftVotes:
    """A column per class: probabilities, or marks; an empty cell is no mark."""
    marks = [_marks(table[name], f"column `{name}`") for name in table.column_names]
    if all(column is not None for column in marks):
        probs = np.stack([column for column in marks if column is not None], axis=1)
        probs[~probs.any(axis=1)] = np.nan
    else:
        probs = np.stack([numbers(table[name], f"column `{name}`", place) for name in table.column_names], axis=1)
    _refuse_gaps(probs, "probabilities", place)
    return SoftVotes(probs, tuple(class_named(name) for name in table.column_names))


def _marks(column: pa.ChunkedArray, subject: str) -> Float[np.ndarray, "row"] | None:
    """1 where a cell is true, 0 elsewhere; None for a column with other values than true and false."""
    if pa.types.is_nested(column.type) or pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        return None
    cells = categorical(column, subject)
    if not MARKS.issuperset(map(str.lower, cells.names)):
        return None
    marked = np.asarray([*(name.lower() == "true" for name in cells.names), False], dtype=np.float64)
    return np.asarray(marked[cells.code])


def soft_of_column(column: pa.ChunkedArray, subject: str, place: Place, missing: float = 0.0) -> SoftVotes:
    """One column of lists, mappings, or JSON of either; `missing` is the number of classes that a mapping lacks.

    Raises `DataError` with the row for other cells.
    """
    if not pa.types.is_nested(column.type):
        column = _parsed(column, subject, place)
    kind = column.type
    if pa.types.is_struct(kind):
        return _of_mappings(column, subject, place, missing)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _of_lists(column, subject, place)
    raise DataError(
        f"{place(0)}: {subject} contains {kind}; a distribution is a list of numbers, or classes with numbers"
    )


def _of_lists(column: pa.ChunkedArray, subject: str, place: Place) -> SoftVotes:
    has_value = np.asarray(column.is_valid())
    length = np.asarray(pc.list_value_length(column).fill_null(0))
    n_classes = int(length.max()) if len(length) else 0
    wrong_length = has_value & (length != n_classes)
    if wrong_length.any() or not n_classes:
        row = int(wrong_length.argmax())
        raise DataError(f"{place(row)}: {subject} has {many(int(length[row]), 'number')}, other rows have {n_classes}")
    probs = np.full((len(has_value), n_classes), np.nan)
    rows_with_value = np.flatnonzero(has_value)
    values = numbers(
        pc.list_flatten(column.filter(pa.array(has_value))),
        subject,
        lambda index: place(int(rows_with_value[index // n_classes])),
    )
    probs[has_value] = values.reshape(-1, n_classes)
    is_missing = np.isnan(probs).any(axis=1) & has_value
    if is_missing.any():
        raise DataError(f"{place(int(is_missing.argmax()))}: a probability is missing in {subject}")
    return SoftVotes(probs, None)


def _of_mappings(column: pa.ChunkedArray, subject: str, place: Place, missing: float) -> SoftVotes:
    """A column of mappings; classes that are missing from a mapping have the number `missing`."""
    names = [field.name for field in column.type]
    if not names:
        raise DataError(f"{place(0)}: {subject} has mappings without classes")
    columns = [
        numbers(pc.struct_field(column, [index]), f"{subject}, `{name}`", place) for index, name in enumerate(names)
    ]
    probs = np.stack(columns, axis=1)
    has_value = ~np.isnan(probs).all(axis=1)
    probs[has_value] = np.where(np.isnan(probs[has_value]), missing, probs[has_value])
    return SoftVotes(probs, tuple(names))


def _parsed(column: pa.ChunkedArray, subject: str, place: Place) -> pa.ChunkedArray:
    """The values of a column of JSON texts."""
    cells = categorical(column, subject)
    deep_cell = next((cell for cell, text in enumerate(cells.names) if too_deep(text)), None)
    if deep_cell is not None:
        refuse_deep(cells.names[deep_cell], place(int((cells.code == deep_cell).argmax())))
    parsed = _parsed_at_once(cells.names)
    if parsed is None:
        values = []
        for cell, text in enumerate(cells.names):
            try:
                values.append(json.loads(text))
            except (ValueError, RecursionError) as error:
                where = place(int((cells.code == cell).argmax()))
                raise DataError(
                    f"{where}: `{short(text)}` in {subject} is not a JSON list or mapping ({error})"
                ) from error
        parsed = column_of(values, subject, lambda cell: place(int((cells.code == cell).argmax())))
    index = pa.array(np.maximum(cells.code, 0), mask=cells.code == EMPTY)
    return parsed.take(index)


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
    """The distributions of several columns, in the order of the rows."""
    first = columns[0]
    if any(column.classes != first.classes or column.probs.shape != first.probs.shape for column in columns):
        raise DataError(
            f"{origin}: the columns' distributions have different classes; use the same classes in all of them"
        )
    return SoftVotes(
        np.stack([column.probs for column in columns], axis=1).reshape(-1, first.probs.shape[1]), first.classes
    )


def _refuse_gaps(probs: Float[np.ndarray, "row class"], subject: str, place: Place) -> None:
    missing = np.isnan(probs)
    partly = missing.any(axis=1) & ~missing.all(axis=1)
    if partly.any():
        raise DataError(
            f"{place(int(partly.argmax()))}: some of the {subject} are missing; give all of a vote, or none"
        )


def checked(
    probs: Float[np.ndarray, "vote class"], row: Int[np.ndarray, "vote"], place: Place, *, renormalise: bool
) -> tuple[Float[np.ndarray, "vote class"], int]:
    """Distributions that sum to 1 exactly, and the number of those that were renormalised."""
    negative = (probs < 0).any(axis=1)
    if negative.any():
        vote = int(negative.argmax())
        raise DataError(f"{place(int(row[vote]))}: {probs[vote].min():g} is not a probability")
    total = probs.sum(axis=1)
    is_off = np.abs(total - 1) > SUM_TOLERANCE
    invalid = total <= 0 if renormalise else is_off
    if invalid.any():
        vote = int(invalid.argmax())
        others = f" ({int(is_off.sum())} such rows)" if is_off.sum() > 1 else ""
        fix = (
            ""
            if total[vote] <= 0
            else "; correct it, or divide by the sum with `--renormalise` (in Python `renormalise=True`)"
        )
        raise DataError(f"{place(int(row[vote]))}: the probabilities sum to {total[vote]:.6g}, not to 1{others}{fix}")
    return probs / total[:, None], int(is_off.sum())


def spread(
    chosen: Int[np.ndarray, "vote"], confidence: Float[np.ndarray, "vote"], n_classes: int
) -> Float[np.ndarray, "vote class"]:
    """Hard votes as distributions: `confidence` (nan = 1) for the chosen class, the rest in equal parts."""
    probability = np.where(np.isnan(confidence), 1.0, confidence)
    probs = np.repeat(((1 - probability) / (n_classes - 1))[:, None], n_classes, axis=1)
    probs[np.arange(len(chosen)), chosen] = probability
    return probs


def refuse_no_probability(confidence: Float[np.ndarray, "row"], voted: Bool[np.ndarray, "row"], place: Place) -> None:
    """Raise `DataError` for a confidence outside 0 … 1."""
    is_invalid = voted & ((confidence < 0) | (confidence > 1))
    if is_invalid.any():
        row = int(is_invalid.argmax())
        hint = "; a percentage? divide it by 100" if 1 < confidence[row] <= 100 else ""
        raise DataError(f"{place(row)}: a confidence of {confidence[row]:g}; it is a probability, 0 to 1{hint}")
