"""`VoteRows` from arrays: class numbers by item and source, or distributions over the classes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool

from outgrow.config.votes import VoteColumns
from outgrow.errors import ConfigError, DataError, suggest
from outgrow.labels import SUM_TOLERANCE
from outgrow.readers.categorical import EMPTY, Categorical, by_appearance, categorical
from outgrow.readers.soft_votes import SoftVotes
from outgrow.readers.source_table import Place, column_of, stem_of
from outgrow.readers.vote_rows import VoteRows, by_row, dense, nothing
from outgrow.text_format import short

MOST_CLASSES = 1_000_000


def vote_rows_of_array(array: np.ndarray, origin: str, alone: str | None = None) -> VoteRows:
    """The votes of an array: `[item class]` with probabilities of one source, or an array for `vote_rows_of_matrix`.

    `alone` is the name of that source; default: the name of the file.
    """
    if not _are_distributions(array):
        return vote_rows_of_matrix(array, origin)
    abstained = ~array.any(axis=1) | np.isnan(array).all(axis=1)
    name = alone or stem_of(origin)
    return VoteRows(
        origin,
        by_row(len(array)),
        Categorical(np.zeros(len(array), np.int64), [name]),
        nothing(len(array)),
        lambda row: f"{origin}, row {row}",
        SoftVotes(np.where(abstained[:, None], np.nan, array), None),
        nameless=True,
        notes=(
            f"{origin} was read as probabilities of {array.shape[1]} classes by one source, `{name}`, with a row per"
            " item (numbered from 0).",
        ),
    )


def _are_distributions(array: np.ndarray) -> bool:
    """Whether the rows of an array are distributions: fractions that sum to 1; a row of zeros is no vote."""
    if array.ndim != 2 or array.dtype.kind != "f" or array.shape[1] < 2:
        return False
    rows = array[array.any(axis=1) & ~np.isnan(array).all(axis=1)]
    is_integer: Bool[np.ndarray, "item class"] = rows == np.round(rows)
    sums = np.abs(rows.sum(axis=1) - 1) <= SUM_TOLERANCE
    return bool(len(rows) and not is_integer.all() and sums.all() and (rows >= 0).all())


def vote_rows_of_matrix(
    matrix: np.ndarray,
    origin: str,
    item: Categorical | None = None,
    sources: Sequence[str] | None = None,
    gold: Categorical | None = None,
    place: Place | None = None,
    *notes: str,
) -> VoteRows:
    """Class numbers with a row per item and a column per source, -1 (or nan) for no vote.

    An array of three axes holds distributions, zeros for no vote. Items and sources without names are numbered from 0.
    Raises `DataError` for any other array.
    """
    if matrix.ndim not in (2, 3) or not matrix.size:
        raise DataError(
            f"{origin}: an array of shape {matrix.shape}; votes are [item source] with class numbers,"
            " or [item source class] with probabilities"
        )
    if matrix.dtype.kind not in "iufb":
        raise DataError(f"{origin}: an array of {matrix.dtype}; votes are numbers")
    item = by_row(len(matrix)) if item is None else item
    names = [str(index) for index in range(matrix.shape[1])] if sources is None else list(sources)
    row_place = place or (lambda row: f"{origin}, row {row}")
    if matrix.ndim == 3:
        soft = SoftVotes(
            np.where(matrix.any(axis=2, keepdims=True), matrix, np.nan).reshape(-1, matrix.shape[2]), None
        )
        return dense(origin, item, names, nothing(len(soft.probs)), soft, gold, row_place, *notes)
    label = _class_numbers(matrix, names, row_place)
    return replace(dense(origin, item, names, label, None, gold, row_place, *notes), numbered=True)


def _class_numbers(matrix: np.ndarray, sources: Sequence[str], place: Place) -> Categorical:
    value = matrix.astype(np.float64).ravel()
    value[np.isnan(value)] = EMPTY
    bad = (value != np.round(value)) | (value < EMPTY) | (value > MOST_CLASSES)
    if bad.any():
        row = int(bad.argmax())
        raise DataError(
            f"{place(row // len(sources))}, source `{sources[row % len(sources)]}`: {value[row]:g} is not a class"
            f" number; a matrix holds -1 (no vote) and 0 to {MOST_CLASSES}"
        )
    code = value.astype(np.int64)
    return by_appearance(code, [str(number) for number in range(int(code.max()) + 1)])


KEY = "weak_labels"


def is_weak_labels(value: Any) -> bool:
    """Whether a JSON value is a collection of objects with `weak_labels`."""
    rows = value.values() if isinstance(value, dict) else value
    return (
        bool(rows)
        and isinstance(rows, list | type({}.values()))
        and all(isinstance(row, dict) and isinstance(row.get(KEY), list) for row in rows)
    )


def vote_rows_of_weak_labels(origin: str, value: dict[str, Any] | list[Any], columns: VoteColumns) -> VoteRows:
    """The votes of such a collection. Raises `DataError` for rows of different lengths and for other entries."""
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    rows = [(str(row.get("id", name)), row) for name, row in entries]
    width = len(rows[0][1][KEY])
    for name, row in rows:
        if len(row[KEY]) != width or not all(type(vote) is int and abs(vote) < 2**31 for vote in row[KEY]):
            raise DataError(f"{origin}, item `{name}`: `{KEY}` must be {width} class numbers, found {short(row[KEY])}")
    key = columns.gold or "label"
    if columns.gold is not None and not any(key in row for _, row in rows):
        raise ConfigError(f"{origin}: there is no `{key}`; {suggest(key, rows[0][1])}")
    gold_values = [None if key in columns.ignore or row.get(key) == -1 else row.get(key) for _, row in rows]
    gold = categorical(column_of(gold_values), f"{origin}, `{key}`")
    item = categorical(column_of([name for name, _ in rows]), f"{origin}, the items")
    vote_rows = vote_rows_of_matrix(
        np.asarray([row[KEY] for _, row in rows]),
        origin,
        item,
        None,
        gold if gold.names else None,
        lambda row: f"{origin}, item `{rows[row][0]}`",
        f"{origin} was read as votes of {width} labelling functions, numbered from 0"
        + (f"; its `{key}` was read as gold." if gold.names else "."),
    )
    return replace(vote_rows, gold_from=f"`{key}` of {origin}")
