"""The resampling against loops, and its intervals against known truth."""

import time

import numpy as np
import pytest

from outgrow.metrics.accuracy import accuracy, answers
from outgrow.metrics.bootstrap import (
    Resamples,
    difference,
    over_seeds,
    resampled_sums,
    seed_means,
    seeds_with,
)
from outgrow.metrics.estimate import from_draws
from resamples import draw_resamples


def loop_mean(resamples: Resamples, draw: int, values: np.ndarray, among: np.ndarray) -> float:
    """The mean over drawn seeds of the mean over drawn items, one copy at a time."""
    means = []
    for seed, times in enumerate(resamples.seeds[draw]):
        drawn = [
            values[seed, item]
            for item, copies in enumerate(resamples.items[draw])
            for _ in range(copies)
            if among[seed, item]
        ]
        means += [sum(drawn) / len(drawn)] * int(times)
    return sum(means) / len(means)


@pytest.mark.parametrize("kind", ["bool", "float"])
@pytest.mark.parametrize("trial", range(3))
def test_vectorised_means_equal_the_loop(trial: int, kind: str) -> None:
    rng = np.random.default_rng([trial, 1])
    among = rng.random((3, 40)) < 0.7
    values = rng.random((2, 3, 40))
    values = values < 0.5 if kind == "bool" else values
    resamples = draw_resamples(3, 40, 300, rng)
    per_seed = seed_means(resamples.items, values, among[None])
    means = over_seeds(per_seed, resamples.seeds)
    for draw in range(301):
        for row in range(2):
            assert means[draw, row] == pytest.approx(loop_mean(resamples, draw, values[row], among), abs=1e-12)


def test_first_draw_is_the_sample_and_the_rest_are_draws_with_replacement() -> None:
    resamples = draw_resamples(3, 50, 400, np.random.default_rng(0))
    assert (resamples.items[0] == 1).all()
    assert (resamples.seeds[0] == 1).all()
    assert (resamples.items.sum(axis=1) == 50).all()
    assert (resamples.seeds.sum(axis=1) == 3).all()
    # A multinomial count has mean 1 and variance 1 − 1/n.
    assert resamples.items[1:].var() == pytest.approx(1 - 1 / 50, rel=0.05)


def test_the_same_generator_gives_the_same_draws() -> None:
    first, second = (draw_resamples(2, 30, 50, np.random.default_rng(5)) for _ in range(2))
    assert (first.items == second.items).all()
    assert (first.seeds == second.seeds).all()


def test_sums_of_booleans_are_exact() -> None:
    rng = np.random.default_rng(3)
    columns = rng.random((900, 5)) < 0.5
    items = draw_resamples(1, 900, 60, rng).items
    assert (resampled_sums(items, columns) == items.astype(int) @ columns.astype(int)).all()


def test_a_missing_seed_is_left_out_not_counted_as_wrong() -> None:
    rng = np.random.default_rng(4)
    resamples = draw_resamples(3, 60, 200, rng)
    values = rng.random((1, 3, 60)) < 0.6
    among = np.ones((1, 3, 60), dtype=bool)
    among[0, 1] = False
    per_seed = seed_means(resamples.items, values, among)
    assert seeds_with(per_seed[:, 0]) == 2
    assert over_seeds(per_seed, resamples.seeds)[0, 0] == pytest.approx(values[0, [0, 2]].mean())


def test_difference_uses_shared_seeds_only_and_of_equals_is_zero() -> None:
    rng = np.random.default_rng(6)
    resamples = draw_resamples(3, 60, 200, rng)
    row = seed_means(resamples.items, rng.random((1, 3, 60)) < 0.6, np.ones((1, 3, 60), dtype=bool))[:, 0]
    other = row.copy()
    other[:, 2] = np.nan
    gap = difference(row, other, resamples.seeds)
    assert (gap[np.isfinite(gap)] == 0).all()
    assert gap[0] == 0


def interval_covers(truth: float, values: np.ndarray, rng: np.random.Generator) -> bool:
    resamples = draw_resamples(values.shape[1], values.shape[2], 300, rng)
    draws = over_seeds(seed_means(resamples.items, values, np.ones_like(values)), resamples.seeds)
    estimate = from_draws(draws[:, 0], values.shape[2], values.shape[1])
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low <= truth <= estimate.high


@pytest.mark.parametrize("n_seeds", [1, 3])
def test_coverage_on_shared_items(n_seeds: int) -> None:
    """Items answered alike by every seed: the interval is that of one test set, neither narrower nor wider."""
    rng = np.random.default_rng([8, n_seeds])
    covered = []
    for _ in range(400):
        correct = np.repeat(rng.random((1, 1, 200)) < 0.7, n_seeds, axis=1)
        covered.append(interval_covers(0.7, correct, rng))
    # 95 % with a standard error of 1.1 %, a little less at n = 200.
    assert 0.91 <= np.mean(covered) <= 0.98


def test_coverage_with_independent_noise_errs_to_the_wide_side() -> None:
    rng = np.random.default_rng(9)
    covered = [interval_covers(0.7, rng.random((1, 3, 200)) < 0.7, rng) for _ in range(300)]
    assert np.mean(covered) >= 0.94


def test_paired_interval_is_narrower_than_unpaired() -> None:
    rng = np.random.default_rng(10)
    easy = rng.random((1, 1, 500)) < 0.7
    twin = easy ^ (rng.random((1, 1, 500)) < 0.02)
    resamples = draw_resamples(1, 500, 500, rng)
    rows = seed_means(resamples.items, np.concatenate([easy, twin]), np.ones((2, 1, 500), dtype=bool))
    apart = from_draws(difference(rows[:, 0], rows[:, 1], resamples.seeds), 500, 1)
    alone = from_draws(over_seeds(rows[:, 0], resamples.seeds), 500, 1)
    assert apart.high is not None
    assert apart.low is not None
    assert alone.high is not None
    assert alone.low is not None
    assert apart.high - apart.low < 0.6 * (alone.high - alone.low)


def test_a_large_study_takes_seconds() -> None:
    rng = np.random.default_rng(11)
    start = time.perf_counter()
    resamples = draw_resamples(3, 3200, 2000, rng)
    values = rng.random((40, 3, 3200)) < 0.6
    seed_means(resamples.items, values, np.ones((1, 3, 3200), dtype=bool))
    assert time.perf_counter() - start < 10  # a second on an idle core


def test_accuracy_counts_abstentions_as_wrong_and_matches_scikit_learn() -> None:
    from sklearn.metrics import accuracy_score

    rng = np.random.default_rng(12)
    probs = rng.dirichlet(np.ones(4), size=200)
    gold = rng.integers(4, size=200)
    assert accuracy(probs, gold) == pytest.approx(accuracy_score(gold, probs.argmax(axis=1)))
    probs[:50] = 0
    assert (answers(probs)[:50] == -1).all()
    assert accuracy(probs, gold) == pytest.approx((probs[50:].argmax(axis=1) == gold[50:]).sum() / 200)
