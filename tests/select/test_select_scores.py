"""How good targets look: each score is its definition, row by row."""

import math

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.errors import DataError
from outgrow.labels import Targets, WeakLabels
from outgrow.metrics.text_score import TEXT_METRICS
from outgrow.select.row_scores import (
    text_agreement,
    text_confidence,
    text_oracle,
    vote_agreement,
    vote_confidence,
    vote_oracle,
)
from outgrow.texts import Candidate, WeakTexts
from simulated_labels import METRICS, answers_of, believed, mixture, targets_of, wrong_or_right

NAN = math.nan


def same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=0)


def some_labels(seed, names=("sums", "tales", "words")):
    """A task, two weak rows for each item in random order, and strong answers of which some are missing."""
    rng = np.random.default_rng(seed)
    task = mixture(30, names)
    both = [wrong_or_right(task, 0.5, rng) for _ in range(2)]
    rows = [(item, text) for texts in both for item, text in zip(task.items.ids, texts, strict=True)]
    weak = targets_of([rows[row] for row in rng.permutation(len(rows)).tolist()], rng)
    said = [text if rng.random() < 0.8 else None for text in wrong_or_right(task, 0.6, rng)]
    order = rng.permutation(len(said)).tolist()
    return task, weak, answers_of({task.items.ids[row]: said[row] for row in order})


def metric_of(task, item):
    place = task.items.ids.index(item)
    metric = METRICS[task.items.capabilities[place]] if task.items.capabilities else task.metric
    return TEXT_METRICS[metric].each


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("names", [("sums", "tales", "words"), ("tales",), ("sums",)])
def test_agreement_and_oracle_are_the_metric_of_each_item(seed, names):
    task, weak, strong = some_labels(seed, names)
    own = {item: row[0] for item, row in zip(strong.items, strong.texts, strict=True)}
    gold = dict(zip(task.items.ids, task.items.answers, strict=True))
    agreement, oracle = [], []
    for item, text in zip(weak.items, weak.texts, strict=True):
        metric, other = metric_of(task, item), own[item]
        both = NAN if other is None else (metric([text], [other])[0] + metric([other], [text])[0]) / 2
        agreement.append(both)
        oracle.append(metric([text], [gold[item]])[0])
    same(text_agreement(task, weak, strong), agreement)
    same(text_oracle(task, weak), oracle)
    assert np.isnan(agreement).any()
    assert {0.0, 1.0} <= set(oracle)


def test_agreement_has_no_direction():
    """`contains` has one: half of the way is half an agreement."""
    task, rng = mixture(3, ("tales",)), np.random.default_rng(0)
    weak = targets_of([("i0", "the grey house"), ("i1", "house"), ("i2", "a shed")], rng)
    strong = answers_of({"i0": "house", "i1": "the grey house", "i2": "house"})
    same(text_agreement(task, weak, strong), [0.5, 0.5, 0.0])


def test_answers_without_slots_agree():
    """SLU-F1 measures nothing there; the same against gold."""
    task, rng = mixture(3, ("words",)), np.random.default_rng(0)
    task = type(task)(task.name, task.kind, (), task.items, metric="slu_f1")
    one = '{"place": "Ulm"}'
    task.items.answers[:] = ["{}", one, "{}"]
    weak = targets_of([("i0", "{}"), ("i1", "{}"), ("i2", one)], rng)
    strong = answers_of({"i0": "{}", "i1": one, "i2": one})
    same(text_agreement(task, weak, strong), [1.0, 0.0, 1.0])
    same(text_oracle(task, weak), [1.0, 0.0, 0.0])


def test_what_is_no_slots_agrees_with_nothing():
    """Two texts that are not JSON have no slots either, and are no answer."""
    task, rng = mixture(3, ("words",)), np.random.default_rng(0)
    task = type(task)(task.name, task.kind, (), task.items, metric="slu_f1")
    task.items.answers[:] = ["{}", "{}", "{}"]
    weak = targets_of([("i0", "tea"), ("i1", "{}"), ("i2", "tea")], rng)
    strong = answers_of({"i0": "tea", "i1": "tea", "i2": "{}"})
    same(text_agreement(task, weak, strong), [0.0, 0.0, 0.0])
    same(text_oracle(task, weak), [0.0, 1.0, 0.0])


def test_what_is_not_known_has_no_score():
    task, rng = mixture(3, ("sums",)), np.random.default_rng(0)
    weak = targets_of([("i0", "5"), ("i1", "5")], rng)
    task.items.gold[1] = -1
    assert np.isnan(text_oracle(task, weak)).tolist() == [False, True]
    assert np.isnan(text_agreement(task, weak, answers_of({"i1": "5"}))).tolist() == [True, False]
    with pytest.raises(DataError, match="item `i9` is not in the task `made`"):
        text_oracle(task, targets_of([("i9", "5")], rng))
    two = WeakTexts(["i0"], ("a", "b"), [[[], []]])
    with pytest.raises(DataError, match="one model's answers, not by those of a, b"):
        text_agreement(task, weak, two)


@pytest.mark.parametrize("seed", SEEDS)
def test_confidence_is_the_mean_probability_per_piece(seed):
    rng = np.random.default_rng(seed)
    task = mixture(8, ("tales",))
    rows = [(item, text) for item in task.items.ids for text in ("yes", "no")]
    weak = targets_of(rows, rng)
    by_hand = [math.prod(math.exp(one) for one in table.logprob) ** (1 / len(table.logprob)) for table in weak.pieces]
    same(text_confidence(weak), by_hand)
    read = {item: [Candidate(text, believed(text, rng)) for text in ("no", "maybe", "yes")] for item in task.items.ids}
    scores = WeakTexts(list(read), ("student",), [[texts] for texts in read.values()])
    expected = [
        next(math.exp(one.pieces.logprob.mean()) for one in read[item] if one.text == text) for item, text in rows
    ]
    same(text_confidence(weak, scores), expected)
    unread = WeakTexts(list(read), ("student",), [[texts[:2]] for texts in read.values()])
    assert np.isnan(text_confidence(weak, unread)).tolist() == [text == "yes" for _, text in rows]


@pytest.mark.parametrize("seed", SEEDS)
def test_scores_of_votes_are_their_definitions(seed):
    rng = np.random.default_rng(seed)
    n, classes = 40, 4
    task = mixture(n, ("tales",))
    task.items.gold[:] = rng.integers(-1, classes, n)
    probs = rng.dirichlet(np.full(classes, 0.4), n)
    probs[0], probs[1] = np.eye(classes)[2], 1 / classes
    weak = Targets(list(task.items.ids), probs, np.ones(n))
    votes = np.eye(classes)[rng.integers(0, classes, n)] * (rng.random(n) < 0.8)[:, None]
    order = rng.permutation(n)
    strong = WeakLabels([task.items.ids[row] for row in order], ("student",), votes[order, None])
    agreement, oracle, confidence = [], [], []
    for row in range(n):
        said = int(probs[row].argmax())
        agreement.append(float(votes[row].argmax() == said) if votes[row].any() else NAN)
        gold = int(task.items.gold[row])
        oracle.append(float(gold == said) if gold >= 0 else NAN)
        confidence.append(math.exp(sum(p * math.log(p) for p in probs[row].tolist() if p > 0)))
    same(vote_agreement(weak, strong), agreement)
    same(vote_oracle(task, weak), oracle)
    same(vote_confidence(weak), confidence)
    assert vote_confidence(weak)[:2].tolist() == pytest.approx([1.0, 1 / classes])
