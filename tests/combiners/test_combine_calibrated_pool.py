"""The calibrated pool against its definition, and against sources whose temperatures are known."""

import numpy as np
import pytest
import textbook_sources as textbook
from by_name import fit_named
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from drawn_seeds import SEEDS
from outgrow.combiners.calibrated_pool import SPREAD, calibrate
from outgrow.combiners.votes import Votes
from stated_votes import product, stated

FLOOR = 1e-6


def gathered(probs, gold=None):
    return Votes.gather(tuple(f"s{number}" for number in range(probs.shape[1])), probs.shape[2], probs, gold)


def right(posterior, gold):
    return (posterior.argmax(axis=1) == gold).mean()


def surprise(posterior, gold):
    return -np.log(np.maximum(posterior[np.arange(len(gold)), gold], 1e-9)).mean()


def converged(votes):
    return calibrate(votes, 1.0, tolerance=1e-9, rounds=3000)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_posterior_is_the_product_by_explicit_loops(seed):
    rng = np.random.default_rng(seed)
    probs, _, gold = stated(rng, 60, 3, [1.5, 1.0, 2.0], [3.0, 0.5, 1.0], coverage=0.8)
    known = np.where(np.arange(60) < 5, gold, -1)
    scores, found, _, _ = calibrate(gathered(probs, known), 1.0, rounds=4)
    products = []
    for votes in probs:
        total = np.zeros(3)
        for source, vote in enumerate(votes):
            if vote.any():
                logs = np.log(np.maximum(vote, FLOOR))
                own = np.exp(found.log_sharpness[source]) * logs + found.bias[source]
                total += np.log(softmax(own) / found.reference[source])
        products.append(total)
    balance = log_softmax(scores - products, axis=1)
    np.testing.assert_allclose(balance, np.broadcast_to(balance[0], balance.shape), atol=1e-9)
    np.testing.assert_allclose(found.reference.sum(axis=1), 1.0)


@pytest.mark.parametrize("seed", SEEDS)
def test_temperatures_and_biases_are_the_best_for_the_posteriors(seed):
    """At the fixed point no other parameters of a source are more probable, by a search over the explicit sum."""
    rng = np.random.default_rng(seed)
    probs, _, _ = stated(rng, 250, 3, [1.6, 1.3, 1.8, 1.5], [2.0, 0.6, 1.0, 1.4], balance=[0.5, 0.3, 0.2])
    votes = gathered(probs)
    scores, found, _, done = converged(votes)
    assert done
    posterior = softmax(scores, axis=1)
    precisions, sharpness = [], np.exp(found.log_sharpness)
    for source in range(4):
        logs = np.log(np.maximum(probs[:, source], FLOOR))
        own = softmax(sharpness[source] * logs + found.bias[source], axis=1)
        precisions.append(sharpness[source] ** 2 * ((own * logs**2).sum() - ((own * logs).sum(axis=1) ** 2).sum()))
    own = np.asarray(precisions) / (np.asarray(precisions) + SPREAD**-2)
    common = own @ found.log_sharpness / (own.sum() + 1)
    for source in range(4):
        logs = np.log(np.maximum(probs[:, source], FLOOR))

        def loss(values, logs=logs):
            told = log_softmax(np.exp(values[0]) * logs + values[1:], axis=1)
            pseudo = log_softmax(values[1:]).mean()
            return -(posterior * told).sum() - pseudo + (values[0] - common) ** 2 / (2 * SPREAD**2)

        mine = np.append(found.log_sharpness[source], found.bias[source])
        best = minimize(loss, mine, method="BFGS", options={"gtol": 1e-6})
        assert loss(mine) <= best.fun + 1e-4
        np.testing.assert_allclose(best.x[0], mine[0], atol=0.01)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("classes", "strength"), [(2, 1.5), (4, 1.5), (17, 2.0)])
def test_temperatures_are_found_from_votes_alone(classes, strength, seed):
    temperature = np.asarray([4.0, 0.3, 1.0, 2.0, 6.0])
    probs, _, _ = stated(np.random.default_rng(seed), 1500, classes, np.full(5, strength), temperature)
    found = calibrate(gathered(probs), 1.0).calibrators
    np.testing.assert_allclose(np.exp(found.log_sharpness), temperature, rtol=0.5)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("temperature", [(1, 1, 1, 1), (5, 5, 5, 5), (0.3, 0.3, 0.3, 0.3), (0.3, 4, 1, 8)])
def test_it_is_nearly_as_good_as_with_known_temperatures(temperature, seed):
    probs, calibrated, gold = stated(np.random.default_rng(seed), 600, 8, [2.0, 2.2, 1.7, 1.3], temperature)
    found, best = fit_named("calibrated_pool", gathered(probs)), product(calibrated)
    assert right(found.posterior, gold) > right(best, gold) - 0.05
    assert surprise(found.posterior, gold) < surprise(best, gold) + 0.15
    true = (probs.argmax(axis=2) == gold[:, None]).mean(axis=0)
    np.testing.assert_allclose(found.accuracy, true, atol=0.07)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_constant_source_counts_for_nothing_and_rare_classes_stay(seed):
    rng = np.random.default_rng(seed)
    probs, _, gold = stated(rng, 800, 3, [2.0, 1.8, 1.6, 2.0], [3.0, 1.0, 0.5, 2.0], balance=[0.7, 0.2, 0.1])
    constant = np.tile([0.9, 0.05, 0.05], (800, 1, 1))
    alone, together = (
        fit_named("calibrated_pool", gathered(votes)).posterior
        for votes in (probs, np.concatenate([probs, constant], axis=1))
    )
    assert right(together, gold) > right(alone, gold) - 0.02
    np.testing.assert_allclose(together.mean(axis=0), [0.7, 0.2, 0.1], atol=0.08)


@pytest.mark.parametrize("seed", SEEDS)
def test_gold_stays_and_helps(seed):
    rng = np.random.default_rng(seed)
    probs, _, gold = stated(rng, 300, 4, [1.0, 0.8, 0.9], [4.0, 0.5, 2.0])
    known = np.where(np.arange(300) < 150, gold, -1)
    found = fit_named("calibrated_pool", gathered(probs, known)).posterior
    np.testing.assert_allclose(found[:150], np.eye(4)[gold[:150]])
    without = fit_named("calibrated_pool", gathered(probs)).posterior
    assert surprise(found[150:], gold[150:]) < surprise(without[150:], gold[150:]) + 0.05


def test_no_vote_has_the_balance_and_one_vote_keeps_its_order():
    labels = textbook.soft_labels(np.random.default_rng(SEEDS[0]), items=50)
    found = fit_named("calibrated_pool", Votes.of(labels))
    np.testing.assert_allclose(found.posterior[0], found.balance)
    assert np.isfinite(found.posterior).all()
