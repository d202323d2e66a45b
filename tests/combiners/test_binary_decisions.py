"""Yes-or-no decisions by shared sources: brute force, the objective, invariances, and simulated sources."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from drawn_seeds import SEEDS
from outgrow.combiners import binary_decisions as model

ANY_SEED = pytest.mark.parametrize("seed", SEEDS)


def drawn(seed: int, n_items: int = 60, n_sources: int = 4, n_groups: int = 3) -> tuple[model.Decisions, np.ndarray]:
    """Votes on every group of items that a source has seen, and the truth of each unit."""
    rng = np.random.default_rng(seed)
    true = rng.random((n_items, n_groups)) < np.linspace(0.5, 0.1, n_groups)
    recall, alarm = rng.uniform(0.6, 0.95, n_sources), rng.uniform(0.02, 0.15, n_sources)
    said = rng.random((n_items, n_sources, n_groups)) < np.where(true[:, None], recall[:, None], alarm[:, None])
    item, source = np.nonzero(rng.random((n_items, n_sources)) < 0.7)
    unit = (item[:, None] * n_groups + np.arange(n_groups)).ravel()
    group = np.tile(np.arange(n_groups), n_items)
    known = np.full(len(group), np.nan)
    votes = model.Decisions(
        unit, np.repeat(source, n_groups), said[item, source].ravel(), group, known, n_sources, n_groups
    )
    return votes, true.ravel()


@ANY_SEED
def test_the_posterior_is_bayes_rule_unit_by_unit(seed: int) -> None:
    votes, _ = drawn(seed)
    fit = model.fit_decisions(votes)
    posterior, likelihood = model._posterior(votes, fit.yes, fit.balance)
    total = 0.0
    for unit, group in enumerate(votes.group.tolist()):
        both = [1 - fit.balance[group], fit.balance[group]]
        for vote in np.flatnonzero(votes.unit == unit):
            for truth in (0, 1):
                rate = fit.yes[truth, votes.source[vote], group]
                both[truth] *= rate if votes.said[vote] else 1 - rate
        assert posterior[unit] == pytest.approx(both[1] / sum(both), abs=1e-9)
        total += np.log(sum(both))
    assert likelihood == pytest.approx(total)


@ANY_SEED
def test_rates_maximise_the_objective(seed: int) -> None:
    """A source's own rate is the best of all numbers for the penalty, with its rates by group given."""
    votes, _ = drawn(seed)
    posterior = np.random.default_rng(seed).random(len(votes.group))
    yes, own = model._rates(votes, posterior, np.repeat([[0.1], [0.8]], 4, axis=1))
    balance = np.full(3, 0.3)
    for truth in (0, 1):
        for source in range(4):

            def penalty(rate: float, at: Any = (truth, source)) -> float:
                moved = own.copy()
                moved[at] = rate
                return model._penalty(yes, moved, balance, 0.3)

            best = minimize_scalar(penalty, bounds=(1e-6, 1 - 1e-6), method="bounded", options={"xatol": 1e-9}).x
            assert own[truth, source] == pytest.approx(best, abs=1e-5)


@ANY_SEED
def test_the_objective_never_falls(seed: int) -> None:
    votes, _ = drawn(seed)
    assert (np.diff(model.fit_decisions(votes).objective) > -1e-8).all()


@ANY_SEED
def test_the_order_of_votes_sources_and_groups_does_not_matter(seed: int) -> None:
    votes, _ = drawn(seed)
    rng = np.random.default_rng(seed)
    rows, sources, groups = rng.permutation(len(votes.unit)), rng.permutation(4), rng.permutation(3)
    moved = votes._replace(
        unit=votes.unit[rows], source=sources[votes.source[rows]], said=votes.said[rows], group=groups[votes.group]
    )
    fit, other = model.fit_decisions(votes), model.fit_decisions(moved)
    np.testing.assert_allclose(other.posterior, fit.posterior, atol=1e-6)
    np.testing.assert_allclose(other.yes[:, sources][:, :, groups], fit.yes, atol=1e-6)


@ANY_SEED
def test_known_units_stay(seed: int) -> None:
    votes, true = drawn(seed)
    known = np.where(np.random.default_rng(seed).random(len(true)) < 0.3, true, np.nan)
    posterior = model.fit_decisions(votes._replace(known=known)).posterior
    np.testing.assert_array_equal(posterior[~np.isnan(known)], known[~np.isnan(known)])


def test_it_is_right_more_often_than_the_majority() -> None:
    gains = []
    for seed in range(8):
        votes, true = drawn(SEEDS[0] + seed, n_items=150, n_sources=5)
        fit = model.fit_decisions(votes)
        n = np.bincount(votes.unit, minlength=len(true))
        share = np.bincount(votes.unit, votes.said, minlength=len(true)) / np.maximum(n, 1)
        gains.append(((fit.posterior > 0.5) == true).mean() - ((share > 0.5) == true).mean())
    assert np.mean(gains) > 0
