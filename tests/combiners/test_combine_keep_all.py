"""Every vote a row: weights per item, by each rule, and what is said of items without a vote."""

import numpy as np
import pytest
import textbook_sources as textbook
from by_name import targets_by

from drawn_seeds import SEEDS
from outgrow.combiners.keep_all import keep_all, single
from outgrow.combiners.targets import mean_vote
from outgrow.errors import ConfigError, DataError
from outgrow.labels import Anchors


def drawn(seed, **shape):
    return textbook.soft_labels(np.random.default_rng(seed), **shape)


def anchors_for(labels, seed, n=200):
    rng = np.random.default_rng(seed)
    gold = rng.integers(labels.n_classes, size=n)
    accuracy = np.linspace(0.8, 0.4, len(labels.sources))
    votes = textbook.one_coin_votes(rng, gold, accuracy, labels.n_classes, coverage=0.7)
    return Anchors(textbook.elsewhere(textbook.hard_labels(votes, labels.n_classes)), gold)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "weights", ["average", "confidence", "accuracy", {"s0": 1.0, "s1": 2.0, "s2": 0.5, "s3": 3.0}]
)
def test_rows_are_the_votes_and_an_items_weights_sum_to_one(weights, seed):
    labels = drawn(seed)
    targets = keep_all(labels, anchors_for(labels, seed), weights)
    assert len(targets.items) == labels.voted.sum()
    item, source = np.nonzero(labels.voted)
    np.testing.assert_array_equal(targets.probs, labels.probs[item, source])
    totals = dict.fromkeys(targets.items, 0.0)
    for name, weight in zip(targets.items, targets.weight, strict=True):
        totals[name] += weight
    np.testing.assert_allclose(list(totals.values()), 1)
    silent = int((~labels.voted.any(axis=1)).sum())
    assert any(str(silent) in sentence for sentence in targets.origin)
    assert "item0" not in totals


def test_weights_by_hand():
    labels = textbook.labels_of([[[0.9, 0.1], [0.4, 0.6], [0, 0]], [[0.5, 0.5], [0, 0], [0, 0]]])
    np.testing.assert_allclose(keep_all(labels).weight, [0.5, 0.5, 1])
    np.testing.assert_allclose(keep_all(labels, weights="confidence").weight, [0.6, 0.4, 1])
    np.testing.assert_allclose(keep_all(labels, weights={"s0": 3.0, "s1": 1.0, "s2": 5.0}).weight, [0.75, 0.25, 1])
    assert len(keep_all(labels, weights={"s1": 1.0}).items) == 1


def test_accuracy_weights_are_the_excess_over_chance():
    gold = np.zeros(400, dtype=int)
    votes = np.ones((400, 3), dtype=int)
    votes[:300, 0] = votes[:200, 1] = 0
    votes[:360, 2] = 0
    labels = textbook.hard_labels([[0, 0, 0]], 2)
    found = keep_all(labels, Anchors(textbook.elsewhere(textbook.hard_labels(votes, 2)), gold), "accuracy").weight
    excess = np.maximum((np.asarray([300, 200, 360]) + 1) / 402 - 0.5, 1e-3)
    np.testing.assert_allclose(found, excess / excess.sum())


def test_accuracy_is_that_of_the_votes_given_not_of_the_silence():
    gold = np.asarray([0, 1] * 50)
    always = np.where(np.arange(100) < 80, gold, 1 - gold)
    rarely = np.where(np.arange(100) >= 60, always, -1)  # 20 right of 40
    labels = textbook.hard_labels([[0, 0]], 2)
    known = Anchors(textbook.elsewhere(textbook.hard_labels(np.stack([always, rarely], 1), 2)), gold)
    weight = keep_all(labels, known, "accuracy").weight
    assert weight[0] > 0.99  # the other is at chance


@pytest.mark.parametrize("seed", SEEDS)
def test_the_mean_is_what_linear_losses_see(seed):
    labels = drawn(seed)
    collapsed = keep_all(labels).collapse()
    voted = labels.voted.any(axis=1)
    np.testing.assert_allclose(collapsed.probs, mean_vote(labels)[voted])
    assert (mean_vote(labels)[~voted] == 0).all()


def test_single_is_one_sources_votes():
    labels = drawn(SEEDS[0])
    targets = single(labels, source="s2")
    voted = labels.voted[:, 2]
    np.testing.assert_array_equal(targets.probs, labels.probs[voted, 2])
    assert targets.items == [name for name, has in zip(labels.items, voted, strict=True) if has]
    assert (targets.weight == 1).all()


@pytest.mark.parametrize(
    ("weights", "word"),
    [({"s1": -1.0, "s0": 2.0}, ">= 0"), ({"s0": 0.0}, "not all zero"), ({"s9": 1.0}, "`s9`"), ("accuracy", "holdout")],
)
def test_impossible_weights_are_refused(weights, word):
    with pytest.raises(ConfigError, match=word):
        keep_all(drawn(0), None, weights)


def test_a_source_that_does_not_exist_is_refused():
    with pytest.raises(DataError, match="nobody"):
        single(drawn(0), source="nobody")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("weighted_vote", {}),
        ("log_pool", {}),
        ("log_pool", {"weights": "accuracy"}),
        ("keep_all", {"weights": "accuracy"}),
    ],
)
def test_anchors_belong_to_sources_by_name(name, options):
    labels = drawn(SEEDS[0])
    anchors = anchors_for(labels, SEEDS[0])
    turned = Anchors(textbook.permuted(anchors.labels, sources=[2, 0, 3, 1]), anchors.gold)
    known, other = (targets_by(name, labels, which, **options) for which in (anchors, turned))
    textbook.assert_same_targets(known, other)
