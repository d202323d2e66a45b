"""Suggestions for an ambiguous header: columns that could have a role, by their names and cells.

A suggestion is an option that can be typed unchanged. Without a candidate for a role no column is named.
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
"""Parts of column names that suggest a role, most likely first."""
MOST_LOOKED_AT = 200
"""Columns that are examined."""
MOST_ROWS = 100_000
MOST_CLASSES = 20
MOST_NAMED = 8
"""Columns of sources that a suggestion names."""


class ColumnSample(NamedTuple):
    """A column with its cells."""

    name: str
    cells: Categorical
    dates: bool

    @property
    def n_different(self) -> int:
        return len(self.cells.names)


def unnamed(part: str, table: SourceTable, taken: Set[str] = frozenset()) -> ConfigError:
    """The error for a missing role, with the columns and suggestions; columns in `taken` already have a role."""
    samples = _samples(table, taken)
    candidate = likely(part, samples)
    suggestions = [] if candidate is None else [f"name it, such as `{word(part, candidate)}`"]
    if part == "label":
        marked = _marks(samples)
        if marked:
            suggestions = [f"if each class has a column of marks, name these: `probability={','.join(marked)}`"]
    if part == "source":
        source_columns = _sources(samples)
        if candidate is None or candidate in source_columns or not _is_hinted(part, candidate):
            suggestions = [_wide(source_columns)] if source_columns else suggestions
        suggestions.append(f"if all votes are of one source, name it: `one_source={_plain(stem_of(table.origin))}`")
    if table.is_csv:
        suggestions.append("if the first line is data, name all columns with `header`")
    hints = "; ".join(suggestions)
    return ConfigError(
        f"{table.origin}: no column is known to be the {part}; there are {table.column_list}."
        + (f" {hints[0].upper()}{hints[1:]}" if hints else " The file lacks a necessary column")
    )


def word(part: str, name: str) -> str:
    """`part=column` as typed, with quotes around a name that YAML would not read as text."""
    needs_quotes = (
        not re.fullmatch(r"[A-Za-z_(][\w .:/@()\-]*[\w)]|[A-Za-z_]", name)
        or ": " in name
        or name.lower() in YAML_WORDS
    )
    escaped = name.replace("'", "''")
    return f"{part}='{escaped}'" if needs_quotes else f"{part}={name}"


def _plain(name: str) -> str:
    """A name reduced to letters and digits."""
    plain = re.sub(r"[^\w\-]+", "_", name).strip("_-")
    return plain if any(character.isalpha() for character in plain) else "source"


def ignoring(names: Sequence[str], already: Sequence[str] = ()) -> str:
    """The option that leaves out columns, including those that are already left out."""
    return f"ignore={','.join((*already, *names))}"


YAML_WORDS = {"y", "n", "yes", "no", "true", "false", "on", "off", "null", "none"}


def likely(part: str, samples: Sequence[ColumnSample]) -> str | None:
    """The most likely column of a role, None without a candidate."""
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
    """Whether a column's name contains a word for the role."""
    words = HINTING[part].split()
    return _rank(name, words) < len(words)


def _rank(name: str, words: Sequence[str]) -> int:
    """The index of the first word in the name; the number of words if it has none."""
    return next((index for index, word in enumerate(words) if word in name.lower()), len(words))


def _once_each(part: str, sample: ColumnSample) -> bool:
    """Whether all cells differ, so that the column numbers rows rather than items with several votes."""
    return part == "item" and sample.n_different == len(sample.cells.code)


def _size(part: str, sample: ColumnSample) -> int:
    """A sort key that prefers fewer classes or sources, and more items."""
    return -sample.n_different if part == "item" else sample.n_different


def _sources(samples: Sequence[ColumnSample]) -> list[str]:
    """Columns that share a few classes, which may be sources."""
    samples = [sample for sample in samples if 0 < sample.n_different <= MOST_CLASSES and not sample.dates]
    return [
        sample.name
        for sample in samples
        if any(
            sample.name != other_sample.name and not set(sample.cells.names).isdisjoint(other_sample.cells.names)
            for other_sample in samples
        )
    ]


def _wide(names: Sequence[str]) -> str:
    """How to say that columns are sources: by their names, if these are few and can be typed in a list."""
    if len(names) <= MOST_NAMED and all(re.fullmatch(r"[^\s,'\"]+", name) for name in names):
        return f"if each source has its own column, name these: `votes={','.join(names)}`"
    return "if each source has its own column: `layout=wide`, with `ignore` for columns that are no source"


def _marks(samples: Sequence[ColumnSample]) -> list[str]:
    """Columns of true and false, which may be one per class."""
    samples = [sample for sample in samples if 0 < sample.n_different <= len(MARKS)]
    marked = [sample.name for sample in samples if MARKS.issuperset(map(str.lower, sample.cells.names))]
    return marked if len(marked) > 1 else []


def _samples(table: SourceTable, taken: Set[str]) -> list[ColumnSample]:
    """The first rows of the first columns that have a name, single cells and no role."""
    names = [name for name in table.columns if name and name not in taken][:MOST_LOOKED_AT]
    try:
        arrow = table.read(names).slice(0, MOST_ROWS) if names else pa.table({})
    except DataError:  # unreadable columns give no suggestion
        return []
    return [sample for name in names if (sample := _sample(name, arrow[name])) is not None]


def _sample(name: str, column: pa.ChunkedArray) -> ColumnSample | None:
    try:
        cells = None if pa.types.is_nested(column.type) else categorical(column, name)
    except DataError:
        return None
    return None if cells is None else ColumnSample(name, cells, are_dates(cells.names))
