"""GLAD: the E-step and the objective by loops, the end as a top of the hill, abilities and easiness recovered."""

import math

import numpy as np
import pytest
import textbook_sources as textbook
from by_name import glad

from drawn_seeds import SEEDS
from outgrow.combiners.glad import fit_glad
from outgrow.combiners.votes import Votes
from outgrow.labels import Anchors


def by_loops(probs, ability, log_easiness, balance, gold):
    """Posterior of every item and the log-posterior of (ability, log-easiness), from the definitions."""
    n_items, n_sources, n_classes = probs.shape
    posterior, total = np.zeros((n_items, n_classes)), 0.0
    for i in range(n_items):
        scores = []
        for truth in range(n_classes):
            score = math.log(balance[truth]) if gold[i] in (-1, truth) else -math.inf
            for s in range(n_sources):
                right = 1 / (1 + math.exp(-ability[s] * math.exp(log_easiness[i])))
                for k in range(n_classes):
                    score += probs[i, s, k] * math.log(right if k == truth else (1 - right) / (n_classes - 1))
            scores.append(score)
        weight = np.exp(np.asarray(scores) - max(scores))
        posterior[i] = weight / weight.sum()
        total += max(scores) + math.log(weight.sum())
    prior = ((ability - 1) ** 2).sum() / 2 + ((log_easiness - 1) ** 2).sum() / 2
    return posterior, total - prior


def drawn(seed, classes=3, items=2000, sources=8):
    rng = np.random.default_rng(seed)
    ability, easiness = rng.uniform(0.2, 2.0, sources), np.exp(rng.normal(0.5, 1.0, items))
    gold = rng.integers(classes, size=items)
    right = rng.random((items, sources)) < 1 / (1 + np.exp(-ability * easiness[:, None]))
    wrong = (gold[:, None] + rng.integers(1, classes, right.shape)) % classes
    return np.where(right, gold[:, None], wrong), gold, ability, easiness


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("classes", [2, 4])
def test_it_ends_on_a_top_of_the_objective(classes, soft, seed):
    rng = np.random.default_rng(seed)
    if soft:
        labels = textbook.soft_labels(rng, items=12, classes=classes)
    else:
        labels = textbook.hard_labels(rng.integers(-1, classes, (12, 4)), classes)
    gold = np.full(12, -1)
    gold[:3] = rng.integers(classes, size=3)
    found = fit_glad(
        Votes.of(labels, Anchors(labels.take(np.arange(3)), gold[:3])), balanced=True, tolerance=1e-14, rounds=20_000
    )
    log_easiness, balance = np.log(found.easiness), np.full(classes, 1 / classes)
    posterior, height = by_loops(labels.probs, found.ability, log_easiness, balance, gold)
    np.testing.assert_allclose(found.posterior, posterior, atol=1e-9)
    # The trace has the (constant) balance's prior as well.
    np.testing.assert_allclose(found.objective[-1], height + np.log(balance).sum(), rtol=1e-9)
    step = 1e-4
    for parameters in (found.ability, log_easiness):
        for number in range(len(parameters)):
            change = np.zeros_like(parameters)
            change[number] = step
            where = [found.ability + change, log_easiness] if parameters is found.ability else None
            up = where or [found.ability, log_easiness + change]
            down = [2 * one - other for one, other in zip([found.ability, log_easiness], up, strict=True)]
            heights = [by_loops(labels.probs, *point, balance, gold)[1] for point in (up, down)]
            assert abs(heights[0] - heights[1]) / (2 * step) < 1e-3


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("balanced", [True, False])
def test_no_round_falls(balanced, seed):
    noise = Votes.of(textbook.soft_labels(np.random.default_rng(seed), items=60))
    votes = Votes.of(textbook.hard_labels(drawn(seed)[0], 3))
    for one in (noise, votes):
        found = fit_glad(one, balanced=balanced, tolerance=-np.inf, rounds=60)
        assert np.diff(found.objective).min() > -1e-8
        assert not found.converged


@pytest.mark.parametrize("seed", SEEDS)
def test_abilities_and_easiness_are_recovered(seed):
    codes, gold, ability, easiness = drawn(seed, items=4000, sources=20)
    found = fit_glad(Votes.of(textbook.hard_labels(codes, 3)))
    assert np.corrcoef(found.ability, ability)[0, 1] > 0.95
    assert np.corrcoef(np.log(found.easiness), np.log(easiness))[0, 1] > 0.5
    assert (found.posterior.argmax(axis=1) == gold).mean() > 0.93
    np.testing.assert_allclose(found.accuracy, (codes == gold[:, None]).mean(axis=0), atol=0.04)


@pytest.mark.parametrize("seed", SEEDS)
def test_orders_and_names_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    codes, *_ = drawn(seed, items=200)
    codes[rng.random(codes.shape) < 0.3] = -1
    one = fit_glad(Votes.of(textbook.hard_labels(codes, 3)))
    items, sources, names = rng.permutation(200), rng.permutation(8), rng.permutation(3)
    other = fit_glad(Votes.of(textbook.hard_labels(np.where(codes < 0, -1, names[codes])[items][:, sources], 3)))
    np.testing.assert_allclose(other.posterior, one.posterior[items][:, np.argsort(names)], atol=1e-8)
    np.testing.assert_allclose(other.ability, one.ability[sources], atol=1e-8)
    np.testing.assert_allclose(other.easiness, one.easiness[items], atol=1e-8)


def test_items_that_split_the_sources_are_hard():
    codes = np.concatenate([np.zeros((50, 6), int), np.ones((50, 6), int), np.tile([0, 1], (20, 3))])
    found = fit_glad(Votes.of(textbook.hard_labels(codes, 2)))
    assert found.easiness[:100].min() > found.easiness[100:].max()
    assert found.posterior[:100].max(axis=1).min() > 0.99
    assert found.posterior[100:].max() < 0.9


def test_hundreds_of_sources_overflow_nothing():
    codes = np.random.default_rng(0).integers(0, 2, (40, 1)) * np.ones((1, 800), int)
    found = fit_glad(Votes.of(textbook.hard_labels(codes, 2)))
    assert np.isfinite(found.posterior).all()
    assert (found.posterior.argmax(axis=1) == codes[:, 0]).all()


def test_silent_items_have_the_balance_and_no_target():
    codes, *_ = drawn(SEEDS[0], items=300)
    codes[:2] = -1
    found = fit_glad(Votes.of(textbook.hard_labels(codes, 3)))
    np.testing.assert_allclose(found.posterior[:2], np.stack([found.balance] * 2))
    np.testing.assert_allclose(found.easiness[:2], np.e)
    targets = glad(textbook.hard_labels(codes, 3))
    assert len(targets.items) == 298
    assert "`glad`" in targets.origin[0]
