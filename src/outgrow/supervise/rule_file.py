"""What rules are read from: a YAML file of rules, and items in a file or in memory."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
from pydantic import ValidationError

from outgrow.config.load import load_tree
from outgrow.config.messages import FileLocation, error_messages
from outgrow.config.rules import Rule, RuleFile
from outgrow.data.parse_cells import UNUSABLE
from outgrow.errors import ConfigError, DataError, suggest
from outgrow.readers.open_table import read_table
from outgrow.readers.raw_file import read_bytes
from outgrow.readers.row_numbers import row_numbers
from outgrow.readers.source_table import SourceTable, table_of_arrow, table_of_rows
from outgrow.supervise.rule_source import file_and_function

RowSource: TypeAlias = str | Path | SourceTable | pa.Table | Sequence[Mapping[str, Any]]
ITEM_COLUMNS = ("item", "id")


def read_rules(source: str | Path | Mapping[str, Any]) -> tuple[RuleFile, Path]:
    """A file of rules, or its mapping, and the folder from which files of functions are seen. Raises `ConfigError`."""
    if isinstance(source, Mapping):
        tree, place, folder = dict(source), FileLocation("rules"), Path()
    else:
        (tree, place), folder = load_tree(Path(source)), Path(source).parent
    try:
        file = RuleFile.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(error_messages(error, place, RuleFile)) from None
    twin = next((name for index, name in enumerate(file.classes) if name in file.classes[:index]), None)
    if twin is not None:
        raise ConfigError(f"{place.at('classes')}: `{twin}` is given twice; every class has a name of its own")
    for name, rule in file.rules.items():
        if rule.only_class is not None:
            class_number(rule.only_class, file.classes, place.at("rules", name, "says"))
    return file, folder


def plain_rule(name: str, rule: Rule, classes: Sequence[str], folder: Path, text: str) -> dict[str, Any]:
    """A rule as the values that `run_rules` takes. Raises `DataError` where there is no file of a function."""
    plain = {"name": name, **rule.model_dump(exclude={"type"})}
    if rule.reads_text:
        plain["text"] = text
    if rule.only_class is not None:
        plain["says"] = class_number(rule.only_class, classes, name)
    if rule.code is not None:
        file, function = file_and_function(rule.code, folder)
        read_bytes(file)
        plain |= {"file": str(file.absolute()), "function": function}
    return plain


def class_number(name: str, classes: Sequence[str], where: str) -> int:
    """The number of a class. Raises `ConfigError` for an unknown class."""
    if name not in classes:
        raise ConfigError(f"{where}: no class `{name}`; {suggest(name, classes)}")
    return list(classes).index(name)


def as_table(items: RowSource) -> SourceTable:
    """Items of a file or in memory as a table."""
    if isinstance(items, str | Path):
        return read_table(Path(items))
    if isinstance(items, SourceTable):
        return items
    if isinstance(items, pa.Table):
        return table_of_arrow(items, "items")
    return table_of_rows("items", [dict(row) if isinstance(row, Mapping) else row for row in items])


def item_names(table: SourceTable, column: str | None) -> tuple[list[str], str]:
    """Every row's name, and a sentence on where it comes from. Raises `DataError` for a name that is given twice."""
    if column is None:
        column = next((name for name in ITEM_COLUMNS if name in table.columns), None)
    if column is None:
        note = "Items are named by their row number, from 0: there is no column `item` or `id`."
        return row_numbers(len(table.rows)), note
    _require_column(table, column, "item")
    names = [_name(row.get(column), column, table.place(index)) for index, row in enumerate(table.rows)]
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        if seen.setdefault(name, index) != index:
            raise DataError(f"{table.place(index)}: the item `{name}` stands already in {table.place(seen[name])}")
    return names, f"Items are named by the column `{column}`."


def _name(value: Any, column: str, where: str) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise DataError(f"{where}: `{column}` must name the item, found {value!r}")
    if UNUSABLE.search(str(value)):
        raise DataError(f"{where}: the name {value!r} holds a control character")
    return str(value).strip()


def require_texts(table: SourceTable, column: str) -> None:
    """Raises `DataError` at the first row that has no text for patterns to search."""
    _require_column(table, column, "text")
    for index, row in enumerate(table.rows):
        if not isinstance(row.get(column), str):
            raise DataError(f"{table.place(index)}: `{column}` must be a text, found {str(row.get(column))[:60]}")


def _require_column(table: SourceTable, column: str, key: str) -> None:
    if column not in table.columns:
        suggestion = suggest(column, map(str, table.columns))
        raise DataError(f"{table.origin}: there is no column `{column}` (`{key}` of the rules); {suggestion}")
