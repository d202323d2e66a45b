"""MACE: spammers by name, habits recovered, the M-step by hand."""

import numpy as np
import pytest
import textbook_sources as textbook
from by_name import mace, vote

from drawn_seeds import SEEDS
from outgrow.combiners.mace import KnowledgeOrHabit, fit_mace
from outgrow.combiners.votes import Votes


def drawn(seed, knows, habit, items=4000, coverage=1.0):
    rng = np.random.default_rng(seed)
    habit = np.asarray(habit)
    gold = rng.integers(habit.shape[1], size=items)
    habitual = (rng.random((items, len(knows), 1)) > habit.cumsum(axis=1)).sum(axis=2)
    codes = np.where(rng.random(habitual.shape) < knows, gold[:, None], habitual)
    return np.where(rng.random(codes.shape) < coverage, codes, -1), gold


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("classes", [2, 4])
def test_knowledge_and_habits_are_recovered(classes, seed):
    rng = np.random.default_rng(seed)
    knows, habit = np.asarray([0.9, 0.6, 0.4, 0.05, 0.7]), rng.dirichlet(np.ones(classes), 5)
    codes, _ = drawn(seed, knows, habit, items=40_000, coverage=0.8)
    found = fit_mace(Votes.of(textbook.hard_labels(codes, classes)))
    np.testing.assert_allclose(found.knows, knows, atol=0.06)
    np.testing.assert_allclose(found.habit[1:4], habit[1:4], atol=0.06)
    truth = knows[:, None, None] * np.eye(classes) + ((1 - knows)[:, None] * habit)[:, None, :]
    np.testing.assert_allclose(found.confusion, truth, atol=0.04)


@pytest.mark.parametrize("seed", SEEDS)
def test_spammers_are_not_heard(seed):
    spam = np.asarray([[0.98, 0.01, 0.01]] * 3)
    codes, gold = drawn(seed, np.asarray([0.8, 0.8, 0, 0, 0]), np.concatenate([np.full((2, 3), 1 / 3), spam]))
    labels = textbook.hard_labels(codes, 3)
    found, majority = mace(labels), vote(labels)
    share = [targets.probs[np.arange(len(gold)), gold].mean() for targets in (found, majority)]
    assert share[0] > share[1] + 0.15
    assert fit_mace(Votes.of(labels)).knows[2:].max() < 0.1


@pytest.mark.parametrize("seed", SEEDS)
def test_an_m_step_by_hand(seed):
    rng = np.random.default_rng(seed)
    counts, knows, habit = 20 * rng.random((2, 3, 3)), rng.random(2), rng.dirichlet(np.ones(3), 2)
    found = KnowledgeOrHabit(knows, habit, smoothing=0.6).learn(counts)
    for s in range(2):
        known, guessed = 0.2, np.full(3, 0.2)
        for c in range(3):
            for k in range(3):
                by_knowing = knows[s] / (knows[s] + (1 - knows[s]) * habit[s, c]) if c == k else 0
                known += counts[s, c, k] * by_knowing
                guessed[k] += counts[s, c, k] * (1 - by_knowing)
        np.testing.assert_allclose(found.knows[s], known / (counts[s].sum() + 0.4))
        np.testing.assert_allclose(found.habit[s], guessed / guessed.sum())


@pytest.mark.parametrize("seed", SEEDS)
def test_no_step_falls_and_no_start_ends_higher(seed):
    rng = np.random.default_rng(seed)
    codes, _ = drawn(seed, rng.random(5), rng.dirichlet(np.ones(3), 5), items=300, coverage=0.7)
    found = fit_mace(Votes.of(textbook.hard_labels(codes, 3)), tolerance=-np.inf, rounds=80)
    assert np.diff(found.objective).min() > -1e-9
    soft = fit_mace(Votes.of(textbook.soft_labels(rng, items=60)), tolerance=-np.inf, rounds=80)
    assert np.diff(soft.objective).min() > -1e-9


@pytest.mark.parametrize("seed", SEEDS)
def test_orders_and_names_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    codes, _ = drawn(seed, rng.uniform(0.3, 0.9, 5), rng.dirichlet(np.ones(3), 5), items=300, coverage=0.7)
    one = fit_mace(Votes.of(textbook.hard_labels(codes, 3)))
    items, sources, names = rng.permutation(300), rng.permutation(5), rng.permutation(3)
    other = fit_mace(Votes.of(textbook.hard_labels(np.where(codes < 0, -1, names[codes])[items][:, sources], 3)))
    np.testing.assert_allclose(other.posterior, one.posterior[items][:, np.argsort(names)], atol=1e-8)
    np.testing.assert_allclose(other.knows, one.knows[sources], atol=1e-8)
