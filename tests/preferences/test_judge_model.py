"""The model of judges: the likelihood by integration, derivatives by differences, and what must not matter."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, stats
from simulated_judges import simulate

from drawn_seeds import SEEDS
from outgrow.comparisons import TIE, Comparisons
from outgrow.preferences.design import constant_judges, design_of
from outgrow.preferences.fit_pairs import fit_pairs
from outgrow.preferences.judge_model import Cells, curvature, log_posterior


def softened(votes: Comparisons, rng) -> Comparisons:
    """Some votes as shares, and some orders unknown."""
    shares = np.where(rng.random((votes.n_votes, 1)) < 0.3, rng.dirichlet(np.ones(3), votes.n_votes), votes.shares)
    return replace(votes, shares=shares, place=np.where(rng.random(votes.n_votes) < 0.2, 0, votes.place))


def point(seed, **how):
    rng = np.random.default_rng(seed)
    votes = softened(simulate(rng, **({"n_items": 8} | how)).votes, rng)
    design = design_of(votes, constant_judges(votes), None)
    return votes, design, design.prior_mean + rng.normal(size=len(design.prior_mean)) * 0.3


def by_definition(votes, design, free):
    """The log posterior, a pair at a time by adaptive integration."""
    judges, total = design.judges(free), 0.0
    lead = free[votes.pair_system[:, 0]] - free[votes.pair_system[:, 1]]
    for q in range(votes.n_pairs):
        rows = np.flatnonzero(votes.pair == q)

        def joint(difference, q=q, rows=rows):
            value = stats.norm.pdf(difference, lead[q], 1)
            for v in rows:
                j = votes.judge[v]
                x = np.exp(judges.log_discrimination[j]) * difference + judges.bias[j] * votes.place[v]
                weight = np.array([np.exp(x / 2), np.exp(-x / 2), np.exp(judges.log_tie[j])])
                value *= np.prod((weight / weight.sum()) ** votes.shares[v])
            return value

        total += np.log(integrate.quad(joint, lead[q] - 9, lead[q] + 9, epsabs=0, epsrel=1e-10, limit=200)[0])
    return total - 0.5 * (((free - design.prior_mean) / design.prior_sd) ** 2).sum()


def central(function, free, step=1e-5):
    return np.array([(function(free + e) - function(free - e)) / (2 * step) for e in np.eye(len(free)) * step])


@pytest.mark.parametrize("seed", SEEDS)
def test_the_likelihood_is_the_integral(seed):
    votes, design, free = point(seed)
    assert log_posterior(free, Cells(votes), design)[0] == pytest.approx(by_definition(votes, design, free), abs=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("systems", [True, False])
def test_gradient_and_hessian_are_those_of_differences(systems, seed):
    votes, design, free = point(seed)
    if not systems:
        votes = replace(votes, systems=(), pair_system=np.full_like(votes.pair_system, -1))
        design = design_of(votes, constant_judges(votes), None)
        free = free[: len(design.prior_mean)]
    cells = Cells(votes)
    gradient = log_posterior(free, cells, design)[1]
    np.testing.assert_allclose(gradient, central(lambda f: log_posterior(f, cells, design)[0], free), atol=1e-6)
    found = curvature(free, cells, design)
    wanted = central(lambda f: log_posterior(f, cells, design)[1], free)
    np.testing.assert_allclose(-found.information, wanted, atol=1e-6)
    np.testing.assert_allclose(
        np.asarray(found.scores.sum(axis=0)).ravel() + design.log_prior(free)[1], gradient, atol=1e-9
    )


def test_the_hessian_does_not_depend_on_the_size_of_its_blocks(monkeypatch):
    votes, design, free = point(SEEDS[0])
    whole = curvature(free, Cells(votes), design)
    monkeypatch.setattr("outgrow.preferences.judge_model.ROWS", 7)
    parts = curvature(free, Cells(votes), design)
    np.testing.assert_allclose(parts.information, whole.information, atol=1e-10)
    np.testing.assert_allclose(parts.scores.toarray(), whole.scores.toarray(), atol=1e-12)


def test_the_mode_is_a_mode_with_skills_that_sum_to_zero():
    votes = simulate(np.random.default_rng(SEEDS[0])).votes
    fit = fit_pairs(votes)
    assert np.abs(log_posterior(fit.free, Cells(votes), fit.design)[1]).max() < 1e-2
    assert (np.linalg.eigvalsh(fit.model_variance) > 0).all()
    assert fit.skill.sum() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_called_a_and_the_order_of_rows_judges_and_systems_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    votes = softened(simulate(rng).votes, rng)
    fit, preference = fit_pairs(votes), fit_pairs(votes).posterior().preference

    turned = rng.random(votes.n_pairs) < 0.5
    swapped = fit_pairs(votes.swapped(turned))
    np.testing.assert_allclose(swapped.skill, fit.skill, atol=1e-4)
    np.testing.assert_allclose(swapped.posterior().preference, np.where(turned, 1 - preference, preference), atol=1e-4)

    rows, judges, systems = (rng.permutation(n) for n in (votes.n_votes, len(votes.judges), len(votes.systems)))
    other = replace(
        votes,
        judges=tuple(votes.judges[j] for j in judges),
        systems=tuple(votes.systems[s] for s in systems),
        pair_system=np.argsort(systems)[votes.pair_system],
        pair=votes.pair[rows],
        judge=np.argsort(judges)[votes.judge[rows]],
        place=votes.place[rows],
        shares=votes.shares[rows],
    )
    again = fit_pairs(other)
    np.testing.assert_allclose(again.skill, fit.skill[systems], atol=1e-4)
    np.testing.assert_allclose(again.judges.bias, fit.judges.bias[judges], atol=1e-4)
    np.testing.assert_allclose(again.posterior().preference, preference, atol=1e-4)


@pytest.mark.parametrize("seed", SEEDS)
def test_all_choices_turned_round_turn_the_ranking_round(seed):
    votes = simulate(np.random.default_rng(seed)).votes
    turned = replace(votes, shares=votes.shares[:, [1, 0, 2]], place=-votes.place)
    np.testing.assert_allclose(fit_pairs(turned).skill, -fit_pairs(votes).skill, atol=1e-4)


def test_a_judge_that_always_says_the_same_has_the_median_weight_and_does_not_decide():
    rng = np.random.default_rng(SEEDS[0])
    votes = simulate(rng, n_items=120).votes
    stuck = np.where(votes.place > 0, 0, 1)
    parrot = votes.judge == 3
    votes = replace(votes, shares=np.where(parrot[:, None], np.eye(3)[stuck], votes.shares))
    fit = fit_pairs(votes)
    assert fit.constant.tolist() == [False, False, False, True]
    without = fit_pairs(votes.only(~parrot))
    median = np.median(without.judges.log_discrimination[:3])
    assert fit.judges.log_discrimination[3] == pytest.approx(median, abs=1e-4)
    assert fit.judges.bias[3] > 2
    assert np.abs(fit.posterior().preference - without.posterior().preference).mean() < 0.05


def test_judges_that_never_tie_never_tie_in_the_model():
    votes = simulate(np.random.default_rng(SEEDS[1])).votes
    tied = np.bincount(votes.judge, votes.shares[:, TIE]) > 0
    log_tie = fit_pairs(votes).judges.log_tie
    assert (log_tie[~tied] < -40).all()
    assert (log_tie[tied] > -6).all()


def test_with_one_order_only_a_bias_is_relative_and_the_lead_of_the_first_texts_is_not_one():
    rng = np.random.default_rng(SEEDS[0])
    votes = simulate(rng, n_items=300, discrimination=(2.0,) * 4, bias=(0.0, 0.0, 0.0, 1.5), tie=(0.0,) * 4).votes
    first = votes.shares.copy()
    one_order = replace(
        votes,
        systems=(),
        pair_system=np.full_like(votes.pair_system, -1),
        place=np.ones_like(votes.place),
        shares=first,
    )
    assert votes.both_orders
    assert not one_order.both_orders
    assert fit_pairs(one_order).skill.size == 0
    assert np.abs(fit_pairs(one_order).judges.bias.mean()) < 0.4
