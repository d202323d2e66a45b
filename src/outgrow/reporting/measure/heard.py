"""Which items a supervisor is measured on where its answers lie in a file: those that it answered.

Nobody need have asked it about the others, and a student that is compared with it must not look good for that. All
other rows are asked about every item, and silence is a wrong answer.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from jaxtyping import Bool

from outgrow.reporting.evidence.texts import TextAnswers
from outgrow.reporting.evidence.votes import RowAnswers
from outgrow.reporting.measure.frame import Frame
from outgrow.study.build import Row

Given = TypeVar("Given", RowAnswers, TextAnswers)


def judged(frame: Frame, rows: Sequence[Row], given: Sequence[Given]) -> list[Given]:
    """What is right or wrong of every row's answers."""
    return [
        replace(found, there=found.there & found.said) if frame.is_file(row) else found
        for row, found in zip(rows, given, strict=True)
    ]


def heard(frame: Frame, rows: Sequence[Row], answers: Sequence[Given]) -> dict[str, Bool[np.ndarray, "seed item"]]:
    """By row that is a file, the items that it is measured on."""
    return {row.name: found.there for row, found in zip(rows, answers, strict=True) if frame.is_file(row)}
