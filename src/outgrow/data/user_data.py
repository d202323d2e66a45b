"""The user's own data: rows of a file, by a column mapping, into a task.

`task.columns` says which columns hold the text (one column, or a template of several), the label, the options of a
choice, an id and the published part. For *generate* the label is the text to write. Files are read by
`readers`, cells by `parse_cells.py`; every error names the file, the line and the fix.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from outgrow.config.task import Columns, PartFiles, SetSection, TaskSection
from outgrow.data.data_identity import set_identity
from outgrow.data.leak import RUN, sharing
from outgrow.data.own_files import OwnFile, own_files
from outgrow.data.parse_cells import (
    answer_text,
    cell_text,
    class_gold,
    item_name,
    label_text,
    option_gold,
    options_of,
    prompt_of,
    require_column,
)
from outgrow.data.preferred_pairs import CHOSEN, has_pairs, pair_of
from outgrow.data.task import Items, Kind, Task
from outgrow.data.task_forms import choose_task
from outgrow.data.task_kind import capability_errors, native_kind
from outgrow.data.tasks import TASKS
from outgrow.errors import ConfigError, DataError
from outgrow.readers.open_table import read_columns, read_table
from outgrow.readers.source_table import Row, SourceTable, table_of_rows
from outgrow.text_format import short

PARTS_BY_NAME = {"train": "train", "test": "test", "weak": "half_a", "strong": "half_b"}
"""The values of a column of parts."""
NEEDS_NO_GOLD = "half_b"
"""The part whose file needs no column of labels."""


class UserRow(NamedTuple):
    """A row after the column mapping; the label is still the file's."""

    where: str
    prompt: str
    label: Any
    options: list[str]
    id: str = ""
    part: str = ""
    key: Any = None
    """The bare answer, where a column holds it."""
    group: str = ""
    """The group of the item, where a column has it."""


def load_user_data(section: SetSection) -> Task:
    """Read `task.path` (a file, or a folder of files) as the section says. Raises `DataError` or `ConfigError`."""
    kind, columns = native_kind(section), _columns_of(section)
    records = [record for file in own_files(section) for record in _rows_of(file, columns)]
    if not records:
        raise DataError(f"{section.path}: there is no row in it")
    refuse_duplicate_ids((record.id, record.where) for record in records)
    task = _KINDS[kind](section, records)
    if columns.id is None and isinstance(section.path, Path) and not section.path.is_dir():
        task = replace(task, rows=len(records))
    return task if columns.group is not None else replace(task, notes=(*task.notes, *_shared_passages(task.items)))


def _shared_passages(items: Items) -> list[str]:
    """A sentence on items that share a passage without a column of groups."""
    count = sharing(items.prompts, items.groups)
    if not count:
        return []
    return [
        f"Items that have {RUN} words in a row in common with another item: {count}; to keep what is asked about one"
        " passage in one part of a study, name a column that is the same for such items by task.columns.group."
    ]


def require_columns(task: TaskSection) -> None:
    """Look at the first line of every file of the user's own: does it have the columns that the section names?

    Raises what reading all of it would raise for those that are missing.
    """
    sets: Mapping[str, SetSection] = task.capabilities or {"": task}
    for name, section in sets.items():
        if section.path is not None and section.name not in TASKS:
            with capability_errors(name):
                columns = _columns_of(section)
                for file in own_files(section):
                    _require_columns_in(file, columns)


def _require_columns_in(file: OwnFile, columns: Columns) -> None:
    try:
        read_user_rows(read_columns(file.path), columns, file.part)
    except DataError:  # of JSON a later row may have more, and the reader reports what is damaged
        read_user_rows(table_of_rows(str(file.path), [], columns=read_table(file.path).columns), columns, file.part)


def half_b_has_gold(task: TaskSection) -> bool:
    """Whether a student can learn half B's gold: not where the user's own rows for half B have no label.

    Where only some of them have one, the others are left out. Raises what reading the files raises.
    """
    sets: Mapping[str, SetSection] = task.capabilities or {"": task}
    return all(
        _half_b_has_gold(section.model_dump_json(include=set(SetSection.model_fields)), set_identity(section))
        for section in sets.values()
        if section.name not in TASKS and (isinstance(section.path, PartFiles) or section.columns.part is not None)
    )


@cache
def _half_b_has_gold(section: str, identity: str) -> bool:
    """`section` is JSON, and `identity` that of its data."""
    set_section = SetSection.model_validate_json(section)
    columns = _columns_of(set_section)
    files = [file for file in own_files(set_section) if file.part in ("train", "half_b")]
    rows = [row for file in files for row in _rows_of(file, columns) if row.part == "half_b"]
    return not rows or any(label_text(row.label, row.where) for row in rows)


def _columns_of(section: SetSection) -> Columns:
    """With the default names of the text and the label where the section gives none."""
    kind, columns = native_kind(section), section.columns
    if kind == "choose" and columns.options is None:
        return columns  # preferences, or `_pairs` says what is missing
    if kind == "classify" and columns.options is not None:
        raise ConfigError("task.columns.options is given, but task.kind is `classify`: remove one of them")
    text, label = ("prompt", "completion") if kind == "generate" else ("text", "label")
    return columns.model_copy(update={"text": columns.text or text, "label": columns.label or label})


def read_user_rows(table: SourceTable, columns: Columns, part: str = "train", prefix: str = "") -> list[UserRow]:
    """Apply the column mapping to every row; `part` is the default of its column.

    `columns` names text and label, except of preferences.
    """
    content, rows = _content(table, columns), []
    for key in ("id", "label", "key", "part", "group"):
        name = getattr(columns, key)
        if name is not None and not (part == NEEDS_NO_GOLD and key in ("label", "key")):
            require_column(table, name, f"task.columns.{key}")
    for index, row in enumerate(table.rows):
        where = table.place(index)
        read = content(row, where)
        rows.append(
            read._replace(
                id=prefix + (str(index) if columns.id is None else item_name(row.get(columns.id), where)),
                part=part if columns.part is None else _part(row.get(columns.part), where),
                key=None if columns.key is None else row.get(columns.key),
                group=read.group if columns.group is None else _group(row.get(columns.group), columns.group, where),
            )
        )
    return rows


def _content(table: SourceTable, columns: Columns) -> Callable[[Row, str], UserRow]:
    """What reads prompt, label and options of a row, given its place; of preferences a group, too."""
    label = columns.label
    if label is None:
        return _pairs(table, columns)
    assert columns.text is not None
    prompt, options = prompt_of(columns.text, table), options_of(columns.options, table)
    return lambda row, where: UserRow(where, prompt(row, where), row.get(label), options(row, where))


def _pairs(table: SourceTable, columns: Columns) -> Callable[[Row, str], UserRow]:
    """The same of preferences: the chosen text comes first, and items with the same prompt are a group."""
    if not has_pairs(table):
        raise ConfigError(
            "task.kind is `choose`: task.columns.options must name the column(s) of the options; a file of preferences"
            f" has the columns `chosen` and `rejected`, and {table.origin} has not"
        )
    pair = pair_of(columns.text, table)

    def read(row: Row, where: str) -> UserRow:
        prompt, *options = pair(row, where)
        return UserRow(where, prompt, CHOSEN, options, group=prompt)

    return read


def _group(value: Any, column: str, where: str) -> str:
    return cell_text(value, column, where).strip()


def _classify(section: SetSection, records: list[UserRow]) -> Task:
    gold, classes = class_gold(
        [record.label for record in records],
        [record.where for record in records],
        section.classes,
        joined=section.join_classes,
        column=f"{section.path}: the column `{_columns_of(section).label}`",
    )
    return Task(section.name, "classify", classes, _items(records, gold))


def _choose(section: SetSection, records: list[UserRow]) -> Task:
    for key, given in {"classes": section.classes is not None, "join_classes": section.join_classes}.items():
        if given:
            raise ConfigError(f"task.{key} is about the classes of a *classify* task; a choice has options instead")
    if section.columns.options is None:
        return _preferences(section, records)
    gold, note = option_gold([(record.label, record.options) for record in records], [r.where for r in records])
    return choose_task(section.name, _items(records, gold), note)


def _preferences(section: SetSection, records: list[UserRow]) -> Task:
    """*Choose* with two options, in an order that does not tell which one was chosen."""
    kept = [record for record in records if "" not in record.options and record.options[0] != record.options[1]]
    without = len(records) - len(kept)
    notes = (f"Pairs left out because an answer is empty or both are equal: {without}.",) if without else ()
    if not kept:
        raise DataError(f"{section.path}: in no row do `chosen` and `rejected` differ")
    return choose_task(section.name, _items(kept, [0] * len(kept)), notes, shuffle=True)


def _generate(section: SetSection, records: list[UserRow]) -> Task:
    key = section.columns.label or "completion"
    answers = [answer_text(record.label, key, record.where) for record in records]
    if not any(answers):
        raise DataError(f"{records[0].where} and the rows after it: none of them has a text in `{key}`")
    items = _items(records, [0 if answer else -1 for answer in answers])
    bare = section.columns.key
    keys = None if bare is None else [answer_text(record.key, bare, record.where) for record in records]
    return Task(section.name, "generate", (), replace(items, answers=answers, keys=keys))


_KINDS: Mapping[Kind, Callable[[SetSection, list[UserRow]], Task]] = {
    "classify": _classify,
    "choose": _choose,
    "generate": _generate,
}


def _items(records: list[UserRow], gold: list[int]) -> Items:
    with_options = any(record.options for record in records)
    return Items(
        ids=[record.id for record in records],
        prompts=[record.prompt for record in records],
        gold=np.asarray(gold, dtype=np.int64),
        options=[record.options for record in records] if with_options else None,
        parts=[record.part for record in records],
        groups=[f"group {record.group}" if record.group else record.id for record in records],
    )


def _rows_of(file: OwnFile, columns: Columns) -> list[UserRow]:
    return read_user_rows(read_table(file.path), columns, file.part, prefix=file.prefix)


def refuse_duplicate_ids(records: Iterable[tuple[str, str]]) -> None:
    """Of ids and their places: raises `DataError` where one is given twice."""
    seen: dict[str, str] = {}
    for name, where in records:
        if name in seen:
            raise DataError(f"{where}: the id `{name}` is already taken ({seen[name]})")
        seen[name] = where


def _part(value: Any, where: str) -> str:
    part = PARTS_BY_NAME.get(value.strip().lower()) if isinstance(value, str) else None
    if part is None:
        raise DataError(f"{where}: the part must be `weak`, `strong`, `test` or `train`, found {short(repr(value))}")
    return part
