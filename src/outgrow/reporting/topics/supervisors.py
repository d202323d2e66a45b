"""The supervisors: their scores, the items that they left without an answer, and the models in the study."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int

from outgrow.metrics.bootstrap import Resamples
from outgrow.metrics.estimate import Estimate, show
from outgrow.metrics.text_score import mean_value
from outgrow.render.table import Cell, Column, Line, Table
from outgrow.reporting.evidence.row_answers import EvaluatedItems, RowAnswers, accuracy_counts, read_mean_vote
from outgrow.reporting.evidence.texts import TextAnswers, read_labels, score_counts
from outgrow.reporting.frame import Frame, Given
from outgrow.reporting.results import ANSWERED, AnswerCount, Results
from outgrow.reporting.rows import Measured, mean_estimate, measure, unanswered
from outgrow.reporting.topic import INTERVALS, NOT_TOLD, TEXTS, TopicRecord, results_table
from outgrow.study.build import Row

MEAN_VOTE = "mean vote"
"""The weak label of all supervisors together: the most probable class of their mean."""


@dataclass(frozen=True)
class SupervisorResult:
    """A weak source, or the mean of all."""

    name: str
    half_b: Estimate
    """Score on the items that it labels for the student."""
    test: Estimate
    silent: dict[str, AnswerCount] = field(default_factory=dict)
    """By part, `half_b` and `test`: items without an answer."""
    silence_is_wrong: bool = True
    """Whether such an item counts as wrong. For a file it does not, since it need not have every item."""

    @property
    def ever_silent(self) -> bool:
        """Whether it left an item without an answer."""
        return any(count.count for count in self.silent.values())


# ---- measure --------------------------------------------------------------------------------------------


def find_supervisors(frame: Frame) -> tuple[SupervisorResult, ...]:
    """All supervisors; of votes the last one is the mean vote, if there are several."""
    if frame.of_texts:
        sources = [row.source or row.name for row in frame.floor]
        labels = read_labels(frame.store, frame.study.labels, sources, frame.half_b)
        return tuple(_results(frame, _scores_of_texts(frame, labels), labels, frame.of_floor(frame.texts)))
    votes = frame.of_floor(frame.votes_on_half_b)
    results = _results(frame, _scores_of_votes(frame, votes), votes, frame.of_floor(frame.votes))
    return (*results, _mean_vote(frame)) if len(results) > 1 else tuple(results)


def _scores_of_texts(frame: Frame, labels: Sequence[TextAnswers]) -> Measured:
    half_b, score = frame.half_b, frame.text_score
    given = frame.scored(frame.floor, labels)
    counts = [score_counts(texts, half_b.answers, score, half_b.capabilities) for texts in given]
    answered = frame.answered_items(frame.floor, given)
    return measure(frame.floor, counts, score.value, half_b, frame.on_half_b, answered)


def _scores_of_votes(frame: Frame, votes: Sequence[RowAnswers]) -> Measured:
    given = frame.scored(frame.floor, votes)
    counts = [accuracy_counts(answers.hard, answers.there, frame.half_b) for answers in given]
    answered = frame.answered_items(frame.floor, given)
    return measure(frame.floor, counts, mean_value, frame.half_b, frame.on_half_b, answered)


def _results(
    frame: Frame,
    on_half_b: Measured,
    labels: Sequence[Given],
    answers: Sequence[Given],
) -> list[SupervisorResult]:
    return [
        SupervisorResult(
            row.name,
            mean_estimate(row, on_half_b),
            mean_estimate(row, frame.measured),
            {"half_b": unanswered(label.there, label.answered), "test": unanswered(test.there, test.answered)},
            not frame.is_file(row),
        )
        for row, label, test in zip(frame.floor, labels, answers, strict=True)
    ]


def _mean_vote(frame: Frame) -> SupervisorResult:
    parts = ((frame.half_b, frame.on_half_b), (frame.test, frame.on_test))
    on_half_b, on_test = (_mean_vote_score(frame, mean_vote(frame, part), part, drawn) for part, drawn in parts)
    return SupervisorResult(MEAN_VOTE, on_half_b, on_test)


def mean_vote(frame: Frame, part: EvaluatedItems) -> Int[np.ndarray, "seed item"]:
    """The most probable class of the supervisors' mean; -1 where there is none."""
    return read_mean_vote(frame.store, [row.steps for row in frame.floor], part)


def _mean_vote_score(
    frame: Frame, hard: Int[np.ndarray, "seed item"], part: EvaluatedItems, drawn: Resamples
) -> Estimate:
    """If all supervisors are files: on the items that one of them answered."""
    row, has_result, answered = Row("floor", MEAN_VOTE, ()), part.of_seed & (hard >= 0).any(axis=1, keepdims=True), {}
    if all(map(frame.is_file, frame.floor)):
        has_result = has_result & (hard >= 0)
        answered = {MEAN_VOTE: has_result}
    return mean_estimate(
        row, measure([row], [accuracy_counts(hard, has_result, part)], mean_value, part, drawn, answered)
    )


# ---- table ----------------------------------------------------------------------------------------------

PLACES = {"half_b": "on the items it labels", "test": "on test items"}


def supervisors_table(results: Results, found: tuple[SupervisorResult, ...]) -> Iterator[Table]:
    """Scores; and the number of items without an answer, if there are any."""
    columns = [Column("supervisor", "")]
    columns += [Column(part, title, results.about.metric_title) for part, title in PLACES.items()]
    silent = any(supervisor.ever_silent for supervisor in found)
    no_answer = "no answer" if results.about.of_texts else "no vote"
    if silent:
        columns += [Column(f"silent_{part}", title, no_answer) for part, title in PLACES.items()]
    lines = [
        Line((supervisor.name, supervisor.half_b, supervisor.test, *(_silence(supervisor) if silent else ())))
        for supervisor in found
    ]
    mean = any(supervisor.name == MEAN_VOTE for supervisor in found)
    vote = "Mean vote: the most probable class of the supervisors' mean. " if mean else ""
    silence = (
        f"{no_answer.capitalize()}: such an item {_how_silence_counts(found)}, and teaches nothing. "
        if silent
        else "Every supervisor answered every item. "
    )
    yield results_table(results, "supervisors", "The supervisors", f"{vote}{silence}{INTERVALS}", columns, lines)


def _how_silence_counts(supervisors: Sequence[SupervisorResult]) -> str:
    silent = [supervisor for supervisor in supervisors if supervisor.ever_silent]
    wrong = [supervisor.name for supervisor in silent if supervisor.silence_is_wrong]
    if len(wrong) == len(silent):
        return "counts as wrong"
    return f"counts as wrong of {', '.join(wrong)}, else it does not count" if wrong else "does not count"


def _silence(supervisor: SupervisorResult) -> list[Cell]:
    return [str(supervisor.silent[part]) if part in supervisor.silent else None for part in PLACES]


def caveats(results: Results, found: tuple[SupervisorResult, ...]) -> Iterator[str]:
    """The mean vote as a baseline without a student; items without an answer."""
    mean = next((supervisor for supervisor in found if supervisor.name == MEAN_VOTE), None)
    if mean is not None and mean.test.defined:
        where = " on the items with a vote," if mean.test.note == ANSWERED else ""
        yield f"The mean of all supervisors' votes reaches {show(mean.test)}{where} without any student."
    what = "answer" if results.about.of_texts else "vote"
    each = " (each under every seed)" if len(results.about.seeds) > 1 else ""
    for supervisor in found:
        if supervisor.ever_silent:
            labels, test = supervisor.silent["half_b"], supervisor.silent["test"]
            counts = "which count as wrong" if supervisor.silence_is_wrong else "and is measured on the others"
            yield (
                f"{supervisor.name} gave no {what} to {labels} items that it labels, and to {test} test items{each},"
                f" {counts}."
            )


SUPERVISORS = TopicRecord(
    name="supervisors",
    summary="Scores of the supervisors, and items that they left without an answer",
    heading="The supervisors",
    measure=find_supervisors,
    tables=supervisors_table,
    caveats=caveats,
    open=True,
)


def models_table(results: Results, found: None) -> Iterator[Table]:
    """The student, whose score is the ceiling, and the supervisors that are models."""
    columns = [
        Column("row", ""),
        Column("model", "model"),
        Column("adapt", "trained"),
        Column("weights", "weights (millions)", digits=0),
        Column("score", results.about.metric_title),
    ]
    lines = []
    for row in (*results.of("ceiling"), *results.of("floor")):
        if row.name in results.about.models:
            model = results.about.models[row.name]
            millions = NOT_TOLD if model.weights is None else model.weights / 1e6
            lines.append(Line((row.name, model.name, model.adapt, millions, row.score)))
    yield results_table(results, "models", "The models", INTERVALS, columns, lines)


MODELS = TopicRecord(
    name="models",
    summary="Sizes and training of the models",
    heading="The supervisors",
    measure=lambda frame: None,
    tables=models_table,
    kinds=TEXTS,
)
