"""Errands: requests to an assistant at home and their slots as JSON; a made-up set that ships with outgrow.

Drawn from the grammar in `errands.yaml`: a template, a filler for each of its slots, a few words around it. It is
there so that a study of texts can run anywhere in minutes. It is not easy for a model that has seen a few hundred
requests: types share fillers (`seven` is a time, a number or a temperature; `rose` a person, a colour or a song), so
the words around a filler decide; and 200 requests show less than half of the test part's slots. It is no benchmark of
anything else.

The 3000 requests are all different, also to the leak check, and always the same: hashes decide, not a generator whose
stream a new version of a library may change. The first 2000 are the training part, the others the test part.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from outgrow.data.published_task import PublishedTask, RowShape, TaskExample
from outgrow.data.tasks import grammar as grammars
from outgrow.data.tasks.grammar import SIZES, HashChoices, choose, draw_different, make_parts
from outgrow.metrics.slu_f1 import Slot, write_slots
from outgrow.readers.source_table import Row, SourceTable

_FIELD = re.compile(r"\{(\w+)\}")


def make_errands() -> Iterator[tuple[str, SourceTable]]:
    """The two parts, with the columns `text` and `slots`."""
    return make_parts("errands", _requests())


def read_grammar() -> dict[str, Any]:
    """`wrappers`, `closers` and `templates` by mood (orders, questions, remarks), and `fillers` by type."""
    return grammars.read_grammar("errands")


def draw_request(grammar: Mapping[str, Any], dice: HashChoices) -> Row:
    """One request: `text`, and `slots` as JSON in the order of the text."""
    moods = {template: mood for mood, templates in grammar["templates"].items() for template in templates}
    template = dice.pick(list(moods))
    mood = moods[template]
    slots: list[Slot] = []

    def fill(field: "re.Match[str]") -> str:
        taken = [slot.filler for slot in slots]
        filler = _new_filler(grammar["fillers"][field[1]], taken, dice)
        slots.append(Slot(field[1], filler))
        return filler

    body = _FIELD.sub(fill, choose(template, dice))
    words = [choose(dice.pick(grammar[around][mood]), dice) for around in ("wrappers", "closers")]
    return {"text": " ".join(f"{words[0]} {body} {words[1]}".split()), "slots": write_slots(slots)}


@cache
def _requests() -> tuple[Row, ...]:
    grammar, dice = read_grammar(), HashChoices("errands")
    return draw_different(lambda _: draw_request(grammar, dice), "text")


def _new_filler(fillers: Sequence[str], taken: Sequence[str], dice: HashChoices) -> str:
    """A filler that no other slot of the request has."""
    while True:
        filler = choose(dice.pick(fillers), dice)
        if filler not in taken:
            return filler


def _read(row: Row) -> TaskExample:
    return TaskExample(row["text"], row["slots"])


ERRANDS = PublishedTask(
    name="errands",
    title="Errands: the slots of a request at home as JSON (made up; ships with outgrow)",
    kind="generate",
    classes=(),
    licence="Apache-2.0",
    hub=None,
    made=make_errands,
    parts=dict(zip(SIZES, SIZES, strict=True)),
    shapes=(RowShape("text slots", _read),),
    metric="slu_f1",
)
