"""The resampling against loops, and its intervals against known truth."""

import time

import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats import t as student_t

from outgrow.metrics.accuracy import accuracy, answers
from outgrow.metrics.bootstrap import (
    Resamples,
    difference,
    draw_resamples,
    mean_over_seeds,
    over_seeds,
    resampled_sums,
    seed_means,
    seeds_with,
    stretch,
)
from outgrow.metrics.estimate import from_draws


def loop_mean(resamples: Resamples, draw: int, values: np.ndarray, among: np.ndarray) -> float:
    """The mean over seeds of the mean over drawn items, one copy at a time, moved along the seeds' deviations."""
    means, sample = [], []
    for seed in range(len(values)):
        for found, row in ((means, resamples.items[draw]), (sample, resamples.items[0])):
            drawn = [values[seed, item] for item, copies in enumerate(row) for _ in range(copies) if among[seed, item]]
            found.append(sum(drawn) / len(drawn))
    n_seeds = len(means)
    middle = sum(sample) / n_seeds
    moved = sum(xi * (own - middle) for xi, own in zip(resamples.seeds[draw], sample, strict=True))
    return sum(means) / n_seeds + moved / (n_seeds * (n_seeds - 1)) ** 0.5


@pytest.mark.parametrize("kind", ["bool", "float"])
@pytest.mark.parametrize("trial", range(3))
def test_vectorised_means_equal_the_loop(trial: int, kind: str) -> None:
    rng = np.random.default_rng([trial, 1])
    among = rng.random((3, 40)) < 0.7
    values = rng.random((2, 3, 40))
    values = values < 0.5 if kind == "bool" else values
    resamples = draw_resamples(3, 40, 300, rng)
    per_seed = seed_means(resamples.items, values, among[None])
    means = mean_over_seeds(per_seed, resamples.seeds)
    for draw in range(301):
        for row in range(2):
            assert means[draw, row] == pytest.approx(loop_mean(resamples, draw, values[row], among), abs=1e-12)


def test_first_draw_is_the_sample_and_the_rest_are_draws_with_replacement() -> None:
    resamples = draw_resamples(3, 50, 400, np.random.default_rng(0))
    assert (resamples.items[0] == 1).all()
    assert (resamples.seeds[0] == 0).all()
    assert (resamples.items.sum(axis=1) == 50).all()
    assert resamples.seeds[1:].mean() == pytest.approx(0, abs=0.1)
    assert resamples.seeds[1:].std() == pytest.approx(1, abs=0.1)
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


@pytest.mark.parametrize("n_seeds", [2, 3])
def test_coverage_of_seeds_that_answer_independently(n_seeds: int) -> None:
    rng = np.random.default_rng([9, n_seeds])
    covered = [interval_covers(0.7, rng.random((1, n_seeds, 200)) < 0.7, rng) for _ in range(400)]
    assert 0.91 <= np.mean(covered) <= 0.98


def stretch_by_definition(per_seed: np.ndarray) -> float:
    """The factor of one row [draw, seed], from covariances of its seeds under resampled items."""
    sample, draws = per_seed[0], per_seed[1:]
    n_seeds = len(sample)
    together = np.cov(draws.T, bias=True)
    between = sample.var(ddof=1) / n_seeds
    shared = max(together[~np.eye(n_seeds, dtype=bool)].mean(), 0.0)
    variance = shared + between
    normal, student = norm.ppf(0.975), student_t.ppf(0.975, n_seeds - 1)
    reach = (normal + (student - normal) * (between / variance) ** 1.25) * variance**0.5
    return float(reach / (normal * (draws.mean(axis=1).var() + between) ** 0.5))


@pytest.mark.parametrize("n_seeds", [2, 3, 7])
def test_draws_are_stretched_as_defined(n_seeds: int) -> None:
    rng = np.random.default_rng([12, n_seeds])
    resamples = draw_resamples(n_seeds, 80, 300, rng)
    easy = rng.random((3, 1, 80))
    per_seed = seed_means(
        resamples.items, 0.5 * easy + 0.5 * rng.random((3, n_seeds, 80)) < 0.6, np.ones((1, n_seeds, 80), dtype=bool)
    )
    wanted = [stretch_by_definition(per_seed[:, row]) for row in range(3)]
    np.testing.assert_allclose(stretch(per_seed), wanted, rtol=1e-9)
    plain, found = mean_over_seeds(per_seed, resamples.seeds), over_seeds(per_seed, resamples.seeds)
    np.testing.assert_allclose(found - found[0], wanted * (plain - plain[0]), atol=1e-12)
    np.testing.assert_allclose(found[0], per_seed[0].mean(axis=-1), rtol=1e-12)
    lost = np.concatenate([per_seed, np.full((301, 3, 1), np.nan)], axis=-1)
    np.testing.assert_allclose(stretch(lost), wanted, rtol=1e-9)


def test_one_seed_and_equal_seeds_are_not_stretched() -> None:
    resamples = draw_resamples(3, 60, 50, np.random.default_rng(13))
    row = seed_means(resamples.items, np.arange(60)[None, None] < 40, np.ones((1, 1, 60), dtype=bool))[:, 0]
    assert stretch(row) == 1
    assert stretch(np.repeat(row, 3, axis=1)) == pytest.approx(1)
    assert (stretch(np.full((5, 2, 3), np.nan)) == 1).all()


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
