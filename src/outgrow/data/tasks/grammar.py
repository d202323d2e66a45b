"""What the made-up sets share: choices decided by hashes, fields and their fillers, items that all differ.

A grammar is a YAML file of texts. `(a|b)` is one of the two. `{place1}` is a field: one of the fillers of the type
`place`, the same wherever the item says `{place1}`, and another one than `{place2}` has. A filler may have two forms,
`at the lake/lake`: `{place1}` says the first, `{place1.short}` the second.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from importlib.resources import files
from typing import Any, NamedTuple, TypeVar

import yaml

from outgrow.data.leak import fingerprint
from outgrow.data.task import Part
from outgrow.readers.source_table import Row, SourceTable, table_of_rows

T = TypeVar("T")

SIZES: dict[Part, int] = {"train": 2000, "test": 1000}
"""The parts of every made-up set: the first items are for training."""
_CHOICE = re.compile(r"\(([^()]*)\)")
_FIELD = re.compile(r"\{([a-z]+\d*)(\.short)?\}")
_START = re.compile(r"(?:^|[.?!] )[a-z]")


class HashChoices:
    """A stream of choices that is the same on every machine."""

    def __init__(self, seed: str) -> None:
        self.seed = seed
        self.thrown = 0

    def pick(self, options: Sequence[T]) -> T:
        """One of `options`, all equally likely."""
        self.thrown += 1
        digest = blake2b(f"{self.seed} {self.thrown}".encode(), digest_size=8).digest()
        return options[int.from_bytes(digest) % len(options)]


class Filler(NamedTuple):
    """What a field says."""

    said: str
    short: str
    """The same without the words around it; `said` where the grammar gives no other."""


class ItemFillers:
    """The fillers of one item.

    `fillers` has groups of fillers by type. All fields of a type are filled from one group, so that what an item has
    twice is of a kind: two days, or two months.
    """

    def __init__(self, fillers: Mapping[str, Sequence[Sequence[str]]], dice: HashChoices) -> None:
        self.fillers = fillers
        self.dice = dice
        self.filled: dict[str, Filler] = {}
        self._groups: dict[str, Sequence[str]] = {}

    def get(self, field: str) -> Filler:
        """The filler of `place1`, drawn when it is first asked for."""
        if field not in self.filled:
            self.filled[field] = self._draw(field.rstrip("0123456789"))
        return self.filled[field]

    def fill(self, text: str, hidden: str = "") -> str:
        """`text` with its fields filled in; the field called `hidden` is left empty."""

        def say(field: "re.Match[str]") -> str:
            filler = self.get(field[1])
            return "" if field[1] == hidden else filler.short if field[2] else filler.said

        return _FIELD.sub(say, text)

    def _draw(self, kind: str) -> Filler:
        if kind not in self._groups:
            self._groups[kind] = self.dice.pick(self.fillers[kind])
        while True:
            full, _, short = choose(self.dice.pick(self._groups[kind]), self.dice).partition("/")
            filler = Filler(full, short or full)
            if filler not in self.filled.values():
                return filler


def choose(text: str, dice: HashChoices) -> str:
    """`text` with one of each `(a|b)`."""
    return _CHOICE.sub(lambda choice: dice.pick(choice[1].split("|")), text)


def write_sentences(text: str) -> str:
    """Single spaces, and a capital at the start of each sentence.

    >>> write_sentences("  on Monday it rained.  was it cold?")
    'On Monday it rained. Was it cold?'
    """
    return _START.sub(lambda start: start[0].upper(), " ".join(text.split()))


def read_grammar(name: str) -> dict[str, Any]:
    """What stands in `<name>.yaml` beside this file."""
    return dict(yaml.safe_load((files("outgrow.data.tasks") / f"{name}.yaml").read_text("utf-8")))


def draw_different(draw: Callable[[int], Row], key: str) -> tuple[Row, ...]:
    """As many rows as all parts need, no two with the same `row[key]` for the leak check.

    `draw(i)` draws a candidate for the row number i; it is called until the row is new.
    """
    rows: dict[str, Row] = {}
    while len(rows) < sum(SIZES.values()):
        row = draw(len(rows))
        rows.setdefault(fingerprint(row[key]), row)
    return tuple(rows.values())


def make_parts(name: str, rows: Sequence[Row]) -> Iterator[tuple[str, SourceTable]]:
    """The tables of the parts of a set; their columns are the keys of the rows."""
    start = 0
    for part, size in SIZES.items():
        yield part, table_of_rows(f"{name} ({part})", rows[start : start + size], columns=list(rows[0]))
        start += size
