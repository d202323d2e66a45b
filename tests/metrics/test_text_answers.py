"""Scores of texts by hand, and edit distance and subsequence against their recurrences."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgrow.metrics.edit_distance import common_length, edit_distance, normalised_distance
from outgrow.metrics.text_answers import (
    TEXT_METRICS,
    answer_match,
    exact_match,
    final_answer,
    levenshtein_similarity,
    normalise,
    rouge_l,
    token_f1,
    words,
)

SHORT = st.text("abc日", max_size=12)
LONG = st.text("ab", min_size=60, max_size=150)


def distance_by_hand(one, other):
    @functools.cache
    def cell(i, j):
        if not i or not j:
            return i + j
        return min(cell(i - 1, j) + 1, cell(i, j - 1) + 1, cell(i - 1, j - 1) + (one[i - 1] != other[j - 1]))

    return cell(len(one), len(other))


def common_by_hand(one, other):
    row = [0] * (len(other) + 1)
    for left in one:
        last, row = row, [0]
        for j, right in enumerate(other, 1):
            row.append(last[j - 1] + 1 if left == right else max(last[j], row[-1]))
    return row[-1]


@given(SHORT, SHORT)
def test_edit_distance_is_levenshteins(one, other):
    assert edit_distance(one, other) == distance_by_hand(one, other)
    assert edit_distance(list(one), list(other)) == edit_distance(other, one)


@given(LONG, LONG)
@settings(deadline=None, max_examples=30)
def test_beyond_one_machine_word(one, other):
    assert edit_distance(one, other) == distance_by_hand(one, other)
    assert common_length(one, other) == common_by_hand(one, other)


@given(SHORT, SHORT, SHORT)
def test_edit_distance_is_a_metric(one, other, third):
    assert (edit_distance(one, other) == 0) == (one == other)
    assert edit_distance(one, third) <= edit_distance(one, other) + edit_distance(other, third)
    assert 0 <= normalised_distance(one, other) <= 1


@given(SHORT, SHORT)
def test_common_subsequence(one, other):
    assert common_length(one, other) == common_by_hand(one, other) == common_length(other, one)
    assert common_length(one, one + other) == len(one)


def test_words_and_texts_of_any_hashable():
    assert edit_distance(["wake", "me", "up"], ["wake", "up", "now"]) == 2
    assert common_length([1, 2, 3], [2, 1, 3]) == 2


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=5))
def test_scores_are_symmetric_and_one_for_equal_texts(pairs):
    one, other = [left for left, _ in pairs], [right for _, right in pairs]
    for metric in (exact_match, token_f1, rouge_l, levenshtein_similarity):
        scores = metric(one, other)
        assert scores.shape == (len(pairs),)
        assert ((scores >= 0) & (scores <= 1)).all()
        assert scores.tolist() == metric(other, one).tolist()
        assert metric(one, one).tolist() == [1] * len(one)


@given(st.text("abc .", max_size=20), st.text("abc .", max_size=20))
def test_order_can_only_cost(one, other):
    assert rouge_l([one], [other]) <= token_f1([one], [other])


def test_exact_match():
    predicted = ["  The CAT\n sat ", "-5", "cafe\u0301", "ﬁne", "straße", "a.b"]
    gold = ["the cat sat", "5", "Café", "fine", "STRASSE", "ab"]
    assert exact_match(predicted, gold).tolist() == [1, 0, 1, 1, 1, 0]
    assert normalise(" A\u00a0 b\t") == "a b"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Janet sells 9 ducks.\n#### 18", "18"),
        ("#### 3\nno, wait\n#### $1,234.00 dollars", "1234"),
        ("#### -0.50", "-1/2"),
        ("#### Paris, France", "paris, france"),
        ("16-3-4=9", "9"),
        ("so it is 10-3", "3"),
        ("the temperature is -3.", "-3"),
        ("the temperature is \u22123 degrees", "-3"),
        ("between 1,2 and 3,000", "3000"),
        ("half: 1/2", "1/2"),
        ("half: .5", "1/2"),
        ("it costs -$5.25!", "-21/4"),
        ("it costs $-5.25", "-21/4"),
        ("v1.2", None),
        ("Answer...18", "18"),
        ("**18**", "18"),
        ("共18个", "18"),
        ("x=12km", "12"),
        (r"thus \boxed{42} of 50", "42"),
        (r"thus \boxed{1} or \boxed{18\%}", "18"),
        (r"thus \boxed{\frac{3}{4}}", r"\frac{3}{4}"),
        (r"thus \boxed{\$1,000}", "1000"),
        (r"broken \boxed{4 of 5", "5"),
        ("#### ", None),
        ("no number", None),
        ("", None),
        ("#### 3/0", "3/0"),
        ("1" * 6000, "1" * 6000),
    ],
)
def test_final_answer(text, answer):
    assert final_answer(text) == answer


def test_answer_match():
    gold = "He pays 2 * 9 = $<<2*9=18>>18.\n#### 18"
    predicted = ["#### 18.0", "so it is 18", r"\boxed{18}", "18 or 19", "I do not know", "", "#### 1,8"]
    assert answer_match(predicted, [gold] * len(predicted)).tolist() == [1, 1, 1, 0, 0, 0, 0]
    assert answer_match(["Paris ", "", "B"], ["paris", "", "#### b"]).tolist() == [1, 0, 1]


def test_token_f1():
    # 2 common words of 3 and 4: 2 · 2 / 7
    assert token_f1(["The cat sat"], ["the dog sat down"]) == pytest.approx([4 / 7])
    assert token_f1(["a a b"], ["a b b"]) == pytest.approx([4 / 6])
    assert token_f1(["", "!", "x"], ["", "?", ""]).tolist() == [1, 1, 0]


def test_rouge_l():
    # Lin's example: "police kill the gunman" against "police killed the gunman": 3 of 4 words in order.
    assert rouge_l(["police kill the gunman"], ["police killed the gunman"]) == pytest.approx([3 / 4])
    assert rouge_l(["the gunman kill police"], ["police killed the gunman"]) == pytest.approx([2 / 4])


def test_words_of_every_script():
    assert words("Don't stop, I_JUMP 3.5!") == ["don", "t", "stop", "i", "jump", "3", "5"]
    assert words("東京へgo") == ["東", "京", "へ", "go"]
    assert words("हिन्दी में") == ["हिन्दी", "में"]
    assert words("שלום עולם") == ["שלום", "עולם"]
    assert len(words("ภาษา")) == 4


def test_levenshtein_similarity():
    assert levenshtein_similarity(["kitten", "", "ab"], ["sitting", "", "cd"]) == pytest.approx([1 - 3 / 7, 1, 0])


def test_every_named_metric_gives_one_number_per_item():
    for metric in TEXT_METRICS.values():
        assert metric(["a 1", "b"], ["a 1", "c"]).tolist() == [1, 0]
        assert metric([], []).dtype == np.float64


def test_lists_of_different_lengths_are_a_mistake():
    with pytest.raises(ValueError, match="longer"):
        exact_match(["a"], ["a", "b"])
