"""Measures of texts beside the study's metric: rules, other metrics, and what judges said.

An answer to which a judge gave no rating has no part in its mean; how many were rated is told beside it (`rated`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from jaxtyping import Float

from outgrow.config.experiment import Experiment
from outgrow.graph.step import Step
from outgrow.judge.options import JudgeMeasure
from outgrow.metrics.estimate import Estimate
from outgrow.metrics.measures import MEASURES
from outgrow.metrics.text_score import alone, mean_value
from outgrow.reporting.evidence.missing import reason, record
from outgrow.reporting.evidence.texts import TextAnswers, score_counts
from outgrow.reporting.measure.frame import Frame
from outgrow.reporting.measure.patterns import PatternMatches
from outgrow.reporting.measure.rows import Value, seed_values
from outgrow.reporting.measure.texts import seeds_estimate
from outgrow.reporting.results import AnswerCount, RatedCount
from outgrow.study.build import Row

Counts = Float[np.ndarray, "seed item part"]


def measure_names(experiment: Experiment) -> list[str]:
    """Names of all further measures, in the order of the file."""
    return [*experiment.measures, *(name for judge in experiment.judges.items() for name in judged_names(*judge))]


def judged_names(name: str, judge: JudgeMeasure) -> list[str]:
    """A judge's measures: its scales or, where it compares, its own name."""
    return list(judge.scales) if judge.against is None else [name]


def measure_scales(experiment: Experiment) -> dict[str, tuple[float, float]]:
    """The ends of the scales of judges that rate answers by themselves."""
    rating = [judge for judge in experiment.judges.values() if judge.against is None]
    return {name: ends for judge in rating for name, ends in judge.scales.items()}


def measure_plane(experiment: Experiment) -> tuple[str, str] | None:
    """The two measures that are drawn against each other."""
    names = measure_names(experiment)
    return experiment.plane or ((names[0], names[1]) if len(names) > 1 else None)


def further_measures(
    frame: Frame, row: Row, found: TextAnswers, searched: Mapping[str, PatternMatches]
) -> tuple[dict[str, Estimate], dict[str, RatedCount]]:
    """Every further measure of one row, and of how many of its answers each judge's are.

    `searched`: in which texts the measures' patterns were found.
    """
    measures = {
        name: _estimate(frame, counts, value) for name, counts, value in _told_by_texts(frame, found, searched)
    }
    lacking = {name: one.note for name, one in searched.items() if one.note}
    measures |= {name: replace(measures[name], note=note) for name, note in lacking.items()}
    rated: dict[str, RatedCount] = {}
    for name, judge in frame.study.experiment.judges.items():
        verdict = _verdict(frame, row.judged[name], judged_names(name, judge))
        note = _note(name, verdict.rated) or verdict.missing
        for column, counts in verdict.counts.items():
            measures[column] = replace(_estimate(frame, counts, mean_value), note=note)
        rated |= {name: verdict.rated} if verdict.rated.answers.of else {}
    return measures, rated


def _estimate(frame: Frame, counts: Counts, value: Value) -> Estimate:
    per_seed = seed_values(frame.on_test.items, counts[None], value)[:, 0]
    return seeds_estimate(per_seed, (counts != 0).any(axis=2), frame.on_test)


def _told_by_texts(
    frame: Frame, found: TextAnswers, searched: Mapping[str, PatternMatches]
) -> Iterator[tuple[str, Counts, Value]]:
    """The measures that need no judge."""
    test = frame.test
    for name, measure in frame.study.experiment.measures.items():
        record = MEASURES.of(measure)
        score = record.score(measure, searched[name].found if name in searched else {})
        gold = test.keys if record.against_key(measure) else test.answers
        yield name, score_counts(found, gold, alone(score)), score.value


class JudgeScore(NamedTuple):
    """What a judge said of a row's answers."""

    counts: dict[str, Counts]
    """By scale: (rating, 1) for every item that was rated; zeros where the judge failed or is not finished."""
    rated: RatedCount
    missing: str
    """Why the judge has not come to this row, or to some of its seeds; empty if it has."""


def _verdict(frame: Frame, steps: Sequence[Step], columns: Sequence[str]) -> JudgeScore:
    test = frame.test
    counts = {column: np.zeros((*test.of_seed.shape, 2)) for column in columns}
    place = {item: number for number, item in enumerate(test.ids)}
    of, why_not_all, missing = 0, "", ""
    for seed, step in enumerate(steps):
        if record(frame.store, step) is None:
            missing = missing or reason(step, frame.outcomes)
            continue
        of += int(test.of_seed[seed].sum())
        why_not_all = why_not_all or _why_failed(frame, step)
        table = pq.read_table(frame.store.path(step) / "ratings.parquet")
        for column in columns:
            for item, value in zip(table["item"].to_pylist(), table[column].to_pylist(), strict=True):
                if item in place and value is not None and np.isfinite(value):
                    counts[column][seed, place[item]] = (value, 1.0)
    # A question is rated on all scales or on none.
    n_rated = int(counts[columns[0]][:, :, 1].sum())
    return JudgeScore(counts, RatedCount(AnswerCount(n_rated, of), why_not_all), missing)


def _why_failed(frame: Frame, step: Step) -> str:
    """What was wrong with the first answer that was not rated; steps of earlier versions do not say."""
    told = json.loads((frame.store.path(step) / "written.json").read_text(encoding="utf-8"))
    return str(told.get("why_failed", ""))


def _note(judge: str, rated: RatedCount) -> str:
    """What is to be known of a mean from which answers are missing."""
    lost = AnswerCount(rated.answers.of - rated.answers.count, rated.answers.of)
    why = f" ({rated.why_not_all})" if rated.why_not_all else ""
    return f"the judge {judge} gave no rating to {lost} answers{why}" if lost.count else ""
