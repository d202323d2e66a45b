"""Scores by parts: equal to the metric over the items that are drawn, whatever is drawn."""

import json

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.data.task import Items, Task
from outgrow.metrics.slu_f1 import Slot, parse_slots, score, slu_counts, write_slots
from outgrow.metrics.text_score import MACRO, TEXT_METRICS, HasMetrics, counts_slots, score_of

MEANS = sorted(name for name, record in TEXT_METRICS.items() if record.each)


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
    measure = TEXT_METRICS["slu_f1"].score
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
    measure = TEXT_METRICS[name].score
    counts = measure.counts(said, gold)
    each = TEXT_METRICS[name].each(said, gold)
    assert measure.value(counts).tolist() == each.tolist()
    weights = generator.integers(0, 4, (3, 2, 30)).astype(float)
    expected = (weights * each).sum(-1) / weights.sum(-1)
    assert measure.value(weights @ counts) == pytest.approx(expected)


@pytest.mark.parametrize("name", list(TEXT_METRICS))
def test_order_does_not_matter_and_gold_is_perfect(name):
    generator = np.random.default_rng(SEEDS[1])
    gold, said = slot_texts(generator, 20) if name == "slu_f1" else (words_of(generator, 20), words_of(generator, 20))
    gold, said = [*gold, '{"t0": "7"}'], [*said, "{}"]
    measure = TEXT_METRICS[name].score
    counts, order = measure.counts(said, gold), generator.permutation(21)
    shuffled = measure.counts([said[i] for i in order], [gold[i] for i in order])
    assert shuffled.tolist() == counts[order].tolist()
    perfect = measure.counts(gold, gold)
    answered = [i for i, text in enumerate(gold) if text]
    assert measure.value(perfect[answered].sum(0)) == 1


@pytest.mark.parametrize("name", list(TEXT_METRICS))
def test_nothing_to_measure_is_nan_and_nothing_said_is_wrong(name):
    measure = TEXT_METRICS[name].score
    parts = 3 if counts_slots(name) else 2
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
    measure = TEXT_METRICS["slu_f1"].score
    right, nothing, invented = (
        measure.counts([said], [gold])[0]
        for said, gold in [('{"t": "x"}', json.dumps({"t": "x"})), ("not JSON", "{}"), ('{"t": "x"}', "{}")]
    )
    assert nothing.tolist() == [0, 0, 0]
    assert np.isnan(measure.value(nothing))
    assert measure.value(right + nothing) == 1
    # Both measures count: 2 true, 2 false positives.
    assert measure.value(right + invented) == pytest.approx(2 * 2 / (2 * 2 + 2))


# ---- mixtures of capabilities ---------------------------------------------------------------------------

METRICS = {"words": "token_f1", "slots": "slu_f1", "sums": "answer_match", "facts": "exact_match"}


def mixture(metrics):
    items = Items([], [], np.zeros(0, dtype=np.int64), answers=[], capabilities=[])
    return Task("mix", "generate", (), items, metric=MACRO, metrics=metrics)


def mixed_texts(generator, n):
    """Capabilities in any order, each with texts that its metric can read; some predictions are right."""
    whose = generator.choice(list(METRICS), n).tolist()
    gold, said = slot_texts(generator, n)
    other_gold, other_said = words_of(generator, n), words_of(generator, n)
    gold = [one if name == "slots" else other for name, one, other in zip(whose, gold, other_gold, strict=True)]
    said = [one if name == "slots" else other for name, one, other in zip(whose, said, other_said, strict=True)]
    right = generator.random(n) < 0.3
    return whose, gold, [wanted if same else one for wanted, one, same in zip(gold, said, right, strict=True)]


def macro_average(whose, gold, said):
    """By definition: every capability's own score over its own items, then their mean."""
    values = []
    for name, metric in METRICS.items():
        rows = [row for row, one in enumerate(whose) if one == name]
        texts = [[side[row] for row in rows] for side in (said, gold)]
        if metric == "slu_f1":
            slots = [[parse_slots(text) or [] for text in side] for side in texts]
            if any(map(len, slots[0])) or any(map(len, slots[1])):
                values.append(score(slu_counts(slots[1], slots[0])).f1)
        elif rows:
            values.append(float(np.mean(TEXT_METRICS[metric].each(*texts))))
    return np.mean(values) if values else np.nan


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("size", [3, 60])
def test_a_mixture_has_the_macro_average_of_whatever_is_drawn(seed, size):
    generator = np.random.default_rng(seed)
    whose, gold, said = mixed_texts(generator, size)
    measure = score_of(mixture(METRICS))
    counts = measure.counts(said, gold, whose)
    draws = generator.integers(0, size, (12, size))
    weights = np.stack([np.bincount(drawn, minlength=size) for drawn in draws]).astype(np.float64)
    expected = [macro_average(*([side[row] for row in drawn] for side in (whose, gold, said))) for drawn in draws]
    assert measure.value(weights @ counts) == pytest.approx(expected, abs=1e-12, nan_ok=True)
    if size == 3:
        assert any(len({whose[row] for row in drawn}) < len(METRICS) for drawn in draws)


def test_a_capability_has_the_score_that_it_has_alone():
    generator = np.random.default_rng(SEEDS[0])
    whose, gold, said = mixed_texts(generator, 50)
    measure = score_of(mixture(METRICS))
    sums = measure.counts(said, gold, whose).sum(0)
    for name, metric in METRICS.items():
        rows = [row for row, one in enumerate(whose) if one == name]
        own = TEXT_METRICS[metric].score
        alone = own.value(own.counts([said[row] for row in rows], [gold[row] for row in rows]).sum(0))
        assert measure.value_of(name, sums) == pytest.approx(alone, abs=1e-12, nan_ok=True)
    other = score_of(mixture(dict(reversed(METRICS.items()))))
    assert other.value(other.counts(said, gold, whose).sum(0)) == pytest.approx(measure.value(sums), abs=1e-12)


@pytest.mark.parametrize("name", list(TEXT_METRICS))
def test_a_task_of_one_set_has_its_own_score_to_the_last_bit(name):
    generator = np.random.default_rng(SEEDS[2])
    gold, said = slot_texts(generator, 30) if name == "slu_f1" else (words_of(generator, 30), words_of(generator, 30))
    items = Items([], [], np.zeros(0, dtype=np.int64), answers=[])
    task = Task("mine", "generate", (), items, metric=name)
    assert isinstance(task, HasMetrics)
    whole, own = score_of(task), TEXT_METRICS[name].score
    counts = whole.counts(said, gold)
    assert counts.tolist() == own.counts(said, gold).tolist()
    assert whole.title == own.title
    weights = generator.integers(0, 4, (7, 30)).astype(np.float64)
    assert np.array_equal(whole.value(weights @ counts), own.value(weights @ counts), equal_nan=True)


def test_nothing_drawn_is_nan_and_texts_of_nobody_are_refused():
    measure = score_of(mixture(METRICS))
    counts = measure.counts([], [], [])
    assert counts.shape == (0, 3 + 3 * 2)
    assert np.isnan(measure.value(counts.sum(0)))
    for whose in (["words"], ["words", "elsewhere"], None):
        with pytest.raises(ValueError, match="capabilit"):
            measure.counts(["a", "b"], ["a", "b"], whose)
