"""Fits of simulated judges whose truth is known: ranking, position bias, soft preferences, intervals, ranks."""

from dataclasses import replace

import numpy as np
import pytest
from simulated_judges import BIAS, DISCRIMINATION, simulate

from drawn_seeds import SEEDS
from outgrow.comparisons import Comparisons, groups_of_systems
from outgrow.preferences.fit_pairs import Z95, fit_pairs
from outgrow.preferences.judge_table import agreements, copies, judge_rows, remarks
from outgrow.preferences.ranks import ranks_of

SPREAD = 12
"""Fits whose intervals are counted."""


def log_loss(preference, a_is_better):
    right = np.where(a_is_better, preference, 1 - preference)
    return -np.log(np.clip(right, 1e-12, 1)).mean()


def smoothed_share(votes: Comparisons):
    """The share of the votes for a, ties halved, with one vote for each side."""
    n = np.bincount(votes.pair, minlength=votes.n_pairs)
    return (np.bincount(votes.pair, (votes.lead + 1) / 2, votes.n_pairs) + 1) / (n + 2)


@pytest.mark.parametrize("seed", SEEDS)
def test_ranking_and_judges_are_found_again(seed):
    simulated = simulate(np.random.default_rng(seed), n_items=400)
    fit = fit_pairs(simulated.votes)
    assert np.argsort(fit.skill).tolist() == np.argsort(simulated.skill).tolist()
    assert np.argsort(-fit.judges.log_discrimination).tolist() == [0, 1, 2, 3]
    assert np.abs(fit.judges.bias - BIAS).max() < 4 * fit.judge_sd.bias.max()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("coverage", [1.0, 0.6])
def test_soft_preferences_are_calibrated_and_better_than_the_share_of_votes(coverage, seed):
    simulated = simulate(np.random.default_rng(seed), n_items=500, coverage=coverage)
    truth = simulated.difference > 0
    preference = fit_pairs(simulated.votes).posterior().preference
    assert log_loss(preference, truth) < log_loss(smoothed_share(simulated.votes), truth) - 0.03
    sure = np.abs(preference - 0.5)
    for low, high in ((0.0, 0.2), (0.2, 0.4), (0.4, 0.5)):
        inside = (sure >= low) & (sure <= high)
        expected = 0.5 + sure[inside].mean()
        right = ((preference > 0.5) == truth)[inside]
        assert right.mean() == pytest.approx(expected, abs=0.02 + 4 * np.sqrt(0.25 / inside.sum()))


def test_intervals_hold_the_truth():
    inside = {"skill": [], "bias": [], "discrimination": [], "rank": []}
    for seed in range(SPREAD):
        simulated = simulate(np.random.default_rng([SEEDS[0], seed]), n_items=60)
        fit = fit_pairs(simulated.votes)
        sd = np.sqrt(np.maximum(*(np.diag(variance) for variance in fit.skill_variances)))
        inside["skill"].extend(np.abs(fit.skill - simulated.skill) < Z95 * sd)
        inside["bias"].extend(np.abs(fit.judges.bias - BIAS) < Z95 * fit.judge_sd.bias)
        log_found = fit.judges.log_discrimination - np.log(DISCRIMINATION)
        inside["discrimination"].extend(np.abs(log_found) < Z95 * fit.judge_sd.log_discrimination)
        ranks = ranks_of(fit.skill, fit.skill_variances)
        true = np.array([1, 2, 3, 4])
        inside["rank"].extend((ranks.low <= true) & (true <= ranks.high))
    shares = {name: np.mean(hits) for name, hits in inside.items()}
    assert min(shares.values()) > 0.8, shares
    assert shares["rank"] > 0.93


@pytest.mark.parametrize("spread", [0.0, 0.3, 2.0])
def test_an_interval_of_ranks_holds_the_true_rank_also_of_nearly_equal_systems(spread):
    rng, held, n = np.random.default_rng(SEEDS[0]), [], 6
    for _ in range(100):
        skill = rng.standard_normal(n) * spread + np.arange(n) * 1e-6
        root = rng.standard_normal((n, n)) / n
        variance = root @ root.T + np.diag(rng.uniform(0.01, 0.1, n))
        estimate = rng.multivariate_normal(skill, variance)
        ranks = ranks_of(estimate, [variance])
        true = 1 + (skill > skill[:, None]).sum(axis=1)
        held.extend((ranks.low <= true) & (true <= ranks.high))
        assert ((ranks.low <= ranks.rank) & (ranks.rank <= ranks.high)).all()
    assert np.mean(held) > 0.93


def test_ranks_of_two_systems_are_sure_where_the_difference_is():
    for gap, sure in ((1.9, False), (2.1, True)):
        ranks = ranks_of(np.array([gap, 0.0]), [np.eye(2) / 2])
        assert (ranks.high == ranks.low).all() == sure
        assert ranks.rank.tolist() == [1, 2]


def test_a_pair_that_its_judges_turn_round_with_the_order_has_no_winner():
    votes = simulate(np.random.default_rng(SEEDS[0]), n_items=200, bias=(4.0, 4.0, 0.0, 0.0)).votes
    pair = votes.n_pairs
    extra = Comparisons(
        votes.items,
        votes.systems,
        votes.judges,
        np.append(votes.pair_item, 0),
        np.append(votes.pair_system, [[0, 1]], axis=0),
        np.append(votes.pair, [pair, pair]),
        np.append(votes.judge, [0, 0]),
        np.append(votes.place, [1, -1]),
        np.append(votes.shares, np.eye(3)[:2], axis=0),
    )
    assert fit_pairs(extra).posterior().preference[pair] == pytest.approx(0.5, abs=0.02)


def test_skills_as_prior_are_for_those_who_ask():
    votes = simulate(np.random.default_rng(SEEDS[0]), n_items=200, skills=(2.0, -2.0), pairs=1, coverage=0.4).votes
    fit = fit_pairs(votes)
    better = np.where(
        votes.pair_system[:, 0] == 0,
        fit.posterior(by_skill=True).preference,
        1 - fit.posterior(by_skill=True).preference,
    )
    plain = np.where(votes.pair_system[:, 0] == 0, fit.posterior().preference, 1 - fit.posterior().preference)
    assert better.mean() > plain.mean()


def test_agreement_is_that_of_a_loop():
    votes = simulate(np.random.default_rng(SEEDS[0]), n_items=20, coverage=0.7).votes
    votes = replace(votes, pair=votes.pair // 2, pair_item=votes.pair_item[::2], pair_system=votes.pair_system[::2])
    same, every = np.zeros(4), np.zeros(4)
    for v in range(votes.n_votes):
        for w in range(votes.n_votes):
            lead = votes.lead[v], votes.lead[w]
            if votes.pair[v] == votes.pair[w] and votes.judge[v] != votes.judge[w] and lead[0] and lead[1]:
                every[votes.judge[v]] += 1
                same[votes.judge[v]] += lead[0] == lead[1]
    np.testing.assert_allclose(agreements(votes), same / every)


def test_groups_copies_and_single_orders_are_said():
    simulated = simulate(np.random.default_rng(SEEDS[0]), n_items=60).votes
    within = (simulated.pair_system < 2).all(axis=1) | (simulated.pair_system > 1).all(axis=1)
    kept, pairs = within[simulated.pair], np.cumsum(within) - 1
    apart = replace(
        simulated,
        pair_item=simulated.pair_item[within],
        pair_system=simulated.pair_system[within],
        pair=pairs[simulated.pair[kept]],
        judge=simulated.judge[kept],
        place=simulated.place[kept],
        shares=simulated.shares[kept],
    )
    assert sorted(map(sorted, groups_of_systems(apart))) == [[0, 1], [2, 3]]
    assert any("`system 0`, `system 1`" in sentence for sentence in remarks(fit_pairs(apart)))
    assert len(groups_of_systems(simulated)) == 1

    copied = simulated.judge == 0
    doubled = replace(
        simulated,
        judges=(*simulated.judges, "echo"),
        **{
            name: np.concatenate([getattr(simulated, name), getattr(simulated, name)[copied]])
            for name in ("pair", "place", "shares")
        },
        judge=np.concatenate([simulated.judge, np.full(copied.sum(), 4)]),
    )
    assert copies(simulated) == []
    assert [found[:2] for found in copies(doubled)] == [(0, 4)]
    assert any("`echo`" in sentence for sentence in remarks(fit_pairs(doubled)))


def test_the_table_of_judges_has_ties_and_no_bias_without_orders():
    votes = simulate(np.random.default_rng(SEEDS[0])).votes
    rows = judge_rows(fit_pairs(votes))
    for j, row in enumerate(rows):
        assert row.tie_share == pytest.approx(votes.shares[votes.judge == j, 2].mean())
        assert row.discrimination_low < row.discrimination < row.discrimination_high
        assert row.position_bias_low < row.position_bias < row.position_bias_high
    unknown = judge_rows(fit_pairs(replace(votes, place=np.zeros_like(votes.place))))
    assert all(row.position_bias is None for row in unknown)
