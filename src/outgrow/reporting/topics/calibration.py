"""Calibration on the test items: ECE, Brier score, log loss, and reliability curves.

Intervals come from the first resamples of the common set.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8

from outgrow.metrics.bootstrap import Resamples, over_seeds, resampled_sums, seed_means
from outgrow.metrics.calibration import (
    CURVE_BINS,
    ECE_BINS,
    bin_indicators,
    equal_mass_bins,
    expected_calibration_error,
    without_excess,
)
from outgrow.metrics.estimate import Estimate, from_draws, show
from outgrow.metrics.proportion import share_from_draws
from outgrow.render import canvas
from outgrow.render.canvas import Axes, Drawing
from outgrow.render.table import Cell, Column, Line, Table
from outgrow.reporting.evidence.row_answers import EvaluatedItems, RowAnswers
from outgrow.reporting.frame import Frame
from outgrow.reporting.results import Results, RowResult, highest
from outgrow.reporting.topic import INTERVALS, NOT_TOLD, VOTES, TopicRecord, results_table

DRAWS = 501
"""The sample and 500 resamples, since binning is slow."""


@dataclass(frozen=True)
class CurvePoint:
    """A point of a reliability curve: items of similar confidence."""

    confidence: float
    accuracy: Estimate


@dataclass(frozen=True)
class CalibrationResult:
    """Calibration of a row's probabilities on the test items."""

    ece: Estimate
    brier: Estimate
    log_loss: Estimate
    curve: tuple[CurvePoint, ...]


# ---- measure --------------------------------------------------------------------------------------------


def find_calibration(frame: Frame) -> dict[str, CalibrationResult]:
    """By row, without those that have no result or no probabilities."""
    rows = frame.study.rows
    results = {
        row.name: calibration(answers, frame.test, frame.on_test)
        for row, answers in zip(rows, frame.scored(rows, frame.votes), strict=True)
    }
    return {name: result for name, result in results.items() if result is not None}


def calibration(answers: RowAnswers, part: EvaluatedItems, resamples: Resamples) -> CalibrationResult | None:
    """Of one row. None if it has no result, or if all its answers are bare choices without probabilities."""
    seeds = int(answers.seeds.sum())
    if not seeds or (answers.confidence[answers.hard >= 0] == 1).all():
        return None
    some = Resamples(resamples.seeds[:DRAWS], resamples.items[:DRAWS])
    n = int(answers.there.any(axis=0).sum())
    scores = seed_means(some.items, np.stack([answers.brier, answers.log_loss]), answers.there[None])
    brier, log_loss = (from_draws(over_seeds(scores[:, place], some.seeds), n, seeds) for place in range(2))
    correct = answers.hard == part.gold
    return CalibrationResult(
        _calibration_error(answers, correct, some, n, seeds),
        brier,
        log_loss,
        _curve(answers, correct, part, some, seeds),
    )


def _calibration_error(
    answers: RowAnswers, correct: Bool[np.ndarray, "seed item"], resamples: Resamples, n: int, seeds: int
) -> Estimate:
    per_seed = np.full((len(resamples.items), len(answers.there)), np.nan)
    for seed, has_result in enumerate(answers.there):
        if has_result.any():
            items = resamples.items[:, has_result]
            per_seed[:, seed] = _error_of_seed(answers.confidence[seed, has_result], correct[seed, has_result], items)
    return from_draws(without_excess(over_seeds(per_seed, resamples.seeds)), n, seeds)


def _error_of_seed(
    confidence: Float[np.ndarray, "item"], correct: Bool[np.ndarray, "item"], items: UInt8[np.ndarray, "draw item"]
) -> Float[np.ndarray, "draw"]:
    inside = bin_indicators(equal_mass_bins(confidence, ECE_BINS), ECE_BINS)
    excess = resampled_sums(items, inside * (confidence - correct)[:, None])
    return expected_calibration_error(excess, items.sum(axis=1).astype(np.float64))


def _curve(
    answers: RowAnswers, correct: Bool[np.ndarray, "seed item"], part: EvaluatedItems, resamples: Resamples, seeds: int
) -> tuple[CurvePoint, ...]:
    """One curve over all seeds and common bins; a bin's accuracy is that of all its items under all seeds.

    It is right / count, summed over seeds. Its draws are those of p + (right − p count) · seeds / total count of each
    seed, with p and the total count of the sample: means over seeds, and for small changes the same.
    """
    pooled = answers.confidence[answers.there]
    bin_of = np.full(answers.there.shape, -1)
    bin_of[answers.there] = equal_mass_bins(pooled, CURVE_BINS)
    count, right = (np.zeros((len(resamples.items), CURVE_BINS, len(bin_of))) for _ in range(2))
    for seed, bins in enumerate(bin_of):
        inside = bin_indicators(bins, CURVE_BINS)
        count[..., seed] = resampled_sums(resamples.items, inside)
        right[..., seed] = resampled_sums(resamples.items, inside & correct[seed][:, None])
    total = count[0].sum(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):
        share = right[0].sum(axis=-1, keepdims=True) / total
        per_seed = share + (right - share * count) * seeds / total
    per_seed[..., ~answers.seeds] = np.nan
    accuracy = over_seeds(per_seed, resamples.seeds)
    return tuple(
        CurvePoint(
            round(float(answers.confidence[bin_of == place].mean()), 6),
            share_from_draws(accuracy[:, place], int(items.sum()), part.groups_of(items), seeds),
        )
        for place, items in enumerate((bin_of == bin).any(axis=0) for bin in range(CURVE_BINS))
        if items.any()
    )


# ---- table ----------------------------------------------------------------------------------------------


def calibration_table(results: Results, found: dict[str, CalibrationResult]) -> Iterator[Table]:
    """ECE, Brier score, log loss."""
    columns = [
        Column("row", ""),
        Column("ece", "ECE", best="low"),
        Column("brier", "Brier score", best="low"),
        Column("log_loss", "log loss", best="low"),
    ]
    rows = [row for row in results.rows if row.score.defined]
    lines = [Line((row.name, *_cells(found.get(row.name))), ranked=row.ranked) for row in rows]
    has_probabilities = all(row.name in found for row in rows)
    note = "" if has_probabilities else f"{NOT_TOLD.capitalize()}: the answers have no probabilities. "
    caption = f"Expected calibration error over 15 bins of equally many items; lower is better. {note}{INTERVALS}"
    yield results_table(results, "calibration", "Calibration on the test items", caption, columns, lines)


def _cells(result: CalibrationResult | None) -> tuple[Cell, ...]:
    return (result.ece, result.brier, result.log_loss) if result else (NOT_TOLD,) * 3


# ---- plot -----------------------------------------------------------------------------------------------

COLUMNS, EDGE, ROW_GAP = 3, 44, 64
CAPTION = (
    "Accuracy of items of similar confidence, ten groups of equal size, over all seeds. On the diagonal confidence"
    " equals accuracy; below it the row is overconfident."
)


def reliability_plot(results: Results, found: dict[str, CalibrationResult]) -> Iterator[Drawing | None]:
    """Accuracy against confidence of the most important rows."""
    rows = [row for row in _important_rows(results) if row.name in found]
    if not rows:
        return
    room = (canvas.width() - EDGE) / COLUMNS
    side = room - 24
    with canvas.style():
        fig = canvas.figure(canvas.width(), -(-len(rows) // COLUMNS) * (side + ROW_GAP) + 8)
        for place, row in enumerate(rows):
            down, right = divmod(place, COLUMNS)
            ax = canvas.axes(fig, EDGE - 2 + right * room, 26 + down * (side + ROW_GAP), side, side)
            ax.set_title(canvas.shortened(row.name, room - 8), loc="left", pad=6)
            _panel(ax, found[row.name].curve, first=right == 0, last=place >= len(rows) - COLUMNS)
        words = "; ".join(f"{row.name}: calibration error {show(found[row.name].ece)}" for row in rows)
        description = f"Reliability curves, accuracy against confidence. {words}"
        yield canvas.drawing(fig, "reliability", description, CAPTION)


def _important_rows(results: Results) -> list[RowResult]:
    """The best supervisor, naive, the best method, the ceiling, the untouched student."""
    rows = [
        highest(results.of("floor")),
        results.plain_naive,
        results.headline,
        results.ceiling(),
        highest(results.of("untouched")),
    ]
    return list({row.name: row for row in rows if row is not None}.values())


def _panel(ax: Axes, curve: Sequence[CurvePoint], first: bool, last: bool) -> None:
    ax.plot([0, 1], [0, 1], color=canvas.FAINT, lw=1.5)
    for point in curve:
        canvas.interval(
            ax, point.accuracy.low, point.accuracy.high, point.confidence, canvas.BLUE, upright=True, lw=1.3
        )
    defined = [(point.confidence, point.accuracy.value) for point in curve if point.accuracy.value is not None]
    ax.plot(*zip(*defined, strict=True), "o-", color=canvas.BLUE, ms=4.5, lw=1.5, clip_on=False)
    ax.set(xlim=(0, 1), ylim=(0, 1), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    ax.set_xticklabels(["0", ".5", "1"])
    ax.set_yticklabels(["0", ".5", "1"] if first else [])
    ax.grid()
    if last:
        ax.set_xlabel("confidence", size=canvas.SMALL)
    if first:
        ax.set_ylabel("accuracy", labelpad=2, size=canvas.SMALL)


CALIBRATION = TopicRecord(
    name="calibration",
    summary="Calibration of every row's probabilities",
    heading="Calibration",
    measure=find_calibration,
    tables=calibration_table,
    plots=reliability_plot,
    kinds=VOTES,
)
