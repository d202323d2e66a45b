"""How each column of a table was read: its role with the reason, or why it was not used, and how to change that."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from outgrow.config.section import Section

NOT_USED = "not used"
ABOUT = "about the item: `outgrow train` takes texts from here"
TEXTS = ("data", "fields", "text", "inputs", "displayed_text", "doc", "vars")
"""Columns of exports that are about the items."""
ROLES = ("item", "source", "group", "label", "probability", "confidence", "seconds", "price", "gold", "votes")


class ColumnUse(NamedTuple):
    """A column, what it was read as, why, and the option that changes it."""

    column: str
    role: str
    """A role of `VoteColumns`, `where`, or `not used`."""
    reason: str
    option: str = ""


class Reading(str):
    """A note on how a file was read, with the use of each of its columns."""

    uses: tuple[ColumnUse, ...]

    def __new__(cls, text: str, uses: tuple[ColumnUse, ...]) -> "Reading":
        note = super().__new__(cls, text)
        note.uses = uses
        return note


class Naming(NamedTuple):
    """Who named the roles of a table's columns."""

    user: Section
    """The options that were given."""
    form: str = ""
    """The export whose shape gave the other roles."""
    texts: tuple[str, ...] = ()
    """Columns that are about the items."""


def uses_of(
    columns: Sequence[str],
    role_of: Mapping[str, str],
    usual: Mapping[str, str],
    naming: Naming,
    layout: str,
    where: Mapping[str, Any],
) -> tuple[ColumnUse, ...]:
    """The use of each of a table's columns.

    Args:
        columns: all columns of the table.
        role_of: the role of each column that has one.
        usual: the role of which a column has a usual name.
        naming: who named the roles.
        layout: `long`, `wide` or `matrix`.
        where: the conditions on rows, by column.
    """
    return tuple(_use(name, role_of.get(name), usual.get(name), naming, layout, where) for name in columns)


def _use(
    name: str, role: str | None, usual: str | None, naming: Naming, layout: str, where: Mapping[str, Any]
) -> ColumnUse:
    if role == "votes":
        given = getattr(naming.user, "votes", None) is not None
        reason = "named by `votes`" if given else "a column without another role is a source"
        return ColumnUse(name, "source", reason, "" if given else f"ignore={typed(name)}")
    if role is not None:
        return ColumnUse(name, role, _why(name, role, usual, naming), f"{role}=OTHER")
    if name in where:
        values = ",".join(map(str, where[name]))
        reason = "selects rows" if name in _given(naming, "where") else f"{naming.form}: rows that count"
        return ColumnUse(name, "where", f"{reason}: {values}", f"ignore={typed(name)}")
    if name in _given(naming, "ignore"):
        return ColumnUse(name, NOT_USED, "left out by `ignore`", "without `ignore`")
    if name in naming.texts:
        return ColumnUse(name, NOT_USED, ABOUT, f"items.text={typed(name)}")
    reason = "no role has a column of this name"
    if usual is not None:
        reason = f"another column is the {usual}" if layout == "long" else f"a wide table has no {usual}"
    option = f"{usual or 'label'}={typed(name)}" if layout == "long" else f"votes={typed(name)},…"
    return ColumnUse(name, NOT_USED, reason, option)


def uses_of_paths(keys: Sequence[str], paths: Sequence[tuple[str, str]], naming: Naming) -> tuple[ColumnUse, ...]:
    """The use of the columns of an export whose answers stand within lists and objects.

    Args:
        keys: the columns of the export.
        paths: roles, and where they stand: `("source", "annotations[].completed_by")`.
        naming: who named the roles.
    """
    uses = []
    for role, path in paths:
        named = getattr(naming.user, role, None) if role in ("item", "source", "label") else None
        option = f"{role}=OTHER" if role in ("item", "label") else ""
        reason = naming.form if named is None else f"named by `{role}={named}`"
        uses.append(ColumnUse(path, role, reason, option))
    heads = {re.split(r"[.\[]", path)[0] for _, path in paths} | {path for _, path in paths}
    others = [
        ColumnUse(name, NOT_USED, ABOUT if name in TEXTS else "has no votes") for name in keys if name not in heads
    ]
    return (*uses, *others)


def _why(name: str, role: str, usual: str | None, naming: Naming) -> str:
    named = getattr(naming.user, role, None)
    if named == name or (isinstance(named, tuple) and name in named):
        return f"named by `{role}`"
    if naming.form:
        return naming.form
    return f"a usual name of the {role}" if usual == role else "the only column without another role"


def _given(naming: Naming, option: str) -> Sequence[str]:
    return tuple(getattr(naming.user, option, ()))


def typed(name: str) -> str:
    """A column's name as it is typed after `role=`."""
    return f"'{name}'" if any(mark in name for mark in " ,:{}[]#") else name
