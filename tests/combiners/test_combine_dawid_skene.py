"""Dawid–Skene and one-coin: against explicit loops, known confusion matrices, and what must not matter."""

import brute_force_votes as brute
import numpy as np
import pytest
import textbook_sources as textbook
from by_name import dawid_skene, one_coin, vote

from drawn_seeds import SEEDS
from outgrow.combiners.dawid_skene import fit_dawid_skene, fit_one_coin
from outgrow.combiners.fit import counted_interval
from outgrow.combiners.votes import Votes
from outgrow.labels import Anchors, WeakLabels

MODELS = {"full": (fit_dawid_skene, brute.full_matrices), "one coin": (fit_one_coin, brute.one_coins)}


def drawn_votes(seed, classes, items=400, sources=5, coverage=0.8, sharpness=5.0):
    """Votes from random confusion matrices, better than chance: codes, gold, matrices [source, truth, said]."""
    rng = np.random.default_rng(seed)
    rows = [[rng.dirichlet(1 + sharpness * np.eye(classes)[c]) for c in range(classes)] for _ in range(sources)]
    matrices, gold = np.asarray(rows), rng.integers(classes, size=items)
    limits = matrices.cumsum(axis=2)[:, gold].transpose(1, 0, 2)
    codes = np.minimum((rng.random((items, sources, 1)) > limits).sum(axis=2), classes - 1)
    return np.where(rng.random(codes.shape) < coverage, codes, -1), gold, matrices


def fit(codes, classes, model="full", anchors=None, **options):
    return MODELS[model][0](Votes.of(textbook.hard_labels(codes, classes), anchors), **options)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("smoothing", [0.0, 1.3])
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("model", MODELS)
def test_step_by_step_as_explicit_loops_do_it(model, classes, smoothing, seed):
    codes, _, _ = drawn_votes(seed, classes, items=30, sources=4)
    labels = textbook.hard_labels(codes, classes)
    climb, rule = MODELS[model]
    found = climb(Votes.of(labels), smoothing=smoothing, tolerance=-np.inf, rounds=5)
    # Without pseudo-votes a count may be zero, whose logarithm the definition cannot take.
    pseudo = smoothing or 1e-12
    posterior, balance, confusion, evidence = brute.expectation_maximisation(labels.probs, rule, pseudo, 6)
    np.testing.assert_allclose(found.posterior, posterior, atol=1e-6)
    np.testing.assert_allclose(found.balance, balance, atol=1e-6)
    np.testing.assert_allclose(found.confusion, confusion, atol=1e-6)
    np.testing.assert_allclose(found.log_likelihood, evidence, rtol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("model", MODELS)
def test_soft_votes_by_expected_log_probabilities(model, seed):
    labels = textbook.soft_labels(np.random.default_rng(seed), items=25)
    climb, rule = MODELS[model]
    found = climb(Votes.of(labels), tolerance=-np.inf, rounds=3)
    posterior, balance, _, evidence = brute.expectation_maximisation(labels.probs, rule, 1.0, 4)
    np.testing.assert_allclose(found.posterior, posterior, atol=1e-9)
    np.testing.assert_allclose(found.log_likelihood, evidence, rtol=1e-9)
    np.testing.assert_allclose(found.posterior[0], balance)  # nobody voted on item 0


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("model", MODELS)
def test_gold_takes_the_place_of_posteriors(model, seed):
    codes, truth, _ = drawn_votes(seed, 3, items=30, sources=3)
    inside, outside = textbook.hard_labels(codes[:20], 3), textbook.hard_labels(codes[20:], 3)
    known = WeakLabels(
        [*inside.items[:5], *textbook.elsewhere(outside).items],
        inside.sources,
        np.concatenate([inside.probs[:5], outside.probs]),
    )
    anchors = Anchors(known, np.concatenate([truth[:5], truth[20:]]))
    climb, rule = MODELS[model]
    found = climb(Votes.of(inside, anchors), tolerance=-np.inf, rounds=4)
    everything = np.concatenate([inside.probs, outside.probs])
    gold = np.where((np.arange(30) < 5) | (np.arange(30) >= 20), truth, -1)
    posterior, balance, _, evidence = brute.expectation_maximisation(everything, rule, 1.0, 5, gold, range(20, 30))
    np.testing.assert_allclose(found.posterior, posterior[:20], atol=1e-9)
    np.testing.assert_allclose(found.balance, balance)
    np.testing.assert_allclose(found.log_likelihood, evidence, rtol=1e-9)
    assert (found.posterior[:5].argmax(axis=1) == truth[:5]).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_counted_silence_by_explicit_loops(seed):
    codes, _, _ = drawn_votes(seed, 3, items=30, sources=3, coverage=0.5)
    labels = textbook.hard_labels(codes, 3)
    found = fit_dawid_skene(Votes.of(labels).with_silence(), tolerance=-np.inf, rounds=4)
    table = brute.with_silence(labels.probs)
    posterior, _, confusion, evidence = brute.expectation_maximisation(table, brute.full_matrices, 1.0, 5, n_classes=3)
    np.testing.assert_allclose(found.posterior, posterior, atol=1e-9)
    np.testing.assert_allclose(found.log_likelihood, evidence, rtol=1e-9)
    of_classes = confusion[:, :, :3]
    np.testing.assert_allclose(found.confusion, of_classes / of_classes.sum(axis=2, keepdims=True))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("model", MODELS)
def test_no_step_falls(model, classes, seed):
    rng = np.random.default_rng(seed)
    noise = Votes.of(textbook.soft_labels(rng, items=60, classes=classes))
    for votes in (noise, Votes.of(textbook.hard_labels(drawn_votes(seed, classes)[0], classes))):
        for balanced in (False, True):
            found = MODELS[model][0](votes, balanced=balanced, tolerance=-np.inf, rounds=60)
            assert np.diff(found.objective).min() > -1e-9
            assert len(found.objective) == 61
            assert not found.converged
    settled = MODELS[model][0](votes)
    assert settled.converged
    assert len(settled.objective) < 500


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("classes", [2, 5])
def test_known_matrices_are_recovered(classes, seed):
    codes, gold, matrices = drawn_votes(seed, classes, items=30_000, sources=7, sharpness=8.0)
    found = fit(codes, classes)
    np.testing.assert_allclose(found.confusion, matrices, atol=0.06)
    np.testing.assert_allclose(found.accuracy, np.einsum("scc->s", matrices) / classes, atol=0.03)
    right = found.posterior[np.arange(len(gold)), gold]
    assert abs((found.posterior.argmax(axis=1) == gold).mean() - found.posterior.max(axis=1).mean()) < 0.02
    assert right.mean() > 0.7


def test_the_one_coin_recovers_accuracies_and_bad_sources():
    rng = np.random.default_rng(SEEDS[0])
    gold, accuracy = rng.integers(4, size=20_000), np.asarray([0.9, 0.75, 0.6, 0.15, 0.7])
    found = fit(textbook.one_coin_votes(rng, gold, accuracy, 4, 0.7), 4, "one coin")
    np.testing.assert_allclose(found.accuracy, accuracy, atol=0.02)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("seed", SEEDS)
def test_orders_and_names_do_not_matter(seed, model):
    rng = np.random.default_rng(seed)
    codes, _, _ = drawn_votes(seed, 3)
    one = fit(codes, 3, model)
    items, sources, names = rng.permutation(len(codes)), rng.permutation(codes.shape[1]), rng.permutation(3)
    renamed = np.where(codes < 0, -1, names[codes])[items][:, sources]
    other = fit(renamed, 3, model)
    back = np.argsort(names)
    np.testing.assert_allclose(other.posterior, one.posterior[items][:, back], atol=1e-9)
    np.testing.assert_allclose(other.confusion, one.confusion[sources][:, back][:, :, back], atol=1e-9)
    np.testing.assert_allclose(other.interval, one.interval[sources], atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_silence_anywhere_else_is_the_same_silence(seed):
    """A vote is read by itself: moving abstentions along with their items' other votes changes nothing."""
    codes, _, _ = drawn_votes(seed, 3, coverage=0.6)
    order = np.random.default_rng(seed).permutation(len(codes))
    silent = np.full((40, codes.shape[1]), -1)
    one, other = fit(codes, 3), fit(np.concatenate([silent, codes[order]]), 3, smoothing=1.0)
    np.testing.assert_allclose(other.confusion, one.confusion, atol=0.01)
    np.testing.assert_allclose(other.posterior[:40], np.broadcast_to(other.balance, (40, 3)), atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_million_like_items_cost_no_more_than_their_patterns(seed):
    codes, _, _ = drawn_votes(seed, 2, items=200)
    many = fit(np.tile(codes, (50, 1)), 2, smoothing=50.0, rounds=20, tolerance=-np.inf)
    one = fit(codes, 2, smoothing=1.0, rounds=20, tolerance=-np.inf)
    np.testing.assert_allclose(many.posterior[:200], one.posterior, atol=1e-7)
    np.testing.assert_allclose(many.log_likelihood, 50 * one.log_likelihood)


@pytest.mark.parametrize("model", MODELS)
def test_one_source_is_taken_at_its_word(model):
    codes = np.asarray([[0]] * 30 + [[1]] * 50 + [[2]] * 20 + [[-1]])
    found = fit(codes, 3, model)
    assert (found.posterior[:100].argmax(axis=1) == codes[:100, 0]).all()
    np.testing.assert_allclose(found.posterior[100], found.balance)


def test_rules_that_fire_on_one_class_need_counted_silence():
    rng = np.random.default_rng(SEEDS[0])
    gold = rng.integers(2, size=3000)
    fires = rng.random((3000, 8)) < np.where(gold[:, None] == np.arange(8) % 2, 0.5, 0.1)
    labels = textbook.hard_labels(np.where(fires, np.arange(8) % 2, -1), 2)
    counted, ignored = dawid_skene(labels, abstentions="counted"), dawid_skene(labels)
    truth = gold[[int(item.removeprefix("item")) for item in counted.items]]
    assert (counted.probs.argmax(axis=1) == truth).mean() > 0.85
    assert ignored.probs.max(axis=1).mean() < 0.7
    assert "`abstentions: counted`" in ignored.origin[1]
    assert not any("`abstentions: counted`" in sentence for sentence in counted.origin)


def test_targets_tell_of_sources_and_of_what_is_missing():
    codes, _, _ = drawn_votes(SEEDS[0], 3)
    codes[7] = -1
    targets = dawid_skene(textbook.hard_labels(codes, 3))
    assert "item7" not in targets.items
    assert targets.origin[0].startswith("Accuracies as `dawid_skene` estimates them: s0 0.")
    assert "left out" in targets.origin[-1]
    many = textbook.hard_labels(np.zeros((5, 30), dtype=int), 2)
    assert "of 30 sources" in one_coin(many).origin[0]


def test_better_sources_count_for_more_than_heads():
    rng = np.random.default_rng(SEEDS[1])
    gold = rng.integers(3, size=5000)
    labels = textbook.hard_labels(textbook.one_coin_votes(rng, gold, np.asarray([0.95, 0.9, 0.5, 0.5, 0.5]), 3), 3)
    shares = {}
    for name, targets in (("majority", vote(labels)), ("matrices", dawid_skene(labels)), ("coins", one_coin(labels))):
        shares[name] = targets.probs[np.arange(5000), gold].mean()
    assert min(shares["matrices"], shares["coins"]) > shares["majority"] + 0.04


def test_counted_intervals_are_jeffreys():
    low, high = counted_interval(np.asarray([0.8]), np.asarray([50.0]))[0]
    draws = np.random.default_rng(0).beta(40.5, 10.5, 200_000)
    np.testing.assert_allclose([low, high], np.quantile(draws, [0.025, 0.975]), atol=0.003)
