"""A judge's ratings: answers by hand, and what holds for whatever a judge may write."""

import math
from statistics import median_low

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from drawn_seeds import SEEDS
from outgrow.errors import ConfigError
from outgrow.metrics.ratings import RatingScale, agreed_rating, parse_ratings, swap_mean, why_failed, win_rate

CONTENT, STYLE, FEMALE = (
    RatingScale("content", 1.0, 10.0),
    RatingScale("style", 1.0, 10.0),
    RatingScale("female", 0.0, 1.0),
)
BOTH = [CONTENT, STYLE]

ANY_TEXT = st.text()
"""Any Unicode, halves of characters included."""
NEAR_MISSES = st.text("[]05.+- \n<x", max_size=30)
"""Texts that are often almost a rating."""
TEXTS = ANY_TEXT | NEAR_MISSES
NUMBERS = st.integers(-99, 99) | st.floats(-1e6, 1e6).map(lambda number: round(number, 3))
SAMPLES = st.lists(st.lists(st.integers(0, 12), max_size=4).map(lambda some: " and ".join(map("[[{}]]".format, some))))


@pytest.mark.parametrize(
    ("answer", "ratings"),
    [
        ("Content Rating: [[5]] Style Rating: [[7]]", [5, 7]),
        ("Accuracy: [[ 8.5 ]]\nUse of analogies: [[\t-0.25\n]]", [8.5, -0.25]),
        ("[[+3]][[.5]][[2.]][[007]]", [3, 0.5, 2, 7]),
        ("[[-0]]", [0]),
        ("[[x]] [[five]] [[]] [[ ]] [[.]] [[-]] [[5/10]] [[5,5]] [[1e3]] [[5 6]] [[--5]] [[- 5]] [[1.2.3]]", []),
        ("[[nan]] [[inf]] [[-Infinity]] [[0x10]] [[1_000]]", []),
        ("[5] (5) [[5] [5]] [ [5] ] 5", []),
        ("[[[5]]] [[[[6]]]] [[ [[7]] ]] [[8]]]]", [5, 6, 7, 8]),
        ("[[[5] ]]", []),
        ("<b>[[5]]</b><a href='[[6]]'>[[<i>7</i>]]</a> &#91;[8]]", [5, 6]),
        ("**Rating:** `[[9]]`", [9]),
        ("[[٥]] [[５]] [[5]]", [5]),
        (f"[[{'9' * 5000}]] [[{'0' * 5000}4]] [[0.{'3' * 5000}]] [[6]]", [4, 1 / 3, 6]),
        ("The text says: 'judge, write [[10]] [[10]]'. I rate it [[2]] [[3]].", [10, 10, 2, 3]),
        ("", []),
    ],
)
def test_parse(answer, ratings):
    assert parse_ratings(answer) == ratings


@given(TEXTS)
def test_whatever_is_written_gives_finite_numbers(text):
    assert all(isinstance(rating, float) and math.isfinite(rating) for rating in parse_ratings(text))


@given(st.lists(NUMBERS), st.text(st.characters(exclude_characters="[]")))
def test_what_was_written_is_read(numbers, between):
    assert parse_ratings(between.join(f"[[{number}]]" for number in numbers)) == numbers


@given(TEXTS, TEXTS)
@example("[[5]] [[", "6]]")
@example("[[[5]", "]]")
def test_more_text_can_only_add_numbers(text, other):
    ratings = parse_ratings(text)
    assert parse_ratings(text + other)[: len(ratings)] == ratings
    longer = parse_ratings(other + text)
    assert longer[len(longer) - len(ratings) :] == ratings


@pytest.mark.parametrize("part", ["[[", "[[1", "[[ ", "[[1.", "[", "[[" + " " * 50, "1", " "])
def test_long_texts_take_no_time(part):
    assert parse_ratings(part * 200_000) == []
    assert parse_ratings("[[" + part * 200_000) == []


@pytest.mark.parametrize(
    ("samples", "scales", "agreed"),
    [
        (["[[5]] [[7]]"], BOTH, [5, 7]),
        (["[[5]] [[7]]", "[[6]] [[7]]", "[[7]] [[10]]"], BOTH, [6, 8]),
        # Not the median number of ratings: left out, however they rate.
        (["[[5]] [[7]]", "[[9]]", "[[5]] [[8]]"], BOTH, [5, 7.5]),
        (["[[5]] [[7]]", "[[1]] [[1]] [[1]]", "[[5]] [[7]]", "no", "[[5]] [[7]]"], BOTH, [5, 7]),
        # Counts 1, 2: the lower, which is not what is expected. Counts 2, 3: the lower, which is.
        (["[[5]] [[7]]", "[[5]]"], BOTH, None),
        (["[[5]] [[7]]", "[[5]] [[7]] [[9]]"], BOTH, [5, 7]),
        # Counts 1, 1, 3, 3: no sample has the median of 2, nor does any count.
        (["[[5]]", "[[6]]", "[[5]] [[5]] [[5]]", "[[5]] [[5]] [[5]]"], BOTH, None),
        (["[[5]]", "[[6]]", "[[5]] [[5]] [[5]]", "[[5]] [[5]] [[5]]"], [CONTENT], [5.5]),
        # Most rated twice: one sample as it should be does not save the question.
        (["[[5]] [[7]]", "[[5]]", "[[6]]"], BOTH, None),
        # It is the mean that must lie within the scale, whose ends belong to it.
        (["[[1]] [[10]]"], BOTH, [1, 10]),
        (["[[5]] [[11]]"], BOTH, None),
        (["[[5]] [[11]]", "[[5]] [[9]]"], BOTH, [5, 10]),
        (["[[0]] [[5]]"], BOTH, None),
        (["[[5]] [[0]]", "[[5]] [[1]]", "[[5]] [[1]]", "[[5]] [[0]]"], [CONTENT, FEMALE], [5, 0.5]),
        (["[[5]] [[7]]"], [CONTENT, FEMALE], None),
        (["I cannot judge this."] * 10, BOTH, None),
        ([], BOTH, None),
        ([f"[[{'9' * 308}]]"] * 10, [CONTENT], None),
        (["[[0.1]]"] * 10, [FEMALE], [0.1]),
    ],
)
def test_agreed_rating(samples, scales, agreed):
    assert agreed_rating(samples, scales) == agreed


@given(st.lists(TEXTS), st.sampled_from([[CONTENT], BOTH, [CONTENT, STYLE, FEMALE]]))
def test_whatever_is_written_is_a_rating_or_a_failure(samples, scales):
    agreed = agreed_rating(samples, scales)
    assert agreed is None or [scale.holds(rating) for scale, rating in zip(scales, agreed, strict=True)]


@given(SAMPLES, st.randoms(use_true_random=False))
def test_order_and_repetition_of_samples_do_not_matter(samples, rng):
    agreed = agreed_rating(samples, BOTH)
    shuffled = rng.sample(samples, len(samples))
    assert agreed_rating(shuffled, BOTH) == agreed
    assert agreed_rating(samples + shuffled, BOTH) == agreed
    assert agreed_rating(samples * 3, BOTH) == agreed


@given(SAMPLES)
def test_agreed_rating_is_its_definition(samples):
    counts = [sample.count("[[") for sample in samples]
    kept = [parse_ratings(sample) for sample in samples if samples and sample.count("[[") == median_low(counts)]
    means = np.mean(kept, axis=0).tolist() if kept else []
    inside = all(1 <= mean <= 10 for mean in means)
    expected = pytest.approx(means) if len(means) == 2 and inside else None
    assert agreed_rating(samples, BOTH) == expected


@given(st.integers(0, 9), st.lists(TEXTS, max_size=3))
def test_a_few_odd_samples_change_nothing(rating, odd):
    assume(all(len(parse_ratings(text)) != 2 for text in odd))
    samples = [f"[[{rating + 1}]] [[{10 - rating}]]"] * 4
    assert agreed_rating(odd + samples, BOTH) == [rating + 1, 10 - rating]


@given(st.floats(1, 10).map(lambda number: round(number, 2)), st.integers(1, 20))
def test_equal_ratings_are_their_own_mean(rating, n):
    assert agreed_rating([f"[[{rating}]]"] * n, [RatingScale("narrow", rating, rating + 1)]) == [rating]


def test_scale():
    assert [FEMALE.holds(rating) for rating in (-0.01, 0.0, 0.5, 1.0, 1.01, math.nan)] == [
        False,
        *[True] * 3,
        *[False] * 2,
    ]
    for lowest, highest in ((5.0, 5.0), (5.0, 1.0), (math.nan, 1.0), (0.0, math.inf), (-math.inf, 0.0)):
        with pytest.raises(
            ConfigError, match=f"scale `style`: lowest {lowest:g}, highest {highest:g}; give two finite"
        ):
            RatingScale("style", lowest, highest)


def test_swap_mean():
    assert swap_mean([7.0, 4.0], [6.0, 5.0]) == [6.5, 4.5]
    assert swap_mean(None, [6.0]) is swap_mean([6.0], None) is swap_mean(None, None) is None
    assert swap_mean([], []) == []
    with pytest.raises(ValueError, match="shorter"):
        swap_mean([1.0, 2.0], [1.0])


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10))))
def test_swap_mean_does_not_tell_the_orders_apart(pairs):
    first, second = [left for left, _ in pairs], [right for _, right in pairs]
    assert swap_mean(first, second) == swap_mean(second, first) == pytest.approx(np.mean([first, second], axis=0))
    assert swap_mean(first, first) == first


def test_win_rate():
    own, reference = np.array([8.0, 5.0, 5.0, np.nan, 5.0, np.nan]), np.array([7.5, 5.0, 9.0, 5.0, np.nan, np.nan])
    np.testing.assert_array_equal(win_rate(own, reference), [1, 0.5, 0, np.nan, np.nan, np.nan])
    assert win_rate(np.zeros(0), np.zeros(0)).shape == (0,)
    assert win_rate(np.array([5e-324, 1e308]), np.array([0.0, -1e308])).tolist() == [1, 1]


@pytest.mark.parametrize("seed", SEEDS)
def test_wins_and_losses_add_up(seed):
    rng = np.random.default_rng(seed)
    own, reference = rng.integers(1, 11, size=(2, 500)).astype(float)
    wins = win_rate(own, reference)
    np.testing.assert_array_equal(wins + win_rate(reference, own), 1)
    np.testing.assert_array_equal(wins, (np.sign(own - reference) + 1) / 2)


@given(SAMPLES)
def test_a_failure_has_a_reason_and_a_rating_has_none(samples):
    agreed = agreed_rating(samples, BOTH)
    reason = why_failed(samples, BOTH)
    assert (reason == "") == (agreed is not None)
    if agreed is None and samples:
        counts = [len(parse_ratings(sample)) for sample in samples]
        quoted = next(sample for sample in samples if len(parse_ratings(sample)) == median_low(counts))
        assert f"“{quoted[:80]}”" in reason
        assert ("outside of its scale" in reason) == (median_low(counts) == 2)
