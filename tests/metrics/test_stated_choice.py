"""Choices in free text: a table of phrasings with the right reading, and what must not matter."""

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.data.published_task import letters
from outgrow.metrics.stated_choice import LONGEST, stated_choice

TABLE = [
    json.loads(line)
    for line in Path(__file__).with_name("stated_choices.jsonl").read_text(encoding="utf-8").splitlines()
]
FRUIT = ["salt", "soil", "fire", "water"]


def read(text: str, options: list[str], named: bool = True) -> int | None:
    found = stated_choice(text, letters(len(options)) if named else (), options)
    return None if found is None else found.number


def test_the_table_is_large_and_has_every_kind() -> None:
    kinds = Counter(row["why"] for row in TABLE)
    assert len(TABLE) >= 200
    assert (
        min(kinds[kind] for kind in ("alone", "first", "declared", "last", "denied", "several", "nothing", "text")) > 7
    )


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row['why']}:{row['text'][:30]!r}")
def test_every_phrasing_is_read_as_it_is_meant(row: dict[str, Any]) -> None:
    assert read(row["text"], row["options"], row["letters"]) == row["choice"]


@pytest.mark.parametrize(
    "frame", ["{}", "({})", "Answer: {}", "I think the answer is {}.", "**{}**", "{}) since I say so"]
)
@pytest.mark.parametrize("size", [2, 5, 9, 26])
def test_every_letter_is_read_in_every_frame(frame: str, size: int) -> None:
    for number, name in enumerate(letters(size)):
        assert read(frame.format(name), [f"option number {other}" for other in range(size)]) == number


def test_beyond_the_alphabet_choices_are_numbers() -> None:
    options = [f"town of {letter}{letter}" for letter in "abcdefghijklmnopqrstuvwxyzäöü"]
    assert read("The answer is 28.", options) == 27
    assert read("28", options) == 27
    assert read("town of cc", options) == 2
    assert read("I see 3 or 4 of them", options) is None


def test_texts_of_several_choices_are_nobodys() -> None:
    assert read("soil", ["soil", "Soil ", "salt"]) is None
    assert read("B, soil", ["soil", "Soil ", "salt"]) == 1


@given(st.text("ABCI ab.,()*'\n?", max_size=40))
def test_where_it_stands_is_what_it_says(text: str) -> None:
    found = stated_choice(text, letters(9), ())
    if found is not None:
        assert text[found.start : found.end].upper() == letters(9)[found.number]


@given(st.sampled_from([row for row in TABLE if row["choice"] is not None]), st.text("xyz \n", max_size=30))
def test_thoughts_before_it_and_a_next_question_behind_it_do_not_matter(row: dict[str, Any], more: str) -> None:
    text = f"<think>The answer is A. {more}</think>{row['text']}\n\nQuestion: {more}?\nAnswer: A"
    assert read(text, row["options"], row["letters"]) == row["choice"]


@pytest.mark.parametrize(
    "piece", ["A ", "not ", "the answer is ", '"choice": "A" ', "A, ", "(", "A or ", "<think>", "I "]
)
def test_no_text_takes_long(piece: str) -> None:
    began = time.process_time()
    for text in (piece * 20_000, f"{piece * 20_000}. The answer is B."):
        read(text, FRUIT)
    assert time.process_time() - began < 10
    assert read("x" * 2 * LONGEST + " The answer is B.", FRUIT) == 1
