"""SLU-F1 by hand, against a second writing of SLURP's rules, and what models say instead of JSON."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawn_seeds import SEEDS
from outgrow.metrics.slu_f1 import (
    Slot,
    character_distance,
    distance_counts,
    micro_f1,
    parse_slots,
    read_answers,
    score,
    slu_counts,
    span_counts,
    word_error_rate,
    write_slots,
)
from outgrow.metrics.text_score import TEXT_METRICS

SLURP = Path(__file__).parents[3] / "shared" / "data" / "slurp"

SLOTS = st.lists(
    st.builds(
        Slot,
        st.sampled_from(["date", "time", "person"]),
        st.lists(st.sampled_from(["ten", "am", "Ten", "at", "a", "mona"]), max_size=4).map(" ".join),
    ),
    max_size=4,
)
PAIRS = st.lists(st.tuples(SLOTS, SLOTS), min_size=1, max_size=5)


def unzip(pairs):
    return [gold for gold, _ in pairs], [predicted for _, predicted in pairs]


def table_distance(one, other):
    """Levenshtein's recurrence, cell by cell."""
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        last, row = row, [i]
        for j, right in enumerate(other, 1):
            row.append(min(last[j] + 1, row[-1] + 1, last[j - 1] + (left != right)))
    return row[-1]


def by_hand(gold, predicted, distance, any_case=False):
    """True positives, false positives, false negatives of one measure, from the rules in words: gold is lowered."""
    hits = false = missed = 0.0
    for wanted, said in zip(gold, predicted, strict=True):
        types, fillers = [s.type for s in wanted], [s.filler.lower() for s in wanted]
        for slot in said:
            if slot.type not in types:
                false += 1
                continue
            best, nearest = None, float("inf")
            for place, name in enumerate(types):
                spoken = slot.filler.lower() if any_case else slot.filler
                far = distance(fillers[place], spoken) if name == slot.type else float("inf")
                if far < nearest:
                    best, nearest = place, far
            hits, false, missed = hits + 1, false + nearest, missed + nearest
            del types[best], fillers[best]
        missed += len(types)
    return np.array([hits, false, missed])


def words_by_hand(gold, predicted):
    truth, words = gold.split(), predicted.split()
    return table_distance(truth, words) / len(truth) if truth else float(len(words) > 0)


def characters_by_hand(gold, predicted):
    return table_distance(gold, predicted) / max(len(gold), len(predicted), 1)


@given(PAIRS, st.booleans())
@settings(deadline=None, max_examples=200)
def test_counts_follow_the_rules(pairs, any_case):
    gold, predicted = unzip(pairs)
    expected = by_hand(gold, predicted, words_by_hand, any_case) + by_hand(
        gold, predicted, characters_by_hand, any_case
    )
    counts = slu_counts(gold, predicted, any_case=any_case)
    assert counts.per_item.sum(axis=0) == pytest.approx(expected)
    hits, false, missed = expected
    f1 = 2 * hits / (2 * hits + false + missed) if hits else 0.0
    assert score(counts).f1 == pytest.approx(f1)


def test_one_utterance_by_hand():
    """Gold `ten am`, said `ten`: WER 1/2, characters 3/6. TP 1 + 1, FP ½ + ½, FN ½ + ½: P = R = F1 = 2/3."""
    gold, predicted = [[Slot("time", "ten am")]], [[Slot("time", "ten")]]
    assert slu_counts(gold, predicted).per_item.tolist() == [[2, 1, 1]]
    assert score(slu_counts(gold, predicted)) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert score(span_counts(gold, predicted)).f1 == 0


def test_word_error_rate_may_exceed_one():
    assert word_error_rate("ten", "at half past ten") == 3
    counts = distance_counts([[Slot("time", "ten")]], [[Slot("time", "at half past ten")]], word_error_rate)
    assert counts.per_item.tolist() == [[1, 3, 3]]
    assert score(counts).precision == pytest.approx(1 / 4)


def test_types_that_are_missed_or_made_up():
    gold = [[Slot("date", "today"), Slot("time", "ten")], []]
    predicted = [[Slot("date", "today"), Slot("person", "mona")], [Slot("date", "may")]]
    counts = slu_counts(gold, predicted)
    assert counts.types == ("date", "person", "time")
    assert counts.counts[0].tolist() == [[2, 0, 0], [0, 2, 0], [0, 0, 2]]
    assert counts.counts[1].tolist() == [[0, 2, 0], [0, 0, 0], [0, 0, 0]]
    assert score(counts) == pytest.approx((2 / 6, 2 / 4, 4 / 10))
    by_type = dict(zip(counts.types, micro_f1(counts.counts.sum(axis=0)).tolist(), strict=True))
    assert by_type == pytest.approx({"date": 2 / 3, "person": 0, "time": 0})


def test_each_measure_takes_its_own_nearest_slot():
    """By words `b cx` is as near to either gold slot and takes the first; by characters it takes the second."""
    gold = [[Slot("t", "b zzzzzzz"), Slot("t", "b c")]]
    predicted = [[Slot("t", "b cx"), Slot("t", "b zzzzzzz")]]
    words = distance_counts(gold, predicted, word_error_rate).per_item[0]
    characters = distance_counts(gold, predicted, character_distance).per_item[0]
    assert words.tolist() == [2, 0.5 + 0.5, 0.5 + 0.5]
    assert characters.tolist() == [2, 0.25, 0.25]


def test_greedy_in_the_order_of_the_predictions():
    gold = [[Slot("t", "a b"), Slot("t", "a b c d")]]
    first = distance_counts(gold, [[Slot("t", "a b c"), Slot("t", "a b c d")]], word_error_rate)
    second = distance_counts(gold, [[Slot("t", "a b c d"), Slot("t", "a b c")]], word_error_rate)
    # `a b c` is 1/2 from `a b` and 1/4 from `a b c d`: said first, it takes the place of the exact one.
    assert first.per_item[0].tolist() == [2, 0.25 + 1.0, 0.25 + 1.0]
    assert second.per_item[0].tolist() == [2, 0.5, 0.5]


@given(st.lists(SLOTS, min_size=1, max_size=5))
def test_the_truth_scores_one(gold):
    shouted = [[Slot(slot.type, slot.filler.upper()) for slot in slots] for slots in gold]
    expected = 1.0 if any(gold) else 0.0
    for counts in (slu_counts(gold, shouted, any_case=True), span_counts(gold, shouted, any_case=True)):
        assert score(counts) == (expected, expected, expected)
        assert counts.counts[:, :, 1:].sum() == 0


@given(PAIRS, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_utterances_are_scored_one_by_one(pairs, shuffle):
    """Their order does not matter, and resampled rows sum to what the resampled utterances score."""
    gold, predicted = unzip(pairs)
    rows = [shuffle.randrange(len(pairs)) for _ in pairs]
    again = slu_counts([gold[row] for row in rows], [predicted[row] for row in rows])
    sums = slu_counts(gold, predicted).per_item[rows].sum(axis=0)
    assert micro_f1(sums) == pytest.approx(score(again).f1)
    assert micro_f1(np.stack([sums, np.zeros(3)])).tolist() == [pytest.approx(score(again).f1), 0.0]


def test_a_capital_in_a_prediction_is_a_mistake_and_one_in_gold_is_none():
    """SLURP's scorer lowers gold alone: `ann` and `Ann` have word error rate 1 and one of three characters wrong."""
    gold, predicted = [[Slot("person", "ann")]], [[Slot("person", "Ann")]]
    assert slu_counts(gold, predicted).per_item.tolist() == [[2, 4 / 3, 4 / 3]]
    assert score(slu_counts(gold, predicted)).f1 == pytest.approx(0.6)
    assert score(slu_counts(gold, predicted, any_case=True)).f1 == 1
    assert score(slu_counts(predicted, gold)).f1 == 1
    assert score(span_counts(gold, predicted)).f1 == 0
    assert score(span_counts(predicted, gold)).f1 == 1
    texts = ['{"person": "Ann"}'], ['{"person": "ann"}']
    scores = [TEXT_METRICS[name].score for name in ("slu_f1", "slu_f1_any_case")]
    values = [score.value(score.counts(*texts).sum(0)) for score in scores]
    assert values == pytest.approx([0.6, 1.0])


def test_words_are_what_single_spaces_part():
    assert word_error_rate("half past ten", "half  past \t ten ") == 0
    assert word_error_rate("half past", "half\tpast") == 1, "a tab by itself is part of a word"
    assert parse_slots('{"t": " five "}') == [Slot("t", " five ")]


@pytest.mark.parametrize("name", ["devel", "test"])
def test_slurps_own_utterances_against_the_rules(name):
    """Gold of the published files; predictions with capitals, words left out, other types and slots too many."""
    path = SLURP / f"{name}.jsonl"
    if not path.exists():
        pytest.skip(f"needs {path}")
    gold = [read_gold(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    rng = np.random.default_rng(SEEDS[0])
    predicted = [[spoilt(slot, rng) for slot in slots if rng.random() < 0.9] for slots in gold]
    expected = by_hand(gold, predicted, words_by_hand) + by_hand(gold, predicted, characters_by_hand)
    assert slu_counts(gold, predicted).per_item.sum(axis=0) == pytest.approx(expected, abs=1e-9)
    lenient = score(slu_counts(gold, predicted, any_case=True)).f1
    assert 0.5 < score(slu_counts(gold, predicted)).f1 < lenient < 1


def read_gold(row):
    surface = [token["surface"] for token in row["tokens"]]
    return [Slot(one["type"], " ".join(surface[place] for place in one["span"])) for one in row["entities"]]


def spoilt(slot, rng):
    how = rng.integers(6)
    words = slot.filler.split()
    filler = [slot.filler, slot.filler.title(), " ".join(words[1:]), f"{slot.filler} please", slot.filler[:-1]]
    return Slot("date" if how == 5 else slot.type, filler[how % 5])


def test_span_f1_counts_each_gold_slot_once():
    gold, predicted = [[Slot("t", "TEN"), Slot("d", "may")]], [[Slot("t", "ten"), Slot("t", "ten")]]
    assert score(span_counts(gold, predicted)) == pytest.approx((1 / 2, 1 / 2, 1 / 2))


def test_fillers_without_words():
    assert word_error_rate("", "") == 0
    assert word_error_rate("", "a b") == 1
    assert word_error_rate("a b", "") == 1
    assert character_distance("", "") == 0
    assert character_distance("", "ab") == 1


@pytest.mark.parametrize(
    ("text", "slots"),
    [
        ("{}", []),
        (' {"time": "ten am"}\n', [("time", "ten am")]),
        ('{"person": "ann & bob", "date": "may"}', [("person", "ann"), ("person", "bob"), ("date", "may")]),
        ('{"t": "r&b"}', [("t", "r&b")]),
        ('{"t": 5, "u": 1.50, "v": -2e3}', [("t", "5"), ("u", "1.50"), ("v", "-2e3")]),
        ('{"t": ["a", 2]}', [("t", "a"), ("t", "2")]),
        ('{"t": []}', []),
        ('{"t": "a", "t": "b"}', [("t", "a"), ("t", "b")]),
        ('{"t": ""}', [("t", "")]),
        ('{"t": "z\\u00fcrich"}', [("t", "zürich")]),
        ('{"t": ' + "9" * 5000 + "}", [("t", "9" * 5000)]),
    ],
)
def test_json_that_is_understood(text, slots):
    assert parse_slots(text) == [Slot(*slot) for slot in slots]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "none",
        "[]",
        '"time"',
        "5",
        "null",
        '{"time": "ten"',
        '{"time": "ten"} ok',
        "{'time': 'ten'}",
        '{"t": null}',
        '{"t": true}',
        '{"t": {"u": "v"}}',
        '{"t": [["a"]]}',
        '{"t": NaN}',
        '{"t": {}}',
        "[" * 100_000,
        '{"a":' * 100_000,
    ],
)
def test_anything_else_has_no_slots_and_is_counted(text):
    assert parse_slots(text) is None
    answers = read_answers([text, "{}"])
    assert answers.slots == [[], []]
    assert answers.failed.tolist() == [True, False]


def test_no_answers():
    answers = read_answers([])
    assert answers.failed.shape == (0,)
    assert score(slu_counts([], [])) == (0, 0, 0)


@given(SLOTS)
def test_writing_and_reading(slots):
    read = parse_slots(write_slots(slots))
    assert sorted(read) == sorted(slots)
    assert [slot.type for slot in dict.fromkeys(read)] or not slots
