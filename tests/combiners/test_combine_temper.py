"""Temperatures: against their definition, in simulations in which the right one is known, and what must stay."""

import itertools

import drawn_crowds
import numpy as np
import pytest
import textbook_sources as textbook
from by_name import calibrated, fit_named, scaled, targets_by
from scipy.special import softmax

from drawn_seeds import SEEDS
from outgrow.combiners import fit_by, section_named
from outgrow.combiners.dawid_skene import DawidSkene
from outgrow.combiners.held_out_votes import hold_out
from outgrow.combiners.temperature_scaling import (
    calibration,
    temperature_by_gold,
    temperature_by_votes,
    temperature_scaled,
    with_temperature,
)
from outgrow.combiners.vote import Vote, vote_targets
from outgrow.combiners.votes import Votes
from outgrow.labels import Anchors


def votes_of(codes, classes, gold=None):
    return Votes.of(textbook.hard_labels(codes, classes), None) if gold is None else gathered(codes, classes, gold)


def gathered(codes, classes, gold):
    return Votes.gather(tuple(f"s{number}" for number in range(codes.shape[1])), classes, codes, gold)


def log_loss(posterior, gold):
    return -np.log(np.maximum(posterior[np.arange(len(gold)), gold], 1e-12)).mean()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_temperature_is_found_again(seed):
    rng = np.random.default_rng(seed)
    honest = rng.dirichlet(np.ones(4), 4000)
    gold = (rng.random((4000, 1)) > honest.cumsum(axis=1)).sum(axis=1).clip(max=3)
    for wanted in (0.5, 1.0, 2.5):
        np.testing.assert_allclose(temperature_by_gold(with_temperature(honest, 1 / wanted), gold), wanted, rtol=0.12)
    np.testing.assert_allclose(with_temperature(honest, 1.0), honest, atol=1e-6)
    logits = rng.normal(0, 2, (50, 3))
    np.testing.assert_allclose(with_temperature(softmax(logits, axis=1), 3.0), softmax(logits / 3, axis=1), atol=1e-6)


def test_a_few_items_do_not_move_it_far():
    sure = np.tile([0.6, 0.4], (8, 1))
    assert 0.3 < temperature_by_gold(sure, np.zeros(8, dtype=np.int64)) < 1


@pytest.mark.parametrize("seed", SEEDS)
def test_measures_of_calibration_by_definition(seed):
    rng = np.random.default_rng(seed)
    posterior, gold = rng.dirichlet(np.ones(3), 60), rng.integers(3, size=60)
    found = calibration(posterior, gold)
    np.testing.assert_allclose(found.log_loss, log_loss(posterior, gold))
    np.testing.assert_allclose(found.brier, ((posterior - np.eye(3)[gold]) ** 2).sum(axis=1).mean())
    np.testing.assert_allclose(found.accuracy, (posterior.argmax(axis=1) == gold).mean())
    order = np.argsort(posterior.max(axis=1)).reshape(15, 4)
    gaps = [posterior.max(axis=1)[own].sum() - (posterior.argmax(axis=1) == gold)[own].sum() for own in order]
    np.testing.assert_allclose(found.ece, np.abs(gaps).sum() / 60)
    ties = calibration(np.full((4, 2), 0.5), np.asarray([0, 1, 1, 0]))
    assert (ties.accuracy, ties.n) == (0.5, 4)


@pytest.mark.parametrize("seed", SEEDS)
def test_gold_tempers_those_who_are_too_sure(seed):
    codes, gold = drawn_crowds.shared_hardship(np.random.default_rng(seed))
    known = np.where(np.arange(len(gold)) < 300, gold, -1)
    votes = gathered(codes, 3, known)
    found, plain = scaled("one_coin", votes), fit_named("one_coin", votes)
    rest = known < 0
    assert found.by == "gold"
    assert found.temperature > 1.3
    assert found.before.n == 300
    assert found.after.log_loss < found.before.log_loss - 0.02
    assert log_loss(found.fit.posterior[rest], gold[rest]) < log_loss(plain.posterior[rest], gold[rest]) - 0.02
    np.testing.assert_array_equal(found.fit.posterior[~rest], np.eye(3)[gold[:300]])
    np.testing.assert_array_equal(found.fit.posterior.argmax(axis=1)[rest], plain.posterior.argmax(axis=1)[rest])
    assert "held-out gold: T = " in found.sentence
    assert "ECE" in found.sentence


def test_gold_changes_nothing_that_it_does_not_make_better():
    """Honest sources: either T is 1 and all stays as it was, or gold that was held out becomes more probable."""
    kept = 0
    for seed, n_known in itertools.product(SEEDS, (40, 80, 120, 160)):
        codes, gold, _, classes = drawn_crowds.crowd("independent", np.random.default_rng([seed, n_known]), items=300)
        votes = gathered(codes, classes, np.where(np.arange(300) < n_known, gold, -1))
        found, plain = scaled("one_coin", votes), fit_named("one_coin", votes)
        if found.by != "gold":
            continue
        if found.temperature == 1:
            kept += 1
            np.testing.assert_array_equal(found.fit.posterior, plain.posterior)
            assert found.after == found.before
            assert "as the combiner has them: on held-out gold" in found.sentence
            assert "→" not in found.sentence
        else:
            assert found.after.log_loss < found.before.log_loss
            assert "T = 1.00" not in found.sentence
    assert kept


@pytest.mark.parametrize("seed", SEEDS)
def test_votes_alone_temper_those_who_are_too_sure(seed):
    codes, gold = drawn_crowds.shared_hardship(np.random.default_rng(seed))
    found, plain = scaled("one_coin", votes_of(codes, 3)), fit_named("one_coin", votes_of(codes, 3))
    assert found.by == "votes"
    assert found.temperature > 1.3
    assert found.before is None
    assert log_loss(found.fit.posterior, gold) < log_loss(plain.posterior, gold) - 0.02


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["independent", "adversarial", "three", "silent"])
def test_votes_leave_alone_who_is_honest(kind, seed):
    codes, _, _, classes = drawn_crowds.crowd(kind, np.random.default_rng(seed), items=800)
    found = scaled("one_coin", votes_of(codes, classes))
    assert 1 <= found.temperature < 1.25
    assert ("as the combiner has them" in found.sentence) == (found.temperature == 1)


def test_rules_of_one_class_are_no_guide_to_a_temperature():
    rng = np.random.default_rng(SEEDS[0])
    gold = rng.integers(2, size=800)
    fires = rng.random((800, 6)) < np.where(gold[:, None] == np.arange(6) % 2, 0.5, 0.1)
    held = hold_out(votes_of(np.where(fires, np.arange(6) % 2, -1), 2))
    assert temperature_by_votes(held, np.eye(2)[gold][held.item]) == 1


def test_nothing_is_done_where_nothing_can_be_told():
    codes, _, _, classes = drawn_crowds.crowd("three", np.random.default_rng(SEEDS[0]), items=50)
    plain = fit_named("one_coin", votes_of(codes[:, :2], classes))
    found = scaled("one_coin", votes_of(codes[:, :2], classes))
    assert (found.by, found.temperature) == ("nothing", 1.0)
    np.testing.assert_array_equal(found.fit.posterior, plain.posterior)


def test_balance_stays_where_nobody_voted():
    codes, gold = drawn_crowds.shared_hardship(np.random.default_rng(SEEDS[0]), items=600)
    codes[:5] = -1
    known = np.where(np.arange(600) > 300, gold, -1)
    found = scaled("one_coin", gathered(codes, 3, known))
    np.testing.assert_allclose(found.fit.posterior[:5], np.tile(found.fit.balance, (5, 1)))


def test_intervals_are_drawn_once_only():
    """A combiner with drawn intervals keeps them, and is refitted without."""
    codes, gold = drawn_crowds.shared_hardship(np.random.default_rng(SEEDS[0]), items=200)
    votes = gathered(codes, 3, np.where(np.arange(200) < 100, gold, -1))
    section = section_named("bayesian_dawid_skene")
    fit = fit_by(section)(votes)
    found = temperature_scaled(votes, section, fit)
    np.testing.assert_array_equal(found.fit.interval, fit.interval)


@pytest.mark.parametrize("name", ["vote", "one_coin", "rule_vote", "auto"])
def test_studies_temper_when_asked(name):
    codes, gold = drawn_crowds.shared_hardship(np.random.default_rng(SEEDS[0]), items=500)
    labels = textbook.hard_labels(codes, 3)
    known = Anchors(textbook.elsewhere(labels.take(np.arange(100))), gold[:100])
    rest = labels.take(np.arange(100, 500))
    targets, plain = calibrated(name, rest, known), targets_by(name, rest, known)
    assert targets.items == plain.items
    assert "held-out gold" in targets.origin[-1]
    better = log_loss(plain.probs, gold[100:]) - log_loss(targets.probs, gold[100:])
    assert better > (0.1 if name == "vote" else -0.03)


def test_the_option_is_off_by_default():
    assert Vote(type="vote").model_dump() == {"type": "vote", "calibrate": False, "majority": True}
    assert not DawidSkene(type="dawid_skene").calibrated
    assert Vote(type="vote", calibrate=True).calibrated
    posterior = np.array([[0.3, 0.7]])
    np.testing.assert_array_equal(vote_targets(Vote(type="vote", calibrate=True), posterior), posterior)
    np.testing.assert_array_equal(vote_targets(Vote(type="vote"), posterior), [[0, 1]])
