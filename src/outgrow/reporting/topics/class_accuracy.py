"""Accuracy by gold class: on which classes the student outgrows its supervisors, and on which it falls behind."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from outgrow.metrics.estimate import Estimate
from outgrow.render.table import Column, Line, Table
from outgrow.reporting.evidence.compared_rows import accuracies, compared_rows
from outgrow.reporting.frame import Frame
from outgrow.reporting.results import Results
from outgrow.reporting.topic import INTERVALS, TopicRecord, results_table

MOST = 50
"""Classes with a line of their own: the most frequent ones."""


@dataclass(frozen=True)
class ClassAccuracies:
    """By class, the number of different test items and every row's accuracy on them."""

    rows: tuple[str, ...]
    classes: dict[str, tuple[Estimate, ...]]
    counts: dict[str, int]


def measure(frame: Frame) -> ClassAccuracies:
    """The most frequent classes, in the order of the task."""
    rows, gold, names = compared_rows(frame), frame.test.gold, frame.task.classes
    counts = np.bincount(gold, minlength=len(names))
    frequent = sorted(np.argsort(-counts, kind="stable")[:MOST].tolist())
    shown = [index for index in frequent if counts[index]] if rows else []
    return ClassAccuracies(
        tuple(row.name for row in rows),
        {names[index]: accuracies(frame, rows, frame.test.of_seed & (gold == index)) for index in shown},
        {names[index]: int(counts[index]) for index in shown},
    )


def tables(results: Results, found: ClassAccuracies) -> Iterator[Table]:
    """A line per class."""
    columns = [
        Column("class", ""),
        Column("items", "test items"),
        *(Column(row, row, "accuracy", best="high") for row in found.rows),
    ]
    lines = [Line((name, found.counts[name], *accuracies)) for name, accuracies in found.classes.items()]
    caption = f"Accuracy on the test items of each gold class (its recall). {INTERVALS}"
    yield results_table(results, "class_accuracy", "Accuracy by class", caption, columns, lines)


CLASS_ACCURACY = TopicRecord(
    name="class_accuracy",
    summary="Accuracy of mean vote, headline row and ceiling by gold class",
    heading="Single items",
    measure=measure,
    tables=tables,
    kinds=("classify",),
)
