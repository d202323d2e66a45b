"""The threshold of a cascade: by brute force, and its promise in simulations with a known truth."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import binom

from drawn_seeds import SEEDS
from outgrow.metrics.cascade import (
    certified,
    fallback,
    items_needed,
    lower_bound,
    p_value,
    starting_shares,
    thresholds_of,
)

LEVEL = 0.9
WORLDS = {
    "calibrated": lambda c: c,
    "too sure": lambda c: 0.6 * c + 0.3,
    "at the target everywhere": lambda c: np.full_like(c, 0.85),
    "below the target in the middle": lambda c: np.where((c > 0.8) & (c < 0.95), 0.7, 0.95),
    "worse where it is sure": lambda c: 1.45 - 0.75 * c,
}
"""From confidence to the chance of a right answer."""


def drawn(rng: np.random.Generator, n: int) -> np.ndarray:
    return 0.5 + 0.5 * rng.beta(3, 1, n)


@pytest.mark.parametrize("world", WORLDS)
def test_the_promise_is_kept_as_often_as_it_says(world: str) -> None:
    rng, truth, target, repeats = np.random.default_rng(SEEDS[0]), WORLDS[world], 0.86, 800
    everything = np.sort(drawn(rng, 200_000))
    mean_above = np.cumsum(truth(everything)[::-1])[::-1] / np.arange(len(everything), 0, -1)
    broken, found = 0, 0
    for _ in range(repeats):
        confidence, reference = drawn(rng, 250), drawn(rng, 300)
        right = rng.random(250) < truth(confidence)
        cascade = certified(confidence, right, reference, target, LEVEL)
        if cascade is not None:
            found += 1
            broken += mean_above[np.searchsorted(everything, cascade.threshold)] < target
    assert broken / repeats <= (1 - LEVEL) + 3 * math.sqrt(LEVEL * (1 - LEVEL) / repeats)
    if world == "calibrated":
        assert found > 0.8 * repeats, "a good student may answer something alone"


def test_p_values_and_bounds_are_those_of_the_binomial() -> None:
    rng = np.random.default_rng(SEEDS[1])
    for n, accuracy in itertools.product((1, 7, 60), (0.5, 0.95)):
        right = int(rng.integers(0, n + 1))
        assert p_value(right, n, accuracy) == pytest.approx(binom.sf(right - 1, n, accuracy), abs=1e-12)
        low = lower_bound(right, n, 0.05)
        assert (p_value(right, n, accuracy) <= 0.05) == (low >= accuracy)
    assert accuracy ** items_needed(accuracy, 0.05) <= 0.05 < accuracy ** (items_needed(accuracy, 0.05) - 1)


def test_the_error_is_divided_and_handed_on() -> None:
    rng = np.random.default_rng(SEEDS[2])
    for n in range(1, 12):
        shares = starting_shares(n)
        assert shares.sum() == pytest.approx(1)
        assert (shares > 0).sum() == min(n, 4)
        assert shares[0] > 0
        p_values = rng.choice([0.0, 1.0], n).tolist()
        for j, error in enumerate(fallback(p_values, shares, 0.1)):
            run = next((i for i in range(j, 0, -1) if p_values[i - 1] > 0), 0)
            assert error == pytest.approx(0.1 * shares[run : j + 1].sum())


def test_the_order_of_items_does_not_count_and_more_is_never_asked_of_a_better_student() -> None:
    rng = np.random.default_rng(SEEDS[0])
    confidence, reference = drawn(rng, 400), drawn(rng, 400)
    right = rng.random(400) < confidence
    order = rng.permutation(400)
    found = certified(confidence, right, reference, 0.85, LEVEL)
    assert found == certified(confidence[order], right[order], reference[order], 0.85, LEVEL)
    perfect = certified(confidence, np.ones(400, bool), reference, 0.85, LEVEL)
    assert perfect is not None
    assert (perfect.threshold, perfect.n, perfect.right) == (0.0, 400, 400)


def test_too_few_items_certify_nothing() -> None:
    few = items_needed(0.95, 0.05) - 1
    sure = np.full(few, 0.99)
    assert certified(sure, np.ones(few, bool), sure, 0.95, 0.95) is None
    enough = np.full(few + 1, 0.99)
    assert certified(enough, np.ones(few + 1, bool), sure, 0.95, 0.95) is not None


def test_thresholds_fall_to_zero_and_need_no_other_items() -> None:
    rng = np.random.default_rng(SEEDS[1])
    thresholds = thresholds_of(drawn(rng, 1000), 500, 0.9, 0.05)
    assert (np.diff(thresholds) < 0).all()
    assert thresholds[-1] == 0
    assert thresholds_of(np.empty(0), 500, 0.9, 0.05).tolist() == [0.0]
