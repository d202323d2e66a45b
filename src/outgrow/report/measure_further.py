"""Measures of texts beside the study's metric: rules, other metrics, and what judges said."""

import re
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow.parquet as pq
from jaxtyping import Float

from outgrow.config.experiment import Experiment
from outgrow.config.measure import Judge, Rule
from outgrow.graph.step import Step
from outgrow.metrics.estimate import Estimate
from outgrow.metrics.text_score import TEXT_SCORES, TextScore, mean_value
from outgrow.report.evidence_texts import TextAnswers, score_counts
from outgrow.report.frame import Frame
from outgrow.report.measure import Value, seed_values
from outgrow.report.measure_texts import seeds_estimate
from outgrow.report.missing import record
from outgrow.study import Row

Counts = Float[np.ndarray, "seed item part"]


def measure_names(experiment: Experiment) -> list[str]:
    """Names of all further measures, in the order of the file."""
    return [*experiment.measures, *(name for judge in experiment.judges.items() for name in judged_names(*judge))]


def judged_names(name: str, judge: Judge) -> list[str]:
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


def further_measures(frame: Frame, row: Row, found: TextAnswers) -> dict[str, Estimate]:
    """Every further measure of one row."""
    return {
        name: seeds_estimate(
            seed_values(frame.on_test.items, counts[None], value)[:, 0], (counts != 0).any(axis=2), frame.on_test
        )
        for name, counts, value in _all_counts(frame, row, found)
    }


def _all_counts(frame: Frame, row: Row, found: TextAnswers) -> Iterator[tuple[str, Counts, Value]]:
    test = frame.test
    for name, measure in frame.study.experiment.measures.items():
        if isinstance(measure, Rule):
            yield name, score_counts(found, test.answers, rule_score(measure.pattern)), mean_value
        else:
            gold = test.keys if measure.against == "key" else test.answers
            score = TEXT_SCORES[measure.metric]
            yield name, score_counts(found, gold, score), score.value
    for name, judge in frame.study.experiment.judges.items():
        for column in judged_names(name, judge):
            yield column, _rated(frame, row.judged[name], column), mean_value


def rule_score(pattern: str) -> TextScore:
    """The share of texts in which the pattern is found, whatever gold says."""
    rule = re.compile(pattern)

    def counts(predicted: Sequence[str], gold: Sequence[str]) -> Float[np.ndarray, "item 2"]:
        kept = [rule.search(text) is not None for text in predicted]
        return np.stack([np.asarray(kept, dtype=np.float64), np.ones(len(kept))], axis=-1)

    return TextScore(pattern, counts, mean_value)


def _rated(frame: Frame, steps: Sequence[Step], column: str) -> Counts:
    """(rating, 1) for every item that was rated; zeros where the judge failed or is not finished."""
    test = frame.test
    counts = np.zeros((*test.of_seed.shape, 2))
    place = {item: number for number, item in enumerate(test.ids)}
    for seed, step in enumerate(steps):
        if record(frame.store, step) is None:
            continue
        table = pq.read_table(frame.store.path(step) / "ratings.parquet")
        for item, value in zip(table["item"].to_pylist(), table[column].to_pylist(), strict=True):
            if item in place and value is not None and np.isfinite(value):
                counts[seed, place[item]] = (value, 1.0)
    return counts
