"""What is measured of answers that are texts: their score, how alike the supervisors write, slots by type."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from outgrow.metrics.slu_f1 import SLOT_METRICS
from outgrow.metrics.text_score import TaskScore, score_of
from outgrow.reporting.evidence.texts import TextAnswers, read_answers_of_row, read_labels, score_counts
from outgrow.reporting.headline import highest
from outgrow.reporting.measure.frame import Findings, Frame
from outgrow.reporting.measure.further import further_measures
from outgrow.reporting.measure.heard import heard, judged
from outgrow.reporting.measure.patterns import search_all
from outgrow.reporting.measure.rows import (
    Measured,
    mean_estimate,
    measure,
    recovered,
    row_result,
    seed_sums,
    unanswered,
    versus,
)
from outgrow.reporting.measure.texts import quality, slot_types, text_pairs
from outgrow.reporting.results import CapabilityResult, RowResult, SlotTypeResult, SupervisorResult
from outgrow.study.build import Row


def find_in_texts(frame: Frame) -> Findings:
    """Measure every row's texts."""
    study, test = frame.study, frame.test
    score, metrics = score_of(frame.task), frame.task.metrics or {"": frame.task.metric}
    given = [read_answers_of_row(frame.store, row.steps, test) for row in study.rows]
    answers = judged(frame, study.rows, given)
    counts = [score_counts(found, test.answers, score, test.capabilities) for found in answers]
    sums = seed_sums(frame.on_test.items, np.stack(counts))
    among = heard(frame, study.rows, answers)
    measured = Measured(study.rows, score.value(sums), frame.on_test, test.of_seed, among, test.group)
    apart = by_capability(frame, score, sums, measured.heard)
    texts = (text for found in answers for seed in range(len(found.there)) for text in found.of_seed(seed))
    searched = search_all(study.experiment.measures, texts)
    further = [further_measures(frame, row, found, searched) for row, found in zip(study.rows, answers, strict=True)]
    rows = tuple(
        replace(
            row_result(row, measured, frame.baseline),
            texts=quality(found, test, frame.on_test, metrics),
            before=before_preferences(row, study.rows),
            measures=measures,
            rated=rated,
            capabilities={name: _in_capability(row, one) for name, one in apart.items()},
        )
        for row, found, (measures, rated) in zip(study.rows, answers, further, strict=True)
    )
    names, weak = [row.name for row in frame.floor], [given[number] for number in frame.is_floor]
    return Findings(
        rows=rows,
        supervisors=tuple(_supervisors(frame, measured, score, weak)),
        pairs=tuple(text_pairs(names, weak, test, frame.on_test)),
        slot_types=_slot_types(frame, rows, answers),
    )


def by_capability(
    frame: Frame,
    score: TaskScore,
    sums: Float[np.ndarray, "draw row seed part"],
    of_files: Mapping[str, Bool[np.ndarray, "seed item"]] | None = None,
) -> dict[str, Measured]:
    """All rows' resampled scores in every capability of a mixture, from the sums that their average is made of."""
    found = {}
    for name in frame.task.metrics:
        mine = frame.test.of_capability(name)
        values, among = score.value_of(name, sums), {row: there & mine for row, there in (of_files or {}).items()}
        of_seed = frame.test.of_seed & mine
        found[name] = Measured(frame.study.rows, values, frame.on_test, of_seed, among, frame.test.group)
    return found


def _in_capability(row: Row, measured: Measured) -> CapabilityResult:
    pgr = recovered(row, measured, row.view)[0] if row.role == "method" else None
    untouched = next((one for one in measured.rows if one.role == "untouched"), None)
    return CapabilityResult(mean_estimate(row, measured), pgr, versus(row, untouched, measured))


def before_preferences(row: Row, rows: Sequence[Row]) -> str:
    """The row of the student from which this row's preference training started; empty if there is none."""
    tuned = row.steps[0].inputs.get("model")
    if tuned is None or tuned.name != "preference":
        return ""
    student = tuned.inputs["student"].identity
    models = {other.name: other.steps[0].inputs.get("model") for other in rows}
    return next((name for name, model in models.items() if model is not None and model.identity == student), "")


def _supervisors(
    frame: Frame, measured: Measured, score: TaskScore, answers: Sequence[TextAnswers]
) -> list[SupervisorResult]:
    """Their scores on what they wrote for the student, and on their `answers` to the test items."""
    half_b = frame.half_b
    sources = [row.source or row.name for row in frame.floor]
    labels = read_labels(frame.store, frame.study.labels, sources, half_b)
    known = judged(frame, frame.floor, labels)
    counts = [score_counts(found, half_b.answers, score, half_b.capabilities) for found in known]
    on_half_b = measure(frame.floor, counts, score.value, half_b, frame.on_half_b, heard(frame, frame.floor, known))
    return [
        SupervisorResult(
            row.name,
            mean_estimate(row, on_half_b),
            mean_estimate(row, measured),
            {"half_b": unanswered(written.there, written.said), "test": unanswered(said.there, said.said)},
            not frame.is_file(row),
        )
        for row, written, said in zip(frame.floor, labels, answers, strict=True)
    ]


def _slot_types(frame: Frame, rows: Sequence[RowResult], answers: Sequence[TextAnswers]) -> tuple[SlotTypeResult, ...]:
    if frame.task.metric not in SLOT_METRICS:
        return ()
    told = telling_rows(rows, frame.baseline)
    found = {row.name: answers[number] for number, row in enumerate(rows) if row.name in told}
    return slot_types(found, frame.test, frame.on_test, frame.task.metric)


def telling_rows(rows: Sequence[RowResult], baseline: str | None) -> list[str]:
    """The names of the rows to look at closely: supervisors, naive, the best method and the ceiling."""
    best = highest([row for row in rows if row.role == "method" and not row.oracle])
    naive = [row for row in rows if row.method == baseline and row.variant == "plain"]
    chosen = [*(row for row in rows if row.role in ("floor", "ceiling")), *naive, *([best] if best else [])]
    return [row.name for row in rows if row in chosen and row.score.defined]
