"""BWA: the iteration by its definition, what few votes and shared votes do, and unanimous sources."""

import numpy as np
import pytest
import textbook_sources as textbook

from drawn_seeds import SEEDS
from outgrow.combiners.bwa import fit_bwa
from outgrow.combiners.votes import Votes
from outgrow.labels import Anchors, WeakLabels


def by_definition(probs, gold, inside, rounds, a=15.0, weight=1.0):
    """z after some rounds, vote by vote. `probs`: zeros = abstention; `gold`: -1 = unknown."""
    n_items, n_sources, n_classes = probs.shape
    voted = [[bool(probs[i, s].any()) for s in range(n_sources)] for i in range(n_items)]
    z = np.zeros((n_items, n_classes))
    for i in range(n_items):
        if any(voted[i]):
            z[i] = sum(probs[i, s] for s in range(n_sources) if voted[i][s]) / sum(voted[i])
    mean = np.mean([z[i] for i in range(n_items) if inside[i] and any(voted[i])], axis=0)
    for i in range(n_items):
        if not any(voted[i]):
            z[i] = mean
        if gold[i] >= 0:
            z[i] = np.eye(n_classes)[gold[i]]
    variance = np.mean([z[i] * (1 - z[i]) for i in range(n_items) for s in range(n_sources) if voted[i][s]], axis=0)
    b = 4 * a * (1 - 1 / n_classes) * variance
    for _ in range(rounds):
        mu = z[inside].mean(axis=0)
        v = np.zeros((n_sources, n_classes))
        for s in range(n_sources):
            items = [i for i in range(n_items) if voted[i][s]]
            for k in range(n_classes):
                v[s, k] = (a + len(items)) / (b[k] + sum((z[i, k] - probs[i, s, k]) ** 2 for i in items))
        z = z.copy()
        for i in range(n_items):
            if gold[i] >= 0:
                continue
            for k in range(n_classes):
                heard = [s for s in range(n_sources) if voted[i][s]]
                above = weight * mu[k] + sum(v[s, k] * probs[i, s, k] for s in heard)
                z[i, k] = above / (weight + sum(v[s, k] for s in heard))
    return z / z.sum(axis=1, keepdims=True)


def crowd(rng, n_items=40, n_classes=3, soft=False):
    gold = rng.integers(n_classes, size=n_items)
    codes = textbook.one_coin_votes(rng, gold, np.linspace(0.4, 0.95, 5), n_classes, 0.6)
    codes[np.arange(n_items), rng.integers(5, size=n_items)] = gold  # everywhere a vote
    labels = textbook.hard_labels(codes, n_classes)
    if soft:
        labels.probs[:] = labels.probs * 0.7 + labels.voted[:, :, None] * 0.3 / n_classes
    return labels, gold


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("rounds", [1, 3])
def test_every_round_is_that_of_the_definition(rounds, soft, seed):
    labels, _ = crowd(np.random.default_rng(seed), soft=soft)
    fit = fit_bwa(Votes.of(labels), rounds=rounds, tolerance=0.0)
    wanted = by_definition(labels.probs, np.full(40, -1), np.ones(40, bool), rounds)
    np.testing.assert_allclose(fit.posterior, wanted, rtol=0, atol=1e-10)
    assert not fit.converged


@pytest.mark.parametrize("seed", SEEDS)
def test_gold_takes_the_place_of_the_score_and_items_outside_do_not_move_the_mean(seed):
    rng = np.random.default_rng(seed)
    (labels, gold), (outside, outside_gold) = crowd(rng), crowd(rng, n_items=15)
    known = np.where(np.arange(40) < 10, gold, -1)
    inner = Anchors(labels.take(np.arange(10)), gold[:10])
    outer = WeakLabels([f"out{name}" for name in outside.items], outside.sources, outside.probs)
    names = [*inner.labels.items, *outer.items]
    both = WeakLabels(names, labels.sources, np.concatenate([inner.labels.probs, outer.probs]))
    fit = fit_bwa(Votes.of(labels, Anchors(both, np.concatenate([gold[:10], outside_gold]))), rounds=2, tolerance=0.0)
    wanted = by_definition(
        np.concatenate([labels.probs, outside.probs]),
        np.concatenate([known, outside_gold]),
        np.arange(55) < 40,
        rounds=2,
    )
    np.testing.assert_allclose(fit.posterior, wanted[:40], rtol=0, atol=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_end_is_a_fixed_point(seed):
    labels, _ = crowd(np.random.default_rng(seed), n_items=200)
    fit = fit_bwa(Votes.of(labels), tolerance=1e-10)
    assert fit.converged
    longer = fit_bwa(Votes.of(labels), tolerance=0.0, rounds=600)
    np.testing.assert_allclose(fit.posterior, longer.posterior, rtol=0, atol=1e-8)


@pytest.mark.parametrize("seed", SEEDS)
def test_with_two_classes_each_is_the_others_complement(seed):
    rng = np.random.default_rng(seed)
    labels, _ = crowd(rng, n_items=100, n_classes=2)
    turned = fit_bwa(Votes.of(textbook.permuted(labels, classes=np.asarray([1, 0]))))
    np.testing.assert_allclose(turned.posterior[:, ::-1], fit_bwa(Votes.of(labels)).posterior, rtol=0, atol=1e-9)


def test_good_sources_count_more_and_one_vote_is_not_certain() -> None:
    rng = np.random.default_rng(SEEDS[0])
    gold = rng.integers(2, size=400)
    codes = textbook.one_coin_votes(rng, gold, np.asarray([0.95, 0.95, 0.55, 0.55, 0.55]), 2)
    fit = fit_bwa(Votes.of(textbook.hard_labels(codes, 2)))
    assert fit.accuracy[:2].min() > 0.85 > 0.75 > fit.accuracy[2:].max()
    mean = fit_bwa(Votes.of(textbook.hard_labels(codes[:, 2:], 2)))
    right = [(one.posterior.argmax(axis=1) == gold).mean() for one in (fit, mean)]
    assert right[0] > right[1] + 0.2
    # One vote of one source on one item: its score stays well below 1.
    lone = fit_bwa(Votes.of(textbook.hard_labels(np.asarray([[0, 0, 1], [1, 1, -1], [0, -1, -1]]), 2)))
    assert 0.5 < lone.posterior[2, 0] < 0.95


def test_unanimous_sources_and_items_without_a_vote() -> None:
    codes = np.asarray([[0, 0], [1, 1], [0, 0], [-1, -1]])
    fit = fit_bwa(Votes.of(textbook.hard_labels(codes, 2)))
    assert fit.converged
    assert fit.posterior[:3].argmax(axis=1).tolist() == [0, 1, 0]
    assert 0.5 < fit.posterior[3, 0] < 0.75  # the balance
    none = fit_bwa(Votes.of(textbook.hard_labels(np.full((3, 2), -1), 2)))
    np.testing.assert_allclose(none.posterior, 0.5)
