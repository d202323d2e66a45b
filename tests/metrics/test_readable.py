"""Texts that are no answer: by metric, by hand, and never a right one."""

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.metrics.readable import answer_in, can_tell, chosen_option, is_readable
from outgrow.metrics.slu_f1 import parse_slots
from outgrow.metrics.text_score import TEXT_METRICS

OPTIONS = ["Salt water", "soil", "a b"]


@pytest.mark.parametrize(
    ("metric", "text", "readable"),
    [
        ("slu_f1", '{"time": "ten"}', True),
        ("slu_f1", "{}", True),
        ("slu_f1", '{"time": "ten"', False),
        ("slu_f1", "", False),
        ("answer_match", "so it is 18", True),
        ("answer_match", "#### bank", True),
        ("answer_match", "it is the bank", False),
        ("answer_match", "", False),
        ("math_match", r"hence \boxed{x+1}", True),
        ("math_match", "hence $x^2+1$", True),
        ("math_match", "hence it holds", False),
    ],
)
def test_texts_by_hand(metric, text, readable):
    assert is_readable(metric, text, "{}" if metric == "slu_f1" else "#### 5") is readable


@pytest.mark.parametrize(
    ("metric", "text", "readable"),
    [
        ("exact_match", " SOIL ", True),
        ("exact_match", "salt  water", True),
        ("exact_match", "the soil", False),
        ("exact_match", "", False),
        ("contains", "It is the soil, I think.", True),
        ("contains", "It is the subsoil.", False),
        ("token_f1", "water", True),
        ("token_f1", "air", False),
    ],
)
def test_options_by_hand(metric, text, readable):
    assert is_readable(metric, text, OPTIONS[1], OPTIONS) is readable


def test_a_bare_answer_that_is_right_needs_no_mark():
    assert is_readable("answer_match", "Bank ", "Because.\n#### bank")
    assert not is_readable("answer_match", "river", "Because.\n#### bank")


def test_of_what_it_can_be_told():
    assert can_tell("slu_f1", "{}")
    assert can_tell("answer_match", "2 + 2\n#### 4")
    assert can_tell("math_match", r"\boxed{x}")
    assert not can_tell("answer_match", "Paris")
    assert not any(can_tell(metric, "3 apples") for metric in ("exact_match", "rouge_l", "token_f1", "contains"))
    assert all(can_tell(metric, "soil", OPTIONS) for metric, record in TEXT_METRICS.items() if record.each)
    assert not can_tell("slu_f1", "{}", OPTIONS)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_option_is_an_answer_and_nothing_else_is(seed):
    """Against the definition: some option has a score above zero."""
    generator = np.random.default_rng(seed)
    words = ["a", "b", "A", "7", "8", "", " "]
    for metric in ("exact_match", "contains", "token_f1", "rouge_l", "answer_match"):
        for _ in range(30):
            options = [" ".join(generator.choice(words[:5], generator.integers(1, 4))) for _ in range(3)]
            said = " ".join(generator.choice(words, generator.integers(0, 4)))
            expected = any(TEXT_METRICS[metric].each([said], [option])[0] > 0 for option in options)
            assert is_readable(metric, said, options[0], options) is expected
            assert all(is_readable(metric, option, options[0], options) for option in options)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_right_answer_can_be_read(seed):
    generator = np.random.default_rng(seed)
    pieces = ["####", "7", "x", "ten", "\\boxed{3}", "-1/2", "$4", ".", '{"a": "b"}']
    for _ in range(200):
        gold, said = (" ".join(generator.choice(pieces, generator.integers(1, 4))) for _ in range(2))
        if can_tell("answer_match", gold) and TEXT_METRICS["answer_match"].each([said], [gold])[0]:
            assert is_readable("answer_match", said, gold)
        assert is_readable("slu_f1", said, gold) is (parse_slots(said) is not None)


@pytest.mark.parametrize(
    ("metric", "text", "allowed", "answer"),
    [
        ("exact_match", " SALT  water", OPTIONS, 0),
        ("exact_match", "salt water it is", OPTIONS, None),
        ("contains", "it is a b, I think", OPTIONS, 2),
        ("contains", "neither", OPTIONS, None),
        ("contains", "It is the soil, not salt water.", OPTIONS, 1),
        ("contains", "both soil and salt water", OPTIONS, None),
        ("contains", "The answer is salt water, which wets the soil.", OPTIONS, 0),
        ("token_f1", "some salt water", OPTIONS, 0),
        ("answer_match", "so it is 1,200.0", [], "1200"),
        ("answer_match", "I do not know", [], None),
        ("math_match", r"hence \boxed{x+1}", [], "x+1"),
        ("answer_match", r"hence \boxed{\frac{2}{4}}", [], "1/2"),
        ("token_f1", " The  House", [], "the house"),
        ("slu_f1", '{"a": "b"}', [], '{"a": "b"}'),
    ],
)
def test_which_answer_a_text_gives(metric, text, allowed, answer):
    assert answer_in(metric, text, allowed) == answer


@pytest.mark.parametrize("seed", SEEDS)
def test_an_answer_is_one_of_the_options_just_if_it_can_be_read(seed):
    rng = np.random.default_rng(seed)
    for _ in range(50):
        allowed = [str(one) for one in rng.choice(["Soil", "soil ", "salt", "air", "a lot of air"], 3, replace=False)]
        text = str(rng.choice(["SOIL", "air", "salt air", "a lot of air", "fire"]))
        for metric in ("exact_match", "contains", "token_f1"):
            found = chosen_option(metric, text, allowed)
            values = TEXT_METRICS[metric].each([text] * 3, allowed)
            assert is_readable(metric, text, allowed[0], allowed) == values.any()
            if metric != "exact_match" and found is not None:
                assert values[found] == values.max() > 0
            if (values == values.max()).sum() == 1 and values.any():
                assert found == values.argmax()
