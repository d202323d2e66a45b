"""Log-linear pooling against its formula; temperatures against a search."""

import numpy as np
import pytest
import textbook_sources as textbook
from by_name import log_pool

from drawn_seeds import SEEDS
from outgrow.combiners.log_pool import temperatures
from outgrow.combiners.votes import Votes
from outgrow.errors import ConfigError
from outgrow.labels import Anchors, WeakLabels


def tempered(rng, temperature, classes=4, items=3000):
    """A calibrated source's opinions and gold drawn from them; and the same opinions at another temperature."""
    honest = rng.dirichlet(np.full(classes, 0.8), items)
    gold = (rng.random(items)[:, None] > honest.cumsum(axis=1)).sum(axis=1).clip(0, classes - 1)
    told = honest**temperature
    return told / told.sum(axis=1, keepdims=True), gold


@pytest.mark.parametrize("seed", SEEDS)
def test_uncalibrated_average_is_the_normalised_product(seed):
    labels = textbook.soft_labels(np.random.default_rng(seed))
    found = textbook.by_item(log_pool(labels, calibrate_sources=False))
    for number, rows in enumerate(labels.probs):
        voted = rows[rows.any(axis=1)]
        if len(voted):
            product = np.maximum(voted, 1e-6).prod(axis=0)
            np.testing.assert_allclose(found[f"item{number}"], product / product.sum(), atol=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_sources_temperature_is_found(temperature, seed):
    told, gold = tempered(np.random.default_rng(seed), temperature)
    (found,) = temperatures(Votes.gather(("s0",), told.shape[1], told[:, None], gold))
    np.testing.assert_allclose(found, temperature, rtol=0.15)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_other_temperature_makes_gold_more_likely(seed):
    rng = np.random.default_rng(seed)
    labels = textbook.soft_labels(rng, items=300)
    gold = rng.integers(3, size=300)
    for source, found in enumerate(temperatures(Votes.gather(labels.sources, 3, labels.probs, gold))):
        rows = labels.voted[:, source]
        log_votes = np.log(np.maximum(labels.probs[rows, source], 1e-6))

        def loss(value, log_votes=log_votes, rows=rows):
            scaled = np.exp(log_votes / value)
            return -np.log(scaled[np.arange(rows.sum()), gold[rows]] / scaled.sum(axis=1)).mean()

        assert loss(found) <= min(loss(value) for value in np.exp(np.linspace(-2.5, 4, 200))) + 1e-7


def test_calibration_undoes_a_temperature():
    rng = np.random.default_rng(0)
    told, gold = tempered(rng, 4.0)
    labels = textbook.labels_of(told[:, None])
    pooled = log_pool(labels, Anchors(textbook.elsewhere(labels), gold))
    honest = told ** (1 / 4.0)
    honest /= honest.sum(axis=1, keepdims=True)
    assert np.abs(pooled.probs - honest).mean() < 0.02
    assert any("s0 " in sentence for sentence in pooled.origin)


def test_a_hard_vote_vetoes_nothing():
    labels = textbook.hard_labels([[0, 1, 1]], 3)
    found = log_pool(labels, calibrate_sources=False).probs[0]
    assert np.isfinite(found).all()
    assert found.argmax() == 1


def test_a_source_that_knows_nothing_changes_nothing():
    rng = np.random.default_rng(SEEDS[0])
    labels = textbook.soft_labels(rng)
    ignorant = np.where(labels.voted.any(axis=1)[:, None, None], 1 / 3, 0.0) * np.ones((1, 1, 3))
    joined = WeakLabels(labels.items, (*labels.sources, "none"), np.concatenate([labels.probs, ignorant], axis=1))
    textbook.assert_same_targets(log_pool(labels, calibrate_sources=False), log_pool(joined, calibrate_sources=False))


def test_given_weights_are_exponents():
    labels = textbook.labels_of([[[0.6, 0.4], [0.3, 0.7]]])
    found = log_pool(labels, weights={"s0": 3.0, "s1": 1.0}, calibrate_sources=False).probs[0]
    product = np.asarray([0.6, 0.4]) ** 1.5 * np.asarray([0.3, 0.7]) ** 0.5
    np.testing.assert_allclose(found, product / product.sum())


def test_without_gold_all_temperatures_are_1_and_a_note_says_so():
    labels = textbook.soft_labels(np.random.default_rng(SEEDS[0]))
    found = log_pool(labels)
    textbook.assert_same_targets(found, log_pool(labels, calibrate_sources=False))
    assert any("temperatures are all 1" in sentence for sentence in found.origin)


def test_weights_by_accuracy_need_anchors():
    with pytest.raises(ConfigError, match="holdout"):
        log_pool(textbook.hard_labels([[0, 1]], 2), weights="accuracy")
