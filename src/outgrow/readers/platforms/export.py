"""An export of a labelling platform, in the form that every adapter gives: a table with a row per vote.

An adapter either names the columns of the file's own table (`named`), or makes a table of its answers (`made`).
`long_and_wide.py` reads both as it reads any other table, with the same rules for rows, repeated votes and gold.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import pyarrow as pa

from outgrow.config.votes import AS_NAMED, VoteColumns
from outgrow.errors import ConfigError, DataError, suggest
from outgrow.readers.column_uses import typed
from outgrow.readers.source_table import SourceTable, column_of, table_of_rows
from outgrow.text_format import listed

Object = dict[str, Any]
Values = Mapping[str, Any]
Path = tuple[str, str]
"""A role, and where it stands in an export: `("source", "annotations[].completed_by")`."""
FIRST_ROWS = 20
"""Rows by which an export is recognised, at most."""


@dataclass(frozen=True)
class Export:
    """The votes of an export."""

    table: SourceTable
    columns: VoteColumns
    """The roles of the table's columns."""
    form: str
    """What it is, for the note: "batch results of MTurk"."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """What the export says about an item (`text`, `title`), and the column of the table that has it."""
    notes: tuple[str, ...] = ()
    item_from: str | None = None
    """What names an item in the export, if the table was made."""
    made: bool = False
    """Whether the table was made from the answers; its columns are then not those of the file."""
    paths: tuple[Path, ...] = ()
    """Where each role stands in the file, if the table was made."""
    keys: tuple[str, ...] = ()
    """The columns of the file, if the table was made."""
    title: str = ""
    """The platform's, as a reason."""
    kind: str = "classes"
    """What the votes are."""
    user: VoteColumns = AS_NAMED
    """The options that the user gave."""


@dataclass(frozen=True)
class Platform:
    """A platform whose exports are read."""

    name: str
    """Its name in `layout=NAME`."""
    title: str
    """What an export is called in messages."""
    fits: Callable[[SourceTable], bool]
    """Whether a table is such an export, by its columns and first rows."""
    read: Callable[[SourceTable, VoteColumns], Export]
    by_name: bool = False
    """Whether only `layout` says that a table has this form."""


class Span(NamedTuple):
    """Characters with a label: the first one, from 0, and the first one after it."""

    start: int
    end: int
    label: Any


class Answer(NamedTuple):
    """One answer. Without a source it only adds the item (or its gold); without a label it is an abstention."""

    place: str
    item: Any
    source: Any = None
    label: Any = None
    """A class, a number, a list of classes, or a list of `Span`; an empty list says that none applies."""
    confidence: Any = None
    seconds: Any = None
    gold: Any = None
    about: Values = {}
    """What the export says about the item."""


def has(table: SourceTable, *names: str) -> bool:
    """Whether a table has all of these columns."""
    return set(names) <= set(table.columns)


def first_rows(table: SourceTable) -> list[Object]:
    """The rows by which an export is recognised."""
    return table.first_rows(FIRST_ROWS)


def given_or(columns: VoteColumns, **found: Any) -> VoteColumns:
    """The roles of the user, and those `found` where the user gave none."""
    return columns.model_copy(update={part: name for part, name in found.items() if not getattr(columns, part)})


def made(
    table: SourceTable, answers: Sequence[Answer], columns: VoteColumns, form: str, *notes: str, paths: Sequence[Path]
) -> Export:
    """The table of the answers of an export; `paths` says where roles stand in it. Raises `DataError` for none.

    What the votes are is decided by the labels (`kind_of_labels`).
    """
    if not answers:
        raise DataError(f"{table.origin}: has no vote")
    kind = kind_of_labels([answer.label for answer in answers])
    if kind == SPANS:
        _refuse_mixed(answers)
    cells = [(answer, row) for answer in answers for row in _CELLS[kind](answer.label)]
    parts = [part for part in ("confidence", "seconds", "gold") if _any(answers, part)]
    roles: dict[str, Any] = dict.fromkeys(("confidence", "seconds", "price", "gold", "probability", "votes"))
    roles |= {part: part for part in ("item", "source", "label", *parts)}
    about = list(dict.fromkeys(name for answer in answers for name in answer.about))
    rows = [
        {
            "item": answer.item,
            "source": None if answer.label is None and kind != CLASSES else answer.source,
            **cell,
            **{part: _gold(answer.gold, kind) if part == "gold" else getattr(answer, part) for part in parts},
            **{f"about {name}": answer.about.get(name) for name in about},
        }
        for answer, cell in cells
    ]
    return Export(
        table_of_rows(table.origin, rows, lambda row: cells[row][0].place),
        columns.model_copy(update=roles),
        form,
        {name: f"about {name}" for name in about},
        notes,
        columns.item,
        made=True,
        paths=tuple(paths),
        keys=tuple(table.columns),
        kind=kind,
    )


def _refuse_mixed(answers: Sequence[Answer]) -> None:
    """Raise `DataError` for an answer that is no span among spans."""
    for answer in answers:
        if any(not isinstance(label, Span) for label in as_list(answer.label)):
            raise DataError(f"{answer.place}: has an answer that is no span, and other answers are spans")


def kind_of_labels(labels: Sequence[Any]) -> str:
    """Spans if any label is one, sets of labels if any has several, scores if all are numbers, else classes."""
    lists = [label for label in labels if isinstance(label, list)]
    if any(isinstance(entry, Span) for label in lists for entry in label):
        return SPANS
    if any(len(label) > 1 for label in lists):
        return MULTI_LABEL
    single = [entry for label in labels if label is not None for entry in as_list(label)]
    return SCORES if single and all(map(_is_number, single)) else CLASSES


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _of_one(label: Any) -> list[Object]:
    return [{"label": next(iter(label), None) if isinstance(label, list) else label}]


def _gold(gold: Any, kind: str) -> Any:
    """Gold in the form of labels; spans have none."""
    if kind == SPANS or gold is None:
        return None
    return as_list(gold) if kind == MULTI_LABEL else _of_one(gold)[0]["label"]


def _of_set(label: Any) -> list[Object]:
    return [{"label": None if label is None else as_list(label)}]


def _of_spans(label: Any) -> list[Object]:
    """A row for each span; one without a span if there is none."""
    return [span._asdict() for span in as_list(label)] or [dict.fromkeys(Span._fields)]


CLASSES, SCORES, MULTI_LABEL, SPANS = "classes", "scores", "multi_label", "spans"
"""Kinds of votes that exports have."""
_CELLS = {CLASSES: _of_one, SCORES: _of_one, MULTI_LABEL: _of_set, SPANS: _of_spans}


def _any(answers: Iterable[Answer], part: str) -> bool:
    return any(getattr(answer, part) is not None for answer in answers)


def as_list(value: Any) -> list[Any]:
    """A list as it is, nothing as an empty list, anything else as a list of one."""
    return value if isinstance(value, list) else [] if value is None else [value]


def objects(value: Any) -> list[Object]:
    """The objects of a list; none of anything else."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def mapping(value: Any) -> Object:
    """An object without its empty entries; an empty one for anything else."""
    return {key: cell for key, cell in value.items() if cell is not None} if isinstance(value, dict) else {}


def scalar(value: Any) -> Any:
    """A single value as it is; None for a list or an object."""
    return None if isinstance(value, list | dict) else value


def scalars(value: Any) -> Object:
    """The single values of an object."""
    return {str(key): cell for key, cell in mapping(value).items() if not isinstance(cell, list | dict)}


def one_question(origin: str, questions: Iterable[str], named: str | None, *, none: str) -> str:
    """The question whose answers are read: the one that `label` names, or the only one. Raises `ConfigError` for none
    of that name and for several, `DataError` (with the sentence `none`) if there is no question."""
    known = list(dict.fromkeys(questions))
    if named is not None and named not in known:
        raise ConfigError(f"{origin}: no question is called `{named}`; {suggest(named, known)}")
    if not known:
        raise DataError(f"{origin}: {none}")
    if named is None and len(known) > 1:
        raise ConfigError(
            f"{origin}: there are several questions, {listed(known)}; name one, such as `label={typed(known[0])}`"
        )
    return named or known[0]


def item_of(values: Values, named: str | None, otherwise: Any, place: str, usual: str = "id") -> Any:
    """The item's name: the field `named` (several by commas), or `otherwise`. Raises `DataError` without one."""
    if named is None:
        item = otherwise
    elif named in values:
        item = values[named]
    else:
        parts = [values.get(part.strip()) for part in named.split(",")]
        item = None if any(part is None for part in parts) else ",".join(map(str, parts))
    if item is None or isinstance(item, dict | list):
        raise DataError(f"{place}: has no `{named or usual}`")
    return item


def with_columns(table: SourceTable, **values: list[Any]) -> SourceTable:
    """The table with further columns of Python values."""

    def read(columns: Sequence[str]) -> pa.Table:
        names = [name for name in columns if name not in values]
        own = table.read(names) if names else {}
        return pa.table(
            {
                name: column_of(values[name], f"`{name}`", table.place) if name in values else own[name]
                for name in columns
            }
        )

    return replace(table, columns=[*table.columns, *values], read=read)


def texts_of(table: SourceTable, *names: str) -> dict[str, str]:
    """Columns that are texts of the items, by their own names."""
    return {name: name for name in names if name in table.columns}
