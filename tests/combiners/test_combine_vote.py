"""Majority and weighted votes against enumeration."""

import numpy as np
import pytest
import textbook_sources as textbook
from by_name import fit_named, vote, weighted_vote
from scipy.special import softmax

from drawn_seeds import SEEDS
from outgrow.combiners.vote import log_odds_sum
from outgrow.combiners.votes import Votes
from outgrow.combiners.weights import gold_accuracy
from outgrow.errors import ConfigError
from outgrow.labels import Anchors


def drawn(seed, classes, items=60, accuracy=(0.8, 0.6, 0.5, 0.7)):
    rng = np.random.default_rng(seed)
    gold = rng.integers(classes, size=items)
    return gold, textbook.one_coin_votes(rng, gold, np.asarray(accuracy), classes, coverage=0.8)


def posterior_by(labels, accuracy):
    votes = Votes.of(labels)
    return softmax(log_odds_sum(votes, accuracy)[votes.row_of], axis=1)


def accuracy_on(anchors):
    return gold_accuracy(Votes.of(anchors.labels, anchors), "the test")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("classes", [2, 3, 6])
def test_majority_by_counting(classes, seed):
    _, votes = drawn(seed, classes)
    found = textbook.by_item(vote(textbook.hard_labels(votes, classes)))
    for number, row in enumerate(votes):
        said = row[row >= 0]
        if not len(said):
            assert f"item{number}" not in found
            continue
        count = np.bincount(said, minlength=classes)
        first = count == count.max()
        np.testing.assert_allclose(found[f"item{number}"], first / first.sum())


def test_ties_are_shared_and_abstentions_do_not_count():
    found = vote(textbook.hard_labels([[0, 1, -1], [0, 1, 2], [2, 2, 1], [-1, 0, -1]], 3)).probs
    np.testing.assert_allclose(found, [[0.5, 0.5, 0], [1 / 3] * 3, [0, 0, 1], [1, 0, 0]])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("classes", [2, 3, 6])
def test_weighted_vote_is_the_posterior_of_the_one_coin_model(classes, seed):
    _, votes = drawn(seed, classes)
    labels = textbook.hard_labels(votes, classes)
    accuracy = np.asarray([0.9, 0.5, 0.3, 0.05])
    found = posterior_by(labels, accuracy)
    for number, row in enumerate(votes):
        joint = np.ones(classes) / classes
        for source, said in enumerate(row):
            if said >= 0:
                likelihood = np.full(classes, (1 - accuracy[source]) / (classes - 1))
                likelihood[said] = accuracy[source]
                joint = joint * likelihood
        np.testing.assert_allclose(found[number], joint / joint.sum(), atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_accuracies_come_from_the_anchors_by_name(seed):
    gold, votes = drawn(seed, 3, items=3000)
    anchors = Anchors(textbook.elsewhere(textbook.hard_labels(votes, 3)), gold)
    np.testing.assert_allclose(accuracy_on(anchors), [0.8, 0.6, 0.5, 0.7], atol=0.06)
    turned = Anchors(textbook.permuted(anchors.labels, sources=[3, 1, 0, 2]), gold)
    labels = textbook.hard_labels(votes[:50], 3)
    textbook.assert_same_targets(weighted_vote(labels, anchors), weighted_vote(labels, turned))


def test_the_weighted_vote_beats_the_majority_where_sources_differ():
    gold, votes = drawn(0, 3, items=4000, accuracy=(0.95, 0.4, 0.4, 0.4))
    anchors = Anchors(textbook.elsewhere(textbook.hard_labels(votes[:2000], 3)), gold[:2000])
    labels = textbook.hard_labels(votes[2000:], 3)
    right = {}
    for name, targets in (("majority", vote(labels)), ("weighted", weighted_vote(labels, anchors))):
        truth = np.asarray([gold[2000 + int(item.removeprefix("item"))] for item in targets.items])
        right[name] = targets.probs[np.arange(len(truth)), truth].mean()
    assert right["weighted"] > right["majority"] + 0.1


def test_a_source_without_held_out_answers_counts_as_chance():
    anchors = Anchors(textbook.hard_labels([[0, -1], [1, -1]], 2), np.asarray([0, 1]))
    np.testing.assert_allclose(accuracy_on(anchors), [3 / 4, 1 / 2])


def test_no_anchors_no_weights():
    with pytest.raises(ConfigError, match="weighted_vote"):
        weighted_vote(textbook.hard_labels([[0, 1]], 2))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_weighted_vote_by_its_definition(seed):
    gold, votes = drawn(seed, 3, items=200)
    labels, known = textbook.hard_labels(votes[100:], 3), textbook.elsewhere(textbook.hard_labels(votes[:100], 3))
    voted, right = votes[:100] >= 0, votes[:100] == gold[:100, None]
    accuracy = (right.sum(axis=0) + 2 / 3) / (voted.sum(axis=0) + 2)
    wanted = posterior_by(labels, accuracy)
    found = textbook.by_item(weighted_vote(labels, Anchors(known, gold[:100])))
    assert found
    for item, probs in found.items():
        np.testing.assert_allclose(probs, wanted[int(item.removeprefix("item"))], atol=1e-12)
    fit = fit_named("weighted_vote", Votes.of(labels, Anchors(known, gold[:100])))
    voters = (votes[100:] >= 0).any(axis=1)
    np.testing.assert_allclose(fit.posterior[voters], wanted[voters], atol=1e-12)


def test_a_student_learns_the_majority_and_combine_gives_its_posterior():
    labels = textbook.hard_labels([[0, 0, 1]] * 5 + [[1, 1, 0]] * 3 + [[0, 0, 0]] * 4, 2)
    np.testing.assert_array_equal(vote(labels).probs[0], [1, 0])
    posterior = vote(labels, majority=False).probs
    np.testing.assert_allclose(posterior, fit_named("vote", Votes.of(labels)).posterior)
    assert 0.5 < posterior[0, 0] < posterior[-1, 0] < 1
