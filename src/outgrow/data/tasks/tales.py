"""Tales: a story of two or three short sentences and a question about it; a made-up set that ships with outgrow.

Drawn from the grammar in `tales.yaml`. The answer is one to three words of the story, without article or preposition
(`kitchen`, `blue`, `after lunch`). Another filler of the same type always stands in the story too: two people buy two
things on two days, and finding a day is not finding the right one. It is no benchmark of anything else.

Eight kinds of question take turns: who, where, what, when, which colour, how many, how a person travels, which animal.
The answer stands in the story once up to case, and not in the question. No two of the 3000 stories are the same, also
to the leak check, and they are always the same: hashes decide. The first 2000 are the training part.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

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

LONGEST = 3
"""Sentences of a story."""
_NUMBERED = re.compile(r"(?<=[a-z])[12](?=[}.])")


def make_tales() -> Iterator[tuple[str, SourceTable]]:
    """The two parts, with the columns `story`, `question`, `answer` and `kind`."""
    return make_parts("tales", _tales())


def draw_tale(grammar: Mapping[str, Any], kind: str, dice: HashChoices) -> Row:
    """One tale with a question of a kind (`who`, `where`, …)."""
    while True:
        tale = _draw(grammar, kind, dice)
        if tale is not None:
            return tale


def asked(plot: Mapping[str, Any], types: list[str]) -> list[str]:
    """The fields of a plot that are of one of `types` and can be asked for."""
    return [field for field in plot["ask"] if field.rstrip("0123456789") in types]


def _draw(grammar: Mapping[str, Any], kind: str, dice: HashChoices) -> Row | None:
    """A tale, or `None` if its answer occurs elsewhere too, or within another word (`ten` in `kitten`)."""
    types = grammar["kinds"][kind]
    plot = dice.pick([plot for plot in grammar["plots"] if asked(plot, types)])
    field = dice.pick(asked(plot, types))
    story = choose(_maybe_exchanged(plot["story"], dice), dice)
    if story.count(".") < LONGEST:
        story = choose(dice.pick(grammar["frames"]), dice).replace("~", story)
    question = choose(dice.pick(plot["ask"][field]), dice)
    cast = ItemFillers(grammar["fillers"], dice)
    texts = [write_sentences(cast.fill(text)) for text in (story, question)]
    answer = cast.get(field).short
    elsewhere = cast.fill(f"{story} {question}", hidden=field)
    if answer.casefold() in elsewhere.casefold() or answer not in texts[0]:
        return None
    return {"story": texts[0], "question": texts[1], "answer": answer, "kind": kind}


def _maybe_exchanged(story: str, dice: HashChoices) -> str:
    """A story in which, for every other throw, 1 is 2 and 2 is 1."""
    exchange = dice.pick([{"1": "1", "2": "2"}, {"1": "2", "2": "1"}])
    return _NUMBERED.sub(lambda match: exchange[match[0]], story)


@cache
def _tales() -> tuple[Row, ...]:
    grammar, dice = read_grammar("tales"), HashChoices("tales")
    kinds = list(grammar["kinds"])
    return draw_different(lambda index: draw_tale(grammar, kinds[index % len(kinds)], dice), "story")


def _read(row: Row) -> TaskExample:
    return TaskExample(f"{row['story']}\n{row['question']}", row["answer"])


TALES = PublishedTask(
    name="tales",
    title="Tales: questions about stories of two or three sentences (made up; ships with outgrow)",
    kind="generate",
    classes=(),
    licence="Apache-2.0",
    hub=None,
    made=make_tales,
    parts=dict(zip(SIZES, SIZES, strict=True)),
    shapes=(RowShape("story question answer", _read),),
    metric="exact_match",
)
