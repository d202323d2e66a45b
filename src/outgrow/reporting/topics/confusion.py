"""Confusion matrices: which class is taken for which, by the mean vote, the headline's row and the ceiling."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from outgrow.metrics.estimate import show_percent
from outgrow.render.canvas import Drawing, axes, drawing, figure, style, width
from outgrow.render.charts import heat_map
from outgrow.render.table import Column, Line, Table
from outgrow.reporting.evidence.compared_rows import ComparedRow, compared_rows
from outgrow.reporting.frame import Frame
from outgrow.reporting.results import Results
from outgrow.reporting.topic import TopicRecord, results_table

MOST_CLASSES = 24
"""Classes up to which a matrix is kept and drawn."""
MOST_PAIRS = 12
"""Lines of the table for each row."""


@dataclass(frozen=True)
class ConfusedPair:
    """A gold class, another class that was answered in its place, and how often."""

    row: str
    gold: str
    answer: str
    count: int
    of: int
    """All answers to items of the gold class."""


@dataclass(frozen=True)
class Confusions:
    """By row its most frequent confusions and, for few classes, its matrix: gold by answer, then `no answer`.

    An item counts once under every seed.
    """

    pairs: tuple[ConfusedPair, ...]
    matrices: dict[str, tuple[tuple[int, ...], ...]]


class Counted(NamedTuple):
    row: ComparedRow
    counts: Int[np.ndarray, "gold answer"]


def measure(frame: Frame) -> Confusions:
    """All test items of all seeds."""
    n = frame.task.n_classes
    counted = [Counted(row, confusion(row, frame.test.gold, n)) for row in compared_rows(frame)]
    few = n <= MOST_CLASSES
    matrices = {row.name: tuple(map(tuple, counts.tolist())) for row, counts in counted if few}
    return Confusions(tuple(pair for one in counted for pair in _pairs(one, frame.task.classes)), matrices)


def confusion(row: ComparedRow, gold: Int[np.ndarray, "item"], n_classes: int) -> Int[np.ndarray, "gold answer"]:
    """Answers by gold class; the last column counts items without an answer."""
    truth = np.broadcast_to(gold, row.hard.shape)[row.there]
    answer = np.where(row.hard < 0, n_classes, row.hard)[row.there]
    counts = np.zeros((n_classes, n_classes + 1), dtype=np.int64)
    np.add.at(counts, (truth, answer), 1)
    return counts


def _pairs(counted: Counted, classes: tuple[str, ...]) -> Iterator[ConfusedPair]:
    counts, n = counted.counts, len(classes)
    wrong = np.where(np.eye(n, dtype=bool), 0, counts[:, :n])
    for place in np.argsort(-wrong, axis=None, kind="stable")[:MOST_PAIRS].tolist():
        gold, answer = divmod(place, n)
        if wrong[gold, answer]:
            count, total = int(wrong[gold, answer]), int(counts[gold].sum())
            yield ConfusedPair(counted.row.name, classes[gold], classes[answer], count, total)


def tables(results: Results, found: Confusions) -> Iterator[Table]:
    """The most frequent confusions of each row; the whole matrix of each row, for few classes."""
    columns = [
        Column("gold", "gold"),
        Column("answer", "answer"),
        Column("count", "answers"),
        Column("share", "share"),
    ]
    lines = [
        Line((pair.gold, pair.answer, pair.count, show_percent(pair.count / pair.of)), pair.row)
        for pair in found.pairs
    ]
    caption = "Share of the answers to items of the gold class. An item counts once under every seed."
    title = "The most frequent confusions"
    yield results_table(results, "confusions", title, caption, columns, lines)
    names = (*results.about.classes, "no answer")
    wide = [Column("gold", "gold"), *(Column(name, name, "answer") for name in names)]
    matrix = [
        Line((name, *counts), row)
        for row, matrix in found.matrices.items()
        for name, counts in zip(results.about.classes, matrix, strict=True)
    ]
    caption = "Numbers of answers, over all seeds."
    yield results_table(results, "confusion_matrix", "Confusion matrices", caption, wide, matrix)


NAMES = 130


def plots(results: Results, found: Confusions) -> Iterator[Drawing | None]:
    """The matrix of the headline's row as shares of each gold class."""
    row = next((name for name in found.matrices if results.headline and name == results.headline.name), None)
    if row is None:
        return
    names, counts = results.about.classes, np.asarray(found.matrices[row], dtype=np.float64)
    total = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts[:, :-1], total, out=np.full((len(names), len(names)), np.nan), where=total > 0)
    side = min(72 * len(names), width() - NAMES - 8)
    with style():
        fig = figure(NAMES + side + 8, side + 90)
        heat_map(axes(fig, NAMES, 6, side, side), shares, names, names, (NAMES - 12, NAMES - 12))
        right = "; ".join(f"{name} {show_percent(shares[index, index])}" for index, name in enumerate(names))
        caption = f"Answers of {row} (columns) to the test items of each gold class (rows), as shares of the row."
        yield drawing(fig, "confusion", f"Confusion matrix of {row}. Right: {right}", caption)


CONFUSION = TopicRecord(
    name="confusion",
    summary="Confusion matrices of mean vote, headline row and ceiling",
    heading="Single items",
    measure=measure,
    tables=tables,
    plots=plots,
    kinds=("classify",),
)
