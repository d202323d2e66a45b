"""The rows and columns of a table of votes of any kind: which column has which role, and which rows count."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from outgrow.config.section import Section
from outgrow.config.votes import Conditions, Joined, Name, Names, VoteColumns
from outgrow.errors import ConfigError, DataError, suggest
from outgrow.readers.categorical import EMPTY, Categorical, categorical, numbers
from outgrow.readers.column_hints import ignoring, unnamed
from outgrow.readers.column_roles import NAMES, ROLE_OF_NAME, plain, with_joined
from outgrow.readers.column_uses import Naming, Reading, uses_of
from outgrow.readers.open_table import read_table
from outgrow.readers.row_filter import chosen_rows
from outgrow.readers.source_table import Place, SourceTable
from outgrow.text_format import listed
from outgrow.vote_kinds.exports import table_of_export

HINTED = ("item", "source", "label")
"""Roles for which a message suggests a column by its cells."""


class TableColumns(Section):
    """The columns that tables of votes of any kind have. A column that is not given is found by its usual name."""

    item: Joined = None
    """The item's id; several columns that form it together are separated by commas (`question_id,turn`)."""
    source: Name = None
    """The source of the vote."""
    one_source: Name = None
    """The name of the source of all votes, if the file has no column of sources."""
    ignore: Names = ()
    """Columns that are ignored."""
    where: Conditions = {}
    """Only rows in which a column has one of these values: `where: {AssignmentStatus: Approved}`."""
    header: Names | None = None
    """Names of all columns, for a CSV or TSV file without a header."""
    delimiter: str | None = None
    """The separator of cells; by default a comma, or the one in the header (`;`, tab)."""


@dataclass(frozen=True)
class TableRows:
    """The rows that count, and the column of each role."""

    origin: str
    arrow: pa.Table
    place: Place
    """The place of a row, for messages."""
    columns: Mapping[str, str]
    """The column of each role that has one."""
    one_source: str | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return int(self.arrow.num_rows)

    def names(self, role: str) -> Categorical:
        """The texts of a role's column; all empty without such a column."""
        if role == "source" and role not in self.columns and self.one_source is not None:
            return Categorical(np.zeros(len(self), np.int64), [self.one_source])
        if role not in self.columns:
            return Categorical(np.full(len(self), EMPTY), [])
        name = self.columns[role]
        return categorical(self.arrow[name], f"{self.origin}, column `{name}`")

    def numbers(self, role: str) -> Float[np.ndarray, "row"]:
        """The numbers of a role's column; nan = an empty cell, also without such a column."""
        if role not in self.columns:
            return np.full(len(self), np.nan)
        name = self.columns[role]
        return numbers(self.arrow[name], f"column `{name}`", self.place)

    def filled(self, role: str) -> Categorical:
        """The texts of a role's column. Raises `DataError` with the row for an empty cell."""
        cells = self.names(role)
        if (cells.code == EMPTY).any():
            raise DataError(f"{self.place(int((cells.code == EMPTY).argmax()))}: the {role} is empty")
        return cells


def open_source(source: Any, section: TableColumns) -> SourceTable:
    """The table of a path, a data frame, an Arrow table or a list of dicts, with a joined column of items."""
    table = table_of_export(read_table(source, _as_vote_columns(section)), section)
    return with_joined(table, section.item)


def rows_of(
    table: SourceTable,
    section: TableColumns,
    usual: Mapping[str, Sequence[str]],
    *,
    required: Sequence[str],
    votes: Sequence[str] = (),
    noun: str = "votes",
) -> TableRows:
    """The rows of a table that count, with a column for each role.

    Args:
        section: names columns, by the fields of the roles.
        usual: for each role of the kind the usual names of its column, in groups from the most usual; those of `item`,
            `source` and `gold` are known.
        required: roles without which the table cannot be read; `source` is not needed if `one_source` is given.
        votes: further columns that are read, such as one per source.
        noun: what the rows are, for the note.

    Raises `ConfigError` for a column that is missing or ambiguous, `DataError` for a table without rows.
    """
    known = {"item": (), "source": (), **{role: tuple(names) for role, names in usual.items()}}
    columns = _columns(table, section, known)
    for role in required:
        if role not in columns and not (role == "source" and section.one_source is not None):
            raise _unknown(role, table, set(columns.values()))
    used = [*dict.fromkeys([*columns.values(), *votes])]
    left_out = [name for name in table.columns if name and name not in used]
    rows = chosen_rows(table, used, left_out, _as_vote_columns(section))
    if not rows.arrow.num_rows:
        raise DataError(f"{table.origin}: has no rows")
    parts = ", ".join(f"{role} `{name}`" for role, name in columns.items())
    sources = f", sources {listed(votes)}" if votes else ""
    ignored = f"; left out: {listed(left_out)}" if left_out else ""
    role_of = {**dict.fromkeys(votes, "votes"), **{name: role for role, name in columns.items()}}
    usual_of = {name: ROLE_OF_NAME[plain(name)] for name in left_out if plain(name) in ROLE_OF_NAME}
    layout = "wide" if votes else "long"
    uses = uses_of(
        table.columns, role_of, usual_of | _by_usual_names(columns, known), Naming(section), layout, section.where
    )
    note = Reading(f"{table.origin} was read as {noun}: {parts}{sources}{ignored}.", uses)
    one_source = None if "source" in columns else section.one_source
    return TableRows(table.origin, rows.arrow, rows.place, columns, one_source, (note, *table.notes, *rows.notes))


def _by_usual_names(columns: Mapping[str, str], usual: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """The role of each column that has a usual name of it."""
    names = {role: {plain(name) for group in groups for name in group.split()} for role, groups in usual.items()}
    return {
        column: role
        for role, column in columns.items()
        if plain(column) in names[role] or ROLE_OF_NAME.get(plain(column)) == role
    }


def _columns(table: SourceTable, section: TableColumns, usual: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """The column of each role: as named, or by its usual names."""
    given = {role: getattr(section, role) for role in usual if getattr(section, role, None) is not None}
    for name in (*given.values(), *section.ignore, *section.where):
        if name not in table.columns:
            raise ConfigError(f"{table.origin}: there is no column `{name}`; {suggest(name, table.columns)}")
    free = [name for name in table.columns if name and name not in section.ignore and name not in given.values()]
    found: dict[str, str] = {}
    for role, names in usual.items():
        if role in given:
            found[role] = given[role]
        elif not (role == "source" and section.one_source is not None):
            column = _usual(role, names, table, [name for name in free if name not in found.values()], section)
            found.update({} if column is None else {role: column})
    return found


def _usual(
    role: str, names: tuple[str, ...], table: SourceTable, free: Sequence[str], section: TableColumns
) -> str | None:
    """The column with a usual name. Raises `ConfigError` for two of the same group."""
    groups = [{plain(name) for name in group.split()} for group in names] or NAMES[role]
    for group in groups:
        candidates = [name for name in free if plain(name) in group]
        if len(candidates) > 1:
            raise ConfigError(
                f"{table.origin}: both {listed(candidates)} may be the {role}; name the right one, such as"
                f" `{role}={candidates[0]}`, or leave the other out with"
                f" `{ignoring(candidates[1:], section.ignore)}`"
            )
        if candidates:
            return candidates[0]
    return None


def _unknown(role: str, table: SourceTable, taken: set[str]) -> ConfigError:
    if role in HINTED:
        return unnamed(role, table, taken)
    return ConfigError(
        f"{table.origin}: no column is known to be the {role}; there are {table.column_list}. Name it with"
        f" `{role}=COLUMN`"
    )


def _as_vote_columns(section: TableColumns) -> VoteColumns:
    return VoteColumns(ignore=section.ignore, where=section.where, header=section.header, delimiter=section.delimiter)
