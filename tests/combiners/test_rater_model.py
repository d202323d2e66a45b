"""The model of raters: its updates against brute force, its bound, its invariances, and its intervals."""

from typing import Any

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.combiners import rater_factors as factors
from outgrow.combiners import rater_model as model

ANY_SEED = pytest.mark.parametrize("seed", SEEDS)
LEVELS = np.arange(1.0, 6.0)


def drawn(seed: int, n_items: int = 40, n_raters: int = 6, each: int = 3, *, whole: bool = False) -> dict[str, Any]:
    """Scores of raters with a bias, a scale and a noise, of `each` raters an item."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(1, 6, n_items).astype(float) if whole else rng.normal(50, 15, n_items)
    unit, middle = (1.0, 3.0) if whole else (15.0, 50.0)
    bias, scale = rng.normal(0, 0.2, n_raters) * unit, rng.normal(1, 0.15, n_raters)
    noise = rng.uniform(0.2, 0.8, n_raters) * unit
    item = np.repeat(np.arange(n_items), each)
    source = np.concatenate([rng.choice(n_raters, each, replace=False) for _ in range(n_items)])
    value = middle + bias[source] + scale[source] * (truth[item] - middle) + noise[source] * rng.normal(size=len(item))
    value = np.clip(np.round(value), 1, 5) if whole else value
    return {"item": item, "source": source, "value": value, "truth": truth, "n_sources": n_raters}


def fitted(made: dict[str, Any], known: Any = None, levels: Any = None) -> model.RaterFit:
    known = np.full(len(made["truth"]), np.nan) if known is None else known
    return model.fit_raters(made["item"], made["source"], made["value"], known, made["n_sources"], levels)


def some_state(made: dict[str, Any], levels: Any = None) -> tuple[Any, Any]:
    """A state in the middle of the iteration, with its standardised scores."""
    value = (made["value"] - made["value"].mean()) / made["value"].std()
    standard = None if levels is None else (levels - made["value"].mean()) / made["value"].std()
    n_items = len(made["truth"])
    priors = model.CONTINUOUS if levels is None else model.ORDINAL
    scores = factors.Scores(made["item"], made["source"], value, np.zeros(n_items, bool), 1e-4, priors, standard)
    state = model.start(scores, np.zeros(n_items), made["n_sources"])
    for _ in range(3):
        state = factors.improved(scores, state)
    return scores, state


@ANY_SEED
def test_items_are_the_gaussian_posterior_of_fixed_raters(seed: int) -> None:
    """With a, b and τ fixed, q(z) is the product of the prior and of all likelihoods, integrated on a grid."""
    scores, state = some_state(drawn(seed))
    fixed = state._replace(line_variance=0 * state.line_variance)
    moved = factors.with_items(scores, fixed)
    grid = np.linspace(-12, 12, 24001)
    for item in range(5):
        log = -((grid - fixed.centre) ** 2) / (2 * fixed.spread)
        for vote in np.flatnonzero(scores.item == item):
            a, b = fixed.line[scores.source[vote]]
            precision = (fixed.shape / fixed.rate)[scores.source[vote]]
            log -= 0.5 * precision * (scores.value[vote] - a - b * grid) ** 2
        weight = np.exp(log - log.max())
        weight /= weight.sum()
        mean = weight @ grid
        assert moved.mean[item] == pytest.approx(mean, abs=1e-6)
        assert moved.variance[item] == pytest.approx(weight @ (grid - mean) ** 2, abs=1e-6)


@ANY_SEED
def test_levels_are_enumerated(seed: int) -> None:
    scores, state = some_state(drawn(seed, whole=True), LEVELS)
    fixed = state._replace(line_variance=0 * state.line_variance)
    share = (fixed.posterior.sum(axis=0) + 1) / (len(fixed.posterior) + 5)
    for item, row in enumerate(factors.with_levels(scores, fixed).posterior):
        likelihood = share.copy()
        for vote in np.flatnonzero(scores.item == item):
            a, b = fixed.line[scores.source[vote]]
            precision = (fixed.shape / fixed.rate)[scores.source[vote]]
            likelihood *= np.exp(-0.5 * precision * (scores.value[vote] - a - b * scores.levels) ** 2)
        np.testing.assert_allclose(row, likelihood / likelihood.sum(), atol=1e-9)


@ANY_SEED
def test_lines_are_a_bayesian_regression_on_known_items(seed: int) -> None:
    scores, state = some_state(drawn(seed))
    fixed = state._replace(variance=0 * state.variance)
    moved = factors.with_lines(scores, fixed)
    for source in range(len(state.line)):
        votes = scores.source == source
        design = np.stack([np.ones(votes.sum()), fixed.mean[scores.item[votes]]], axis=1)
        precision = (fixed.shape / fixed.rate)[source]
        inverse = precision * design.T @ design + np.diag(1 / fixed.prior_variance)
        right = precision * design.T @ scores.value[votes] + np.array([0, 1 / fixed.prior_variance[1]])
        np.testing.assert_allclose(moved.line[source], np.linalg.solve(inverse, right), atol=1e-9)
        np.testing.assert_allclose(moved.line_variance[source], np.linalg.inv(inverse), atol=1e-9)


@ANY_SEED
@pytest.mark.parametrize("levels", [None, LEVELS], ids=["continuous", "ordinal"])
def test_the_bound_never_falls_and_no_other_factor_has_more(seed: int, levels: Any) -> None:
    made = drawn(seed, whole=levels is not None)
    bound = np.array(fitted(made, levels=levels).bound)
    assert (np.diff(bound) > -1e-8).all()
    assert bound[-1] > bound[0]
    scores, state = some_state(made, levels)
    rng = np.random.default_rng(seed)
    at_lines, at_noises = factors.with_lines(scores, state), factors.with_noises(scores, state)
    for size in (1e-3, 1e-2, 0.1):
        other = at_lines.line + size * rng.normal(size=at_lines.line.shape)
        assert factors.bound_of(scores, at_lines._replace(line=other)) <= factors.bound_of(scores, at_lines) + 1e-9
        other = at_noises.rate * np.exp(size * rng.normal(size=at_noises.rate.shape))
        assert factors.bound_of(scores, at_noises._replace(rate=other)) <= factors.bound_of(scores, at_noises) + 1e-9
        if levels is None:
            at_items = factors.with_items(scores, state)
            other = at_items.mean + size * rng.normal(size=at_items.mean.shape)
            assert factors.bound_of(scores, at_items._replace(mean=other)) <= factors.bound_of(scores, at_items) + 1e-9


@ANY_SEED
@pytest.mark.parametrize("factor", [3.0, -0.5])
def test_another_unit_changes_the_unit_alone(seed: int, factor: float) -> None:
    made = drawn(seed)
    fit, moved = fitted(made), fitted({**made, "value": factor * made["value"] + 7})
    np.testing.assert_allclose(moved.mean, factor * fit.mean + 7, atol=1e-3)
    np.testing.assert_allclose(moved.deviation, abs(factor) * fit.deviation, atol=1e-3)
    np.testing.assert_allclose(moved.scale, fit.scale, atol=1e-4)


@ANY_SEED
def test_the_order_of_items_raters_and_scores_does_not_matter(seed: int) -> None:
    made = drawn(seed)
    rng = np.random.default_rng(seed)
    items, raters, rows = (rng.permutation(n) for n in (len(made["truth"]), made["n_sources"], len(made["item"])))
    item, source, value = (made[name][rows] for name in ("item", "source", "value"))
    known = np.full(len(items), np.nan)
    moved = model.fit_raters(items[item], raters[source], value, known, made["n_sources"])
    fit = fitted(made)
    np.testing.assert_allclose(moved.mean[items], fit.mean, atol=1e-6)
    np.testing.assert_allclose(moved.bias[raters], fit.bias, atol=1e-6)


@ANY_SEED
def test_known_scores_stay_and_settle_a_common_bias(seed: int) -> None:
    """All raters are 10 too high, which only known scores can show."""
    made = drawn(seed, n_items=120)
    made["value"] = made["value"] + 10
    known = np.where(np.arange(120) < 40, made["truth"], np.nan)
    without, fit = fitted(made), fitted(made, known)
    np.testing.assert_array_equal(fit.mean[:40], made["truth"][:40])
    assert (fit.deviation[:40] == 0).all()
    error, before = (np.abs(found.mean - made["truth"])[40:].mean() for found in (fit, without))
    assert error < 0.7 * before


def test_intervals_hold_the_truth_and_the_scores_are_closer_than_means() -> None:
    held, closer = [], []
    for seed in range(10):
        made = drawn(SEEDS[0] + seed, n_items=100, n_raters=8)
        fit = fitted(made)
        error = np.abs(fit.mean - made["truth"])
        held.append((error <= 1.96 * fit.deviation).mean())
        mean = np.bincount(made["item"], made["value"]) / np.bincount(made["item"])
        closer.append(np.sqrt((error**2).mean()) / np.sqrt(((mean - made["truth"]) ** 2).mean()))
    assert 0.88 <= np.mean(held) <= 0.99
    assert np.mean(closer) < 0.97


def test_levels_are_right_as_often_as_medians() -> None:
    right, medians = [], []
    for seed in range(40):
        made = drawn(SEEDS[1] + seed, n_items=100, n_raters=5, each=5, whole=True)
        fit = fitted(made, levels=LEVELS)
        median = np.median(made["value"][np.lexsort((made["source"], made["item"]))].reshape(100, 5), axis=1)
        at = median.astype(int) - 1
        right.append((LEVELS[model.most_probable_levels(fit.levels, at, at)] == made["truth"]).mean())
        medians.append((median == made["truth"]).mean())
    assert np.mean(right) >= np.mean(medians) - 0.02


def test_one_rater_with_one_score_is_the_average_rater() -> None:
    rng = np.random.default_rng(SEEDS[2])
    made = drawn(SEEDS[2])
    made["item"], made["source"] = np.append(made["item"], 0), np.append(made["source"], 6)
    made["value"], made["n_sources"] = np.append(made["value"], rng.normal(50, 15)), 8
    fit = fitted(made)
    assert fit.scale[6] == pytest.approx(1, abs=0.3)
    assert (fit.bias[7], fit.scale[7]) == (pytest.approx(0, abs=1e-9), pytest.approx(1))
