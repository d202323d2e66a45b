"""Accuracy by how many supervisors agree: whether the student repairs items on which they differ, or all are wrong."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from outgrow.metrics.estimate import Estimate
from outgrow.render.table import Column, Line, Table
from outgrow.reporting.evidence.compared_rows import accuracies, compared_rows
from outgrow.reporting.frame import Frame
from outgrow.reporting.results import Results
from outgrow.reporting.topic import INTERVALS, VOTES, TopicRecord, results_table

ALL_WRONG = "all wrong"


@dataclass(frozen=True)
class AgreementLevel:
    """The test items on which the largest group of supervisors with one answer has this size."""

    level: str
    items: int
    """Different test items; under several seeds an item may have several levels."""
    accuracies: tuple[Estimate, ...]


@dataclass(frozen=True)
class AccuracyByAgreement:
    """The rows that are compared, and their accuracy at every level, from full agreement down."""

    rows: tuple[str, ...]
    levels: tuple[AgreementLevel, ...]


def measure(frame: Frame) -> AccuracyByAgreement:
    """Nothing with one supervisor."""
    rows, votes = compared_rows(frame), [given.hard for given in frame.of_floor(frame.votes)]
    if len(votes) < 2 or not rows:
        return AccuracyByAgreement((), ())
    largest, total = largest_group(np.stack(votes), frame.task.n_classes), len(votes)
    marks = {f"{size} of {total} agree": largest == size for size in range(total, 0, -1)}
    marks[ALL_WRONG] = (np.stack(votes) != frame.test.gold).all(axis=0) & (largest > 0)
    levels = [
        AgreementLevel(level, int(among.any(axis=0).sum()), accuracies(frame, rows, among))
        for level, among in marks.items()
        if among.any()
    ]
    return AccuracyByAgreement(tuple(row.name for row in rows), tuple(levels))


def largest_group(
    votes: Int[np.ndarray, "source seed item"], n_classes: int
) -> Int[np.ndarray, "seed item"] | Bool[np.ndarray, "seed item"]:
    """How many sources give the most frequent answer; 0 where all abstain (-1)."""
    largest = np.zeros(votes.shape[1:], dtype=np.int64)
    for index in range(n_classes):
        largest = np.maximum(largest, (votes == index).sum(axis=0))
    return largest


def tables(results: Results, found: AccuracyByAgreement) -> Iterator[Table]:
    """A line per level."""
    columns = [
        Column("level", "supervisors"),
        Column("items", "test items"),
        *(Column(row, row, "accuracy", best="high") for row in found.rows),
    ]
    lines = [Line((level.level, level.items, *level.accuracies)) for level in found.levels]
    caption = (
        "The size of the largest group of supervisors with the same answer to the item; in the last line the items on"
        f" which every supervisor is wrong or silent. {INTERVALS}"
    )
    title = "Accuracy by how many supervisors agree"
    yield results_table(results, "votes_agree", title, caption, columns, lines)


VOTES_AGREE = TopicRecord(
    name="votes_agree",
    summary="Accuracy of mean vote, headline row and ceiling by how many supervisors agree",
    heading="Single items",
    measure=measure,
    tables=tables,
    kinds=VOTES,
)
