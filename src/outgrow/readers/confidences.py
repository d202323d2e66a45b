"""Confidences as files have them: probabilities, percentages, log-probabilities, and mappings of these.

A column with a name such as `logprob` has natural logarithms of probabilities, all at most 0. Numbers with a percent
sign are percentages, and numbers up to 100, one of them above 10 and none between 0 and 1. Of a mapping from answer to
log-probability those answers count that are labels, also if they differ in case or white space, as tokens of a
language model do; their probabilities are divided by their sum.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float

from outgrow.errors import DataError
from outgrow.readers.categorical import numbers
from outgrow.readers.column_patterns import LOGARITHMS
from outgrow.readers.soft_votes import SoftVotes
from outgrow.readers.source_table import Place

PERCENT = 10.0
"""Largest number that is not taken for a percentage."""


class Confidences(NamedTuple):
    """Probabilities, nan = unknown, and a note if they were written in another form."""

    value: Float[np.ndarray, "row"]
    note: str = ""


def is_confidence(name: str, column: pa.ChunkedArray) -> bool:
    """Whether a column of log-probabilities is of answers, not of tokens: its cells are numbers or mappings to them.

    Every column with another name is one.
    """
    kind = column.type
    if not are_logarithms(name) or not pa.types.is_nested(kind):
        return True
    return bool(pa.types.is_struct(kind)) and all(
        pa.types.is_floating(field.type) or pa.types.is_integer(field.type) or pa.types.is_null(field.type)
        for field in kind
    )


def are_logarithms(name: str) -> bool:
    """Whether a column's name says that it has log-probabilities.

    >>> are_logarithms("logprob"), are_logarithms("confidence")
    (True, False)
    """
    return LOGARITHMS.search(name.lower()) is not None


def probabilities_of(column: pa.ChunkedArray, name: str, place: Place) -> Confidences:
    """A column of confidences as probabilities.

    Raises `DataError` with the row for a log-probability above 0, and for a cell that is no number.
    """
    without_signs = _without_percent_signs(column)
    if without_signs is not None:
        return Confidences(
            numbers(without_signs, f"column `{name}`", place) / 100, f"Column `{name}` has percentages."
        )
    value = numbers(column, f"column `{name}`", place)
    if are_logarithms(name):
        wrong = value > 0
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(f"{place(row)}: a log-probability of {value[row]:g} in column `{name}`; it is at most 0")
        return Confidences(np.exp(value), f"Column `{name}` has log-probabilities.")
    largest, smallest = np.nanmax(value, initial=0), np.nanmin(value, initial=0)
    if PERCENT < largest <= 100 and smallest >= 0 and not ((value > 0) & (value < 1)).any():
        return Confidences(value / 100, f"Column `{name}` has percentages.")
    return Confidences(value)


def _without_percent_signs(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """The numbers of a column whose cells all end with a percent sign; None of another column."""
    texts = column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
    if not (pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)):
        return None
    signed = pc.match_substring_regex(texts, r"%\s*$")
    if len(texts) == texts.null_count or not pc.all(signed).as_py():
        return None
    return pc.replace_substring_regex(texts, r"\s*%\s*$", "")


def of_logarithms(soft: SoftVotes, labels: Sequence[str]) -> SoftVotes:
    """Distributions from log-probabilities of answers, over those that are labels (all, if there is no label).

    An answer without a log-probability has minus infinity.
    """
    if soft.classes is None:
        total = np.exp(soft.probs)
        return SoftVotes(total / total.sum(axis=1, keepdims=True), None)
    spelled = {label.strip().lower(): label for label in reversed(labels)}
    names = [spelled.get(name.strip().lower(), None if labels else name.strip()) for name in soft.classes]
    classes = tuple(dict.fromkeys(name for name in names if name is not None))
    probs = np.zeros((len(soft.probs), len(classes)))
    for index, name in enumerate(names):
        if name is not None:
            probs[:, classes.index(name)] += np.nan_to_num(np.exp(soft.probs[:, index]))
    total = probs.sum(axis=1, keepdims=True)
    return SoftVotes(np.where(total > 0, probs / np.where(total > 0, total, 1), np.nan), classes)
