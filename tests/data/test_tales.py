"""Tales: the answer stands in the story, another of its kind does too, and the question tells which."""

import re
from collections import Counter
from hashlib import sha256
from random import Random

import pytest

from drawn_seeds import SEEDS
from outgrow.config.task import TaskSection
from outgrow.data.leak import normalise
from outgrow.data.load_task import load_task
from outgrow.data.tasks.grammar import HashChoices, ItemFillers, read_grammar
from outgrow.data.tasks.tales import draw_tale, make_tales

KINDS = ["who", "where", "what", "when", "colour", "number", "how", "animal"]
STARTS = {
    "who": "who|whose",
    "where": "where",
    "what": "what",
    "when": "when",
    "colour": "which colour",
    "number": "how many",
    "how": "how (?:did|does)",
    "animal": "which (?:kind of animal|animals?|pet)",
}
DIGEST = "4b517fc432c7956d6b6cdc0d2c6344b5f5121f1049650e4d6f9e7dcba38060a6"


@pytest.fixture(scope="module")
def rows():
    return [row for _, table in make_tales() for row in table.rows]


@pytest.fixture(scope="module")
def grammar():
    return read_grammar("tales")


def type_of(field):
    return field.rstrip("0123456789")


def fields(text):
    return re.findall(r"\{(\w+)(?:\.short)?\}", text)


def said(grammar, types):
    """All that fields of these types can say in short."""
    texts = [text for name in types for group in grammar["fillers"][name] for text in group]
    chosen = [choice for text in texts for choice in text.strip("()").split("|")]
    return {text.rpartition("/")[2] for text in chosen}


def check(row, fillers):
    """What holds for every tale; `fillers`: all that answers of its kind can be."""
    story, question, answer = row["story"], row["question"], row["answer"]
    assert story.casefold().count(answer.casefold()) == 1, row
    assert re.search(rf"(?<!\w){answer}(?!\w)", story), row
    assert answer.casefold() not in question.casefold(), row
    assert 1 <= len(answer.split()) <= 3
    assert answer in fillers
    others = [other for other in fillers - {answer} if re.search(rf"(?<!\w){other}(?!\w)", story, re.IGNORECASE)]
    assert others, f"nothing else of its kind: {row}"


def test_the_answer_stands_in_the_story_once_and_so_does_another_of_its_kind(rows, grammar):
    fillers = {kind: said(grammar, grammar["kinds"][kind]) for kind in KINDS}
    assert len(rows) == 3000
    for row in rows:
        check(row, fillers[row["kind"]])


def test_kinds_take_turns_and_questions_ask_for_them(rows, grammar):
    assert list(grammar["kinds"]) == KINDS
    assert [row["kind"] for row in rows] == (KINDS * 375)
    for row in rows:
        assert re.match(rf"(?:{STARTS[row['kind']]}) ", row["question"], re.IGNORECASE), row


def test_they_are_all_different_and_always_the_same(rows):
    task = load_task(TaskSection(name="tales"))
    assert Counter(task.items.parts) == {"train": 2000, "test": 1000}
    assert task.notes == ()
    assert len({normalise(row["story"]) for row in rows}) == 3000
    assert task.items.prompts == [f"{row['story']}\n{row['question']}" for row in rows]
    assert task.items.answers == [row["answer"] for row in rows]
    text = "\n".join("\t".join(row.values()) for row in rows)
    assert sha256(text.encode()).hexdigest() == DIGEST


def test_no_answer_and_no_place_is_common(rows):
    for kind in KINDS:
        several = [row for row in rows if row["kind"] == kind]
        answers = Counter(row["answer"] for row in several)
        assert len(answers) >= 8
        assert max(answers.values()) < 0.2 * len(several)
    early = sum(2 * row["story"].index(row["answer"]) < len(row["story"]) for row in rows)
    assert 0.35 < early / len(rows) < 0.65


def test_stories_are_short_and_plain(rows):
    for row in rows:
        story, question = row["story"], row["question"]
        assert re.fullmatch(r"[A-Za-z' ,.-]+\.", story), story
        assert re.fullmatch(r"[A-Za-z' -]+\?", question), question
        for text in (story, question):
            assert not re.search(r"(?:^|\. )[a-z]|  |\b[Aa] [aeiou]|\b(\w+) \1\b", text), text
        assert 1 <= story.count(".") <= 3
        assert len(story.split()) <= 45
    for row in Random(SEEDS[0]).sample(rows, 8):
        print(f"  {row['story']} {row['question']} -> {row['answer']}")


def test_plots_say_what_they_ask_for(grammar):
    kinds = {name: kind for kind, types in grammar["kinds"].items() for name in types}
    seen = set()
    for plot in grammar["plots"]:
        in_story = fields(plot["story"])
        seen |= {type_of(field) for field in in_story}
        numbered = [{type_of(field) for field in in_story if field.endswith(end)} for end in "12"]
        assert numbered[0] == numbered[1], plot
        for answer, questions in plot["ask"].items():
            assert kinds[type_of(answer)] in KINDS
            assert answer in in_story
            same = {field for field in in_story if kinds.get(type_of(field)) == kinds[type_of(answer)]}
            assert len(same) >= 2, f"{answer} is alone in {plot}"
            for question in questions:
                known = fields(question)
                assert set(known) <= set(in_story), question
                assert answer not in known
                # What tells 1 from 2 is something that 1 has.
                assert not any(field.endswith("2") for field in [answer, *known])
                assert not answer.endswith("1") or any(field.endswith("1") for field in known), question
    assert seen | {"person"} >= set(grammar["fillers"])


def test_groups_have_different_fillers_and_enough_of_them(grammar):
    for groups in grammar["fillers"].values():
        for group in groups:
            choices = [choice for text in group for choice in text.strip("()").split("|")]
            assert len(choices) == len(set(choices)) >= 3


@pytest.mark.parametrize("seed", SEEDS)
def test_any_draw_holds_what_tales_promise(grammar, seed):
    dice = HashChoices(str(seed))
    for kind in KINDS:
        for _ in range(40):
            check(draw_tale(grammar, kind, dice), said(grammar, grammar["kinds"][kind]))


def test_a_cast_keeps_its_fillers_and_takes_one_group_per_type():
    fillers = {"time": [["on Monday/Monday", "on Friday/Friday"], ["in May/May", "in June/June"]]}
    for seed in range(20):
        cast = ItemFillers(fillers, HashChoices(str(seed)))
        text = cast.fill("{time1} {time2} {time1.short}")
        assert text in {
            f"{preposition} {a} {preposition} {b} {a}"
            for preposition, pair in (("on", ("Monday", "Friday")), ("in", ("May", "June")))
            for a, b in (pair, pair[::-1])
        }
        assert cast.fill("{time1} {time2}", hidden="time1") == f" {cast.get('time2').said}"
