"""A row per item with its votes inside: as a mapping, as a list of objects, or as two lists side by side.

    {"id": 7, "votes": {"ada": "yes", "ben": "no"}}
    {"id": 7, "jury": {"votes": [{"model": "ada", "value": true}, {"model": "ben", "value": false}]}}
    {"id": 7, "labels": ["yes", "no"], "annotators": ["ada", "ben"]}

`label` names the column, `a.b` an inner one; else it is the only one of such a form. Mappings to numbers are counts or
probabilities of classes (`vote_counts.py`, `soft_votes.py`), and no votes.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from outgrow.config.votes import VoteColumns
from outgrow.errors import ConfigError, DataError
from outgrow.readers.column_roles import NAMES, RUNNING_TEXT, plain
from outgrow.readers.platforms.export import (
    Answer,
    Export,
    Object,
    Platform,
    first_rows,
    item_of,
    made,
    mapping,
    scalars,
)
from outgrow.readers.source_table import SourceTable
from outgrow.text_format import listed

SOURCE = NAMES["source"][0] | NAMES["source"][1]
LABEL = NAMES["label"][0] | NAMES["label"][1] | {"votes", "labels", "annotations", "responses", "answers", "verdicts"}
PLURAL = {f"{name}s" for name in SOURCE} | {"annotatorids", "workerids", "userids", "judges", "models"}
PARTS = 2
"""How deep a column of votes may be: `jury.votes`."""


def _read(table: SourceTable, columns: VoteColumns) -> Export:
    path = _path(table, columns)
    answers: list[Answer] = []
    for index, row in enumerate(table.rows):
        place = table.place(index)
        item = item_of(row, columns.item, _item(row, index), place)
        found = list(_votes(row, path, place))
        gold = next((row[key] for key in row if key == columns.gold or plain(key) in NAMES["gold"][0]), None)
        of_item = Answer(place, item, gold=gold, about=_about(row))
        answers += [
            of_item._replace(source=source, label=label, confidence=confidence) for source, label, confidence in found
        ]
        if not found:
            answers.append(of_item)
    name = ".".join(path)
    paths = (("item", columns.item or "id"), ("source", f"{name}[]"), ("label", f"{name}[]"))
    return made(table, answers, columns, f"rows with their votes in `{name}`", paths=paths)


def _about(row: Object) -> Object:
    """What a row says about its item."""
    return {key: value for key, value in scalars(row).items() if plain(key) in RUNNING_TEXT}


def _item(row: Object, index: int) -> Any:
    """The item's name: the first cell with a usual name, else the row's number, from 0."""
    for tier in NAMES["item"]:
        for key, value in row.items():
            if plain(key) in tier and not isinstance(value, list | dict):
                return value
    return index


def _path(table: SourceTable, columns: VoteColumns) -> tuple[str, ...]:
    """Where the votes are in a row. Raises `ConfigError` for several places without `label`."""
    rows = first_rows(table)
    if columns.label is not None:
        return tuple(columns.label.split("."))
    paths = _paths(rows)
    if len(paths) != 1:
        several = [".".join(path) for path in paths]
        raise ConfigError(
            f"{table.origin}: {listed(several)} may hold the votes; name one, such as `label={several[0]}`"
        )
    return paths[0]


def _paths(rows: list[Object]) -> list[tuple[str, ...]]:
    """The places in rows that hold votes of several sources."""
    found: dict[tuple[str, ...], bool] = {}
    for row in rows:
        for path, value in _inner(row):
            found[path] = found.get(path, True) and (not value or _holds_votes(row, path, value))
    filled = {path for row in rows for path, value in _inner(row) if value}
    return [path for path, holds in found.items() if holds and path in filled]


def _inner(row: Object, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The lists and mappings in a row, with the keys that lead to them."""
    for key, value in row.items():
        if isinstance(value, list | dict):
            yield (*above, key), value
        if isinstance(value, dict) and len(above) + 1 < PARTS:
            yield from _inner(value, (*above, key))


def _holds_votes(row: Object, path: tuple[str, ...], value: Any) -> bool:
    """Whether a list or a mapping has one vote for each of several sources."""
    if isinstance(value, dict):
        cells = mapping(value).values()
        return plain(path[-1]) in LABEL and bool(cells) and all(isinstance(cell, str | bool) for cell in cells)
    if value and all(isinstance(entry, dict) for entry in value):
        return all(_key(entry, SOURCE) and _key(entry, LABEL) for entry in value)
    beside = _sources_beside(row, path)
    are_single = all(not isinstance(entry, list | dict) for entry in value)
    return beside is not None and beside is not value and len(beside) == len(value) and are_single


def _sources_beside(row: Object, path: tuple[str, ...]) -> list[Any] | None:
    """The list of sources that stands beside a list of labels."""
    own: Any = row
    for key in path[:-1]:
        own = own.get(key) or {}
    if plain(path[-1]) in PLURAL:
        return None
    return next((value for key, value in own.items() if plain(key) in PLURAL and isinstance(value, list)), None)


def _key(entry: Mapping[str, Any], names: set[str]) -> str | None:
    """The key of an object with one of the names and a single value."""
    return next((key for key in entry if plain(key) in names and not isinstance(entry[key], list | dict)), None)


def _votes(row: Object, path: tuple[str, ...], place: str) -> Iterator[tuple[Any, Any, Any]]:
    """Source, label and confidence of each vote in a row."""
    value: Any = row
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    if not value and not _sources_beside(row, path):
        return
    name = ".".join(path)
    if isinstance(value, dict):
        yield from ((source, label, None) for source, label in mapping(value).items())
        return
    if not isinstance(value, list):
        raise DataError(f"{place}: `{name}` has no list of votes")
    if value and all(isinstance(entry, dict) for entry in value):
        for entry in value:
            source, label = _key(entry, SOURCE), _key(entry, LABEL)
            if source is None or label is None:
                raise DataError(f"{place}: a vote in `{name}` has no source or no label; it has {listed(list(entry))}")
            confidence = _key(entry, NAMES["confidence"][0])
            yield entry[source], entry[label], None if confidence is None else entry[confidence]
        return
    sources = _sources_beside(row, path)
    if sources is None or len(sources) != len(value):
        n_sources = 0 if sources is None else len(sources)
        raise DataError(f"{place}: `{name}` has {len(value)} labels for {n_sources} sources")
    yield from ((source, label, None) for source, label in zip(sources, value, strict=True))


def _fits(table: SourceTable) -> bool:
    has_source = bool({plain(name) for name in table.columns} & NAMES["source"][0])
    return not table.is_csv and not has_source and bool(_paths(first_rows(table)))


NESTED_VOTES = Platform("nested_votes", "rows with their votes inside", _fits, _read)
