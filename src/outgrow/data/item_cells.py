"""Cells of a user's table as texts: prompts from one column or a template of several, options, answers, ids.

What cannot be one is a `DataError` that names the row and the column.
"""

import json
import math
from collections.abc import Callable
from typing import Any

from outgrow.data.parse_labels import UNUSABLE
from outgrow.data.template import template_pieces
from outgrow.errors import ConfigError, DataError, suggest
from outgrow.readers.source_table import Row, SourceTable
from outgrow.text_format import HALF_CHARACTER, short


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
