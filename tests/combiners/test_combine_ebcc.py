"""EBCC: updates and bound by their definitions, and subtypes that several sources get wrong together."""

import itertools

import numpy as np
import pytest
import textbook_sources as textbook
from scipy.special import digamma, gammaln
from scipy.stats import dirichlet
from spelled_out import classes_of

from drawn_seeds import SEEDS
from outgrow.combiners.dawid_skene import fit_dawid_skene
from outgrow.combiners.ebcc import (
    Counts,
    ExpectedLogs,
    counted,
    dirichlet_divergence,
    divergence,
    fit_ebcc,
    prior_counts,
    responsibilities,
    start,
)
from outgrow.combiners.votes import Votes
from outgrow.labels import Anchors


def drawn_counts(rng, n_sources, n_classes, n_subtypes):
    return Counts(
        rng.uniform(1, 5, n_classes),
        rng.uniform(0.1, 3, (n_classes, n_subtypes)),
        rng.uniform(1, 9, (n_sources, n_classes, n_subtypes, n_classes)),
    )


def some_votes(rng, n_items=30, n_classes=3, n_sources=4):
    gold = rng.integers(n_classes, size=n_items)
    codes = textbook.one_coin_votes(rng, gold, np.linspace(0.5, 0.9, n_sources), n_classes, 0.7)
    return textbook.hard_labels(codes, n_classes), gold


@pytest.mark.parametrize("seed", SEEDS)
def test_responsibilities_and_counts_are_those_of_the_definition(seed):
    rng = np.random.default_rng(seed)
    labels, gold = some_votes(rng)
    known = Anchors(labels.take(np.arange(5)), gold[:5])
    outside = textbook.elsewhere(labels.take(np.arange(20, 24)))
    anchors = Anchors(
        type(labels)([*known.labels.items, *outside.items], labels.sources, labels.probs[[*range(5), *range(20, 24)]]),
        np.concatenate([gold[:5], gold[20:24]]),
    )
    votes = Votes.of(labels, anchors)
    counts = drawn_counts(rng, 4, 3, 2)
    logs = ExpectedLogs.of(counts)
    joint, evidence = responsibilities(votes, logs)
    said, total = classes_of(votes), 0.0
    classes = digamma(counts.classes) - digamma(counts.classes.sum())
    for row in range(votes.n_rows):
        scores = np.zeros((3, 2))
        for k, m in itertools.product(range(3), range(2)):
            scores[k, m] = classes[k] + digamma(counts.subtypes[k, m]) - digamma(counts.subtypes[k].sum())
            for s in range(4):
                if said[row, s] >= 0:
                    of = counts.votes[s, k, m]
                    scores[k, m] += digamma(of[said[row, s]]) - digamma(of.sum())
        if votes.gold[row] >= 0:
            scores[np.arange(3) != votes.gold[row]] = -np.inf
        weight = np.exp(scores)
        np.testing.assert_allclose(joint[row], weight / weight.sum(), rtol=1e-9)
        total += votes.weight[row] * np.log(weight.sum())
        if votes.anchors[row]:
            total -= votes.anchors[row] * classes[votes.gold[row]]
    assert evidence == pytest.approx(total)

    again = counted(votes, joint, prior_counts(4, 3, 2))
    for k, m in itertools.product(range(3), range(2)):
        assert again.subtypes[k, m] == pytest.approx(0.05 + votes.weight @ joint[:, k, m])
        for s, vote in itertools.product(range(4), range(3)):
            weight = (said[:, s] == vote) * votes.weight
            assert again.votes[s, k, m, vote] == pytest.approx((4 if k == vote else 1) + weight @ joint[:, k, m])
    np.testing.assert_allclose(again.classes, 1 + votes.items @ joint.sum(axis=2))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_divergence_is_an_expectation_of_log_densities(seed):
    rng = np.random.default_rng(seed)
    after, before = rng.uniform(1, 6, 3), rng.uniform(1, 6, 3)
    draws = rng.dirichlet(after, 200_000).T
    draws = draws / draws.sum(axis=0)
    gains = dirichlet.logpdf(draws, after) - dirichlet.logpdf(draws, before)
    assert dirichlet_divergence(after, before) == pytest.approx(gains.mean(), abs=6 * gains.std() / np.sqrt(200_000))
    assert dirichlet_divergence(after, after) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_bound_never_falls_and_is_that_of_the_updates(seed):
    labels, _ = some_votes(np.random.default_rng(seed), n_items=80)
    votes = Votes.of(labels)
    fit = fit_ebcc(votes, subtypes=4, tolerance=-np.inf, rounds=60)
    assert np.diff(fit.objective).min() > -1e-8
    prior = prior_counts(4, 3, 4)
    counts = counted(votes, start(votes, 4), prior)
    _, evidence = responsibilities(votes, ExpectedLogs.of(counts))
    assert fit.objective[0] == pytest.approx(evidence - divergence(counts, prior))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_bound_is_exact_for_one_item_of_one_source(seed):
    """With one vote all is conjugate: its log-evidence is log(1/K · mean of the prior's matrices)."""
    votes = Votes.of(textbook.hard_labels(np.asarray([[seed % 3]]), 3))
    fit = fit_ebcc(votes, subtypes=1, tolerance=1e-12)
    exact = np.log((4 / 6 + 1 / 6 + 1 / 6) / 3)
    assert fit.objective[-1] <= exact + 1e-9
    assert fit.objective[-1] > exact - 0.7


@pytest.mark.parametrize("seed", SEEDS)
def test_one_subtype_is_the_bayesian_model_of_independent_sources(seed):
    labels, _ = some_votes(np.random.default_rng(seed), n_items=60)
    probs = labels.probs
    q = probs.sum(axis=1) + 1e-300
    q /= q.sum(axis=1, keepdims=True)
    for _ in range(3000):
        balance = 1 + q.sum(axis=0)
        counts = np.einsum("isl,ik->skl", probs, q) + np.where(np.eye(3), 4, 1)
        logs = digamma(counts) - digamma(counts.sum(axis=2, keepdims=True))
        scores = digamma(balance) - digamma(balance.sum()) + np.einsum("isl,skl->ik", probs, logs)
        q = np.exp(scores - scores.max(axis=1, keepdims=True))
        q /= q.sum(axis=1, keepdims=True)
    fit = fit_ebcc(Votes.of(labels), subtypes=1, tolerance=-np.inf, rounds=3000)
    voted = labels.voted.any(axis=1)
    np.testing.assert_allclose(fit.posterior[voted], q[voted], rtol=0, atol=1e-5)
    assert np.isfinite(gammaln(counts)).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_group_of_sources_that_err_together_counts_for_less(seed):
    """On three items of ten, three of seven sources give the same wrong class with probability .85."""
    rng = np.random.default_rng(seed)
    gold, hard = rng.integers(4, size=1500), rng.random(1500) < 0.3
    codes = textbook.one_coin_votes(rng, gold, np.asarray([0.8] * 3 + [0.75] * 4), 4)
    together = np.where(rng.random((hard.sum(), 3)) < 0.85, (gold[hard, None] + 1) % 4, gold[hard, None])
    codes[np.ix_(hard, range(3))] = together
    votes = Votes.of(textbook.hard_labels(codes, 4))
    losses = [
        -np.log(np.maximum(fit.posterior[np.arange(1500), gold], 1e-9)).mean()
        for fit in (fit_ebcc(votes), fit_dawid_skene(votes))
    ]
    assert losses[0] < losses[1]
