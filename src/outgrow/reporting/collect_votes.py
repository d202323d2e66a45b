"""What is measured of answers that are classes or options: accuracy, calibration, agreement, error copying."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Int

from outgrow.metrics.accuracy import is_correct
from outgrow.metrics.bootstrap import Resamples
from outgrow.metrics.estimate import Estimate
from outgrow.metrics.text_score import mean_value
from outgrow.reporting.evidence.votes import EvaluatedItems, PartName, RowAnswers, read_answers, read_mean_vote
from outgrow.reporting.measure.calibration import calibration
from outgrow.reporting.measure.errors import StudentAnswers, copy_results, pair_results
from outgrow.reporting.measure.frame import Findings, Frame
from outgrow.reporting.measure.heard import heard, judged
from outgrow.reporting.measure.rows import Measured, mean_estimate, measure, row_result, unanswered
from outgrow.reporting.results import MEAN_VOTE, CopyResult, SupervisorResult
from outgrow.study.build import Row

Hard = Int[np.ndarray, "seed item"]


def find_in_votes(frame: Frame) -> Findings:
    """Measure every row's answers."""
    store, study, test, half_b = frame.store, frame.study, frame.test, frame.half_b
    given = [read_answers(store, row.steps, test) for row in study.rows]
    answers = judged(frame, study.rows, given)
    counts = [accuracy_counts(found.hard, found.there, test) for found in answers]
    measured = measure(study.rows, counts, mean_value, test, frame.on_test, heard(frame, study.rows, answers))
    rows = tuple(
        replace(row_result(row, measured, frame.baseline), calibration=calibration(found, test, frame.on_test))
        for row, found in zip(study.rows, answers, strict=True)
    )
    labelled = [read_answers(store, row.steps, half_b) for row in study.rows]
    said, labels = ([found[number] for number in frame.is_floor] for found in (given, labelled))
    names = [row.name for row in frame.floor]
    votes = {part.name: read_mean_vote(store, [row.steps for row in frame.floor], part) for part in (test, half_b)}
    return Findings(
        rows=rows,
        supervisors=tuple(_supervisors(frame, measured, said, labels, votes)),
        pairs=tuple(pair_results(names, [one.hard for one in said], test, frame.on_test)),
        copying=(
            *_copying(frame, answers, [one.hard for one in said], votes["test"], test),
            *_copying(frame, labelled, [one.hard for one in labels], votes["half_b"], half_b),
        ),
    )


def accuracy_counts(
    hard: Hard, there: Bool[np.ndarray, "seed item"], part: EvaluatedItems
) -> Bool[np.ndarray, "seed item 2"]:
    """(right, 1) for every item that is there: their sums divided are the accuracy."""
    return np.stack([is_correct(hard, part.gold) & there, there], axis=-1)


def _supervisors(
    frame: Frame,
    measured: Measured,
    answers: Sequence[RowAnswers],
    labelled: Sequence[RowAnswers],
    votes: Mapping[PartName, np.ndarray],
) -> list[SupervisorResult]:
    """How well each of them, and the mean of all, votes; `answers` are to test items, `labelled` to half B's."""
    half_b, test = frame.half_b, frame.test
    known = judged(frame, frame.floor, labelled)
    counts = [accuracy_counts(found.hard, found.there, half_b) for found in known]
    on_half_b = measure(frame.floor, counts, mean_value, half_b, frame.on_half_b, heard(frame, frame.floor, known))
    found = [
        SupervisorResult(
            row.name,
            mean_estimate(row, on_half_b),
            mean_estimate(row, measured),
            {"half_b": unanswered(labels.there, labels.said), "test": unanswered(said.there, said.said)},
            not frame.is_file(row),
        )
        for row, labels, said in zip(frame.floor, labelled, answers, strict=True)
    ]
    if len(found) < 2:
        return found
    mean_on_strong, mean_on_test = (
        _mean_vote(frame, hard, part, drawn)
        for hard, part, drawn in ((votes["half_b"], half_b, frame.on_half_b), (votes["test"], test, frame.on_test))
    )
    return [*found, SupervisorResult(MEAN_VOTE, mean_on_strong, mean_on_test)]


def _mean_vote(frame: Frame, hard: Hard, part: EvaluatedItems, drawn: Resamples) -> Estimate:
    """Of all supervisors together; of nothing but files on the items that somebody answered."""
    vote, there, among = Row("floor", MEAN_VOTE, ()), part.of_seed & (hard >= 0).any(axis=1, keepdims=True), {}
    if all(map(frame.is_file, frame.floor)):
        there = there & (hard >= 0)
        among = {MEAN_VOTE: there}
    return mean_estimate(vote, measure([vote], [accuracy_counts(hard, there, part)], mean_value, part, drawn, among))


def _copying(
    frame: Frame, answers: Sequence[RowAnswers], hard: Sequence[Hard], vote: Hard, part: EvaluatedItems
) -> list[CopyResult]:
    weak = {row.name: labels for row, labels in zip(frame.floor, hard, strict=True)}
    if len(weak) > 1:
        weak = {MEAN_VOTE: vote, **weak}
    # On half B the ceiling was trained on the gold in question; there is nothing to learn from it.
    roles = ("method", "ceiling") if part.name == "test" else ("method",)
    pairs = zip(frame.study.rows, answers, strict=True)
    students = [StudentAnswers(row, found) for row, found in pairs if row.role in roles]
    return copy_results(students, weak, part, frame.on_test if part.name == "test" else frame.on_half_b)
