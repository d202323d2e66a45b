"""Sums: word problems with one or two steps of +, - and * and small numbers; a made-up set that ships with outgrow.

Drawn from the grammar in `sums.yaml`. The solution has one sentence per step and ends as in GSM8K:

    Anna has 3 coins. She finds 4 more and loses 2. How many coins does she have now?
    3 + 4 = 7. 7 - 2 = 5.
    #### 5

Three of five problems have one step, the others two. All results are whole numbers from 1 to 99, and a problem says
the numbers that it needs and no others. It is no benchmark of anything else.

The 3000 problems are all different, also to the leak check, and always the same: hashes decide. The first 2000 are the
training part.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Literal

from outgrow.data.published_task import PublishedTask, RowShape, TaskExample
from outgrow.data.tasks.grammar import (
    SIZES,
    HashChoices,
    ItemFillers,
    choose,
    draw_different,
    make_parts,
    read_grammar,
    write_sentences,
)
from outgrow.readers.source_table import Row, SourceTable

RESULTS = range(1, 100)
Length = Literal["one", "two"]
LENGTHS: tuple[Length, ...] = ("one", "two", "one", "two", "one")
"""How many steps the problems have, in turns."""


def make_sums() -> Iterator[tuple[str, SourceTable]]:
    """The two parts, with the columns `question` and `answer`."""
    return make_parts("sums", _sums())


def draw_sum(grammar: Mapping[str, Any], length: Length, dice: HashChoices) -> Row:
    """One problem of one or two steps."""
    plan = dice.pick(grammar["plans"][length])
    text = choose(dice.pick(plan["texts"]), dice)
    numbers, solution = _draw_numbers(plan["steps"], grammar["ranges"][length], dice)
    for letter in "abc":
        text = text.replace(f"{{{letter}}}", str(numbers.get(letter)))
    question = write_sentences(ItemFillers(grammar["fillers"], dice).fill(text))
    return {"question": question, "answer": f"{' '.join(solution)}\n#### {numbers['x']}"}


def _draw_numbers(
    steps: list[str], ranges: Mapping[str, Sequence[int]], dice: HashChoices
) -> tuple[dict[str, int], list[str]]:
    """The numbers of a problem by letter (`x`: the last result), and a sentence per step."""
    while True:
        numbers: dict[str, int] = {}
        solution = []
        for step in steps:
            left, sign, right = step.split()
            for letter in (left, right):
                if letter not in numbers:
                    low, high = ranges[sign]
                    numbers[letter] = dice.pick(range(low, high + 1))
            result = _result(numbers[left], sign, numbers[right])
            solution.append(f"{numbers[left]} {sign} {numbers[right]} = {result}.")
            numbers["x"] = result
            if result not in RESULTS:
                break
        else:
            return numbers, solution


def _result(left: int, sign: str, right: int) -> int:
    return {"+": left + right, "-": left - right, "*": left * right}[sign]


@cache
def _sums() -> tuple[Row, ...]:
    grammar, dice = read_grammar("sums"), HashChoices("sums")
    return draw_different(lambda index: draw_sum(grammar, LENGTHS[index % len(LENGTHS)], dice), "question")


SUMS = PublishedTask(
    name="sums",
    title="Sums: word problems in one or two steps with their solutions (made up; ships with outgrow)",
    kind="generate",
    classes=(),
    licence="Apache-2.0",
    hub=None,
    made=make_sums,
    parts=dict(zip(SIZES, SIZES, strict=True)),
    shapes=(RowShape("question answer", lambda row: TaskExample(row["question"], row["answer"])),),
    metric="answer_match",
)
