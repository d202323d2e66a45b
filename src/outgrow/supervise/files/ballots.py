"""`Ballots`: long, wide and matrix tables in one form, with a row for everything that a source may have said."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from outgrow.config.votes import VoteColumns
from outgrow.data.row_numbers import row_numbers
from outgrow.errors import DataError
from outgrow.supervise.files.coded import EMPTY, Coded, Place, by_appearance, coded, numbers
from outgrow.supervise.files.distributions import (
    Soft,
    holds_distributions,
    interleaved,
    soft_of_column,
    soft_of_columns,
)
from outgrow.supervise.files.gold import one_gold_each
from outgrow.supervise.files.header import Roles, roles_of
from outgrow.supervise.files.sheet import Sheet

MANY_VALUES = 20
"""A column of a wide table with more different values than this, most of them once, is looked at with suspicion."""
MOST_CLASSES = 1_000_000


@dataclass(frozen=True)
class Ballots:
    """What was said, before anybody asked whether it makes sense."""

    origin: str
    item: Coded
    source: Coded
    label: Coded
    """The class named; empty = none."""
    place: Place
    """Where a row stands."""
    soft: Soft | None = None
    confidence: Float[np.ndarray, "row"] | None = None
    seconds: Float[np.ndarray, "row"] | None = None
    price: Float[np.ndarray, "row"] | None = None
    gold: Coded | None = None
    """The true class of every item; empty = unknown."""
    gold_from: str = ""
    """Where gold stands, for messages: "`truth` of gold.csv"; the origin where that says no more."""
    item_from: str | None = None
    """The votes' column of items, where there is one."""
    numbered: bool = False
    """Labels are numbers of classes, as in a matrix, -1 being no vote."""
    notes: tuple[str, ...] = ()


def ballots_of_sheet(sheet: Sheet, columns: VoteColumns) -> Ballots:
    """The votes of a table in any layout. Raises `ConfigError` for its columns, `DataError` for its cells."""
    roles = roles_of(sheet, columns)
    table = sheet.read(_wanted(roles))
    if not table.num_rows:
        raise DataError(f"{sheet.origin}: has no row")
    found = (_long if roles.layout == "long" else _wide)(sheet, roles, table)
    gold_from = "" if roles.gold is None else f"`{roles.gold}` of {sheet.origin}"
    return replace(found, gold_from=gold_from, item_from=roles.item, notes=(*found.notes, *sheet.notes))


def _wanted(roles: Roles) -> list[str]:
    several = (*roles.probability, *roles.votes)
    single = (getattr(roles, part) for part in Roles._fields if part not in ("layout", "left_out"))
    return list(dict.fromkeys([*(name for name in single if isinstance(name, str)), *several]))


def _long(sheet: Sheet, roles: Roles, table: pa.Table) -> Ballots:
    def text(name: str | None) -> Coded:
        return nothing(table.num_rows) if name is None else coded(table[name], f"{sheet.origin}, column `{name}`")

    def number(name: str | None) -> Float[np.ndarray, "row"] | None:
        return None if name is None else numbers(table[name], f"column `{name}`", sheet.place)

    roles = _confidence_or_distribution(roles, table)
    item = text(roles.item)
    _refuse_empty(item, "item", sheet.place)
    soft = None
    if len(roles.probability) == 1:
        soft = soft_of_column(table[roles.probability[0]], f"column `{roles.probability[0]}`", sheet.place)
    elif roles.probability:
        soft = soft_of_columns(table.select(list(roles.probability)), sheet.place)
    return Ballots(
        sheet.origin,
        item,
        text(roles.source),
        text(roles.label),
        sheet.place,
        soft,
        number(roles.confidence),
        number(roles.seconds),
        number(roles.price),
        None if roles.gold is None else one_gold_each(item, text(roles.gold), sheet.place),
        notes=(roles.note(sheet.origin),),
    )


def _confidence_or_distribution(roles: Roles, table: pa.Table) -> Roles:
    """A column `probability` is what its cells are: numbers say how sure a vote is, lists are whole distributions."""
    name = roles.confidence
    if name is None or roles.probability or not holds_distributions(table[name]):
        return roles
    return roles._replace(confidence=None, probability=(name,))


def _wide(sheet: Sheet, roles: Roles, table: pa.Table) -> Ballots:
    def text(name: str) -> Coded:
        return coded(table[name], f"{sheet.origin}, column `{name}`")

    item = by_row(table.num_rows) if roles.item is None else text(roles.item)
    _refuse_empty(item, "item", sheet.place)
    gold = None if roles.gold is None else text(roles.gold)
    note = roles.note(sheet.origin)
    if roles.layout == "matrix":
        columns = [numbers(table[name], f"column `{name}`", sheet.place) for name in roles.votes]
        return ballots_of_matrix(np.stack(columns, axis=1), sheet.origin, item, roles.votes, gold, sheet.place, note)
    label, soft = nothing(table.num_rows * len(roles.votes)), None
    if all(holds_distributions(table[name]) for name in roles.votes):
        of_each = [soft_of_column(table[name], f"column `{name}`", sheet.place) for name in roles.votes]
        soft = interleaved(of_each, sheet.origin)
    else:
        label = _interleaved_labels({name: text(name) for name in roles.votes}, sheet.origin)
    return _dense(sheet.origin, item, roles.votes, label, soft, gold, sheet.place, note)


def ballots_of_matrix(
    matrix: np.ndarray,
    origin: str,
    item: Coded | None = None,
    sources: Sequence[str] | None = None,
    gold: Coded | None = None,
    place: Place | None = None,
    *notes: str,
) -> Ballots:
    """Class numbers with a row per item and a column per source, -1 (or nan) where nobody voted.

    Three axes are distributions, zeros where nobody voted. Items and sources without names are numbered from 0.
    Raises `DataError` for anything but that.
    """
    if matrix.ndim not in (2, 3) or not matrix.size:
        raise DataError(
            f"{origin}: an array of shape {matrix.shape}; votes are [item source] with class numbers,"
            " or [item source class] with probabilities"
        )
    if matrix.dtype.kind not in "iufb":
        raise DataError(f"{origin}: an array of {matrix.dtype}; votes are numbers")
    item = by_row(len(matrix)) if item is None else item
    names = [str(number) for number in range(matrix.shape[1])] if sources is None else list(sources)
    where = place or (lambda row: f"{origin}, row {row}")
    if matrix.ndim == 3:
        soft = Soft(np.where(matrix.any(axis=2, keepdims=True), matrix, np.nan).reshape(-1, matrix.shape[2]), None)
        return _dense(origin, item, names, nothing(len(soft.probs)), soft, gold, where, *notes)
    label = _class_numbers(matrix, names, where)
    return replace(_dense(origin, item, names, label, None, gold, where, *notes), numbered=True)


def _dense(
    origin: str,
    item: Coded,
    sources: Sequence[str],
    label: Coded,
    soft: Soft | None,
    gold: Coded | None,
    place: Place,
    *notes: str,
) -> Ballots:
    """A row per item and source, item by item."""
    n_sources = len(sources)
    return Ballots(
        origin,
        Coded(np.repeat(item.code, n_sources), item.names),
        Coded(np.tile(np.arange(n_sources), len(item.code)), list(sources)),
        label,
        lambda row: f"{place(row // n_sources)}, source `{sources[row % n_sources]}`",
        soft,
        gold=None if gold is None else one_gold_each(item, gold, place),
        notes=notes,
    )


def _class_numbers(matrix: np.ndarray, sources: Sequence[str], place: Place) -> Coded:
    value = matrix.astype(np.float64).ravel()
    value[np.isnan(value)] = EMPTY
    bad = (value != np.round(value)) | (value < EMPTY) | (value > MOST_CLASSES)
    if bad.any():
        row = int(bad.argmax())
        raise DataError(
            f"{place(row // len(sources))}, source `{sources[row % len(sources)]}`: {value[row]:g} is no class number;"
            f" a matrix holds -1 (no vote) and 0 to {MOST_CLASSES}"
        )
    code = value.astype(np.int64)
    return by_appearance(code, [str(number) for number in range(int(code.max()) + 1)])


def _interleaved_labels(columns: dict[str, Coded], origin: str) -> Coded:
    """The labels of all columns, row by row. Raises `DataError` for a column that holds no votes."""
    names = list(dict.fromkeys(name for cells in columns.values() for name in cells.names))
    for column, cells in columns.items():
        if len(cells.names) > MANY_VALUES and len(cells.names) > len(cells.code) / 2:
            others = {name for other, theirs in columns.items() if other != column for name in theirs.names}
            if not others.intersection(cells.names):
                raise DataError(
                    f"{origin}: column `{column}` has {len(cells.names)} different values that no other column has,"
                    " which are no votes; leave it out with `ignore`, or name the sources with `votes`"
                )
    number = {name: at for at, name in enumerate(names)}
    code = np.empty((len(next(iter(columns.values())).code), len(columns)), np.int64)
    for at, cells in enumerate(columns.values()):
        code[:, at] = np.asarray([*(number[name] for name in cells.names), EMPTY])[cells.code]
    return by_appearance(code.ravel(), names)


def by_row(n_rows: int) -> Coded:
    """Items that are called by the number of their row, from 0."""
    return Coded(np.arange(n_rows), row_numbers(n_rows))


def nothing(n_rows: int) -> Coded:
    """A column of empty cells."""
    return Coded(np.full(n_rows, EMPTY), [])


def _refuse_empty(cells: Coded, part: str, place: Place) -> None:
    if (cells.code == EMPTY).any():
        raise DataError(f"{place(int((cells.code == EMPTY).argmax()))}: the {part} is empty")
