"""Calibration of every row, with intervals from the first resamples of the common set."""

import numpy as np
from jaxtyping import Bool, Float

from outgrow.metrics.bootstrap import Resamples, over_seeds, resampled_sums, seed_means
from outgrow.metrics.calibration import (
    CURVE_BINS,
    ECE_BINS,
    bin_indicators,
    equal_mass_bins,
    expected_calibration_error,
    without_excess,
)
from outgrow.metrics.estimate import Estimate, from_draws
from outgrow.metrics.proportion import share_from_draws
from outgrow.reporting.evidence.votes import EvaluatedItems, RowAnswers
from outgrow.reporting.results import Bin, CalibrationResult

DRAWS = 501
"""The sample and 500 resamples: bins make these statistics dear, and nobody compares methods by them."""


def calibration(answers: RowAnswers, part: EvaluatedItems, resamples: Resamples) -> CalibrationResult | None:
    """ECE, Brier score, log loss and the reliability curve of one row.

    None if it has no result, or if all its answers are bare choices: then nothing tells how sure it is of them.
    """
    seeds = int(answers.seeds.sum())
    if not seeds or (answers.confidence[answers.hard >= 0] == 1).all():
        return None
    some = Resamples(resamples.seeds[:DRAWS], resamples.items[:DRAWS])
    n = int(answers.there.any(axis=0).sum())
    scores = seed_means(some.items, np.stack([answers.brier, answers.log_loss]), answers.there[None])
    brier, log_loss = (from_draws(over_seeds(scores[:, i], some.seeds), n, seeds) for i in range(2))
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
    for seed, there in enumerate(answers.there):
        if there.any():
            items = resamples.items[:, there]
            per_seed[:, seed] = _one_error(answers.confidence[seed, there], correct[seed, there], items)
    return from_draws(without_excess(over_seeds(per_seed, resamples.seeds)), n, seeds)


def _one_error(
    confidence: Float[np.ndarray, "item"], correct: Bool[np.ndarray, "item"], items: np.ndarray
) -> Float[np.ndarray, "draw"]:
    inside = bin_indicators(equal_mass_bins(confidence, ECE_BINS), ECE_BINS)
    excess = resampled_sums(items, inside * (confidence - correct)[:, None])
    return expected_calibration_error(excess, items.sum(axis=1).astype(np.float64))


def _curve(
    answers: RowAnswers, correct: Bool[np.ndarray, "seed item"], part: EvaluatedItems, resamples: Resamples, seeds: int
) -> tuple[Bin, ...]:
    """One curve over all seeds: common bins, each seed's items weighted as the seed was drawn."""
    pooled = answers.confidence[answers.there]
    bin_of = np.full(answers.there.shape, -1)
    bin_of[answers.there] = equal_mass_bins(pooled, CURVE_BINS)
    count, right = (np.zeros((len(resamples.items), CURVE_BINS)) for _ in range(2))
    for seed, bins in enumerate(bin_of):
        inside = bin_indicators(bins, CURVE_BINS)
        weight = resamples.seeds[:, seed, None]
        count += weight * resampled_sums(resamples.items, inside)
        right += weight * resampled_sums(resamples.items, inside & correct[seed][:, None])
    with np.errstate(invalid="ignore"):
        accuracy = right / count
    return tuple(
        Bin(
            round(float(answers.confidence[bin_of == number].mean()), 6),
            share_from_draws(accuracy[:, number], int(items.sum()), part.groups_of(items), seeds),
        )
        for number, items in enumerate((bin_of == bin).any(axis=0) for bin in range(CURVE_BINS))
        if items.any()
    )
