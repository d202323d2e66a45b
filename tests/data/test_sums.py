"""Sums: every solution is computed again, from the problem's own numbers."""

import operator
import re
from collections import Counter
from hashlib import sha256
from random import Random

import pytest

from drawn_seeds import SEEDS
from outgrow.config.task import TaskSection
from outgrow.data.leak import normalise
from outgrow.data.load_task import load_task
from outgrow.data.tasks.grammar import HashChoices, read_grammar
from outgrow.data.tasks.sums import draw_sum, make_sums
from outgrow.metrics.final_answer import final_answer
from outgrow.metrics.text_answers import answer_match

SIGNS = {"+": operator.add, "-": operator.sub, "*": operator.mul}
DIGEST = "6bb655a7fc1cf5eae1f71dea08862a5e59e2e317a1934fd7148ba47dbfa55d34"


@pytest.fixture(scope="module")
def rows():
    return [row for _, table in make_sums() for row in table.rows]


@pytest.fixture(scope="module")
def grammar():
    return read_grammar("sums")


def worked(row):
    """The signs of a solution, after computing it again from the numbers of the question."""
    lines = row["answer"].split("\n")
    assert len(lines) == 2
    given = Counter(int(number) for number in re.findall(r"\d+", row["question"]))
    steps = [step.split() for step in lines[0].removesuffix(".").split(". ")]
    carried = []
    for left, sign, right, equals, result in steps:
        for number in (int(left), int(right)):
            if carried and number == carried[-1]:
                carried.pop()
            else:
                given[number] -= 1
        assert not carried
        assert equals == "="
        assert SIGNS[sign](int(left), int(right)) == int(result)
        assert 0 <= int(result) <= 99
        carried.append(int(result))
    assert not +given, "a number of the question is not used"
    assert not -given, "a number that the question does not say"
    assert lines[1] == f"#### {carried[0]}"
    return [step[1] for step in steps]


def test_every_solution_is_right_and_uses_what_the_question_says(rows):
    assert len(rows) == 3000
    for row in rows:
        worked(row)


def test_an_error_would_be_found():
    good = {"question": "Ben has 3 coins and gets 4 more.", "answer": "3 + 4 = 7.\n#### 7"}
    assert worked(good) == ["+"]
    for question, answer in (
        (good["question"], "3 + 4 = 8.\n#### 8"),
        (good["question"], "3 + 4 = 7.\n#### 8"),
        (good["question"], "3 + 5 = 8.\n#### 8"),
        ("Ben has 3 coins, gets 4 more and loses 2.", good["answer"]),
    ):
        with pytest.raises(AssertionError):
            worked({"question": question, "answer": answer})


def test_three_of_five_have_one_step_and_all_signs_are_common(rows):
    for part in (rows[:2000], rows[2000:]):
        signs = [worked(row) for row in part]
        assert Counter(map(len, signs)) == {1: 0.6 * len(part), 2: 0.4 * len(part)}
        single = Counter(several[0] for several in signs if len(several) == 1)
        assert set(single) == set(SIGNS)
        assert min(single.values()) > 0.28 * single.total()
        double = Counter("".join(several) for several in signs if len(several) == 2)
        assert set(double) == {"++", "+-", "--", "-+", "*+", "*-", "+*"}
        assert min(double.values()) > 0.07 * double.total()


def test_they_are_all_different_and_no_answer_is_common(rows):
    task = load_task(TaskSection(name="sums"))
    assert Counter(task.items.parts) == {"train": 2000, "test": 1000}
    assert task.notes == ()
    assert len({normalise(text) for text in task.items.prompts}) == 3000
    answers = Counter(final_answer(row["answer"]) for row in rows)
    assert max(answers.values()) < 0.08 * 3000
    assert task.metric == "answer_match"
    assert answer_match(task.items.answers, [row["answer"].split()[-1] for row in rows]).all()


def test_they_are_the_same_everywhere_and_always(rows):
    assert sha256("\n".join(f"{row['question']}\t{row['answer']}" for row in rows).encode()).hexdigest() == DIGEST


def test_problems_are_plain_sentences(rows):
    for row in rows:
        question = row["question"]
        assert re.fullmatch(r"[A-Za-z0-9 .,?]+", question), question
        assert question.count("?") == 1
        assert question.endswith("?")
        assert not re.search(r"(?:^|[.?] )[a-z]|  |\b[Aa] [aeiou]|scarfs|\b(\w+) \1\b", question), question
        assert len(question.split()) <= 45
    for row in Random(SEEDS[0]).sample(rows, 8):
        print(f"  {row['question']} -> {row['answer']!r}")


def test_the_grammar_uses_all_that_it_has(grammar):
    texts = [text for plans in grammar["plans"].values() for plan in plans for text in plan["texts"]]
    assert len(texts) == len(set(texts)) > 60
    fields = {name for text in texts for name in re.findall(r"\{([a-z]{2,})\d?(?:\.short)?\}", text)}
    assert fields == set(grammar["fillers"])
    for plans in grammar["plans"].values():
        for plan in plans:
            letters = set(re.findall(r"\b[abc]\b", " ".join(plan["steps"])))
            for text in plan["texts"]:
                assert sorted(re.findall(r"\{([abc])\}", text)) == sorted(letters), text


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("length", ["one", "two"])
def test_any_draw_is_right(grammar, seed, length):
    dice = HashChoices(str(seed))
    for _ in range(300):
        assert len(worked(draw_sum(grammar, length, dice))) == ["one", "two"].index(length) + 1
