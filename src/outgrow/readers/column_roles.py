"""The role of each column, from `VoteColumns` and the usual names.

Names are compared by their lowercase letters and digits. The header may contain exactly one of the usual names of a
role. A weak name (`id`, `value`) counts only if there is no usual one. A table with a source and a label is long; its
item may be the only column without a role. A table without a source is long if it has a distribution over the classes
or if the source is given. A table with an item and no source or label is wide: every column without another role is a
source, except columns whose names indicate text, seconds or a price. All other tables are errors that list the columns
(`column_hints.py`).
"""

import re
from collections.abc import Sequence, Set
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from outgrow.config.votes import VoteColumns
from outgrow.errors import ConfigError, suggest
from outgrow.readers.categorical import EMPTY, Categorical, categorical
from outgrow.readers.column_hints import ignoring, unnamed
from outgrow.readers.column_patterns import PREFIX
from outgrow.readers.column_uses import ROLES, ColumnUse, Naming, uses_of
from outgrow.readers.confidences import is_confidence
from outgrow.readers.soft_votes import holds_distributions
from outgrow.readers.source_table import SourceTable
from outgrow.text_format import listed

USUAL = {
    "item": ("item item_id task task_id example example_id unit unit_id sample sample_id question_id doc document"
             " doc_id document_id record record_id instance instance_id object object_id hit hit_id"),
    "source": ("source source_id worker worker_id annotator annotator_id rater rater_id labeler labeller labeler_id"
               " coder coder_id judge user user_id model labeling_function rule expert completed_by"),
    "group": "source_group",
    "label": ("label vote answer annotation response judgment judgement choice prediction said category class verdict"
              " winner decision"),
    "probability": "probabilities probs distribution soft_label soft_labels class_probabilities",
    "confidence": "confidence probability prob",
    "seconds": "seconds duration lead_time elapsed time_spent time_seconds work_time work_time_in_seconds",
    "price": "price cost payment",
    "gold": "gold gold_label truth true_label ground_truth y_true gold_answer",
}  # fmt: skip
"""The usual names of each role."""
WEAK = {
    "item": "id uid idx index key",
    "source": "name",
    "label": "value rating class_label",
    "confidence": "logprob log_prob logprobs log_probs log_probability top_logprobs",
}
LAST = {"item": "question url image filename"}
"""Names of an item column in tables without ids."""
TEXTS = (
    "text sentence comment comments feedback content document_text question context title url body notes explanation"
    " rationale"
)


class ColumnRoles(NamedTuple):
    """The column of each role; None or empty for missing roles."""

    layout: str
    item: str | None = None
    source: str | None = None
    group: str | None = None
    label: str | None = None
    probability: tuple[str, ...] = ()
    """One column of distributions, or a column per class."""
    confidence: str | None = None
    seconds: str | None = None
    price: str | None = None
    gold: str | None = None
    votes: tuple[str, ...] = ()
    """The columns of the sources in a wide table."""
    left_out: tuple[str, ...] = ()

    def note(self, origin: str, form: str) -> str:
        """A sentence on how the table was read: as `form`, with these columns."""
        parts = {part: getattr(self, part) for part in USUAL if getattr(self, part)}
        roles = ", ".join(
            f"{part} {listed([name] if isinstance(name, str) else name)}" for part, name in parts.items()
        )
        sources = f", sources {listed(self.votes)}" if self.votes else ""
        ignored = f"; left out: {listed(self.left_out)}" if self.left_out else ""
        return f"{origin} was read as {form}: {roles or 'no column for the item'}{sources}{ignored}."

    def uses(self, table: SourceTable, columns: VoteColumns, naming: Naming) -> tuple[ColumnUse, ...]:
        """How each column was read, with the reasons."""
        role_of = {name: part for part in ROLES for name in _names_of(getattr(self, part))}
        usual = {name: role for name in table.columns if (role := ROLE_OF_NAME.get(plain(name)))}
        return uses_of(table.columns, role_of, usual, naming, self.layout, columns.where)


def _names_of(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else () if value is None else (value,)


def roles_of(table: SourceTable, columns: VoteColumns, alone: str | None = None) -> ColumnRoles:
    """The roles of the columns of a table of votes; `alone` is the only source if no column names it.

    Raises `ConfigError` for ambiguous columns.
    """
    _check_names(table, columns)
    free = [name for name in table.columns if name and (not columns.ignore or name not in columns.ignore)]
    roles: dict[str, Any] = {part: find(part, table, columns, free) for part in USUAL if part != "probability"}
    if columns.one_source is not None and columns.source is None:
        roles["source"], alone = None, columns.one_source
    probability = _probability(table, columns, free)
    confidence = roles["confidence"]
    if confidence and columns.confidence is None and not is_confidence(confidence, table.column(confidence)):
        confidence = roles["confidence"] = None
    if confidence and not (roles["label"] or probability) and holds_distributions(table.column(confidence)):
        probability, roles["confidence"] = (confidence,), None
    layout = _layout(columns, roles, probability, alone)
    if layout == "long":
        return _long(table, roles, probability, alone)
    if layout == "unknown":
        raise unnamed(_missing_part(roles, probability, alone), table, _taken(roles, probability))
    return _wide(layout, table, columns, roles, free)


def _long(table: SourceTable, role_of: dict[str, Any], probability: tuple[str, ...], alone: str | None) -> ColumnRoles:
    taken = _taken(role_of, probability)
    if role_of["source"] is None and not probability and alone is None:
        raise unnamed("source", table, taken)
    if role_of["item"] is None:
        role_of["item"] = _only_one_left("item", table, taken)
    if role_of["label"] is None and not probability:
        raise unnamed("label", table, taken)
    roles = ColumnRoles("long", probability=probability, **role_of)
    used = {*taken, roles.item}
    return roles._replace(left_out=tuple(name for name in table.columns if name not in used))


def _taken(role_of: dict[str, Any], probability: Sequence[str]) -> set[str]:
    return {name for name in (*role_of.values(), *probability) if name is not None}


def _missing_part(role_of: dict[str, Any], probability: Sequence[str], alone: str | None) -> str:
    """The first role of a long table that is missing."""
    if role_of["source"] is None and alone is None:
        return "source"
    return "label" if role_of["label"] is None and not probability else "item"


def _only_one_left(part: str, table: SourceTable, taken: Set[str]) -> str:
    """The only column without a role. Raises `ConfigError` for none or several."""
    candidates = [name for name in table.columns if name and name not in taken and plain(name) not in RUNNING_TEXT]
    if len(candidates) != 1:
        raise unnamed(part, table, taken)
    return candidates[0]


def _wide(
    layout: str, table: SourceTable, columns: VoteColumns, role_of: dict[str, str | None], free: Sequence[str]
) -> ColumnRoles:
    with_role = {name for part in ("item", "gold") if (name := role_of[part]) is not None}
    candidates = [
        name for name in free if name not in with_role and name not in (role_of["seconds"], role_of["price"])
    ]
    votes = columns.votes or tuple(name for name in candidates if plain(name) not in RUNNING_TEXT)
    if not votes:
        raise unnamed("source" if columns.one_source is None else "label", table, with_role)
    if len(votes) > MOST_SOURCES:
        raise ConfigError(
            f"{table.origin}: {len(votes)} columns would be sources; write a table with so many sources with a row per"
            " vote, with columns `item`, `source` and `label`"
        )
    used = {*with_role, *votes}
    left_out = tuple(name for name in table.columns if name not in used)
    return ColumnRoles(layout, item=role_of["item"], gold=role_of["gold"], votes=votes, left_out=left_out)


def _layout(
    columns: VoteColumns, role_of: dict[str, str | None], probability: Sequence[str], alone: str | None
) -> str:
    if columns.layout != "auto":
        return columns.layout
    if columns.votes is not None:
        return "wide"
    label = role_of["label"] or probability
    if label and (role_of["source"] or probability or alone):
        return "long"
    return "wide" if role_of["item"] and not (role_of["source"] or label) else "unknown"


def find(part: str, table: SourceTable, columns: VoteColumns, free: Sequence[str]) -> str | None:
    """The column of a role: as named, or by its usual names. Raises `ConfigError` for two candidates."""
    named = getattr(columns, part)
    if named is not None:
        return str(named)
    assigned = _named(columns)
    for names in NAMES[part]:
        candidates = [name for name in free if plain(name) in names and name not in assigned]
        if len(candidates) > 1:
            raise ConfigError(
                f"{table.origin}: both {listed(candidates)} may be the {part}; name the right one, such as"
                f" `{part}={candidates[0]}`,"
                f" or leave the other out with `{ignoring(candidates[1:], columns.ignore)}`"
            )
        if candidates:
            return candidates[0]
    return None


def _probability(table: SourceTable, columns: VoteColumns, free: Sequence[str]) -> tuple[str, ...]:
    if columns.probability is not None:
        return (columns.probability,) if isinstance(columns.probability, str) else columns.probability
    column = find("probability", table, columns, free)
    if column is not None:
        return (column,)
    assigned = _named(columns)
    several = tuple(name for name in free if PREFIX.fullmatch(name.lower()) and name not in assigned)
    return several if len(several) > 1 else ()


@lru_cache(maxsize=1 << 17)
def plain(name: str) -> str:
    """The lowercase letters and digits of a column's name.

    >>> plain("_Worker ID"), plain("hit.id")
    ('workerid', 'hitid')
    """
    return re.sub(r"[\W_]+", "", name.lower())


NAMES = {
    part: [{plain(name) for name in tier.get(part, "").split()} for tier in (USUAL, WEAK, LAST)] for part in USUAL
}
ROLE_OF_NAME = {name: part for part in reversed(NAMES) for names in NAMES[part] for name in names}
"""The role of which a column may have the name, by its plain name."""
RUNNING_TEXT = {plain(name) for name in TEXTS.split()}
MOST_SOURCES = 10_000
"""Sources of a wide table, at most; a long table may have more."""


def _named(columns: VoteColumns) -> set[str]:
    """All columns to which the user gave a role."""
    single = {getattr(columns, part) for part in USUAL if isinstance(getattr(columns, part), str)}
    several = columns.probability if isinstance(columns.probability, tuple) else ()
    return {*single, *several, *(columns.votes or ())}


def _check_names(table: SourceTable, columns: VoteColumns) -> None:
    valid_names = {*table.columns, *("" if columns.item is None else columns.item).split(",")}
    for name in (*sorted(_named(columns)), *columns.ignore, *columns.where):
        if name not in valid_names or (name == columns.item and name not in table.columns):
            raise ConfigError(f"{table.origin}: there is no column `{name}`; {suggest(name, table.columns)}")


def with_joined(table: SourceTable, item: str | None) -> SourceTable:
    """The table with one column `question,turn` instead of the columns `question` and `turn`.

    The table itself if `item` is one of its columns, or if a part of it is not a column.
    """
    parts = [] if item is None or item in table.columns else [part.strip() for part in item.split(",")]
    if item is None or len(parts) < 2 or not set(parts) <= set(table.columns):
        return table

    def read(columns: Sequence[str]) -> pa.Table:
        plain = table.read([name for name in columns if name != item])
        joined = {item: _joined([categorical(table.column(part), f"column `{part}`") for part in parts])}
        return pa.table({name: joined[name] if name in joined else plain[name] for name in columns})

    other_columns = [name for name in table.columns if name not in parts]
    return replace(table, columns=[item, *other_columns], read=read)


def _joined(parts: Sequence[Categorical]) -> pa.Array:
    """The texts of each row joined by commas; empty if a part is empty."""
    texts = [
        pa.array(part.names, pa.string()).take(pa.array(np.maximum(part.code, 0), mask=part.code == EMPTY))
        for part in parts
    ]
    return pa.compute.binary_join_element_wise(*texts, ",")
