"""Scores by parts: equal to the metric over the items that are drawn, whatever is drawn."""

import json

import numpy as np
import pytest

from fresh import SEEDS
from outgrow.metrics.slu_f1 import Slot, parse_slots, score, slu_counts, write_slots
from outgrow.metrics.text_answers import TEXT_METRICS
from outgrow.metrics.text_score import TEXT_SCORES

MEANS = sorted(TEXT_METRICS)


def random_slots(generator):
    words = ["one", "two", "three", "half past", "ann"]
    size = generator.integers(0, 4)
    return [Slot(f"t{generator.integers(3)}", " ".join(generator.choice(words, 2))) for _ in range(size)]


def slot_texts(generator, n):
    """Gold, and predictions of which some are no JSON and some are empty."""
    gold = [write_slots(random_slots(generator)) for _ in range(n)]
    said = [write_slots(random_slots(generator)) for _ in range(n)]
    return gold, [["", "{", "no slots", text, text, text][generator.integers(6)] for text in said]


def words_of(generator, n):
    return [" ".join(generator.choice(["a", "b", "7", "8"], generator.integers(0, 5))) for _ in range(n)]


@pytest.mark.parametrize("seed", SEEDS)
def test_weighted_sums_are_the_metric_of_the_drawn_items(seed):
    generator = np.random.default_rng(seed)
    gold, said = slot_texts(generator, 40)
    measure = TEXT_SCORES["slu_f1"]
    counts = measure.counts(said, gold)
    assert counts.shape == (40, 3)
    for _ in range(5):
        drawn = generator.integers(0, 40, 40)
        weights = np.bincount(drawn, minlength=40).astype(float)
        slots = [[parse_slots(texts[i]) or [] for i in drawn] for texts in (gold, said)]
        assert measure.value(weights @ counts) == pytest.approx(score(slu_counts(*slots)).f1, abs=1e-12)


@pytest.mark.parametrize("name", MEANS)
def test_means_are_means(name):
    generator = np.random.default_rng(SEEDS[0])
    gold, said = words_of(generator, 30), words_of(generator, 30)
    measure = TEXT_SCORES[name]
    counts = measure.counts(said, gold)
    each = TEXT_METRICS[name](said, gold)
    assert measure.value(counts).tolist() == each.tolist()
    weights = generator.integers(0, 4, (3, 2, 30)).astype(float)
    expected = (weights * each).sum(-1) / weights.sum(-1)
    assert measure.value(weights @ counts) == pytest.approx(expected)


@pytest.mark.parametrize("name", list(TEXT_SCORES))
def test_order_does_not_matter_and_gold_is_perfect(name):
    generator = np.random.default_rng(SEEDS[1])
    gold, said = slot_texts(generator, 20) if name == "slu_f1" else (words_of(generator, 20), words_of(generator, 20))
    gold, said = [*gold, '{"t0": "7"}'], [*said, "{}"]
    measure = TEXT_SCORES[name]
    counts, order = measure.counts(said, gold), generator.permutation(21)
    shuffled = measure.counts([said[i] for i in order], [gold[i] for i in order])
    assert shuffled.tolist() == counts[order].tolist()
    perfect = measure.counts(gold, gold)
    answered = [i for i, text in enumerate(gold) if text]
    assert measure.value(perfect[answered].sum(0)) == 1


@pytest.mark.parametrize("name", list(TEXT_SCORES))
def test_nothing_to_measure_is_nan_and_nothing_said_is_wrong(name):
    measure = TEXT_SCORES[name]
    parts = 3 if name == "slu_f1" else 2
    empty = measure.counts([], [])
    assert empty.shape == (0, parts)
    assert np.isnan(measure.value(empty.sum(0)))
    assert np.isnan(measure.value(np.zeros((2, 4, parts)))).all()
    wrong = measure.counts(["", ""], ['{"t": "7"}', '{"t": "9"}'])
    assert measure.value(wrong.sum(0)) == 0
    assert measure.title
    with pytest.raises(ValueError, match=r"longer|shorter"):
        measure.counts(["a"], ["a", "b"])


def test_utterances_without_slots_count_only_where_slots_are_invented():
    measure = TEXT_SCORES["slu_f1"]
    right, nothing, invented = (
        measure.counts([said], [gold])[0]
        for said, gold in [('{"t": "x"}', json.dumps({"t": "x"})), ("not JSON", "{}"), ('{"t": "x"}', "{}")]
    )
    assert nothing.tolist() == [0, 0, 0]
    assert np.isnan(measure.value(nothing))
    assert measure.value(right + nothing) == 1
    # Both measures count: 2 true, 2 false positives.
    assert measure.value(right + invented) == pytest.approx(2 * 2 / (2 * 2 + 2))
