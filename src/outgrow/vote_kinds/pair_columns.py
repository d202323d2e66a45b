"""The columns of a table of preferences: their usual names, and which tables have them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import pyarrow as pa

from outgrow.config.votes import Name, Names
from outgrow.errors import ConfigError
from outgrow.readers.categorical import MISSING, categorical
from outgrow.readers.column_roles import NAMES, RUNNING_TEXT, plain, with_joined
from outgrow.readers.source_table import SourceTable
from outgrow.vote_kinds.pair_choices import Scale, shares_of_words
from outgrow.vote_kinds.table_rows import TableColumns, TableRows

_TEXT_NOUNS = "text response output answer completion candidate summary option conversation"
_SYSTEM_NOUNS = "model system generator"


def _sides(nouns: str, letter: str, number: int, ordinal: str) -> str:
    """Names of a column for one of two places."""
    every = nouns.split()
    return " ".join([f"{noun}_{letter}" for noun in every] + [f"{noun}_{number}" for noun in every]) + (
        " " + " ".join(f"{ordinal}_{noun}" for noun in every)
    )


USUAL: Mapping[str, tuple[str, ...]] = {
    "item": (*(" ".join(sorted(names)) for names in NAMES["item"][:2]),),
    "first": (f"first {_sides(_SYSTEM_NOUNS, 'a', 1, 'first')}", "chosen_model chosen_system"),
    "second": (f"second {_sides(_SYSTEM_NOUNS, 'b', 2, 'second')}", "rejected_model rejected_system"),
    "first_text": (_sides(_TEXT_NOUNS, "a", 1, "first"),),
    "second_text": (_sides(_TEXT_NOUNS, "b", 2, "second"),),
    "chosen": ("chosen",),
    "rejected": ("rejected",),
    "prompt": ("prompt instruction question query user_prompt input",),
    "first_share": ("winner_model_a",),
    "second_share": ("winner_model_b",),
    "tie_share": ("winner_tie",),
    "choice": ("choice winner preference label vote verdict judgment judgement decision better preferred",),
    "probability": ("probabilities probs distribution",),
    "order": ("order",),
    "source": ("source_group", *(" ".join(sorted(names)) for names in NAMES["source"])),
}
"""The usual names of each role."""
ORDERS = {"ab": 1, "ba": -1}
"""Cells of a column `order`: whether the first column's text was shown first."""
TURN = "turn"
"""Names a part of a prompt's conversation in published tables."""
ONE_CHOICE = ("choice", "probability", "first_share", "chosen")
"""Roles of tables with one vote a row."""
HALVES = (
    ("first", "second"),
    ("first_text", "second_text"),
    ("chosen", "rejected"),
    ("first_share", "second_share"),
)
TEXTS = (("first_text", "second_text"), ("chosen", "rejected"))


class PairColumns(TableColumns):
    """Which of two texts is better: preferences of several judges, with ties, strengths or probabilities."""

    type: Literal["pairs"] = "pairs"
    first: Name = None
    """The system whose text was shown first."""
    second: Name = None
    """The system whose text was shown second."""
    first_text: Name = None
    """The text that was shown first."""
    second_text: Name = None
    """The text that was shown second."""
    chosen: Name = None
    """The better text, where no order is known."""
    rejected: Name = None
    """The other text, where no order is known."""
    prompt: Name = None
    """What both texts answer; also the item where there is no id."""
    choice: Name = None
    """Which text is better: a word, a system's name or a number."""
    probability: Name = None
    """Mappings from choice to probability, in place of the choice."""
    order: Name = None
    """`ab` where the text of the first column was shown first, `ba` where the other one was."""
    first_share: Name = None
    """A column with a number for the first text, such as `winner_model_a`, beside one for the second."""
    second_share: Name = None
    """The number for the second text."""
    tie_share: Name = None
    """The number for a tie."""
    votes: Names | None = None
    """A column of choices per judge. By default all columns of choices without another role, if none is `choice`."""
    scale: Scale = "auto"
    """What numbers mean: `one_two` (1, 2, and 0 for a tie), `p_first` and `p_second` (a probability),
    `one_plus_p_second` (1 + the probability of the second), `margin_first` and `margin_second` (a strength that is
    positive for that text)."""
    strongest: float | None = None
    """The largest strength that can be given; by default the largest that is."""
    first_is: Names = ()
    """Choices that mean the first text."""
    second_is: Names = ()
    """Choices that mean the second text."""
    tie_is: Names = ()
    """Choices that mean a tie."""
    choices: Literal["auto", "places", "systems"] = "auto"
    """Whether a choice names a place or a system, where a word may be either."""
    abstain: Names = ()
    """Choices that count as no vote. Empty cells are never votes."""


def usual_names(table: SourceTable, section: PairColumns) -> dict[str, tuple[str, ...]]:
    """The usual names of each role in this table: `chosen` without `rejected` is a choice."""
    present = {plain(name) for name in table.columns if name}
    usual = dict(USUAL)
    if section.order is None and not has_orders(table):
        del usual["order"]
    if section.chosen or section.rejected or {"chosen", "rejected"} <= present:
        return usual
    del usual["chosen"], usual["rejected"]
    return {**usual, "choice": (*USUAL["choice"], "chosen")}


def has_orders(table: SourceTable) -> bool:
    """Whether the column `order` has orders of two texts; in other tables it may number rows."""
    name = next((name for name in table.columns if plain(name) in USUAL["order"]), None)
    if name is None or pa.types.is_nested(table.column(name).type):
        return False
    cells = categorical(table.column(name), f"{table.origin}, column `{name}`")
    return bool(cells.names) and ORDERS.keys() >= {cell.lower() for cell in cells.names}


def with_turn(table: SourceTable, section: PairColumns) -> tuple[SourceTable, PairColumns]:
    """An item by two columns where a conversation has several turns."""
    names = {plain(name): name for name in table.columns if name}
    item = next((names[name] for group in NAMES["item"][:2] for name in sorted(group) if name in names), None)
    if section.item is not None or item is None or TURN not in names or names[TURN] in section.ignore:
        return table, section
    joined = f"{item},{names[TURN]}"
    return with_joined(table, joined), section.model_copy(update={"item": joined})


def judge_columns(table: SourceTable, section: PairColumns) -> tuple[str, ...]:
    """The columns with one judge's choices each; none in a table with one choice a row."""
    if section.votes is not None:
        return section.votes
    with_role = {name for role in USUAL if isinstance(name := getattr(section, role), str)}
    usual = {plain(name) for groups in USUAL.values() for group in groups for name in group.split()}
    present = {plain(name) for name in table.columns if name}
    one_choice = {plain(name) for role in ONE_CHOICE for group in USUAL[role] for name in group.split()}
    if any(getattr(section, role) for role in ONE_CHOICE) or present & one_choice:
        return ()
    free = [
        name
        for name in table.columns
        if name and name not in section.ignore and name not in with_role and plain(name) not in usual | RUNNING_TEXT
    ]
    return tuple(name for name in free if _has_choices(table, name))


def _has_choices(table: SourceTable, name: str) -> bool:
    """Whether a column has few different cells, as choices have."""
    column = table.column(name)
    if pa.types.is_nested(column.type):
        return False
    names = categorical(column, f"{table.origin}, column `{name}`").names
    known = ~np.isnan(shares_of_words(names, (), (), ())).any(axis=1)
    return bool(names) and all(known | np.isin(names, ("0", "1", "2", *MISSING)))


def refuse_half(rows: TableRows) -> None:
    """Raise `ConfigError` where only one of two places has a column."""
    for one, other in (*HALVES, *(half[::-1] for half in HALVES)):
        if one in rows.columns and other not in rows.columns:
            raise ConfigError(
                f"{rows.origin}: column `{rows.columns[one]}` is the {one.replace('_', ' ')}, and no column is known"
                f" to be the {other.replace('_', ' ')}; name it with `{other}=COLUMN`, or leave the first out with"
                f" `ignore={rows.columns[one]}`"
            )


def refuse_without_choice(table: SourceTable, rows: TableRows, judges: Sequence[str]) -> None:
    """Raise `ConfigError` for a table in which nothing says which text is better."""
    if not judges and not any(role in rows.columns for role in ONE_CHOICE):
        raise ConfigError(
            f"{rows.origin}: no column is known to say which text is better; there are {table.column_list}. Name"
            " it with `choice=COLUMN`, or with a column per judge `votes=COLUMN,COLUMN`"
        )


def is_preferences(names: Sequence[str], table: Callable[[], SourceTable]) -> bool:
    """Whether a table is one of preferences: two texts or systems and a choice, chosen and rejected texts, or choices
    with an order."""
    present = {plain(name) for name in names}

    def has(*roles: str) -> bool:
        return all(present & {plain(name) for group in USUAL[role] for name in group.split()} for role in roles)

    two = has("first", "second") or has("first_text", "second_text")
    if (two and (has("choice") or has("first_share", "second_share"))) or has("chosen", "rejected"):
        return True
    return has("order", "choice") and has_orders(table())
