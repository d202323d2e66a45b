"""Agreement, tetrads, copies, shared errors and weights: each against its definition, then against a known truth."""

import numpy as np
import pytest
import textbook_sources as textbook
from scipy.sparse import csr_array
from spelled_out import classes_of

from drawn_seeds import SEEDS
from outgrow.combiners.dependence import Dependence, copying, shared_difficulty, tetrads
from outgrow.combiners.independent_weights import independent_weights, strengths
from outgrow.combiners.pairwise_agreement import agreement
from outgrow.combiners.votes import Votes


def independent(seed, items=2000, classes=3, sources=6, coverage=0.8):
    rng = np.random.default_rng(seed)
    gold = rng.integers(classes, size=items)
    accuracy = rng.uniform(0.6, 0.9, sources)
    return textbook.one_coin_votes(rng, gold, accuracy, classes, coverage), gold


def copied_of(codes, classes=3):
    return copying(agreement(Votes.of(textbook.hard_labels(codes, classes))))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("soft", [False, True])
def test_moments_of_pairs_by_definition(soft, seed):
    labels = textbook.soft_labels(np.random.default_rng(seed), items=50)
    votes = Votes.of(labels, hard=not soft)
    found = agreement(votes)
    probs = labels.probs if soft else textbook.hard_labels(labels.hard, 3).probs
    for s in range(4):
        for t in range(4):
            both = labels.voted[:, s] & labels.voted[:, t]
            one, other = probs[both, s], probs[both, t]
            assert found.n[s, t] == both.sum()
            np.testing.assert_allclose(found.together[s, t], (one * other).sum(axis=1).mean(), rtol=1e-5)
            covariance = ((one - one.mean(axis=0)) * (other - other.mean(axis=0))).sum(axis=1).mean()
            np.testing.assert_allclose(found.covariance[s, t], covariance, atol=1e-6)
            spread = np.sqrt(one.var(axis=0).sum() * other.var(axis=0).sum())
            np.testing.assert_allclose(found.spread[s, t], spread, rtol=1e-4)


@pytest.mark.parametrize("seed", SEEDS)
def test_tetrads_are_the_sum_over_pairs_of_others(seed):
    first, middle, last = np.random.default_rng(seed).normal(size=(3, 5, 5)) * (1 - np.eye(5))
    found = tetrads(first, middle, last)
    for i in range(5):
        for j in range(5):
            if i == j:
                continue
            expected = sum(
                first[i, k] * middle[k, other] * last[other, j]
                for k in range(5)
                for other in range(5)
                if k != j and other != i
            )
            np.testing.assert_allclose(found[i, j], expected, atol=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("classes", [2, 4])
def test_a_copy_is_found_and_nobody_else(classes, seed):
    codes, _ = independent(seed, classes=classes)
    found = copied_of(np.concatenate([codes, codes[:, [2]]], axis=1), classes)
    assert found[2, 6] > 0.99
    others = found.copy()
    others[2, 6] = others[6, 2] = 0
    assert others.max() < 0.2
    np.testing.assert_allclose(found, found.T, atol=1e-9)
    assert copied_of(codes, classes).max() < 0.2


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("share", [0.4, 0.7, 0.9])
def test_the_share_that_is_copied_is_measured(share, seed):
    rng = np.random.default_rng(seed)
    codes, gold = independent(seed, items=20_000, coverage=1.0)
    own = textbook.one_coin_votes(rng, gold, np.asarray([(codes[:, 0] == gold).mean()]), 3)[:, 0]
    copier = np.where(rng.random(len(gold)) < share, codes[:, 0], own)
    assert abs(copied_of(np.concatenate([codes, copier[:, None]], axis=1))[0, 6] - share) < 0.1


def test_two_good_sources_alone_are_no_copies():
    rng = np.random.default_rng(SEEDS[0])
    codes = textbook.one_coin_votes(rng, rng.integers(2, size=1000), np.asarray([0.9, 0.9]), 2)
    assert copied_of(codes, 2)[0, 1] < 0.1
    assert copied_of(codes[:, [0, 0]], 2)[0, 1] > 0.9


@pytest.mark.parametrize("seed", SEEDS)
def test_shared_errors_by_definition(seed):
    rng = np.random.default_rng(seed)
    labels = textbook.soft_labels(rng, items=30)
    posterior, confusion = rng.dirichlet(np.ones(3), 30), rng.dirichlet(np.ones(3), (4, 3))
    each, copied = rng.random(4), np.triu(rng.random((4, 4)) < 0.3, 1) * 0.4
    copied = copied + copied.T
    weight = np.outer(each, each) * (1 - copied)
    above = below = 0.0
    for s in range(4):
        for t in range(4):
            if s == t:
                continue
            covariance, variance = 0.0, [0.0, 0.0]
            for i in np.flatnonzero(labels.voted[:, s] & labels.voted[:, t]):
                for c in range(3):
                    errors = [labels.probs[i, who, c] - confusion[who, c, c] for who in (s, t)]
                    covariance += posterior[i, c] * errors[0] * errors[1]
                    variance = [old + posterior[i, c] * e**2 for old, e in zip(variance, errors, strict=True)]
            above, below = above + weight[s, t] * covariance, below + weight[s, t] * np.sqrt(variance[0] * variance[1])
    found = shared_difficulty(Votes.of(labels), posterior, confusion, each, csr_array(copied))
    np.testing.assert_allclose(found, max(above / below, 0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_weights_solve_the_equation_where_all_are_positive(seed):
    rng = np.random.default_rng(seed)
    correlation = np.maximum(0.2, np.where(rng.random((5, 5)) < 0.3, 0.3, 0))
    correlation = np.maximum(correlation, correlation.T)
    np.fill_diagonal(correlation, 1)
    strength = rng.uniform(1, 1.2, 5)
    voted = rng.random((20, 5)) < 0.7
    found = weights_of(voted, correlation, strength)
    for row, who in zip(found, voted, strict=True):
        solution = np.linalg.solve(correlation[np.ix_(who, who)], strength[who]) / strength[who]
        if (solution > 0).all():
            np.testing.assert_allclose(row[who], solution, atol=1e-3)
        assert row.max(initial=0) < 1 + 1e-6


def test_weights_that_can_be_said_in_words():
    everyone = np.ones((1, 4), dtype=bool)
    twins = np.asarray([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    np.testing.assert_allclose(weights_of(everyone, twins, np.ones(4)), [[0.5, 0.5, 1, 1]], atol=1e-3)
    alike = np.full((4, 4), 0.25) + 0.75 * np.eye(4)
    np.testing.assert_allclose(weights_of(everyone, alike, np.ones(4)), np.full((1, 4), 1 / 1.75), atol=1e-3)
    echo = np.asarray([[1, 0.6], [0.6, 1]])
    found = weights_of(np.ones((1, 2), dtype=bool), echo, np.asarray([2.0, 1.0]))
    np.testing.assert_allclose(found, [[1, 0]], atol=0.02)  # 0.6 · 2 > 1: the weaker one has nothing of its own to say


def weights_of(voted, correlation, strength):
    """`independent_weights` in a table, with 0 where there is no vote."""
    shared = float(correlation.min())
    copied = np.where(correlation > shared, correlation, 0) * ~np.eye(len(correlation), dtype=bool)
    voters = csr_array(voted.astype(float))
    found = independent_weights(voters, csr_array(copied), shared, strength)
    return csr_array((found, voters.indices, voters.indptr), shape=voters.shape).toarray()


def test_nothing_found_weighs_nothing():
    votes = Votes.of(textbook.hard_labels(independent(0)[0], 3))
    assert Dependence(csr_array((6, 6)), 0.0, np.ones(6)).weights(votes) is None


def test_rows_with_the_same_voters_have_the_same_weights():
    votes = Votes.of(textbook.hard_labels(independent(SEEDS[0], coverage=0.5)[0], 3))
    found = Dependence(csr_array((6, 6)), 0.3, np.arange(1.0, 7)).weights(votes)
    voted = classes_of(votes) >= 0
    alone = weights_of(voted, np.full((6, 6), 0.3) + 0.7 * np.eye(6), np.arange(1.0, 7))
    np.testing.assert_allclose(found, alone[voted], atol=1e-4)


def test_strength_grows_with_accuracy_and_is_nothing_at_chance():
    balance = np.full(3, 1 / 3)
    tables = np.stack([np.where(np.eye(3, dtype=bool), a, (1 - a) / 2) for a in (1 / 3, 0.5, 0.7, 0.9)])
    found = strengths(tables, balance)
    assert found[0] < 0.01
    assert (np.diff(found) > 0).all()
    np.testing.assert_allclose(found[3], np.sqrt((0.9 - 0.05) * np.log(0.9 / 0.05)))
