"""Scores of texts by hand, and edit distance and subsequence against their recurrences."""

import functools
import re
import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgrow.metrics.edit_distance import common_length, edit_distance, normalised_distance
from outgrow.metrics.text_answers import (
    answer_match,
    exact_match,
    levenshtein_similarity,
    rouge_l,
    token_f1,
    word_f1,
)
from outgrow.metrics.text_score import TEXT_METRICS
from outgrow.metrics.words import normalise, words

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
    for metric in (exact_match, token_f1, word_f1, rouge_l, levenshtein_similarity):
        scores = metric(one, other)
        assert scores.shape == (len(pairs),)
        assert ((scores >= 0) & (scores <= 1)).all()
        assert scores.tolist() == metric(other, one).tolist()
        assert metric(one, one).tolist() == [1] * len(one)


@given(st.text("abc .", max_size=20), st.text("abc .", max_size=20))
def test_order_can_only_cost(one, other):
    assert rouge_l([one], [other]) <= word_f1([one], [other])


def test_exact_match():
    predicted = ["  The CAT\n sat ", "-5", "cafe\u0301", "ﬁne", "straße", "a.b"]
    gold = ["the cat sat", "5", "Café", "fine", "STRASSE", "ab"]
    assert exact_match(predicted, gold).tolist() == [1, 0, 1, 1, 1, 0]
    assert normalise(" A\u00a0 b\t") == "a b"


def test_answer_match():
    gold = "He pays 2 * 9 = $<<2*9=18>>18.\n#### 18"
    predicted = ["#### 18.0", "so it is 18", r"\boxed{18}", "18 or 19", "I do not know", "", "#### 1,8"]
    assert answer_match(predicted, [gold] * len(predicted)).tolist() == [1, 1, 1, 0, 0, 0, 0]
    assert answer_match(["Paris ", "", "B"], ["paris", "", "#### b"]).tolist() == [1, 0, 1]


def squad_f1(said, wanted):
    """By the published definition, step by step; texts without words as the script's version 2.0 has them."""

    def tokens(text):
        kept = [letter for letter in text.lower() if letter not in string.punctuation]
        return re.sub(r"\b(a|an|the)\b", " ", "".join(kept)).split()

    ours, theirs = tokens(said), list(tokens(wanted))
    if not ours or not theirs:
        return float(ours == theirs)
    left, common = list(theirs), 0
    for token in ours:
        if token in left:
            left.remove(token)
            common += 1
    if not common:
        return 0.0
    precision, recall = common / len(ours), common / len(theirs)
    return 2 * precision * recall / (precision + recall)


SQUAD = st.lists(
    st.sampled_from(["The", "a", "an", "U.S.", "US", "12,0", "120", "don't", "dont", "x-y", "xy", "é", "!", "“q”"]),
    max_size=6,
).map(" ".join)  # fmt: skip


@given(SQUAD, SQUAD)
@settings(deadline=None)
def test_token_f1_is_squads(said, wanted):
    assert token_f1([said], [wanted]) == pytest.approx([squad_f1(said, wanted)])


@pytest.mark.parametrize(
    ("said", "wanted"),
    [("U.S.", "US"), ("12,000", "12000"), ("don't", "dont"), ("The cat!", "a cat"), ("well-known", "wellknown")],
)
def test_squad_deletes_punctuation_and_articles(said, wanted):
    assert token_f1([said], [wanted]).tolist() == [1]
    assert word_f1([said], [wanted])[0] < 1


def test_token_f1_by_hand():
    # 2 common words of 2 and 3, articles aside: 2 · 1 / 5
    assert token_f1(["The cat sat"], ["the dog sat down"]) == pytest.approx([2 / 5])
    assert token_f1(["b b c"], ["b c c"]) == pytest.approx([4 / 6])
    assert token_f1(["", "!", "x"], ["", "the", ""]).tolist() == [1, 1, 0]


def test_word_f1():
    # 2 common words of 3 and 4: 2 · 2 / 7
    assert word_f1(["The cat sat"], ["the dog sat down"]) == pytest.approx([4 / 7])
    assert word_f1(["東京へ"], ["東京"]) == pytest.approx([4 / 5])
    assert token_f1(["東京へ"], ["東京"]).tolist() == [0]
    assert word_f1(["", "!", "x"], ["", "?", ""]).tolist() == [1, 1, 0]


def test_rouge_l():
    # Lin's example: "police kill the gunman" against "police killed the gunman": 3 of 4 words in order.
    assert rouge_l(["police kill the gunman"], ["police killed the gunman"]) == pytest.approx([3 / 4])
    assert rouge_l(["the gunman kill police"], ["police killed the gunman"]) == pytest.approx([2 / 4])


@given(st.text("abc AB.,-_'9", max_size=20), st.text("abc AB.,-_'9", max_size=20))
def test_rouge_l_of_ascii_is_the_published_one_without_stemming(said, wanted):
    """Of runs of a … z and 0 … 9 in lower case; texts without any are for the publisher 0 and here equal."""
    ours, theirs = ([word for word in re.split("[^a-z0-9]+", text.lower()) if word] for text in (said, wanted))
    common = common_by_hand(ours, theirs)
    expected = 2 * common / (len(ours) + len(theirs)) if ours or theirs else 1.0
    assert rouge_l([said], [wanted]) == pytest.approx([expected])


def test_words_of_every_script():
    assert words("Don't stop, I_JUMP 3.5!") == ["don", "t", "stop", "i", "jump", "3", "5"]
    assert words("東京へgo") == ["東", "京", "へ", "go"]
    assert words("हिन्दी में") == ["हिन्दी", "में"]
    assert words("שלום עולם") == ["שלום", "עולם"]
    assert len(words("ภาษา")) == 4


def test_levenshtein_similarity():
    assert levenshtein_similarity(["kitten", "", "ab"], ["sitting", "", "cd"]) == pytest.approx([1 - 3 / 7, 1, 0])


def test_every_named_metric_gives_one_number_per_item():
    for metric in (record.each for record in TEXT_METRICS.values() if record.each):
        assert metric(["a 1", "b"], ["a 1", "c"]).tolist() == [1, 0]
        assert metric([], []).dtype == np.float64


def test_lists_of_different_lengths_are_a_mistake():
    with pytest.raises(ValueError, match="longer"):
        exact_match(["a"], ["a", "b"])
