"""Calibration and errors against scikit-learn and against loops."""

import warnings

import numpy as np
import pytest
from sklearn import metrics as oracle

from outgrow.metrics.calibration import (
    ECE_BINS,
    bin_indicators,
    brier,
    confidence,
    equal_mass_bins,
    expected_calibration_error,
    log_loss,
    without_excess,
)
from outgrow.metrics.error_correlation import error_correlation, weak_is_wrong


def predictions(seed: int, classes: int = 4, n: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Perfectly calibrated predictions: gold is drawn from them."""
    rng = np.random.default_rng([seed, classes])
    probs = rng.dirichlet(np.full(classes, 0.7), size=n)
    gold = np.array([rng.choice(classes, p=row) for row in probs])
    return probs, gold


@pytest.mark.parametrize("classes", [2, 3, 15])
def test_brier_and_log_loss_match_scikit_learn(classes: int) -> None:
    probs, gold = predictions(1, classes)
    labels = np.arange(classes)
    assert log_loss(probs, gold).mean() == pytest.approx(oracle.log_loss(gold, probs, labels=labels), rel=1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = oracle.brier_score_loss(gold, probs, labels=labels, scale_by_half=False)
    assert brier(probs, gold).mean() == pytest.approx(expected, rel=1e-9)


def test_abstention_is_the_uniform_distribution() -> None:
    zeros, gold = np.zeros((3, 4)), np.array([0, 1, 2])
    assert confidence(zeros).tolist() == [0.25] * 3
    assert brier(zeros, gold) == pytest.approx(np.full(3, 0.75))
    assert log_loss(zeros, gold) == pytest.approx(np.full(3, np.log(4)))


def ece_by_loop(conf: np.ndarray, correct: np.ndarray, bins: int) -> float:
    order = np.argsort(conf, kind="stable")
    parts = [order[k * len(conf) // bins : (k + 1) * len(conf) // bins] for k in range(bins)]
    return sum(abs(conf[part].mean() - correct[part].mean()) * len(part) for part in parts) / len(conf)


@pytest.mark.parametrize("trial", range(3))
def test_ece_equals_a_loop_over_sorted_slices(trial: int) -> None:
    probs, gold = predictions(trial, n=15 * 40)
    conf, correct = confidence(probs), probs.argmax(axis=1) == gold
    inside = bin_indicators(equal_mass_bins(conf, ECE_BINS), ECE_BINS)
    excess = (inside * (conf - correct)[:, None]).sum(axis=0)
    found = expected_calibration_error(excess, np.array(float(len(conf))))
    assert float(found) == pytest.approx(ece_by_loop(conf, correct, ECE_BINS), abs=1e-12)


def test_bins_keep_ties_together_and_do_not_depend_on_item_order() -> None:
    rng = np.random.default_rng(2)
    conf = rng.choice([0.3, 0.5, 0.9, 1.0], size=500)
    bins = equal_mass_bins(conf, 10)
    assert all(len(set(bins[conf == value])) == 1 for value in np.unique(conf))
    shuffled = rng.permutation(500)
    assert (equal_mass_bins(conf[shuffled], 10) == bins[shuffled]).all()


def test_calibrated_predictions_have_a_small_error_and_sharpened_ones_a_large_one() -> None:
    probs, gold = predictions(5, n=20_000)

    def error(probs: np.ndarray) -> float:
        conf, correct = confidence(probs), probs.argmax(axis=1) == gold
        return ece_by_loop(conf, correct, ECE_BINS)

    sharp = probs**4 / (probs**4).sum(axis=1, keepdims=True)
    assert error(probs) < 0.02 < 0.1 < error(sharp)


def test_excess_noise_is_taken_out_of_the_draws() -> None:
    draws = np.array([0.02, 0.05, 0.03, 0.04])
    moved = without_excess(draws)
    assert moved == pytest.approx([0.02, 0.03, 0.01, 0.02])


def test_error_correlation_is_pearsons() -> None:
    rng = np.random.default_rng(8)
    wrong = rng.random(300) < 0.4
    other = wrong ^ (rng.random(300) < 0.3)
    found = error_correlation(*(np.array(x.mean()) for x in (wrong, other, wrong & other)))
    assert float(found) == pytest.approx(np.corrcoef(wrong, other)[0, 1])
    assert np.isnan(error_correlation(np.array(0.0), np.array(0.5), np.array(0.0)))


def test_wrong_weak_labels_by_loop() -> None:
    rng = np.random.default_rng(9)
    weak, gold = rng.integers(-1, 4, size=400), rng.integers(4, size=400)
    expected = [said != -1 and said != right for said, right in zip(weak, gold, strict=True)]
    assert weak_is_wrong(weak, gold).tolist() == expected
