"""Agreement of every two supervisors: share of equal answers and correlation of errors, or similarity of texts.

Supervisors that err independently teach more than supervisors that err together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Int

from outgrow.metrics.bootstrap import over_seeds, seed_means, seeds_with
from outgrow.metrics.error_correlation import error_correlation
from outgrow.metrics.estimate import Estimate, from_draws, show, undefined
from outgrow.metrics.proportion import share_from_draws
from outgrow.metrics.text_answers import levenshtein_similarity
from outgrow.render.canvas import Drawing, axes, drawing, figure, style, width
from outgrow.render.charts import heat_map
from outgrow.render.table import Column, Line, Table
from outgrow.reporting.evidence.texts import TextAnswers
from outgrow.reporting.frame import Frame
from outgrow.reporting.results import Results
from outgrow.reporting.rows import seeds_estimate
from outgrow.reporting.topic import INTERVALS, TopicRecord, results_table

NEVER_BOTH = "no item that both answered"


@dataclass(frozen=True)
class PairResult:
    """Two supervisors among themselves."""

    first: str
    second: str
    agreement: Estimate
    """Share of equal answers; of texts, the mean similarity."""
    error_correlation: Estimate | None = None
    """Of votes: the phi coefficient of being wrong."""


def find_pairs(frame: Frame) -> tuple[PairResult, ...]:
    """Every two supervisors on the test items that both answered."""
    names = [row.name for row in frame.floor]
    if frame.of_texts:
        texts = frame.of_floor(frame.texts)
        return tuple(
            PairResult(names[first], names[second], _similarity(frame, texts[first], texts[second]))
            for first, second in combinations(range(len(names)), 2)
        )
    votes = [answers.hard for answers in frame.of_floor(frame.votes)]
    return tuple(
        PairResult(names[first], names[second], *_agreement(frame, votes[first], votes[second]))
        for first, second in combinations(range(len(names)), 2)
    )


def _agreement(
    frame: Frame, left: Int[np.ndarray, "seed item"], right: Int[np.ndarray, "seed item"]
) -> tuple[Estimate, Estimate]:
    part, resamples = frame.test, frame.on_test
    both = np.asarray((left >= 0) & (right >= 0))
    wrong = left != part.gold, right != part.gold
    values = np.stack([left == right, wrong[0], wrong[1], wrong[0] & wrong[1]])
    means = seed_means(resamples.items, values, both[None])
    seeds, items = seeds_with(means[:, 0]), np.asarray(both.any(axis=0))
    if not seeds:
        return undefined(NEVER_BOTH), undefined(NEVER_BOTH)
    phi = error_correlation(means[:, 1], means[:, 2], means[:, 3])
    n = int(items.sum())
    return (
        share_from_draws(over_seeds(means[:, 0], resamples.seeds), n, part.groups_of(items), seeds),
        from_draws(over_seeds(phi, resamples.seeds), n, seeds, "" if np.isfinite(phi[0]).any() else "no errors"),
    )


def _similarity(frame: Frame, left: TextAnswers, right: TextAnswers) -> Estimate:
    """Mean normalised Levenshtein similarity."""
    both = left.answered & right.answered
    alike = np.zeros(both.shape)
    for seed, shared in enumerate(both):
        pairs = left.text[seed, shared].tolist(), right.text[seed, shared].tolist()
        alike[seed, shared] = levenshtein_similarity(*pairs)
    means = seed_means(frame.on_test.items, alike[None], both[None])[:, 0]
    return seeds_estimate(means, both, frame.on_test) if seeds_with(means) else undefined(NEVER_BOTH)


def agreement_table(results: Results, pairs: tuple[PairResult, ...]) -> Iterator[Table]:
    """A line per pair."""
    texts = results.about.of_texts
    columns = [
        Column("first", ""),
        Column("second", ""),
        Column("agreement", "similarity" if texts else "agreement"),
        *([] if texts else [Column("error_correlation", "correlation of errors", signed=True)]),
    ]
    lines = [
        Line((pair.first, pair.second, pair.agreement, *(() if texts else (pair.error_correlation,))))
        for pair in pairs
    ]
    caption = (
        f"Mean over the test items that both answered of 1 − edit distance / length of the longer text. {INTERVALS}"
        if texts
        else "Among the test items that both answered: the share with the same answer, and the phi coefficient of"
        f" being wrong. {INTERVALS}"
    )
    yield results_table(results, "agreement", "Agreement of the supervisors", caption, columns, lines)


NAMES, CELL = 130, 72


def agreement_plot(results: Results, pairs: tuple[PairResult, ...]) -> Iterator[Drawing | None]:
    """A heat map (Cui et al. 2025, figures 3a and 3b)."""
    names = results.about.supervisors
    if not any(pair.agreement.defined for pair in pairs):
        return
    matrix = np.eye(len(names))
    for pair in pairs:
        first, second = names.index(pair.first), names.index(pair.second)
        value = np.nan if pair.agreement.value is None else pair.agreement.value
        matrix[first, second] = matrix[second, first] = value
    cell = min(CELL, (width() - NAMES - 8) / len(names))
    side = cell * len(names)
    what = (
        "Mean similarity of two supervisors' texts over the test items that both answered: 1 − edit distance / length"
        " of the longer one."
        if results.about.of_texts
        else "Share of equal answers among the test items that both supervisors answered."
    )
    with style():
        fig = figure(NAMES + side + 8, side + 70)
        heat_map(axes(fig, NAMES, 6, side, side), matrix, names, names, (NAMES - 12, NAMES - 12))
        words = "; ".join(f"{pair.first} and {pair.second}: {show(pair.agreement, 2)}" for pair in pairs)
        yield drawing(
            fig,
            "agreement",
            f"Agreement of the supervisors. {words}",
            f"{what} Supervisors that err independently teach more than supervisors that err together.",
        )


AGREEMENT = TopicRecord(
    name="agreement",
    summary="Agreement of every two supervisors, and correlation of their errors",
    heading="The supervisors",
    measure=find_pairs,
    tables=agreement_table,
    plots=agreement_plot,
)
