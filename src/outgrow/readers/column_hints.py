"""What to try where a header does not say what a column is: a column that could be it, by its name and its cells.

A hint is a word that can be typed as it stands. Where no column could be the part, none is named.
"""

import re
from collections.abc import Sequence, Set
from typing import NamedTuple

import pyarrow as pa

from outgrow.errors import ConfigError, DataError
from outgrow.readers.categorical import EMPTY, Categorical, categorical
from outgrow.readers.class_columns import MARKS
from outgrow.readers.dates import are_dates
from outgrow.readers.source_table import SourceTable, stem_of

SPEAKING = {
    "label": ("label answer verdict result rating score preference sentiment class choice vote judg decision output"
              " accept"),
    "source": "worker annotat user rater judge model coder source labeler participant person agent _by evaluator",
    "item": "item task example question hit unit doc record instance hash id image url instruction text input",
}  # fmt: skip
"""What a column's name may hold, the likelier first."""
MOST_LOOKED_AT = 200
"""Columns."""
MOST_ROWS = 100_000
MOST_CLASSES = 20


class ColumnSample(NamedTuple):
    """A column and what is in it."""

    name: str
    cells: Categorical
    dates: bool

    @property
    def n_different(self) -> int:
        return len(self.cells.names)


def unnamed(part: str, sheet: SourceTable, taken: Set[str] = frozenset()) -> ConfigError:
    """That a part is missing, with what there is and what could be tried; `taken` columns have a part already."""
    looks = _looks(sheet, taken)
    found = likely(part, looks)
    ways = [] if found is None else [f"name it, such as `{word(part, found)}`"]
    if part == "label":
        marked = _marks(looks)
        if marked:
            ways = [f"if each class has a column of marks, name these: `probability={','.join(marked)}`"]
    if part == "source":
        several = _sources(looks)
        if several and (found is None or not _speaks(part, found)):
            ways = [f"if every source has a column of its own, name these: `votes={','.join(several)}`"]
        ways.append(f"if the whole file is one source's, name that: `one_source={_plain(stem_of(sheet.origin))}`")
    if sheet.from_cells:
        ways.append("if the first line is data already, name all columns with `header`")
    told = "; ".join(ways)
    return ConfigError(
        f"{sheet.origin}: no column is known to be the {part}; there are {sheet.named}."
        + (f" {told[0].upper()}{told[1:]}" if told else " The file lacks a column that is needed")
    )


def word(part: str, name: str) -> str:
    """`part=column` as it is typed; a name that YAML would take for something else stands in quotes."""
    odd = not re.fullmatch(r"[A-Za-z_(][\w .:/@()\-]*[\w)]|[A-Za-z_]", name) or ": " in name or name.lower() in ODD
    escaped = name.replace("'", "''")
    return f"{part}='{escaped}'" if odd else f"{part}={name}"


def _plain(name: str) -> str:
    """A name of letters and figures, made of another one."""
    plain = re.sub(r"[^\w\-]+", "_", name).strip("_-")
    return plain if any(letter.isalpha() for letter in plain) else "source"


def ignoring(names: Sequence[str], already: Sequence[str] = ()) -> str:
    """The word that leaves columns out, with those that are left out already."""
    return f"ignore={','.join((*already, *names))}"


ODD = {"y", "n", "yes", "no", "true", "false", "on", "off", "null", "none"}


def likely(part: str, looks: Sequence[ColumnSample]) -> str | None:
    """The column that could be a part, None where there is none."""
    looks = [look for look in looks if _could_be(part, look)]
    spoken = SPEAKING[part].split()
    rank = {look.name: _rank(look.name, spoken) for look in looks}
    best = min(looks, key=lambda look: (_once_each(part, look), rank[look.name], _size(part, look)), default=None)
    return None if best is None else best.name


def _could_be(part: str, look: ColumnSample) -> bool:
    if part == "item":
        return look.n_different > 1 and not (look.cells.code == EMPTY).any() and not look.dates
    n_rows, speaks = len(look.cells.code), _speaks(part, look.name)
    if look.dates or (not speaks and "text" in look.name.lower()):
        return False
    if part == "source":
        return speaks or 1 < look.n_different <= n_rows // 2
    return look.n_different > 1 and (speaks or look.n_different <= max(MOST_CLASSES, n_rows // 3))


def _speaks(part: str, name: str) -> bool:
    """Whether a column's name holds a word of the part."""
    spoken = SPEAKING[part].split()
    return _rank(name, spoken) < len(spoken)


def _rank(name: str, spoken: Sequence[str]) -> int:
    """The first of the words that a name holds; so many as there are for none."""
    return next((at for at, one in enumerate(spoken) if one in name.lower()), len(spoken))


def _once_each(part: str, look: ColumnSample) -> bool:
    """Whether every cell is another one: the number of a row, and no item that several vote on."""
    return part == "item" and look.n_different == len(look.cells.code)


def _size(part: str, look: ColumnSample) -> int:
    """Of two that could be it, the one with fewer classes or sources, or with more items."""
    return -look.n_different if part == "item" else look.n_different


def _sources(looks: Sequence[ColumnSample]) -> list[str]:
    """Columns that hold the same few classes: sources, perhaps."""
    looks = [look for look in looks if 0 < look.n_different <= MOST_CLASSES and not look.dates]
    sharing = [
        one.name
        for one in looks
        if any(one.name != other.name and not set(one.cells.names).isdisjoint(other.cells.names) for other in looks)
    ]
    return sharing if all(re.fullmatch(r"[^\s,'\"]+", name) for name in sharing) else []


def _marks(looks: Sequence[ColumnSample]) -> list[str]:
    """Columns in which cells are marked or not, one for each class, perhaps."""
    looks = [look for look in looks if 0 < look.n_different <= len(MARKS)]
    marked = [look.name for look in looks if MARKS.issuperset(map(str.lower, look.cells.names))]
    return marked if len(marked) > 1 else []


def _looks(sheet: SourceTable, taken: Set[str]) -> list[ColumnSample]:
    """The first columns of single cells that have a name and no part yet, and of their rows the first."""
    names = [name for name in sheet.columns if name and name not in taken][:MOST_LOOKED_AT]
    try:
        table = sheet.read(names).slice(0, MOST_ROWS) if names else pa.table({})
    except DataError:  # what cannot be read is no hint
        return []
    return [look for name in names if (look := _look(name, table[name])) is not None]


def _look(name: str, column: pa.ChunkedArray) -> ColumnSample | None:
    try:
        cells = None if pa.types.is_nested(column.type) else categorical(column, name)
    except DataError:
        return None
    return None if cells is None else ColumnSample(name, cells, are_dates(cells.names))
