"""PGR: its closed forms, and when it says that it does not exist."""

import numpy as np
import pytest

from outgrow.metrics.bootstrap import difference, draw_resamples, over_seeds, seed_means
from outgrow.metrics.estimate import from_draws
from outgrow.metrics.pgr import Recovered, performance_gap_recovered, recovered_share

N = 800


def study(rates: list[float], seed: int, n_seeds: int = 3) -> tuple[list[np.ndarray], np.ndarray]:
    """Resampled accuracies per seed of rows whose items are right at the given rates."""
    rng = np.random.default_rng(seed)
    difficulty = rng.random(N)
    noise = 0.2 * rng.standard_normal((len(rates), n_seeds, N))
    correct = difficulty + noise < np.asarray(rates)[:, None, None]
    resamples = draw_resamples(n_seeds, N, 500, rng)
    per_seed = seed_means(resamples.items, correct, np.ones((1, n_seeds, N), dtype=bool))
    return [per_seed[:, row] for row in range(len(rates))], resamples.seeds


def recovered(rows: list[np.ndarray], student: np.ndarray, seeds: np.ndarray) -> Recovered:
    return performance_gap_recovered(student, {"one": rows[0], "two": rows[1]}, rows[2], seeds, N)


def test_supervisor_is_zero_and_ceiling_is_one() -> None:
    rows, seeds = study([0.4, 0.5, 0.8], seed=1)
    own = recovered(rows, rows[0], seeds).by_supervisor["one"]
    assert (own.value, own.low, own.high) == (0, 0, 0)
    top = recovered(rows, rows[2], seeds)
    assert (top.average.value, top.average.low, top.average.high) == (1, 1, 1)


def test_average_of_per_supervisor_values() -> None:
    rows, seeds = study([0.4, 0.5, 0.8, 0.7], seed=2)
    result = recovered(rows, rows[3], seeds)
    means = [over_seeds(row, seeds)[0] for row in rows]
    by_hand = [(means[3] - weak) / (means[2] - weak) for weak in means[:2]]
    assert result.average.value == pytest.approx(np.mean(by_hand), abs=1e-6)
    assert result.by_supervisor["two"].value == pytest.approx(by_hand[1], abs=1e-6)
    assert result.average.low is not None
    assert result.average.low < result.average.value < result.average.high
    assert result.average.seeds == 3


def test_paper_one_average() -> None:
    """Table 2 of paper 1: accuracy .853 with five supervisors and ceiling .898 is PGR .754."""
    weak = np.array([0.717, 0.699, 0.685, 0.729, 0.731])
    assert recovered_share(np.full(5, 0.853), weak, np.full(5, 0.898)).mean() == pytest.approx(0.754, abs=0.003)


def test_undefined_within_noise() -> None:
    rows, seeds = study([0.6, 0.4, 0.6, 0.7], seed=3)
    result = recovered(rows, rows[3], seeds)
    assert result.by_supervisor["one"].value is None
    assert "within noise" in result.by_supervisor["one"].note
    assert result.by_supervisor["two"].defined
    assert result.average.value == result.by_supervisor["two"].value
    assert "without one" in result.average.note


def test_undefined_when_the_ceiling_is_below_the_floor() -> None:
    rows, seeds = study([0.8, 0.9, 0.5, 0.7], seed=4)
    result = recovered(rows, rows[3], seeds)
    assert result.average.value is None
    assert result.average.note.startswith("the ceiling is below the supervisor: −0.")
    assert "noise" not in result.average.note


def test_one_seed() -> None:
    rows, seeds = study([0.4, 0.5, 0.8, 0.7], seed=5, n_seeds=1)
    assert recovered(rows, rows[3], seeds).average.defined


def test_one_seed_does_not_show_a_gap_that_another_seed_may_close() -> None:
    rows, seeds = study([0.6, 0.66, 0.67, 0.7], seed=5, n_seeds=1)
    gap = from_draws(difference(rows[2], rows[0], seeds), N, 1)
    assert gap.low is not None
    assert gap.low > 0
    found = recovered(rows, rows[3], seeds).by_supervisor["one"]
    assert found.value is None
    assert "one seed" in found.note


def test_the_interval_of_few_seeds_is_that_of_the_linear_ratio() -> None:
    """Where the gap is large against its error, PGR is nearly linear in the three means."""
    rows, seeds = study([0.2, 0.3, 0.9, 0.6], seed=8)
    student, weak, ceiling = rows[3], rows[0], rows[2]
    share = recovered(rows, student, seeds).by_supervisor["one"]
    assert share.value is not None
    gap = over_seeds(ceiling - weak, seeds)[0]
    linear = from_draws(over_seeds((student - weak - share.value * (ceiling - weak)) / gap, seeds), N, 3)
    assert share.low == pytest.approx(share.value + linear.low, abs=0.004)
    assert share.high == pytest.approx(share.value + linear.high, abs=0.004)


def test_no_shared_seed() -> None:
    rows, seeds = study([0.4, 0.5, 0.8, 0.7], seed=6)
    student, ceiling = rows[3].copy(), rows[2].copy()
    student[:, 0] = np.nan
    ceiling[:, 1:] = np.nan
    result = recovered([rows[0], rows[1], ceiling], student, seeds)
    assert result.average.value is None
    assert "no seed" in result.average.note


def test_a_gap_that_is_exactly_zero_has_no_ratio() -> None:
    half = np.array([0.5])
    assert np.isnan(recovered_share(half, half, half)).all()
