"""Annotations of doccano: JSON lines, a file per user.

    {"id": 1, "text": …, "label": ["pos"], "Comments": []}                    classes
    {"id": 1, "text": …, "label": [[0, 4, "PER"]], "Comments": []}            spans: [start, end, label]
    {"id": 1, "text": …, "annotations": [{"user": 1, "label": 3}]}            older, all users in one file
    {"id": 1, "text": …, "entities": [{"start_offset": 0, "end_offset": 4, "label": "PER"}], "Comments": []}

The source is a column of annotators if there is one, else the file (`ada.jsonl`: `ada`).
"""

from collections.abc import Sequence
from typing import Any

from outgrow.config.votes import VoteColumns
from outgrow.readers.column_roles import find
from outgrow.readers.platforms.export import (
    Answer,
    Export,
    Object,
    Platform,
    Span,
    first_rows,
    has,
    item_of,
    made,
    objects,
    scalar,
    scalars,
)
from outgrow.readers.source_table import SourceTable, stem_of

TITLE = "annotations of doccano"


def _read(table: SourceTable, columns: VoteColumns) -> Export:
    free = [name for name in table.columns if name not in columns.ignore]
    source = None if columns.one_source else find("source", table, columns.model_copy(update={"label": None}), free)
    alone = columns.one_source or stem_of(table.origin)
    label = columns.label or "label"
    answers = []
    for index, row in enumerate(table.rows):
        place = table.place(index)
        values = scalars(row)
        item = item_of(values, columns.item, values.get("id"), place)
        chosen = _labels(row.get(label, row.get("entities")))
        text = next((values[key] for key in ("text", "data") if key in values), None)
        answers.append(
            Answer(
                place,
                item,
                values.get(source) if source else alone,
                chosen,
                about={} if text is None else {"text": text},
            )
        )
    paths = [("item", "id"), *([("source", source)] if source else []), ("label", label)]
    form = TITLE if source else f"{TITLE}, all by one user, `{alone}`"
    return made(table, answers, columns.model_copy(update={"one_source": None, "ignore": ()}), form, paths=paths)


def _labels(value: Any) -> Any:
    """Classes as they are; triples and entities as spans."""
    if not isinstance(value, list):
        return value
    entities = [one for one in objects(value) if set(one) >= OFFSETS]
    if entities:
        return [Span(one["start_offset"], one["end_offset"], one.get("label")) for one in entities]
    return [Span(*entry) if isinstance(entry, list) and len(entry) == 3 else entry for entry in value]


def _is_bare(table: SourceTable) -> bool:
    """Whether a table has a text and lists of labels, and no column of sources or votes beside."""
    return set(table.columns) <= {"id", "text", "data", "label", "entities", "relations", "meta"}


def _are_annotations(rows: Sequence[Object]) -> bool:
    found = [one for row in rows for one in objects(row.get("annotations"))]
    return bool(found) and all({"user", "label"} <= set(one) for one in found)


def _read_annotations(table: SourceTable, columns: VoteColumns) -> Export:
    """Lines of an older version, with the annotations of all users."""
    answers = []
    for index, row in enumerate(table.rows):
        place, values = table.place(index), scalars(row)
        item = item_of(values, columns.item, values.get("id"), place)
        about = {"text": values["text"]} if "text" in values else {}
        answers.append(Answer(place, item, about=about))
        of_user: dict[Any, list[Any]] = {}
        for one in objects(row.get("annotations")):
            label = str(one.get("label"))
            spans = [Span(one["start_offset"], one["end_offset"], label)] if set(one) >= OFFSETS else [label]
            of_user.setdefault(scalar(one.get("user")), []).extend(spans)
        answers += [Answer(place, item, user, labels, about=about) for user, labels in of_user.items()]
    paths = [("item", "id"), ("source", "annotations[].user"), ("label", "annotations[].label")]
    return made(table, answers, columns, f"{TITLE} of all users", paths=paths)


OFFSETS = {"start_offset", "end_offset"}
DOCCANO = Platform(
    "doccano",
    TITLE,
    lambda table: (
        has(table, "id")
        and (has(table, "label") or has(table, "entities"))
        and (has(table, "Comments") or _is_bare(table))
        and all(isinstance(row.get("label", []), list) for row in first_rows(table))
    ),
    _read,
)
DOCCANO_ALL = Platform(
    "doccano_all",
    f"{TITLE} of all users",
    lambda table: has(table, "id", "annotations") and _are_annotations(first_rows(table)),
    _read_annotations,
)
