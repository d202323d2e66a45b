"""Scores in a table: which columns have them, and the scores of every source on every item."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int

from outgrow.config.votes import AS_NAMED, Name, Names, OlderName
from outgrow.errors import DataError
from outgrow.readers.categorical import EMPTY, Categorical, numbers
from outgrow.readers.column_roles import NAMES, RUNNING_TEXT, plain
from outgrow.readers.gold import gold_of_table
from outgrow.readers.open_table import read_table
from outgrow.readers.repeated_scores import kept_scores
from outgrow.readers.source_table import SourceTable
from outgrow.text_format import many
from outgrow.vote_kinds.table_rows import TableColumns, TableRows, open_source, rows_of
from outgrow.vote_kinds.vote_kind import Options

USUAL = ("score scores rating ratings stars grade points mark likert", "value label answer response annotation vote")
"""Usual names of the column of scores."""
MOST_LEVELS = 11


class ScoreColumns(TableColumns):
    """A number per item and source, such as a rating."""

    type: Literal["scores"] = "scores"
    score: Name = None
    """The number."""
    votes: Names | None = None
    """Of a wide table: the columns of the raters. By default all columns of numbers without another role."""
    gold: Name = None
    """The item's true score, empty where it is not known."""
    scale: Literal["auto", "ordinal", "continuous"] = "auto"
    """`ordinal`: the true score is one of a few levels. By default so for whole numbers or halves of at most eleven
    levels."""
    repeats: Annotated[Literal["first", "last", "average"] | None, OlderName] = None
    """Which score counts if a source has several on one item. By default equal ones count once, and different ones are
    an error."""


@dataclass(frozen=True, eq=False)
class ScoreVotes:
    """Scores of any number of sources on any number of items; every (item, source) at most once."""

    items: list[str]
    sources: tuple[str, ...]
    item: Int[np.ndarray, "vote"]
    source: Int[np.ndarray, "vote"]
    value: Float[np.ndarray, "vote"]
    gold: Float[np.ndarray, "item"]
    """nan = unknown."""
    levels: Float[np.ndarray, "level"] | None
    """All levels of an ordinal scale, ascending."""
    notes: tuple[str, ...] = ()

    @property
    def n_per_item(self) -> Int[np.ndarray, "item"]:
        return np.bincount(self.item, minlength=len(self.items))


def read_scores(source: Any, section: ScoreColumns, options: Options) -> ScoreVotes:
    """Scores from a path or a table in memory, long or wide. Raises `ConfigError`, `DataError`."""
    table = open_source(source, section)
    is_long = section.votes is None and _has_score(table, section)
    votes = () if is_long else section.votes or _numeric_columns(table, section)
    usual = {"score": USUAL, "gold": ()} if is_long else {"gold": ()}
    required = ["item", "source", "score"] if is_long else ["item"] if votes else ["item", "score"]
    rows = rows_of(table, section, usual, required=required, votes=votes, noun="scores")
    long = _long(rows) if is_long else _wide(rows, votes)
    gold, notes = _gold(rows, long.item, options.gold)
    voted = np.flatnonzero(~np.isnan(long.value))
    if not len(voted):
        raise DataError(f"{rows.origin}: has no score")
    key = long.item.code[voted] * len(long.source.names) + long.source.code[voted]
    kept, value, repeated = kept_scores(
        key, long.value[voted], section.repeats, lambda row: long.place(int(voted[row]))
    )
    at = voted[kept]
    as_classes = ("Numbers are read as scores; `--kind classes` reads them as names of classes.",)
    levels = _levels(np.append(value, gold[~np.isnan(gold)]), section.scale)
    return ScoreVotes(
        long.item.names, tuple(long.source.names), long.item.code[at], long.source.code[at], value, gold, levels,
        (*rows.notes, *as_classes, *notes, *repeated),
    )  # fmt: skip


class _Cells(NamedTuple):
    """A row per possible score; nan = none."""

    item: Categorical
    source: Categorical
    value: Float[np.ndarray, "row"]
    place: Callable[[int], str]


def _has_score(table: SourceTable, section: ScoreColumns) -> bool:
    """Whether a column has all the scores: it is named, or it has a usual name beside a column of sources."""
    names = {plain(name) for name in table.columns if name not in section.ignore}
    source = section.source or section.one_source or names & set().union(*NAMES["source"][:1])
    return section.score is not None or bool(source)


def _long(rows: TableRows) -> _Cells:
    value, source = rows.numbers("score"), rows.names("source")
    missing = ~np.isnan(value) & (source.code == EMPTY)
    if missing.any():
        raise DataError(f"{rows.place(int(missing.argmax()))}: a score without a source")
    return _Cells(rows.filled("item"), source, value, rows.place)


def _wide(rows: TableRows, votes: Sequence[str]) -> _Cells:
    item = rows.filled("item")
    value = np.stack([numbers(rows.arrow[name], f"column `{name}`", rows.place) for name in votes], axis=1)
    n = len(votes)
    return _Cells(
        Categorical(np.repeat(item.code, n), item.names),
        Categorical(np.tile(np.arange(n), len(item.code)), list(votes)),
        value.ravel(),
        lambda row: f"{rows.place(row // n)}, source `{votes[row % n]}`",
    )


def _numeric_columns(table: SourceTable, section: ScoreColumns) -> tuple[str, ...]:
    """The columns of numbers that have no other role."""
    other = {*section.ignore, section.item, section.gold}
    free = [
        name
        for name in table.columns
        if name not in other and plain(name) not in RUNNING_TEXT | set().union(*NAMES["item"], NAMES["gold"][0])
    ]
    return tuple(name for name in free if _are_numbers(table, name))


def _are_numbers(table: SourceTable, name: str, least: int = 1) -> bool:
    """Whether all cells of a column are numbers or empty, with at least so many different ones."""
    column = table.column(name)
    if pa.types.is_nested(column.type) or pa.types.is_boolean(column.type):
        return False
    try:
        values = numbers(column, f"column `{name}`", table.place)
    except DataError:
        return False
    return len(np.unique(values[~np.isnan(values)])) >= least


def _gold(rows: TableRows, item: Categorical, given: Any) -> tuple[Float[np.ndarray, "item"], tuple[str, ...]]:
    """The known scores of the items, from a column of the votes or another table."""
    gold = np.full(len(item.names), np.nan)
    if given is not None:
        found = gold_of_table(read_table(given), AS_NAMED, item.names, rows.columns.get("item"))
        texts = pa.chunked_array([pa.array([*found.of_items.names, None], pa.string())])
        value = numbers(texts, f"gold, {found.origin}", lambda row: f"gold `{found.of_items.names[row]}`")
        gold = value[found.of_items.code]
        return gold, (f"Gold of {_n_known(gold)} from {found.origin}.", *found.notes)
    value = rows.numbers("gold")
    known = np.flatnonzero(~np.isnan(value))
    row_items = rows.names("item").code[known]
    gold[row_items[::-1]] = value[known[::-1]]
    differs = gold[row_items] != value[known]
    if differs.any():
        row = int(known[differs.argmax()])
        raise DataError(f"{rows.place(row)}: gold of item `{item.names[rows.names('item').code[row]]}` has two values")
    return gold, (f"Gold of {_n_known(gold)}.",) if len(known) else ()


def _n_known(gold: Float[np.ndarray, "item"]) -> str:
    return many(int((~np.isnan(gold)).sum()), "item")


def _levels(values: Float[np.ndarray, "value"], scale: str) -> Float[np.ndarray, "level"] | None:
    """The levels of an ordinal scale, with those between the lowest and the highest value; None = continuous."""
    if scale == "continuous" or len(np.unique(values)) < 2:
        return None
    steps = [step for step in (1.0, 0.5) if np.allclose(values / step, np.round(values / step))]
    n_levels = (values.max() - values.min()) / (steps[0] if steps else 0.0001) + 1
    if steps and n_levels <= MOST_LEVELS + 1e-9:
        return np.asarray(values.min() + steps[0] * np.arange(round(n_levels)))
    return np.unique(values) if scale == "ordinal" else None


def are_scores(names: Sequence[str], table: Callable[[], SourceTable]) -> bool:
    """A table with a source and a column such as `rating` with numbers, three different ones at least, and no other
    column of labels."""
    plainly = {plain(name): name for name in names}
    score = [name for name in USUAL[0].split() if name in plainly]
    has_source = bool(NAMES["source"][0] & set(plainly))
    has_label = bool(NAMES["label"][0] & set(plainly))
    return bool(score) and has_source and not has_label and _are_numbers(table(), plainly[score[0]], least=3)
