"""The votes of a table of preferences: who judged which row, and what was chosen."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from outgrow.comparisons import NO_SYSTEM
from outgrow.errors import DataError
from outgrow.readers.categorical import EMPTY, MISSING, Categorical, categorical
from outgrow.text_format import short
from outgrow.vote_kinds.pair_choices import (
    A_SHARE,
    B_SHARE,
    refuse_double_meaning,
    shares_of_numbers,
    shares_of_words,
    unknown_choice,
)
from outgrow.vote_kinds.pair_columns import PairColumns
from outgrow.vote_kinds.table_rows import TableRows

ONE_JUDGE = "judge"
"""The name of the only judge of a table that names none."""


class RowSystems(NamedTuple):
    """The systems in the first and in the second place of every row."""

    names: list[str]
    """Empty where no systems are known."""
    number: Int[np.ndarray, "row 2"]


class PairChoices(NamedTuple):
    """All votes: the row of the table, the judge, and the shares of first, second and tie."""

    row: Int[np.ndarray, "vote"]
    judge: Categorical
    shares: Float[np.ndarray, "vote 3"]


def choices_of(rows: TableRows, judges: Sequence[str], systems: RowSystems, section: PairColumns) -> PairChoices:
    """Every vote of the table."""
    row = np.arange(len(rows))
    if judges:
        cells = [categorical(rows.arrow[name], f"{rows.origin}, column `{name}`") for name in judges]
        n = len(rows)
        number: dict[str, int] = {}
        code = [
            np.asarray([*(number.setdefault(name, len(number)) for name in side.names), EMPTY])[side.code]
            for side in cells
        ]
        judge = Categorical(np.repeat(np.arange(len(judges)), n), list(judges))
        row, choice = np.tile(row, len(judges)), Categorical(np.concatenate(code), list(number))
        shares = _shares(rows, choice, row, systems, section)
    else:
        judge = _judges(rows)
        if "chosen" in rows.columns:
            shares = np.tile(A_SHARE, (len(rows), 1))
        elif "first_share" in rows.columns:
            shares = _given_shares(rows)
        elif "probability" in rows.columns:
            shares = _shares_of_mappings(rows, section)
        else:
            shares = _shares(rows, rows.names("choice"), row, systems, section)
    voted = ~np.isnan(shares[:, 0])
    return PairChoices(row[voted], Categorical(judge.code[voted], judge.names), shares[voted])


def _judges(rows: TableRows) -> Categorical:
    """The judge of every row; one for all where no column names any."""
    if "source" in rows.columns or rows.one_source is not None:
        return rows.filled("source")
    return Categorical(np.zeros(len(rows), np.int64), [ONE_JUDGE])


def _given_shares(rows: TableRows) -> Float[np.ndarray, "row 3"]:
    """Two or three columns of numbers, divided by their sum; nan where the sum is 0."""
    columns = [np.nan_to_num(rows.numbers(role)) for role in ("first_share", "second_share", "tie_share")]
    shares = np.stack(columns, axis=1)
    if (shares < 0).any():
        raise DataError(f"{rows.place(int((shares < 0).any(axis=1).argmax()))}: a share is below 0")
    total = shares.sum(axis=1, keepdims=True)
    return np.where(total > 0, shares / np.where(total > 0, total, 1), np.nan)


def _shares_of_mappings(rows: TableRows, section: PairColumns) -> Float[np.ndarray, "row 3"]:
    """Cells such as {"A": .7, "B": .3}, or that as JSON, divided by their sum; nan = no vote."""
    subject = f"{rows.origin}, column `{rows.columns['probability']}`"
    mappings = [
        _mapping(cell, rows.place(row)) for row, cell in enumerate(rows.arrow[rows.columns["probability"]].to_pylist())
    ]
    names = list(dict.fromkeys(name for mapping in mappings for name in mapping))
    meaning = dict(zip(names, _shares_of_names(names, section, subject), strict=True))
    shares = np.full((len(mappings), 3), np.nan)
    for row, mapping in enumerate(mappings):
        total = sum(mapping.values())
        unknown = [name for name in mapping if np.isnan(meaning[name]).any()]
        if unknown:
            raise unknown_choice(unknown[0], rows.place(row))
        if total > 0:
            shares[row] = sum(meaning[name] * (value / total) for name, value in mapping.items())
    return shares


def _mapping(cell: Any, place: str) -> dict[str, float]:
    """A cell as numbers by name; empty for an empty cell. Raises `DataError` for anything else."""
    try:
        value = json.loads(cell) if isinstance(cell, str) and cell else cell
        found = {str(name): float(share) for name, share in (value or {}).items() if share is not None}
    except (AttributeError, TypeError, ValueError):
        found = {"": -1.0}
    if any(not 0 <= share < np.inf for share in found.values()):
        raise DataError(f"{place}: `{short(cell)}` is no mapping from choices to probabilities")
    return found


def _shares(
    rows: TableRows, choice: Categorical, row: Int[np.ndarray, "cell"], systems: RowSystems, section: PairColumns
) -> Float[np.ndarray, "cell 3"]:
    """The shares of first, second and tie of every cell; nan = no vote."""
    subject = f"{rows.origin}, column `{rows.columns.get('choice', 'votes')}`"
    absent = np.asarray([*(name in section.abstain or name.lower() in MISSING for name in choice.names), True])
    voted = ~absent[choice.code]
    of_system = _shares_of_systems(choice, row, systems, section, subject)
    open_cells = voted & np.isnan(of_system[:, 0])
    used = np.unique(choice.code[open_cells]).tolist()
    of_name = _shares_of_names([choice.names[code] for code in used], section, subject)
    table = np.full((len(choice.names) + 1, 3), np.nan)
    table[used] = of_name
    shares = np.where(open_cells[:, None], table[choice.code], np.where(voted[:, None], of_system, np.nan))
    unknown = voted & np.isnan(shares[:, 0])
    if unknown.any():
        cell = int(unknown.argmax())
        raise unknown_choice(choice.text(cell), rows.place(int(row[cell])))
    return shares


def _shares_of_names(names: Sequence[str], section: PairColumns, subject: str) -> Float[np.ndarray, "name 3"]:
    """What the choices mean that are no systems."""
    given = {*section.first_is, *section.second_is, *section.tie_is}
    numbers = {name: value for name in names if name not in given and (value := _number(name)) is not None}
    shares = shares_of_words(names, section.first_is, section.second_is, section.tie_is)
    if numbers and not given:
        values = np.asarray(list(numbers.values()))
        is_number = [name in numbers for name in names]
        shares[is_number] = shares_of_numbers(values, section.scale, section.strongest, subject)
    return shares


def _number(name: str) -> float | None:
    try:
        return float(name)
    except ValueError:
        return None


def _shares_of_systems(
    choice: Categorical, row: Int[np.ndarray, "cell"], systems: RowSystems, section: PairColumns, subject: str
) -> Float[np.ndarray, "cell 3"]:
    """PairChoices that are the name of one of the row's two systems; nan for others."""
    shares = np.full((len(choice.code), 3), np.nan)
    if not systems.names or section.choices == "places":
        return shares
    number = {name: index for index, name in enumerate(systems.names)}
    named = np.asarray([*(number.get(name, NO_SYSTEM) for name in choice.names), NO_SYSTEM])
    if section.choices == "auto":
        used = [name for name in choice.names if name in number]
        known = ~np.isnan(shares_of_words(used, section.first_is, section.second_is, section.tie_is)[:, 0])
        refuse_double_meaning([name for name, is_word in zip(used, known, strict=True) if is_word], subject)
    chosen = named[choice.code]
    for place, share in enumerate((A_SHARE, B_SHARE)):
        shares[(chosen == systems.number[row, place]) & (chosen != NO_SYSTEM)] = share
    return shares
