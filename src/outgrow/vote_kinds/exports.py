"""Exports of labelling platforms as votes of any kind: what the votes are, and a table for the reader of the kind."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from outgrow.config.load import read_section
from outgrow.config.messages import FileLocation
from outgrow.config.section import Section
from outgrow.config.votes import VoteColumns
from outgrow.errors import ConfigError, DataError
from outgrow.readers.open_table import DELIMITERS, files_in, format_of, read_columns, read_table
from outgrow.readers.platforms import export_of, is_export
from outgrow.readers.platforms.plain_table import plain_table
from outgrow.readers.source_table import SourceTable

NAMED = ("item", "source", "label", "score", "gold")
"""Roles of which a section may name the column; in an export `label` and `score` name the question."""


def kind_of_export(source: Any, words: Sequence[str] = (), columns: Mapping[str, Any] | None = None) -> str | None:
    """What the votes of an export are; None for any other source, and for one that cannot be read."""
    first = files_in(source)[0]

    @cache
    def table() -> SourceTable:
        return read_table(first)

    try:
        if not is_export(_probe(first) if isinstance(first, str | Path) else table()):
            return None
        export = export_of(table(), _columns_of(words, columns or {}))
    except (DataError, ConfigError):
        return None
    return None if export is None else export.kind


def _probe(path: str | Path) -> SourceTable:
    """The columns of a file, whose rows are read when they are needed."""
    suffix, _ = format_of(Path(path))
    if suffix == ".json":
        return read_table(path)
    return replace(
        read_columns(Path(path)),
        is_csv=suffix in DELIMITERS,
        read_first=lambda n_rows: read_table(path).first_rows(n_rows),
    )


def _columns_of(words: Sequence[str], columns: Mapping[str, Any]) -> VoteColumns:
    """The options that exports use."""
    known = {name: value for name, value in columns.items() if name in VoteColumns.model_fields}
    used = [word for word in words if word.partition("=")[0].partition(".")[0] in VoteColumns.model_fields]
    used += [f"label={word.partition('=')[2]}" for word in words if word.startswith("score=")]
    return read_section(VoteColumns, known, used, FileLocation("columns"))


def table_of_export(table: SourceTable, section: Section) -> SourceTable:
    """The table itself, or of an export its votes in a plain table, with the columns that `section` names."""
    given = {name: value for name in VoteColumns.model_fields if (value := getattr(section, name, None))}
    question = getattr(section, "label", None) or getattr(section, "score", None)
    own = {"item", "source", "where", "ignore", "one_source"}
    columns = VoteColumns(label=question, **{name: value for name, value in given.items() if name in own})
    export = export_of(table, columns)
    if export is None:
        return table
    return plain_table(export, {name: value for name in NAMED if (value := getattr(section, name, None))})
