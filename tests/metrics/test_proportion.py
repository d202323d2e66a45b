"""Intervals of shares near 0 and 1: how often they cover, counted exactly over all that could have been seen."""

import numpy as np
import pytest
from scipy.stats import beta, binom, binomtest

from drawn_seeds import SEEDS
from outgrow.metrics.bootstrap import over_seeds, seed_means
from outgrow.metrics.estimate import from_draws
from outgrow.metrics.pgr import performance_gap_recovered
from outgrow.metrics.proportion import FEW, clopper_pearson, difference_from_draws, near_edge, share_from_draws
from resamples import draw_resamples

DRAWS = 4000


def bootstrapped(n: int, right: int, seed: int = 0) -> np.ndarray:
    """The draws of a share of n independent items of which so many are right."""
    drawn = np.random.default_rng([seed, n, right]).binomial(n, right / n, DRAWS) / n
    return np.concatenate([[right / n], drawn])


def covering(n: int, seed: int = 0) -> np.ndarray:
    """The interval for every possible number of right items [right, 2]."""
    found = [share_from_draws(bootstrapped(n, right, seed), n, n, 1) for right in range(n + 1)]
    return np.asarray([(one.low, one.high) for one in found])


def coverage(n: int, share: float, ends: np.ndarray) -> float:
    held = (ends[:, 0] <= share + 1e-9) & (share - 1e-9 <= ends[:, 1])
    return float((binom.pmf(np.arange(n + 1), n, share) * held).sum())


@pytest.mark.parametrize("n", [10, 20, 100])
def test_the_nominal_level_is_kept_near_the_edges_and_nearly_kept_between(n: int) -> None:
    ends = covering(n)
    near = [share for share in (0.001, 0.005, 0.01, 0.02, 0.05, 0.1) if n * share <= 2]
    for share in [*near, *(1 - share for share in near)]:
        assert coverage(n, share, ends) >= 0.95, (n, share)
    assert min(coverage(n, share, ends) for share in np.linspace(0.001, 0.999, 999)) > 0.91
    plain = np.asarray([np.quantile(bootstrapped(n, right)[1:], (0.025, 0.975)) for right in range(n + 1)])
    assert coverage(n, 0.5 / n, plain) < 0.5, "what the bootstrap alone covers"


@pytest.mark.parametrize(("right", "n"), [(0, 20), (20, 20), (1, 20), (3, 10), (0, 1), (2, 400)])
def test_clopper_and_pearsons_interval_at_and_near_the_edge(right: int, n: int) -> None:
    wanted = binomtest(right, n).proportion_ci(method="exact")
    np.testing.assert_allclose(clopper_pearson(right / n, float(n)), (wanted.low, wanted.high), rtol=1e-9)
    found = share_from_draws(bootstrapped(n, right), n, n, 1)
    assert found.low is not None
    assert found.high is not None
    # The bootstrap's own variance is that of so many items but for chance.
    assert found.low <= wanted.low + 0.01
    assert found.high >= wanted.high - 0.01
    assert found.value == pytest.approx(right / n, abs=1e-6)


def test_zero_of_twenty_by_hand() -> None:
    found = share_from_draws(bootstrapped(20, 0), 20, 20, 1)
    assert (found.value, found.low) == (0, 0)
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 20), abs=1e-6)
    assert found.high == pytest.approx(beta.ppf(0.975, 1, 20), abs=1e-6)


@pytest.mark.parametrize("right", [FEW, 10, 20 - FEW])
def test_away_from_the_edges_nothing_changes(right: int) -> None:
    draws = bootstrapped(20, right)
    assert share_from_draws(draws, 20, 20, 1) == from_draws(draws, 20, 1)
    assert not near_edge(draws, 20)
    other = bootstrapped(20, 10, seed=1)
    assert difference_from_draws(draws, other, 20, 20, 1) == from_draws(draws - other, 20, 1)


def test_items_that_belong_together_count_once() -> None:
    everything = np.ones(DRAWS + 1)
    apart, together = (share_from_draws(everything, 100, groups, 3) for groups in (100, 10))
    assert apart.low == pytest.approx(0.025 ** (1 / 100), abs=1e-6)
    assert together.low == pytest.approx(0.025 ** (1 / 10), abs=1e-6)
    assert (together.n, together.seeds) == (100, 3)


@pytest.mark.parametrize("seed", SEEDS)
def test_seeds_and_groups_drawn_together_keep_the_level(seed: int) -> None:
    """Groups of four items that are right or wrong together, three seeds of the same items, 97 % right."""
    rng, groups, held = np.random.default_rng(seed), 15, 0
    group = np.repeat(np.arange(groups), 4)
    for _ in range(200):
        resamples = draw_resamples(3, groups, 200, rng)
        correct = np.broadcast_to((rng.random(groups) < 0.97)[group], (1, 3, len(group)))
        per_seed = seed_means(resamples.items[:, group], correct, np.ones((1, 3, len(group)), dtype=bool))
        draws = over_seeds(per_seed[:, 0], resamples.seeds)
        found = share_from_draws(draws, len(group), groups, 3)
        held += found.low is not None and found.high is not None and found.low <= 0.97 <= found.high
    assert held / 200 > 0.93


@pytest.mark.parametrize(("first", "second"), [(1.0, 1.0), (0.99, 0.97), (0.95, 0.95), (0.02, 0.05), (0.97, 0.6)])
@pytest.mark.parametrize("n", [10, 20])
def test_differences_near_the_edge_keep_the_level(n: int, first: float, second: float) -> None:
    draws = {right: bootstrapped(n, right) for right in range(n + 1)}
    other = {right: bootstrapped(n, right, seed=1) for right in range(n + 1)}
    held = 0.0
    for a in range(n + 1):
        for b in range(n + 1):
            found = difference_from_draws(draws[a], other[b], n, n, 1)
            inside = found.low is not None and found.high is not None and found.low <= first - second <= found.high
            held += inside * binom.pmf(a, n, first) * binom.pmf(b, n, second)
    assert held > 0.945


def test_two_rows_that_are_all_right_may_still_differ() -> None:
    found = difference_from_draws(np.ones(101), np.ones(101), 20, 20, 1)
    reach = 1 - 0.025 ** (1 / 20)
    assert (found.value, found.low, found.high) == (0, pytest.approx(-reach, abs=1e-6), pytest.approx(reach, abs=1e-6))


def resampled(rights: list[int], n: int = 20) -> tuple[list[np.ndarray], np.ndarray]:
    """Rows that are right on the first so many of n items, one seed [draw seed] each, and the seeds' draws."""
    resamples = draw_resamples(1, n, 1000, np.random.default_rng(SEEDS[0]))
    correct = (np.arange(n) < np.asarray(rights)[:, None])[:, None]
    per_seed = seed_means(resamples.items, correct, np.ones((1, 1, n), dtype=bool))
    return [per_seed[:, row] for row in range(len(rights))], resamples.seeds


@pytest.mark.parametrize(("supervisor", "defined"), [(10, True), (13, True), (16, False), (17, False), (20, False)])
def test_a_gap_within_the_covering_interval_has_no_pgr(supervisor: int, defined: bool) -> None:
    (weak, student, top), seeds = resampled([supervisor, 19, 20])
    found = performance_gap_recovered(student, {"one": weak}, top, seeds, 20)
    assert found.average.defined is defined
    if not defined:
        assert "within noise" in found.average.note
    # A student and a ceiling that differ by one of twenty items may be the same, or not at all.
    elif found.average.low is not None and found.average.high is not None:
        assert found.average.low < 0.9 < 1 < found.average.high


def test_the_same_accuracies_of_many_items_leave_pgr_as_it_was() -> None:
    (weak, student, top), seeds = resampled([200, 260, 320], n=400)
    found = performance_gap_recovered(student, {"one": weak}, top, seeds, 400)
    draws = (over_seeds(student, seeds) - over_seeds(weak, seeds)) / (over_seeds(top, seeds) - over_seeds(weak, seeds))
    assert found.average == from_draws(draws, 400, 1)
