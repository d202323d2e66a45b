"""The effective number of sources by its definition, and one-sided sources."""

from itertools import permutations

import numpy as np
import pytest
import textbook_sources as textbook

from drawn_seeds import SEEDS
from outgrow.combiners.effective_sources import effective_sources
from outgrow.combiners.one_sided import SURE, of_rules, one_sided_class, uninformative
from outgrow.combiners.votes import Votes


def names(n_sources):
    return tuple(f"s{number}" for number in range(n_sources))


def gathered(values, classes, gold=None):
    return Votes.gather(names(values.shape[1]), classes, values, gold)


def by_definition(probs, posterior):
    """ρ and the mean of Kish's number, pair by pair; `probs` has zeros where a source abstains."""
    n_items, _, n_classes = probs.shape
    voted = probs.any(axis=2)
    right = np.einsum("isk,ik->is", probs, posterior)
    # One pseudo-vote at chance, as in `fit.accuracy_of_votes`.
    rate = 1 - (right.sum(axis=0) + 1 / n_classes) / (voted.sum(axis=0) + 1)
    together = possible = 0.0
    for i in range(n_items):
        for s, t in permutations(np.flatnonzero(voted[i]), 2):
            products = [(1 - probs[i, s, c] - rate[s]) * (1 - probs[i, t, c] - rate[t]) for c in range(n_classes)]
            together += posterior[i] @ products
            possible += np.sqrt(rate[s] * (1 - rate[s]) * rate[t] * (1 - rate[t]))
    correlation = min(max(together / possible, 0), 1)
    k = voted.sum(axis=1)[voted.any(axis=1)]
    return correlation, (k / (1 + (k - 1) * correlation)).mean()


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_it_is_the_definition(seed, soft):
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(2, 5))
    votes = textbook.one_coin_votes(rng, rng.integers(classes, size=40), rng.uniform(0.4, 0.9, 5), classes, 0.7)
    probs = (votes[:, :, None] == np.arange(classes)).astype(float)
    if soft:
        probs = np.where(probs.any(axis=2, keepdims=True), 0.7 * probs + 0.3 / classes, 0.0)
    posterior = rng.dirichlet(np.ones(classes), size=40)
    found = effective_sources(gathered(probs if soft else votes, classes), _by_row(probs, posterior))
    expected = by_definition(probs, _by_row(probs, posterior))
    np.testing.assert_allclose((found.correlation, found.n_effective), expected, rtol=1e-9)


def _by_row(probs, posterior):
    """Items with the same votes have the same posterior under every label model."""
    _, first, row = np.unique(probs.reshape(len(probs), -1), axis=0, return_index=True, return_inverse=True)
    return posterior[first[row]]


@pytest.mark.parametrize("seed", SEEDS)
def test_copies_are_worth_one_and_independent_sources_all(seed):
    rng = np.random.default_rng(seed)
    gold = rng.integers(3, size=4000)
    codes = textbook.one_coin_votes(rng, gold, np.full(6, 0.7), 3)
    alike, known = np.repeat(codes[:, :1], 6, axis=1), np.eye(3)[gold]
    by_gold = effective_sources(gathered(codes, 3, gold), np.full((4000, 3), 1 / 3))
    assert by_gold.n_effective > 5.5
    assert effective_sources(gathered(alike, 3, gold), known).n_effective == pytest.approx(1, abs=0.02)
    single = effective_sources(gathered(codes[:, :1], 3, gold), known)
    assert np.isnan(single.correlation)
    assert single.n_effective == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_the_mean_error_has_the_variance_of_so_many(seed):
    """Equal sources whose errors are drawn together on a share of the items: variance σ² / n_effective."""
    rng = np.random.default_rng(seed)
    n, k = 60_000, 8
    gold, common = rng.integers(2, size=n), rng.random(n) < 0.3
    wrong = np.where(common[:, None], rng.random((n, 1)) < 0.4, rng.random((n, k)) < 0.4)
    found = effective_sources(gathered(np.where(wrong, 1 - gold[:, None], gold[:, None]), 2, gold), np.eye(2)[gold])
    assert wrong.mean(axis=1).var() == pytest.approx(0.24 / found.n_effective, rel=0.05)


@pytest.mark.parametrize("seed", SEEDS)
def test_order_and_names_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    gold = rng.integers(3, size=200)
    codes = textbook.one_coin_votes(rng, gold, rng.uniform(0.4, 0.9, 5), 3, 0.8)
    codes[:, 4] = np.where(rng.random(200) < 0.97, 2, codes[:, 4])
    one = gathered(codes, 3, gold)
    order, turn, items = rng.permutation(5), rng.permutation(3), rng.permutation(200)
    turned = np.where(codes >= 0, turn[codes], -1)[items][:, order]
    other = gathered(turned, 3, turn[gold][items])
    found = [effective_sources(votes, np.full((200, 3), 1 / 3)) for votes in (one, other)]
    np.testing.assert_allclose(found[0].n_effective, found[1].n_effective)
    side = one_sided_class(one)
    assert side.tolist() == [-1, -1, -1, -1, 2]
    np.testing.assert_array_equal(one_sided_class(other), np.where(side[order] >= 0, turn[side[order]], -1))


def test_good_sources_of_a_rare_class_are_not_one_sided():
    rng = np.random.default_rng(SEEDS[0])
    gold = (rng.random(3000) < 0.02).astype(int)
    codes = textbook.one_coin_votes(rng, gold, np.full(6, 0.99), 2)
    assert (one_sided_class(gathered(codes, 2)) == -1).all()
    codes[:, 0] = 0
    balanced = textbook.one_coin_votes(rng, rng.integers(2, size=3000), np.full(6, 0.8), 2)
    balanced[:, 0] = 0
    assert one_sided_class(gathered(balanced, 2)).tolist() == [0, -1, -1, -1, -1, -1]


def test_rules_are_not_one_sided():
    rng = np.random.default_rng(SEEDS[1])
    rules = np.where(rng.random((500, 4)) < 0.4, [0, 1, 0, 1], -1)
    assert of_rules(gathered(rules, 2))
    assert (one_sided_class(gathered(rules, 2)) == -1).all()
    assert not of_rules(gathered(np.where(rules < 0, 0, rules), 2))


@pytest.mark.parametrize("seed", SEEDS)
def test_whether_a_one_sided_source_tells_anything(seed):
    """By the definition, source by source; one names the rare class at random, one where it is true."""
    rng = np.random.default_rng(seed)
    n_items = 3000  # so many that no draw leaves the sides, and no truth looks random
    gold = (rng.random(n_items) < 0.4).astype(int)
    codes = textbook.one_coin_votes(rng, gold, np.full(5, 0.8), 2, 0.9)
    codes[:, 0] = rng.random(n_items) < 0.03
    codes[:, 1] = (gold == 1) & (rng.random(n_items) < 0.075)
    votes = gathered(codes, 2)
    side = one_sided_class(votes)
    assert side.tolist() == [0, 0, -1, -1, -1]
    others = np.stack([np.where(codes >= 0, codes, 0).sum(axis=1) - codes[:, s] for s in (0, 1)], axis=1)
    share = others / ((codes >= 0).sum(axis=1) - 1)[:, None]
    expected = [np.corrcoef(codes[:, s], share[:, s])[0, 1] * np.sqrt(n_items) <= SURE for s in (0, 1)]
    found = uninformative(votes, side)
    assert found[:2].tolist() == expected
    assert not found[1:].any()
    constant = gathered(np.where(np.arange(5) == 0, 0, codes), 2)
    assert uninformative(constant, one_sided_class(constant))[0]
