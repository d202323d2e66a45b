"""Triplets: exact where the moments are, equal to sums over triplets, fall back where there is nothing to solve."""

import itertools

import numpy as np
import pytest
import textbook_sources as textbook
from by_name import triplets, vote, weighted_vote

from drawn_seeds import SEEDS
from outgrow.combiners.triplets import fit_triplets, triplet_squares
from outgrow.combiners.vote import log_odds_sum
from outgrow.combiners.votes import Votes
from outgrow.labels import Anchors


def exact_codes(right_of_ten, classes):
    """Every pattern of votes as often as independent one-coin sources show it; wrong in all ways alike."""
    outcomes = []
    for right in right_of_ten:
        each = (10 - right) // (classes - 1)
        assert each * (classes - 1) == 10 - right
        outcomes.append([0] * right + [shift for shift in range(1, classes) for _ in range(each)])
    shifts = np.asarray(list(itertools.product(*outcomes)))
    return np.concatenate([(shifts + truth) % classes for truth in range(classes)])


@pytest.mark.parametrize(("right", "classes"), [([9, 6, 8, 7], 2), ([8, 6, 4, 8], 3), ([9, 5, 7, 1], 2)])
def test_exact_moments_give_exact_accuracies(right, classes):
    found = fit_triplets(Votes.of(textbook.hard_labels(exact_codes(right, classes), classes)))
    np.testing.assert_allclose(found.accuracy, np.asarray(right) / 10, atol=1e-9)
    np.testing.assert_allclose(found.balance, 1 / classes)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_ratio_is_the_sum_over_all_triplets(seed):
    rng = np.random.default_rng(seed)
    products = rng.normal(size=(6, 6))
    met = np.triu(rng.random((6, 6)) < 0.8, 1)
    met, products = (met | met.T).astype(float), np.triu(products, 1) + np.triu(products, 1).T
    products = products * met
    above, below = np.zeros((2, 6))
    for s, t, u in itertools.permutations(range(6), 3):
        if met[s, t] and met[s, u]:
            above[s] += products[s, t] * products[s, u] * products[t, u]
            below[s] += products[t, u] ** 2
    found = triplet_squares(products, met)
    if (below == 0).any():
        assert found is None
    else:
        np.testing.assert_allclose(found, above / below)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("coverage", [1.0, 0.5])
@pytest.mark.parametrize("classes", [2, 3, 6])
def test_drawn_sources_are_recovered_through_abstentions_and_imbalance(classes, coverage, seed):
    rng = np.random.default_rng(seed)
    balance = rng.dirichlet(np.full(classes, 8.0))
    gold = rng.choice(classes, size=60_000, p=balance)
    accuracy = np.asarray([0.9, 0.75, 0.8, 0.65, 0.7])
    labels = textbook.hard_labels(textbook.one_coin_votes(rng, gold, accuracy, classes, coverage), classes)
    votes = Votes.of(labels)
    found = fit_triplets(votes)
    np.testing.assert_allclose(found.accuracy, accuracy, atol=0.03)
    np.testing.assert_allclose(found.balance, balance, atol=0.03)
    known = np.exp(log_odds_sum(votes, found.accuracy)[votes.row_of]) * found.balance
    voted = labels.voted.any(axis=1)
    np.testing.assert_allclose(found.posterior[voted], (known / known.sum(axis=1, keepdims=True))[voted], atol=1e-9)
    np.testing.assert_allclose(found.posterior[~voted], np.broadcast_to(found.balance, found.posterior[~voted].shape))


def test_a_source_below_chance_is_turned_round():
    rng = np.random.default_rng(SEEDS[0])
    gold = rng.integers(2, size=20_000)
    accuracy = np.asarray([0.85, 0.2, 0.7, 0.8, 0.3])
    found = fit_triplets(Votes.of(textbook.hard_labels(textbook.one_coin_votes(rng, gold, accuracy, 2), 2)))
    np.testing.assert_allclose(found.accuracy, accuracy, atol=0.04)


@pytest.mark.parametrize("seed", SEEDS)
def test_orders_and_names_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    gold = rng.integers(4, size=500)
    codes = textbook.one_coin_votes(rng, gold, np.asarray([0.8, 0.6, 0.7, 0.5, 0.9]), 4, 0.8)
    one = fit_triplets(Votes.of(textbook.hard_labels(codes, 4)))
    items, sources, names = rng.permutation(500), rng.permutation(5), rng.permutation(4)
    other = fit_triplets(Votes.of(textbook.hard_labels(np.where(codes < 0, -1, names[codes])[items][:, sources], 4)))
    np.testing.assert_allclose(other.posterior, one.posterior[items][:, np.argsort(names)], atol=1e-10)


@pytest.mark.parametrize("votes", [[[0, 1], [1, 1]], [[0, 1, -1], [0, -1, 1], [-1, -1, 1]]], ids=["two", "no triplet"])
def test_without_a_triplet_it_says_so_and_votes(votes):
    labels = textbook.hard_labels(votes, 2)
    found = triplets(labels)
    textbook.assert_same_targets(found, vote(labels))
    assert "majority vote instead" in found.origin[-1]
    anchors = Anchors(textbook.elsewhere(labels), np.zeros(len(votes), dtype=int))
    textbook.assert_same_targets(triplets(labels, anchors), vote(labels))
    textbook.assert_same_targets(triplets(labels, anchors, calibrate=True), weighted_vote(labels, anchors))


def test_unanimity_stays_finite():
    targets = triplets(textbook.hard_labels([[0, 0, 0]] * 10 + [[1, 1, 1]] * 10, 2))
    assert (targets.probs[:10, 0] > 0.99).all()
    assert np.isfinite(targets.probs).all()
