"""Final answers: a table of pairs with the right verdict, a grid of fractions, and when answers are one."""

import json
import threading
import time
from fractions import Fraction
from itertools import permutations, product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.metrics.final_answer import bare_answer, final_answer, is_right, merge_answers, same_answer
from outgrow.metrics.formula import is_formula, same_formula
from outgrow.metrics.text_answers import answer_match
from outgrow.metrics.text_score import TEXT_METRICS
from outgrow.metrics.written_number import decimal_comma, plainly, read_number

TABLE = [
    json.loads(line)
    for line in Path(__file__).with_name("final_answers.jsonl").read_text(encoding="utf-8").splitlines()
]
GSM8K = Path(__file__).parents[3] / "shared" / "data" / "gsm8k" / "train.jsonl"


def test_the_table_is_large_and_has_both_verdicts_of_both_conventions() -> None:
    assert len(TABLE) >= 200
    for convention, right in product(("gsm8k", "math"), (True, False)):
        assert sum(row["convention"] == convention and row["right"] == right for row in TABLE) >= 25


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row['why']}:{row['answer'][-24:]!r}")
def test_every_pair_of_the_table_gets_its_verdict(row: dict[str, str]) -> None:
    for metric in ("answer_match", "math_match"):
        assert TEXT_METRICS[metric].each([row["answer"]], [row["gold"]]).tolist() == [float(row["right"])]


# ---- numbers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame", ["{}", "$\\{}$", "\\boxed{{{}}}", "so it is ${}$.", "#### {}"])
def test_a_fraction_is_neither_its_parts_nor_another_fraction(frame: str) -> None:
    """Over 20 × 20 pairs, gold and prediction both ways."""
    frame = frame.replace("\\{}", "{}")
    for above, below in product(range(1, 21), repeat=2):
        written, value = rf"\frac{{{above}}}{{{below}}}", Fraction(above, below)
        for other in {above, below, above + below, 10 * above + below}:
            assert is_right(frame.format(written), str(other)) is (value == other), (written, other)
            assert is_right(frame.format(other), written) is (value == other), (written, other)
        assert is_right(frame.format(f"{above}/{below}"), written)
        assert is_right(frame.format(written), rf"\frac{{{below}}}{{{above}}}") is (above == below)


@given(st.fractions(max_denominator=10**6), st.sampled_from(["{}", "#### {}", "\\boxed{{{}}}", "The answer is {}."]))
def test_a_number_is_read_back(value: Fraction, frame: str) -> None:
    assert final_answer(frame.format(value)) == str(value)


@given(st.integers(1000, 10**12), st.integers(0, 99), st.sampled_from([",.", ".,", " .", " ,", "'.", "_.", "\u202f,"]))
def test_groups_of_three_by_every_habit(whole: int, hundredths: int, marks: str) -> None:
    written = f"{whole:,}".replace(",", marks[0]) + f"{marks[1]}{hundredths:02}"
    assert read_number(written) == Fraction(whole) + Fraction(hundredths, 100)


@pytest.mark.parametrize(
    "answer",
    ["", "x", "1.2.3", "1,23,4", "3/0", "1/2/3", "18 or 19", "5x", "5 x", "3:2", "10-3", "2^3", "1,5", "5!", "6 p.m."],
)
def test_what_is_no_number_as_a_whole(answer: str) -> None:
    assert read_number(answer) is None


def test_a_lone_comma_may_be_a_decimal_one_or_part_a_list() -> None:
    assert decimal_comma("1,5") == Fraction(3, 2)
    assert decimal_comma("1,5,7") is None
    assert is_right("1,5", "1.5")
    assert is_right("1,5", "5, 1")
    assert not is_right("1,5", "15")


def test_the_longest_and_the_largest_numbers_end() -> None:
    assert read_number("1" * 6000) is None
    assert final_answer("1" * 6000) == "1" * 6000
    assert read_number("1e999") == Fraction(10) ** 999
    assert read_number("1e99999") is None


PIECES = [
    "1,", "(", "1 ", "\\frac{", "x=", "a ", "$1$", "$", "#### ", "\\boxed{", "answer is ", "1+", "1e", "<<", "1.", "{",
    "\\text{", "1/", "**", "1'", "-", "(ab ", "[1,", "√(", "%", "\n", "Q:\n", "#### 1 x\n",
]  # fmt: skip


@pytest.mark.parametrize("piece", PIECES)
def test_no_text_takes_long(piece: str) -> None:
    began = time.process_time()
    for text in (piece * 4000, piece * (300 // len(piece)), f"so it is {piece * 4000}"):
        is_right(text, "1")
        is_right("1", text)
    assert time.process_time() - began < 10


# ---- formulas --------------------------------------------------------------------------------------------


def test_words_are_no_formula() -> None:
    assert not any(map(is_formula, ["", "x", "no", "listen", "two apples", "Apollo 11", "5 feet 6 inches", "see 3"]))
    assert all(map(is_formula, ["x^2", "[1, 5]", "2√3", r"\pi", "x=2 or x=3", r"\begin{pmatrix}1\\2\end{pmatrix}"]))


@pytest.mark.parametrize(("one", "other"), [("9^{9^{9}}", "5"), ("99999999!", "3"), ("2^{100000000}", "4")])
def test_what_nobody_can_compute_is_not_tried(one: str, other: str) -> None:
    began = time.process_time()
    assert not same_formula(one, other)
    assert is_right(rf"\boxed{{{one}}}", one)
    assert time.process_time() - began < 1


def test_formulas_are_compared_outside_the_main_thread_too() -> None:
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(same_formula(r"\sqrt{50}", r"5\sqrt{2}")))
    thread.start()
    thread.join()
    assert found == [True]


# ---- which answers are one -------------------------------------------------------------------------------


def test_equality_does_not_ask_which_side_is_gold() -> None:
    answers = [bare_answer(row["gold"]) for row in TABLE if row["convention"] == "math"]
    for one, other in zip(answers, answers[1:] + answers[:1], strict=True):
        assert same_answer(one, other) is same_answer(other, one)
        assert same_answer(one, one)


def test_answers_are_merged_whatever_their_order() -> None:
    answers = ["1/2", "7/2", r"\sqrt{8}", r"2\sqrt{2}", "1,5", "3/2", "5, 1", "paris"]
    wanted = {
        "1/2": "1/2", "7/2": "7/2", r"\sqrt{8}": r"2\sqrt{2}", r"2\sqrt{2}": r"2\sqrt{2}",
        "1,5": "1,5", "3/2": "1,5", "5, 1": "1,5", "paris": "paris",
    }  # fmt: skip
    for some in list(permutations(answers))[::4000]:
        assert merge_answers(some) == wanted
    assert merge_answers([]) == {}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Janet sells 9 ducks.\n#### 18", "18"),
        ("#### 3\nno, wait\n#### $1,234.00 dollars", "3"),
        ("#### Paris, France", "paris, france"),
        ("between 1,2 and 3,000", "3000"),
        ("half: 1/2", "1/2"),
        ("it costs -$5.25!", "-21/4"),
        ("Answer...18", "18"),
        ("x=12km", "12"),
        (r"thus \boxed{42} of 50", "42"),
        (r"thus \boxed{1} or \boxed{18\%}", "18"),
        (r"broken \boxed{4 of 5", "5"),
        ("#### 3/0", "3/0"),
        ("takes 1 1/2 hours", "3/2"),
        ("a point (1, 5).", "(1, 5)"),
        ("no number", None),
        ("#### ", None),
        ("", None),
    ],
)
def test_which_answer_a_text_comes_to(text: str, answer: str | None) -> None:
    assert final_answer(text) == answer


def test_one_spelling() -> None:
    assert plainly("**\u2212\\dfrac{1}{2}**.") == "-\\frac{1}{2}"
    assert plainly(r"10,\!000") == "10,000"
    assert plainly("x²") == "x^{2}"
    assert plainly("2½") == "2 1/2"


# ---- published solutions ---------------------------------------------------------------------------------


def test_gsm8k_is_read_in_seconds_and_mostly_without_its_marks() -> None:
    if not GSM8K.exists():
        pytest.skip(f"needs {GSM8K}")
    golds = [json.loads(line)["answer"] for line in GSM8K.read_text(encoding="utf-8").splitlines()]
    steps, values = zip(*(gold.split("####") for gold in golds), strict=True)
    began = time.process_time()
    assert answer_match([f"#### {value}" for value in values], golds).all()
    unmarked = answer_match(steps, golds)
    assert time.process_time() - began < 30
    assert unmarked.mean() > 0.965, "lm-evaluation-harness' flexible-extract finds .949"
