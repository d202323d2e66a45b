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
from hashlib import blake2b
from importlib.resources import files
from typing import Any

import yaml

from outgrow.data.known import Example, KnownTask, Shape
from outgrow.data.leak import fingerprint
from outgrow.data.table import Row, Table
from outgrow.data.task import Part
from outgrow.metrics.slu_f1 import Slot, write_slots

SIZES: dict[Part, int] = {"train": 2000, "test": 1000}
_CHOICE = re.compile(r"\(([^()]*)\)")
_FIELD = re.compile(r"\{(\w+)\}")


class Dice:
    """A stream of choices that is the same on every machine."""

    def __init__(self, seed: str) -> None:
        self.seed = seed
        self.thrown = 0

    def pick(self, options: Sequence[str]) -> str:
        """One of `options`, all equally likely."""
        self.thrown += 1
        digest = blake2b(f"{self.seed} {self.thrown}".encode(), digest_size=8).digest()
        return options[int.from_bytes(digest) % len(options)]


def make_errands() -> Iterator[tuple[str, Table]]:
    """The two parts, with the columns `text` and `slots`."""
    rows = _requests(sum(SIZES.values()))
    start = 0
    for part, size in SIZES.items():
        numbers = list(range(1, size + 1))
        yield part, Table(f"errands ({part})", ["text", "slots"], list(rows[start : start + size]), numbers, "row")
        start += size


def read_grammar() -> dict[str, Any]:
    """`wrappers`, `closers` and `templates` by mood (orders, questions, remarks), and `fillers` by type."""
    return dict(yaml.safe_load((files("outgrow.data.tasks") / "errands.yaml").read_text()))


def draw_request(grammar: Mapping[str, Any], dice: Dice) -> Row:
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

    body = _FIELD.sub(fill, _chosen(template, dice))
    words = [_chosen(dice.pick(grammar[around][mood]), dice) for around in ("wrappers", "closers")]
    return {"text": " ".join(f"{words[0]} {body} {words[1]}".split()), "slots": write_slots(slots)}


@cache
def _requests(n: int) -> tuple[Row, ...]:
    """The first `n` different requests."""
    grammar, dice = read_grammar(), Dice("errands")
    found: dict[str, Row] = {}
    while len(found) < n:
        request = draw_request(grammar, dice)
        found.setdefault(fingerprint(request["text"]), request)
    return tuple(found.values())


def _new_filler(fillers: Sequence[str], taken: Sequence[str], dice: Dice) -> str:
    """A filler that no other slot of the request has."""
    while True:
        filler = _chosen(dice.pick(fillers), dice)
        if filler not in taken:
            return filler


def _chosen(text: str, dice: Dice) -> str:
    return _CHOICE.sub(lambda choice: dice.pick(choice[1].split("|")), text)


def _read(row: Row) -> Example:
    return Example(row["text"], row["slots"])


ERRANDS = KnownTask(
    name="errands",
    title="Errands: the slots of a request at home as JSON (made up; ships with outgrow)",
    kind="generate",
    classes=(),
    licence="Apache-2.0",
    hub=None,
    made=make_errands,
    parts=dict(zip(SIZES, SIZES, strict=True)),
    shapes=(Shape("text slots", _read),),
    metric="slu_f1",
)
