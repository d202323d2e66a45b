"""Bayesian Dawid–Skene: copies count once, intervals hold the truth, the prior learns what it should."""

import numpy as np
import pytest
import textbook_sources as textbook
from by_name import bayesian_dawid_skene
from scipy.special import expit, gammaln
from scipy.stats import betabinom

from drawn_seeds import SEEDS
from outgrow.combiners.accuracy_intervals import draw_truth, thinned
from outgrow.combiners.bayesian_dawid_skene import fit_bayesian_dawid_skene
from outgrow.combiners.dawid_skene import fit_dawid_skene
from outgrow.combiners.dependence import duplicate_sources
from outgrow.combiners.source_prior import SourcePrior, mean_grid, right_and_wrong
from outgrow.combiners.votes import Votes
from outgrow.labels import Anchors


def drawn(rng, items, classes, sources, coverage=0.8):
    gold, accuracy = rng.integers(classes, size=items), rng.uniform(0.55, 0.9, sources)
    return textbook.one_coin_votes(rng, gold, accuracy, classes, coverage), gold, accuracy


def fit(codes, classes, draws=0, **options):
    return fit_bayesian_dawid_skene(Votes.of(textbook.hard_labels(codes, classes)), draws=draws, **options)


def log_loss(posterior, gold):
    return -np.log(posterior[np.arange(len(gold)), gold]).mean()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("sources", [2, 5])
def test_a_source_given_twice_changes_nothing(sources, classes, seed):
    codes, _, _ = drawn(np.random.default_rng(seed), 300, classes, sources)
    one, twice = fit(codes, classes), fit(np.concatenate([codes, codes[:, [1, 1]]], axis=1), classes)
    np.testing.assert_allclose(twice.posterior, one.posterior, atol=1e-9)
    np.testing.assert_allclose(twice.accuracy[[1, -2, -1]], one.accuracy[1])
    np.testing.assert_allclose(twice.weight[[1, -2, -1]].sum(), one.weight[1])
    assert twice.copied[1, -1] == twice.copied[-1, -2] == 1
    if sources == 5:
        alone = fit_dawid_skene(Votes.of(textbook.hard_labels(codes, classes))).posterior
        naive = fit_dawid_skene(Votes.of(textbook.hard_labels(codes[:, [0, 1, 2, 3, 4, 1, 1]], classes))).posterior
        assert np.abs(naive - alone).max() > 0.1  # else there would be nothing to correct


@pytest.mark.parametrize("seed", SEEDS)
def test_a_copy_with_slips_changes_little(seed):
    rng = np.random.default_rng(seed)
    codes, gold, _ = drawn(rng, 3000, 3, 6, coverage=1.0)
    slips = np.where(rng.random(3000) < 0.03, rng.integers(3, size=3000), codes[:, 2])
    with_copy = np.concatenate([codes, slips[:, None]], axis=1)
    one, two = fit(codes, 3).posterior, fit(with_copy, 3)
    naive = fit_dawid_skene(Votes.of(textbook.hard_labels(with_copy, 3))).posterior
    assert np.abs(two.posterior - one).mean() < 0.02
    assert np.abs(naive - one).mean() > 2 * np.abs(two.posterior - one).mean()
    assert log_loss(two.posterior, gold) < log_loss(naive, gold)
    assert two.copied[2, 6] > 0.8


@pytest.mark.parametrize("seed", SEEDS)
def test_errors_that_all_share_make_it_less_sure(seed):
    rng = np.random.default_rng(seed)
    gold, hard = rng.integers(4, size=2000), rng.normal(0, 1.5, (2000, 1))
    right = rng.random((2000, 8)) < expit(np.asarray([2.0, 1.5, 1, 1, 1, 0.8, 0.6, 0.5]) + hard)
    codes = np.where(right, gold[:, None], (gold[:, None] + rng.integers(1, 4, right.shape)) % 4)
    found, naive = fit(codes, 4), fit(codes, 4, correlated=False)
    assert found.shared_difficulty > 0.05
    assert found.weight.mean() < 0.9
    assert log_loss(found.posterior, gold) < log_loss(naive.posterior, gold) - 0.05
    np.testing.assert_array_equal(naive.weight, 1)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("sources", [4, 6])  # of three, one that is far better is now and then taken for faultless
def test_independent_sources_keep_their_weight(sources, seed):
    codes, gold, _ = drawn(np.random.default_rng(seed), 2000, 3, sources)
    found, plain = fit(codes, 3), fit(codes, 3, correlated=False)
    assert found.weight.min() > 0.6
    assert found.weight.mean() > 0.85
    assert log_loss(found.posterior, gold) < log_loss(plain.posterior, gold) + 0.02


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say():
    """95 % intervals of 25 draws of 5 sources; dependent within a draw, so 0.84 is three deviations or so below."""
    rng = np.random.default_rng(SEEDS[0])
    held, counted = [], []
    for _ in range(25):
        classes = int(rng.integers(2, 4))
        codes, _, accuracy = drawn(rng, 200, classes, 5)
        found = fit(codes, classes, draws=80)
        held.append((found.interval[:, 0] <= accuracy) & (accuracy <= found.interval[:, 1]))
        naive = fit(codes, classes, correlated=False).interval
        counted.append((naive[:, 0] <= accuracy) & (accuracy <= naive[:, 1]))
    print(f"seed {SEEDS[0]}: {np.mean(held):.3f} of the intervals hold, {np.mean(counted):.3f} of those by counting")
    assert np.mean(held) > 0.84
    assert np.mean(held) > np.mean(counted)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_call_gives_the_same_numbers(seed):
    codes, _, _ = drawn(np.random.default_rng(seed), 200, 3, 4)
    one, two = fit(codes, 3, draws=20), fit(codes, 3, draws=20)
    np.testing.assert_array_equal(one.interval, two.interval)
    np.testing.assert_array_equal(one.posterior, two.posterior)


@pytest.mark.parametrize("seed", SEEDS)
def test_orders_and_names_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    codes, _, _ = drawn(rng, 300, 3, 5)
    items, sources, names = rng.permutation(300), rng.permutation(5), rng.permutation(3)
    one = fit(codes, 3, draws=400)
    other = fit(np.where(codes < 0, -1, names[codes])[items][:, sources], 3, draws=400)
    np.testing.assert_allclose(other.posterior, one.posterior[items][:, np.argsort(names)], atol=1e-8)
    np.testing.assert_allclose(other.weight, one.weight[sources], atol=1e-6)
    # Other draws, the same distribution.
    np.testing.assert_allclose(other.interval, one.interval[sources], atol=0.08)


@pytest.mark.parametrize("seed", SEEDS)
def test_anchors_set_truth_and_teach_accuracies(seed):
    rng = np.random.default_rng(seed)
    codes, gold, accuracy = drawn(rng, 3000, 3, 3)
    labels = textbook.hard_labels(codes, 3)
    few, known = labels.take(np.arange(60)), labels.take(np.arange(60, 3000))
    anchors = Anchors(textbook.elsewhere(known), gold[60:])
    found = fit_bayesian_dawid_skene(Votes.of(few, anchors), draws=50)
    np.testing.assert_allclose(found.accuracy, accuracy, atol=0.04)
    assert (found.interval[:, 1] - found.interval[:, 0]).max() < 0.06
    inside = fit_bayesian_dawid_skene(Votes.of(labels, Anchors(known, gold[60:])), draws=0)
    assert (inside.posterior[60:].argmax(axis=1) == gold[60:]).all()


@pytest.mark.parametrize("sources", [1, 2])
def test_few_sources_and_silent_items(sources):
    codes, _, _ = drawn(np.random.default_rng(SEEDS[1]), 200, 4, sources)
    codes[0] = -1
    found = fit(codes, 4, draws=10)
    np.testing.assert_allclose(found.posterior.sum(axis=1), 1)
    np.testing.assert_allclose(found.posterior[0], found.balance, atol=0.01)
    assert ((found.interval[:, 0] < found.interval[:, 1]) & (found.interval >= 0).all(axis=1)).all()


def test_twins_need_enough_votes():
    codes = np.full((100, 4), -1)
    codes[:50, 0] = codes[:50, 1] = np.arange(50) % 2
    codes[:5, 2] = codes[:5, 3] = np.arange(5) % 2
    first, twin_of = duplicate_sources(Votes.of(textbook.hard_labels(codes, 2)))
    assert first.tolist() == [0, 2, 3]
    assert twin_of.tolist() == [0, 0, 1, 2]


def test_targets_tell_who_copies():
    codes, _, _ = drawn(np.random.default_rng(SEEDS[2]), 500, 3, 4)
    targets = bayesian_dawid_skene(textbook.hard_labels(codes[:, [0, 1, 2, 3, 1]], 3))
    assert any("s1 and s4 (1.00)" in sentence for sentence in targets.origin)


def test_the_prior_learns_what_the_sources_share():
    """Sources that are all alike and err alike on all classes: a narrow crowd, and rows as one coin."""
    rng = np.random.default_rng(SEEDS[0])
    alike = np.stack([np.where(np.eye(3, dtype=bool), 700, 150)] * 20).astype(float)
    found = SourcePrior(np.full(20, 0.7)).learn(alike, np.ones(20))
    np.testing.assert_allclose(found.accuracy, 0.7, atol=0.01)
    assert found.spread > 100
    matrices = rng.dirichlet(np.ones(3), (20, 3)) * 1000
    assert SourcePrior(np.full(20, 0.4)).learn(matrices, np.ones(20)).spread < 10
    silent = np.concatenate([alike, np.zeros((1, 3, 3))])
    assert abs(SourcePrior(np.full(21, 0.7)).learn(silent, np.ones(21)).accuracy[20] - 0.7) < 0.03


@pytest.mark.parametrize("seed", SEEDS)
def test_prior_densities_by_definition(seed):
    rng = np.random.default_rng(seed)
    right, wrong = rng.integers(0, 30, (2, 4)).astype(float)
    grid = mean_grid(right, wrong, np.ones(4), 3)
    above, below = grid.mean * grid.concentration, (1 - grid.mean) * grid.concentration
    total = sum(betabinom.logpmf(r, r + w, above, below) for r, w in zip(right, wrong, strict=True))
    total = total - np.log(grid.concentration / 8) ** 2 / 2
    np.testing.assert_allclose(np.diff(grid.height), np.diff(total), atol=1e-8)
    counts = rng.integers(0, 9, (4, 3, 3)).astype(float)
    worth = 20 / (counts.sum(axis=2) + 20)
    expected = [sum(worth[s, c] * counts[s, c, c] for c in range(3)) for s in range(4)]
    np.testing.assert_allclose(right_and_wrong(counts, 20.0)[0], expected)
    rows = SourcePrior(np.full(4, 0.6), 5.0).rows(3)
    np.testing.assert_allclose(rows.sum(axis=2), 5)
    np.testing.assert_allclose(rows[0, 1], [1, 3, 1])
    assert gammaln(rows).shape == counts.shape


def test_classes_are_drawn_from_their_posteriors():
    rng = np.random.default_rng(SEEDS[0])
    labels = textbook.hard_labels([[0, 1], [1, 1], [-1, -1]], 2)
    votes = Votes.gather(labels.sources, 2, np.repeat(labels.hard, 20_000, axis=0))
    matrices = np.asarray([[[0.8, 0.2], [0.3, 0.7]], [[0.6, 0.4], [0.1, 0.9]]])
    counts, shares = draw_truth(votes, np.log(matrices), np.log([0.3, 0.7]), None, rng)
    posterior = []
    for said in ([0, 1], [1, 1]):
        joint = [p * matrices[0, c, said[0]] * matrices[1, c, said[1]] for c, p in enumerate((0.3, 0.7))]
        posterior.append(joint[0] / sum(joint))
    np.testing.assert_allclose(shares[0] / 20_000, posterior[0] + posterior[1] + 0.3, atol=0.02)
    np.testing.assert_allclose(counts[0, 0] / 20_000, posterior, atol=0.02)


def test_many_votes_are_thinned_item_by_item():
    rng = np.random.default_rng(SEEDS[0])
    codes, _, _ = drawn(rng, 40_000, 3, 12, coverage=1.0)
    votes = Votes.gather(tuple("abcdefghijkl"), 3, codes)
    assert votes.n_different > 104_000
    kept, few = thinned(votes, rng)
    assert abs(few.n_votes.sum() - 100_000) < 4000
    np.testing.assert_array_equal(few.entries.column, votes.entries.take(kept).column)
    found = fit_bayesian_dawid_skene(votes, draws=3, correlated=False)
    assert (found.interval[:, 0] < found.accuracy).all()
    assert (found.accuracy < found.interval[:, 1]).all()
