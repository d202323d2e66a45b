"""The short form of `bench/coverage.py`: simulated studies with a known truth, and the intervals of 1 to 5 seeds."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from outgrow.metrics.bootstrap import mean_over_seeds, over_seeds
from outgrow.metrics.estimate import from_draws

STUDIES, RESAMPLES = 200, 200
BENCH = Path(__file__).parents[2] / "bench" / "coverage.py"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("coverage_bench", BENCH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
def test_intervals_cover_and_gaps_of_noise_are_undefined(bench: ModuleType, seeds: int) -> None:
    """Two cells, fixed seeds: 400 studies with a standard error of .011, two kinds of interval each."""
    kinds = [("same", 0.0), ("same", 0.02)] if seeds == 1 else [("own", 0.0), ("same", 0.02)]
    lines = [
        bench.measured(bench.Cell(seeds, sharing, 500, spread), STUDIES, RESAMPLES, np.random.default_rng([seeds, at]))
        for at, (sharing, spread) in enumerate(kinds)
    ]
    for name in ("accuracy", "difference"):
        assert 0.92 <= np.mean([getattr(line, name) for line in lines]) <= 0.98, name
    assert min(line.null for line in lines) >= 0.93


def test_a_bootstrap_that_is_not_stretched_fails_it(bench: ModuleType) -> None:
    rng = np.random.default_rng(0)
    true = 0.78 + 0.02 * rng.standard_normal((STUDIES, 1, 2))
    per_seed, seeds = bench.answered(bench.Cell(2, "same", 1000, 0.02), true, RESAMPLES, rng)

    def covered(draws: np.ndarray) -> float:
        found = [from_draws(draws[:, study, 0], 1000, 2) for study in range(STUDIES)]
        return float(np.mean([bench.holds(one, 0.78) for one in found]))

    assert covered(mean_over_seeds(per_seed, seeds)) < 0.9
    assert covered(over_seeds(per_seed, seeds)) > 0.92
