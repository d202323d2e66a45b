"""The short form of `bench/coverage.py`: simulated studies with a known truth, and the intervals of 1 to 5 seeds."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from outgrow.metrics.bootstrap import mean_over_seeds, over_seeds
from outgrow.metrics.estimate import from_draws

STUDIES, RESAMPLES = 80, 200
BENCH = Path(__file__).parents[2] / "bench" / "coverage.py"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("coverage_bench", BENCH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_intervals_cover_and_gaps_of_noise_are_undefined(bench: ModuleType) -> None:
    """Fixed seeds; 320 studies of several seeds and two kinds of interval, a standard error of about .01."""
    kinds = [(1, "same", 0.02), (2, "own", 0.0), (2, "same", 0.02), (3, "same", 0.02), (5, "own", 0.01)]
    lines = [
        bench.measured(bench.Cell(seeds, sharing, 500, spread), STUDIES, RESAMPLES, np.random.default_rng(at))
        for at, (seeds, sharing, spread) in enumerate(kinds)
    ]
    covered = np.mean([(line.accuracy, line.difference) for line in lines[1:]])
    assert 0.92 <= covered <= 0.98
    assert min(line.null for line in lines) >= 0.9
    assert np.mean([line.null for line in lines]) >= 0.93


def test_a_bootstrap_that_is_not_stretched_fails_it(bench: ModuleType) -> None:
    rng = np.random.default_rng(0)
    true = 0.78 + 0.02 * rng.standard_normal((200, 1, 2))
    per_seed, seeds = bench.answered(bench.Cell(2, "same", 3200, 0.02), true, 1000, rng)

    def covered(draws: np.ndarray) -> float:
        found = [from_draws(draws[:, study, 0], 3200, 2) for study in range(200)]
        return float(np.mean([bench.holds(one, 0.78) for one in found]))

    assert covered(mean_over_seeds(per_seed, seeds)) < 0.9
    assert covered(over_seeds(per_seed, seeds)) > 0.92
