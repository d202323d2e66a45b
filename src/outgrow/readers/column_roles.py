"""Which column is what, from `VoteColumns` and the usual names.

Names are compared in lower case, by their letters and figures alone. Of the usual names of a part exactly one may
stand in the header; a weak one (`id`, `value`) counts only where no other does. With a source and a label the
table is long; its item may be the one column that has no other part. Without a source it is long where a distribution
over the classes stands beside the item, or the source is given. With an item and nothing else it is
wide: every column without another part is a source, except those whose names promise running text, seconds or a price.
Anything else is not guessed: the error lists the columns (`column_hints.py`).
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
from outgrow.readers.soft_votes import holds_distributions
from outgrow.readers.source_table import SourceTable
from outgrow.text_format import listed

USUAL = {
    "item": ("item item_id task task_id example example_id unit unit_id sample sample_id question_id doc document"
             " doc_id document_id record record_id instance instance_id object object_id hit hit_id"),
    "source": ("source source_id worker worker_id annotator annotator_id rater rater_id labeler labeller labeler_id"
               " coder coder_id judge user user_id model labeling_function rule expert completed_by"),
    "label": ("label vote answer annotation response judgment judgement choice prediction said category class verdict"
              " winner decision"),
    "probability": "probabilities probs distribution soft_label soft_labels class_probabilities",
    "confidence": "confidence probability prob",
    "seconds": "seconds duration lead_time elapsed time_spent time_seconds work_time work_time_in_seconds",
    "price": "price cost payment",
    "gold": "gold gold_label truth true_label ground_truth y_true gold_answer",
}  # fmt: skip
"""The names of every part."""
WEAK = {"item": "id uid idx index key", "source": "name", "label": "value rating class_label"}
LAST = {"item": "question url image filename"}
"""What may name an item where there is no id."""
TEXTS = "text sentence comment content document_text question context title url body notes explanation rationale"


class ColumnRoles(NamedTuple):
    """What every column is; the parts that the table does not have are None or empty."""

    layout: str
    item: str | None = None
    source: str | None = None
    label: str | None = None
    probability: tuple[str, ...] = ()
    """One column of distributions, or several, one per class."""
    confidence: str | None = None
    seconds: str | None = None
    price: str | None = None
    gold: str | None = None
    votes: tuple[str, ...] = ()
    """Of a wide table the columns of the sources."""
    left_out: tuple[str, ...] = ()

    def note(self, origin: str) -> str:
        """How the table was read, as a sentence."""
        parts = {part: getattr(self, part) for part in USUAL if getattr(self, part)}
        roles = ", ".join(
            f"{part} {listed([name] if isinstance(name, str) else name)}" for part, name in parts.items()
        )
        of_each = f", a source in each of {listed(self.votes)}" if self.votes else ""
        left = f"; left out: {listed(self.left_out)}" if self.left_out else ""
        return f"{origin} was read as a {self.layout} table: {roles or 'no column for the item'}{of_each}{left}."


def roles_of(table: SourceTable, columns: VoteColumns, alone: str | None = None) -> ColumnRoles:
    """What the columns of a table of votes are; `alone` is the source of all of them where no column names it.

    Raises `ConfigError` where that is ambiguous.
    """
    _check_names(table, columns)
    free = [name for name in table.columns if name and (not columns.ignore or name not in columns.ignore)]
    found: dict[str, Any] = {part: find(part, table, columns, free) for part in USUAL if part != "probability"}
    if columns.one_source is not None and columns.source is None:
        found["source"], alone = None, columns.one_source
    probability = _probability(table, columns, free)
    sure = found["confidence"]
    if sure and not (found["label"] or probability) and holds_distributions(table.column(sure)):
        probability, found["confidence"] = (sure,), None
    _refuse_verdicts_on_choices(table, columns)
    layout = _layout(columns, found, probability, alone)
    if layout == "long":
        return _long(table, found, probability, alone)
    if layout == "unknown":
        raise unnamed(_missing_part(found, probability, alone), table, _taken(found, probability))
    return _wide(layout, table, columns, found, free)


def _refuse_verdicts_on_choices(table: SourceTable, columns: VoteColumns) -> None:
    """Raise `ConfigError` for exports of Prodigy, where `answer` is a state and `accept` the answer."""
    if columns.label is None and {"accept", "answer", "options"} <= set(table.columns):
        raise ConfigError(
            f"{table.origin}: seems to be an export of Prodigy, where `accept` holds what was chosen and `answer`"
            " whether anything was; read it with `label=accept where.answer=accept`"
        )


def _long(table: SourceTable, found: dict[str, Any], probability: tuple[str, ...], alone: str | None) -> ColumnRoles:
    taken = _taken(found, probability)
    if found["source"] is None and not probability and alone is None:
        raise unnamed("source", table, taken)
    if found["item"] is None:
        found["item"] = _only_one_left("item", table, taken)
    if found["label"] is None and not probability:
        raise unnamed("label", table, taken)
    roles = ColumnRoles("long", probability=probability, **found)
    used = {*taken, roles.item}
    return roles._replace(left_out=tuple(name for name in table.columns if name not in used))


def _taken(found: dict[str, Any], probability: Sequence[str]) -> set[str]:
    return {name for name in (*found.values(), *probability) if name is not None}


def _missing_part(found: dict[str, Any], probability: Sequence[str], alone: str | None) -> str:
    """The first part that a long table needs and this one lacks."""
    if found["source"] is None and alone is None:
        return "source"
    return "label" if found["label"] is None and not probability else "item"


def _only_one_left(part: str, table: SourceTable, taken: Set[str]) -> str:
    """The only column without a role; raises `ConfigError` where there are more or none."""
    left = [name for name in table.columns if name and name not in taken and plain(name) not in RUNNING_TEXT]
    if len(left) != 1:
        raise unnamed(part, table, taken)
    return left[0]


def _wide(
    layout: str, table: SourceTable, columns: VoteColumns, found: dict[str, str | None], free: Sequence[str]
) -> ColumnRoles:
    own = {name for part in ("item", "gold") if (name := found[part]) is not None}
    rest = [name for name in free if name not in own and name not in (found["seconds"], found["price"])]
    votes = columns.votes or tuple(name for name in rest if plain(name) not in RUNNING_TEXT)
    if not votes:
        raise unnamed("source" if columns.one_source is None else "label", table, own)
    if len(votes) > MOST_SOURCES:
        raise ConfigError(
            f"{table.origin}: {len(votes)} columns would each be a source; a table with so many sources has a row per"
            " vote, with columns `item`, `source` and `label`"
        )
    used = {*own, *votes}
    left_out = tuple(name for name in table.columns if name not in used)
    return ColumnRoles(layout, item=found["item"], gold=found["gold"], votes=votes, left_out=left_out)


def _layout(columns: VoteColumns, found: dict[str, str | None], probability: Sequence[str], alone: str | None) -> str:
    if columns.layout != "auto":
        return columns.layout
    if columns.votes is not None:
        return "wide"
    label = found["label"] or probability
    if label and (found["source"] or probability or alone):
        return "long"
    return "wide" if found["item"] and not (found["source"] or label) else "unknown"


def find(part: str, table: SourceTable, columns: VoteColumns, free: Sequence[str]) -> str | None:
    """The column of a part: as named, else by its usual names. Raises `ConfigError` where two would do."""
    named = getattr(columns, part)
    if named is not None:
        return str(named)
    others = _named(columns)
    for names in NAMES[part]:
        fit = [name for name in free if plain(name) in names and name not in others]
        if len(fit) > 1:
            raise ConfigError(
                f"{table.origin}: both {listed(fit)} may be the {part}; name the right one, such as `{part}={fit[0]}`,"
                f" or leave the other out with `{ignoring(fit[1:], columns.ignore)}`"
            )
        if fit:
            return fit[0]
    return None


def _probability(table: SourceTable, columns: VoteColumns, free: Sequence[str]) -> tuple[str, ...]:
    if columns.probability is not None:
        return (columns.probability,) if isinstance(columns.probability, str) else columns.probability
    column = find("probability", table, columns, free)
    if column is not None:
        return (column,)
    others = _named(columns)
    several = tuple(name for name in free if PREFIX.fullmatch(name.lower()) and name not in others)
    return several if len(several) > 1 else ()


@lru_cache(maxsize=1 << 17)
def plain(name: str) -> str:
    """A column's name by its letters and figures.

    >>> plain("_Worker ID"), plain("hit.id")
    ('workerid', 'hitid')
    """
    return re.sub(r"[\W_]+", "", name.lower())


NAMES = {
    part: [{plain(name) for name in tier.get(part, "").split()} for tier in (USUAL, WEAK, LAST)] for part in USUAL
}
RUNNING_TEXT = {plain(name) for name in TEXTS.split()}
MOST_SOURCES = 10_000
"""Columns of a wide table; a long one may have more."""


def _named(columns: VoteColumns) -> set[str]:
    """Every column that the user has given a part."""
    single = {getattr(columns, part) for part in USUAL if isinstance(getattr(columns, part), str)}
    several = columns.probability if isinstance(columns.probability, tuple) else ()
    return {*single, *several, *(columns.votes or ())}


def _check_names(table: SourceTable, columns: VoteColumns) -> None:
    known = {*table.columns, *("" if columns.item is None else columns.item).split(",")}
    for name in (*sorted(_named(columns)), *columns.ignore, *columns.where):
        if name not in known or (name == columns.item and name not in table.columns):
            raise ConfigError(f"{table.origin}: there is no column `{name}`; {suggest(name, table.columns)}")


def with_joined(table: SourceTable, item: str | None) -> SourceTable:
    """The table with one column, called `question,turn`, in place of the columns `question` and `turn`.

    The table itself where `item` is one of its columns, or some part of it is none.
    """
    parts = [] if item is None or item in table.columns else [part.strip() for part in item.split(",")]
    if item is None or len(parts) < 2 or not set(parts) <= set(table.columns):
        return table

    def read(columns: Sequence[str]) -> pa.Table:
        plain = table.read([name for name in columns if name != item])
        joined = {item: _joined([categorical(table.column(part), f"column `{part}`") for part in parts])}
        return pa.table({name: joined[name] if name in joined else plain[name] for name in columns})

    others = [name for name in table.columns if name not in parts]
    return replace(table, columns=[item, *others], read=read)


def _joined(parts: Sequence[Categorical]) -> pa.Array:
    """The texts of every row with commas between them; empty where a part is."""
    texts = [
        pa.array(part.names, pa.string()).take(pa.array(np.maximum(part.code, 0), mask=part.code == EMPTY))
        for part in parts
    ]
    return pa.compute.binary_join_element_wise(*texts, ",")
