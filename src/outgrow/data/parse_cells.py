"""Cells of a user's table: prompts, options, answers and ids as texts; labels as classes or options.

Labels are class names or numbers, or numbers, letters or texts of options. The whole column decides which, not each
cell. Where a column is ambiguous (option numbers that never reach 0 nor K), nothing is guessed. A cell that cannot be
read is a `DataError` that names the row and the column.
"""

import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from outgrow.data.template import template_pieces
from outgrow.errors import ConfigError, DataError, suggest
from outgrow.readers.class_names import alike, alike_names, join
from outgrow.readers.source_table import Row, SourceTable
from outgrow.text_format import HALF_CHARACTER, short

UNUSABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters and halves of characters: in no name of a class or an item."""
LAYOUT = dict.fromkeys(map(ord, "\t\n\r"), " ")
"""Allowed in the text of an option."""


def class_gold(
    labels: Sequence[Any],
    where: Sequence[str],
    classes: Sequence[str] | None = None,
    *,
    joined: bool = False,
    column: str = "the column of labels",
) -> tuple[list[int], tuple[str, ...]]:
    """Class index of every label (-1 where it is empty), and the class names.

    Without `classes`, these are the sorted labels. With them, a label is a name among them or, if it is none, a number
    from 0. With `joined`, labels that differ only in case or white space are one class; without it, they are refused
    unless `classes` are given. Raises `DataError` for that, for a label outside the classes and for fewer than
    two classes; `column` names the labels in messages.
    """
    names = [label_text(label, place) for label, place in zip(labels, where, strict=True)]
    if joined:
        names = join(names, classes)
    elif classes is None and (twins := alike(names)):
        raise DataError(
            f"{column} has classes that differ only in case or white space: {alike_names(twins)}; join them by"
            " `task.join_classes: true`, or name all classes in task.classes to keep them apart"
        )
    present_classes = _sorted_classes(names)
    if classes is None and len(present_classes) == len(names) > 2:
        raise DataError(f"{where[0]}: every row has a label of its own; is task.columns.label the right column?")
    class_names = tuple(present_classes if classes is None else classes)
    if len(set(class_names)) < len(class_names):
        raise ConfigError("task.classes: a name is listed twice")
    if len(class_names) < 2 or len(present_classes) < 2:
        what = f"all have the label `{present_classes[0]}`" if present_classes else "none of them has a label"
        raise DataError(f"{where[0]} and the rows after it: {what}; a task needs at least two classes")
    index = {name: i for i, name in enumerate(class_names)}
    index = {str(i): i for i in range(len(class_names))} | index if classes is not None else index
    for name, place in zip(names, where, strict=True):
        if name is not None and name not in index:
            raise DataError(f"{place}: the label `{name}` is not one of task.classes; {suggest(name, class_names)}")
    return [-1 if name is None else index[name] for name in names], class_names


def option_gold(cases: Sequence[tuple[Any, list[str]]], where: Sequence[str]) -> tuple[list[int], tuple[str, ...]]:
    """The right option's index for every (label, options), -1 where the label is empty; and a note.

    All labels are texts of their options, or all are letters (A = first), or all are numbers counted from 0 or 1.
    """
    cases = [(label, [_one_line_end(option) for option in options]) for label, options in cases]
    labels = [_option_text(label, place) for (label, _), place in zip(cases, where, strict=True)]
    rows = [i for i, label in enumerate(labels) if label is not None]
    gold = [-1] * len(labels)
    if not rows:
        return gold, ()
    reading, note = _reading([(labels[i] or "", cases[i][1]) for i in rows], where[rows[0]])
    for i in rows:
        label, options = labels[i] or "", cases[i][1]
        gold[i] = reading(label, options)
        if not 0 <= gold[i] < len(options):
            raise DataError(
                f"{where[i]}: the label `{label}` is not an option's {note or 'text, letter or number'}"
                f" (there are {len(options)}: {', '.join(options)[:100]})"
            )
    return gold, (f"Labels were read as each option's {note}.",) if note else ()


def _option_text(value: Any, where: str) -> str | None:
    """A label that may be an option's text, which may have several lines."""
    if not isinstance(value, str):
        return label_text(value, where)
    text = _one_line_end(value.strip())
    label_text(text.translate(LAYOUT), where)
    return text or None


def _one_line_end(text: str) -> str:
    return text.replace("\r\n", "\n")


def label_text(value: Any, where: str) -> str | None:
    """The label as a text; `None` for an empty one."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, (str, int, float)):
        raise DataError(f"{where}: the label must be a text or a number, found {str(value)[:40]!r}")
    text = str(value).strip()
    if UNUSABLE.search(text):
        raise DataError(f"{where}: the label {text[:40]!r} holds a control character")
    return text or None


def _sorted_classes(names: Sequence[str | None]) -> list[str]:
    distinct = {name for name in names if name is not None}
    return sorted(distinct, key=lambda name: (0, int(name), name) if _is_number(name) else (1, 0, name))


def _reading(cases: list[tuple[str, list[str]]], where: str) -> tuple[Any, str]:
    """How the column is meant: a function (label, options) → index, and the name of the reading."""
    if all(label in options for label, options in cases):
        return (lambda label, options: options.index(label)), "text"
    if all(len(label) == 1 and label.isascii() and label.isalpha() for label, _ in cases):
        return (lambda label, options: ord(label.upper()) - ord("A")), "letter"
    if all(_is_number(label) for label, _ in cases):
        start = _first_number([(int(label), len(options)) for label, options in cases], where)
        return (lambda label, options: int(label) - start), f"number counted from {start}"
    return (lambda label, options: options.index(label) if label in options else -1), ""


def _first_number(cases: list[tuple[int, int]], where: str) -> int:
    """0 if a label is 0, 1 if one is K."""
    from_zero = any(label == 0 for label, _ in cases)
    from_one = any(label == k for label, k in cases)
    if from_zero == from_one:
        which = "both 0 and the number of options" if from_zero else "neither 0 nor the number of options"
        raise DataError(
            f"{where} and the rows after it: the labels are option numbers, and {which} occur among them, so that it"
            " is not clear whether they are counted from 0 or from 1; use letters (A, B, …) or the options' texts"
        )
    return 0 if from_zero else 1


def _is_number(label: str) -> bool:
    return label.isascii() and label.isdigit() and len(label) < 10


def prompt_of(template: str, table: SourceTable, key: str = "task.columns.text") -> Callable[[Row, str], str]:
    """What makes the prompt of a row, given its place: a column, or a template of several; `key` asked for it."""
    if "{" not in template and "}" not in template:
        require_column(table, template, key)
        return lambda row, where: text_in(row.get(template), template, where)
    pieces = template_pieces(template, key)
    for _, name in pieces:
        if name is not None:
            require_column(table, name, key)

    def fill(row: Row, where: str) -> str:
        values = (literal + (cell_text(row.get(name), name, where) if name else "") for literal, name in pieces)
        return text_in("".join(values), template, where)

    return fill


def options_of(columns: str | list[str] | None, table: SourceTable) -> Callable[[Row, str], list[str]]:
    """What makes the options of a row, given its place: one column that holds a list, or a column per option."""
    if columns is None:
        return lambda row, where: []
    names = [columns] if isinstance(columns, str) else columns
    for name in names:
        require_column(table, name, "task.columns.options")
    if isinstance(columns, str):
        return lambda row, where: _option_list(row.get(columns), columns, where)
    if len(columns) < 2:
        raise ConfigError("task.columns.options: a list must name at least two columns, one per option")
    return lambda row, where: [text_in(row.get(name), name, where) for name in columns]


def _option_list(value: Any, column: str, where: str) -> list[str]:
    """A list, or in a CSV file its JSON text."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where}: column `{column}` is not a JSON list ({error})") from error
    if not isinstance(value, list) or len(value) < 2:
        raise DataError(f"{where}: column `{column}` needs a list of at least two options, found {short(repr(value))}")
    return [text_in(option, column, where) for option in value]


def require_column(table: SourceTable, name: str, key: str) -> None:
    """Raises `DataError` where a table lacks the column that `key` names."""
    if name not in table.columns:
        columns = [str(column) for column in table.columns]
        hint = suggest(name, columns) if columns else "the file is empty"
        raise DataError(f"{table.origin}: there is no column `{name}` ({key}); {hint}")


def text_in(value: Any, column: str, where: str) -> str:
    """A cell as text that is not empty."""
    text = cell_text(value, column, where).strip()
    if not text:
        raise DataError(f"{where}: `{column}` is empty; give it a text or remove the row")
    return text


def cell_text(value: Any, column: str, where: str) -> str:
    """A text or a number as text; nothing becomes the empty text."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise DataError(f"{where}: `{column}` must be a text, found {short(repr(value))}")
    text = str(value)
    if HALF_CHARACTER.search(text):
        raise DataError(f"{where}: `{column}` holds half a character (a lone surrogate, \\uD800 … \\uDFFF)")
    return text


def item_name(value: Any, where: str) -> str:
    """An id as text."""
    name = text_in(value, "id", where)
    if UNUSABLE.search(name):
        raise DataError(f"{where}: the id {name!r} holds a control character")
    return name


def answer_text(value: Any, column: str, where: str) -> str:
    """The text to write; empty = unknown."""
    if isinstance(value, (dict, list)):
        raise DataError(
            f"{where}: `{column}` must be a text, found {short(repr(value))}; write JSON to generate as a string"
        )
    return "" if isinstance(value, float) and math.isnan(value) else cell_text(value, column, where).strip()
