"""Triplets recover what is known: accuracies from exact moments and from draws, posteriors by enumeration."""

import itertools

import numpy as np
import pytest
import textbook_sources as textbook
from scipy.special import expit

from fresh import SEEDS
from outgrow.combiners.flying_squid import flying_squid, game_log_odds, triplet_accuracies
from outgrow.combiners.vote import vote, weighted_vote
from outgrow.labels import Anchors


def exact_table(strength):
    """Every pattern of signs, as often as conditionally independent sources with E[l Y] = `strength` show it.

    Strengths are multiples of 1/5, so 10^m patterns of ten equally likely outcomes per source hold it exactly.
    """
    right = [[1] * round(5 * (1 + a)) + [-1] * round(5 * (1 - a)) for a in strength]
    given_plus = np.asarray(list(itertools.product(*right)))
    return np.concatenate([given_plus, -given_plus])


def test_closed_form_is_exact_when_the_moments_are():
    strength = [0.8, 0.2, 0.6, 0.4]
    np.testing.assert_allclose(triplet_accuracies(exact_table(strength)), strength, rtol=1e-12)


def test_with_three_sources_the_formula_by_hand():
    signs = exact_table([0.8, 0.4, 0.6])
    moment = signs.T @ signs / len(signs)
    by_hand = np.sqrt(abs(moment[0, 1] * moment[0, 2] / moment[1, 2]))
    np.testing.assert_allclose(triplet_accuracies(signs)[0], by_hand)


@pytest.mark.parametrize("seed", SEEDS)
def test_more_sources_give_the_mean_over_all_triplets(seed):
    rng = np.random.default_rng(seed)
    signs = 2 * textbook.one_coin_votes(rng, rng.integers(2, size=1000), np.full(5, 0.75), 2) - 1
    moment = signs.T @ signs / len(signs)
    for i, found in enumerate(triplet_accuracies(signs)):
        pairs = itertools.combinations(sorted(set(range(5)) - {i}), 2)
        np.testing.assert_allclose(
            found, np.mean([abs(moment[i, j] * moment[i, k] / moment[j, k]) ** 0.5 for j, k in pairs])
        )


@pytest.mark.parametrize("coverage", [1.0, 0.6])
@pytest.mark.parametrize("seed", SEEDS)
def test_drawn_sources_are_recovered_through_abstentions(seed, coverage):
    rng = np.random.default_rng(seed)
    accuracy = np.asarray([0.9, 0.75, 0.8, 0.65, 0.7])
    gold = rng.integers(2, size=40_000)
    votes = textbook.one_coin_votes(rng, gold, accuracy, 2, coverage)
    found = triplet_accuracies(np.where(votes < 0, 0, 2 * votes - 1))
    np.testing.assert_allclose((1 + found) / 2, accuracy, atol=0.03)


@pytest.mark.parametrize("balance", [0.5, 0.2])
def test_posterior_is_naive_bayes(balance):
    strength = np.asarray([0.8, 0.3, 0.5])
    signs = np.asarray(list(itertools.product([-1, 0, 1], repeat=3)))
    found = expit(game_log_odds(signs, strength, balance))
    for row, posterior in zip(signs, found, strict=True):
        plus, minus = balance, 1 - balance
        for sign, a in zip(row, strength, strict=True):
            if sign:
                plus, minus = plus * (1 + sign * a) / 2, minus * (1 - sign * a) / 2
        np.testing.assert_allclose(posterior, plus / (plus + minus))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("classes", [2, 3, 4, 5, 6])
def test_labels_are_no_worse_than_the_majoritys(classes, seed):
    rng = np.random.default_rng(seed)
    gold = rng.integers(classes, size=4000)
    accuracy = np.asarray([0.95, 0.6, 0.6, 0.6, 0.6])
    labels = textbook.hard_labels(textbook.one_coin_votes(rng, gold, accuracy, classes, 0.8), classes)
    expected = {}
    for name, targets in (("majority", vote(labels)), ("triplets", flying_squid(labels))):
        truth = np.asarray([gold[int(item.removeprefix("item"))] for item in targets.items])
        best = targets.probs == targets.probs.max(axis=1, keepdims=True)
        expected[name] = (best / best.sum(axis=1, keepdims=True))[np.arange(len(truth)), truth].mean()
    assert expected["triplets"] > expected["majority"] - 0.005
    if classes == 2:
        assert expected["triplets"] > expected["majority"] + 0.03


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("classes", [2, 3, 6])
def test_every_class_plays_against_the_rest(classes, seed):
    rng = np.random.default_rng(seed)
    gold = rng.integers(classes, size=500)
    votes = textbook.one_coin_votes(rng, gold, np.asarray([0.8, 0.7, 0.6, 0.75]), classes, 0.7)
    games = []
    for chosen in range(classes):
        signs = np.where(votes < 0, 0, np.where(votes == chosen, 1, -1))
        share = (votes[votes >= 0] == chosen).mean()
        games.append(expit(game_log_odds(signs, triplet_accuracies(signs), share)))
    wanted = np.stack(games, axis=1)[(votes >= 0).any(axis=1)]
    if classes == 2:  # one game only: the other one is its mirror image
        np.testing.assert_allclose(wanted.sum(axis=1), 1)
    found = flying_squid(textbook.hard_labels(votes, classes)).probs
    np.testing.assert_allclose(found, wanted / wanted.sum(axis=1, keepdims=True), atol=1e-12)


def test_a_crowd_that_disagrees_about_everything_stays_finite():
    rng = np.random.default_rng(SEEDS[2])
    gold = rng.integers(4, size=30)
    votes = textbook.one_coin_votes(rng, gold, np.full(300, 0.97), 4)
    votes[0] = np.arange(300) % 4
    found = flying_squid(textbook.hard_labels(votes, 4)).probs
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert (found[1:].argmax(axis=1) == gold[1:]).all()


def test_a_source_given_twice_is_believed_too_much_but_breaks_nothing():
    rng = np.random.default_rng(SEEDS[1])
    gold = rng.integers(2, size=2000)
    votes = textbook.one_coin_votes(rng, gold, np.asarray([0.7, 0.7, 0.7]), 2)
    twice = triplet_accuracies(2 * votes[:, [0, 0, 1, 2]] - 1)
    assert np.isfinite(twice).all()
    np.testing.assert_allclose(twice[0], twice[1])
    assert twice[0] > triplet_accuracies(2 * votes - 1)[0]


@pytest.mark.parametrize("sources", [1, 2])
def test_below_three_sources_it_says_so_and_votes(sources):
    rng = np.random.default_rng(0)
    gold = rng.integers(3, size=50)
    labels = textbook.hard_labels(textbook.one_coin_votes(rng, gold, np.full(sources, 0.7), 3), 3)
    anchors = Anchors(labels, gold)
    targets = flying_squid(labels, anchors)
    textbook.assert_same_targets(targets, weighted_vote(labels, anchors))
    assert targets.origin == (f"FlyingSquid needs 3 sources and has {sources}; weighted vote instead.",)
    bare = flying_squid(labels)
    textbook.assert_same_targets(bare, vote(labels))
    assert "majority vote instead" in bare.origin[-1]


@pytest.mark.parametrize(
    "votes",
    [[[0, -1, -1], [-1, 1, -1], [-1, -1, 0]] * 4, [[0, 0, 1, -1], [1, 1, 1, -1], [0, 0, 0, -1], [-1, -1, -1, 1]]],
    ids=["nobody meets", "one meets nobody"],
)
def test_sources_that_never_meet_determine_nothing_and_it_says_so(votes):
    labels = textbook.hard_labels(votes, 2)
    targets = flying_squid(labels)
    assert "determines no accuracies" in targets.origin[-1]
    textbook.assert_same_targets(targets, vote(labels))


def test_unanimity_stays_finite():
    targets = flying_squid(textbook.hard_labels([[0, 0, 0]] * 10 + [[1, 1, 1]] * 10, 2))
    assert np.isfinite(targets.probs).all()
    assert (targets.probs[:10, 0] > 0.99).all()
