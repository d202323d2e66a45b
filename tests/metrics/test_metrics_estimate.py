"""Numbers and their one way of being written."""

import numpy as np
import pytest

from outgrow.metrics.estimate import Estimate, from_draws, show, show_number, show_percent, undefined


def test_value_is_first_draw_and_interval_the_quantiles_of_the_others() -> None:
    draws = np.concatenate([[0.5], np.arange(1001) / 1000])
    estimate = from_draws(draws, n=7, seeds=2)
    assert (estimate.value, estimate.low, estimate.high, estimate.n, estimate.seeds) == (0.5, 0.025, 0.975, 7, 2)


def test_undefined_is_a_state() -> None:
    missing = undefined("no gap", n=3)
    assert not missing.defined
    assert not missing.clear
    assert show(missing) == "undefined"
    assert missing.note == "no gap"
    assert from_draws(np.full(10, np.nan), 3, 1).value is None


def test_no_interval_without_enough_resamples() -> None:
    draws = np.full(101, np.nan)
    draws[:20] = 0.4
    estimate = from_draws(draws, 3, 1)
    assert estimate.value == 0.4
    assert estimate.low is None
    assert show(estimate) == "0.400"


@pytest.mark.parametrize(
    ("value", "signed", "text"),
    [(0.7534, False, "0.753"), (-0.0121, True, "−0.012"), (0.0121, True, "+0.012"), (-0.0001, True, "0.000")],
)
def test_show_number(value: float, signed: bool, text: str) -> None:
    assert show_number(value, signed=signed) == text


def test_clear_means_that_zero_is_outside() -> None:
    assert Estimate(0.1, 0.05, 0.2, 10, 1).clear
    assert Estimate(-0.1, -0.2, -0.05, 10, 1).clear
    assert not Estimate(0.1, -0.05, 0.2, 10, 1).clear


def test_percent() -> None:
    assert show_percent(0.814) == "81 %"
    assert show_percent(None) == "undefined"
