"""Options to try where the header is not enough: columns that could have a role, by their names and cells.

A hint is an option that can be typed as it stands. Where no column could have the role, none is named.
"""

import re
from collections.abc import Sequence, Set
from typing import NamedTuple

import pyarrow as pa

from outgrow.errors import ConfigError, DataError
from outgrow.readers.categorical import EMPTY, Categorical, categorical
from outgrow.readers.column_patterns import MARKS, are_dates
from outgrow.readers.source_table import SourceTable, stem_of

HINTING = {
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


def unnamed(part: str, table: SourceTable, taken: Set[str] = frozenset()) -> ConfigError:
    """That a part is missing, with what there is and what could be tried; `taken` columns have a part already."""
    samples = _samples(table, taken)
    found = likely(part, samples)
    ways = [] if found is None else [f"name it, such as `{word(part, found)}`"]
    if part == "label":
        marked = _marks(samples)
        if marked:
            ways = [f"if each class has a column of marks, name these: `probability={','.join(marked)}`"]
    if part == "source":
        several = _sources(samples)
        if several and (found is None or not _is_hinted(part, found)):
            ways = [f"if every source has a column of its own, name these: `votes={','.join(several)}`"]
        ways.append(f"if the whole file is one source's, name that: `one_source={_plain(stem_of(table.origin))}`")
    if table.is_csv:
        ways.append("if the first line is data already, name all columns with `header`")
    hints = "; ".join(ways)
    return ConfigError(
        f"{table.origin}: no column is known to be the {part}; there are {table.column_list}."
        + (f" {hints[0].upper()}{hints[1:]}" if hints else " The file lacks a column that is needed")
    )


def word(part: str, name: str) -> str:
    """`part=column` as it is typed; a name that YAML would take for something else stands in quotes."""
    odd = not re.fullmatch(r"[A-Za-z_(][\w .:/@()\-]*[\w)]|[A-Za-z_]", name) or ": " in name or name.lower() in ODD
    escaped = name.replace("'", "''")
    return f"{part}='{escaped}'" if odd else f"{part}={name}"


def _plain(name: str) -> str:
    """A name reduced to letters and figures."""
    plain = re.sub(r"[^\w\-]+", "_", name).strip("_-")
    return plain if any(letter.isalpha() for letter in plain) else "source"


def ignoring(names: Sequence[str], already: Sequence[str] = ()) -> str:
    """The word that leaves columns out, with those that are left out already."""
    return f"ignore={','.join((*already, *names))}"


ODD = {"y", "n", "yes", "no", "true", "false", "on", "off", "null", "none"}


def likely(part: str, samples: Sequence[ColumnSample]) -> str | None:
    """The column that could be a part, None where there is none."""
    samples = [sample for sample in samples if _could_be(part, sample)]
    words = HINTING[part].split()
    rank = {sample.name: _rank(sample.name, words) for sample in samples}
    best = min(
        samples, key=lambda sample: (_once_each(part, sample), rank[sample.name], _size(part, sample)), default=None
    )
    return None if best is None else best.name


def _could_be(part: str, sample: ColumnSample) -> bool:
    if part == "item":
        return sample.n_different > 1 and not (sample.cells.code == EMPTY).any() and not sample.dates
    n_rows, hinted = len(sample.cells.code), _is_hinted(part, sample.name)
    if sample.dates or (not hinted and "text" in sample.name.lower()):
        return False
    if part == "source":
        return hinted or 1 < sample.n_different <= n_rows // 2
    return sample.n_different > 1 and (hinted or sample.n_different <= max(MOST_CLASSES, n_rows // 3))


def _is_hinted(part: str, name: str) -> bool:
    """Whether a column's name holds a word that hints at the role."""
    words = HINTING[part].split()
    return _rank(name, words) < len(words)


def _rank(name: str, words: Sequence[str]) -> int:
    """The first of the words that a name holds; so many as there are for none."""
    return next((at for at, word in enumerate(words) if word in name.lower()), len(words))


def _once_each(part: str, sample: ColumnSample) -> bool:
    """Whether all cells differ: such a column numbers the rows, and names no item with several votes."""
    return part == "item" and sample.n_different == len(sample.cells.code)


def _size(part: str, sample: ColumnSample) -> int:
    """Of two that could be it, the one with fewer classes or sources, or with more items."""
    return -sample.n_different if part == "item" else sample.n_different


def _sources(samples: Sequence[ColumnSample]) -> list[str]:
    """Columns that hold the same few classes: sources, perhaps."""
    samples = [sample for sample in samples if 0 < sample.n_different <= MOST_CLASSES and not sample.dates]
    sharing = [
        sample.name
        for sample in samples
        if any(
            sample.name != other.name and not set(sample.cells.names).isdisjoint(other.cells.names)
            for other in samples
        )
    ]
    return sharing if all(re.fullmatch(r"[^\s,'\"]+", name) for name in sharing) else []


def _marks(samples: Sequence[ColumnSample]) -> list[str]:
    """Columns in which cells are marked or not, one for each class, perhaps."""
    samples = [sample for sample in samples if 0 < sample.n_different <= len(MARKS)]
    marked = [sample.name for sample in samples if MARKS.issuperset(map(str.lower, sample.cells.names))]
    return marked if len(marked) > 1 else []


def _samples(table: SourceTable, taken: Set[str]) -> list[ColumnSample]:
    """The first columns of single cells that have a name and no part yet, and of their rows the first."""
    names = [name for name in table.columns if name and name not in taken][:MOST_LOOKED_AT]
    try:
        arrow = table.read(names).slice(0, MOST_ROWS) if names else pa.table({})
    except DataError:  # what cannot be read is no hint
        return []
    return [sample for name in names if (sample := _sample(name, arrow[name])) is not None]


def _sample(name: str, column: pa.ChunkedArray) -> ColumnSample | None:
    try:
        cells = None if pa.types.is_nested(column.type) else categorical(column, name)
    except DataError:
        return None
    return None if cells is None else ColumnSample(name, cells, are_dates(cells.names))
