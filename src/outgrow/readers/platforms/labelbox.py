"""Labelbox's export: JSON lines (NDJSON), a line per data row.

    {"data_row": {"id": …, "global_key": …, "external_id": …, "row_data": "the text or its address"},
     "projects": {ID: {"name": …, "labels": [{"label_details": {"created_by": …, "is_benchmark_reference": false},
        "performance_details": {"seconds_to_create": 8}, "annotations": {"classifications": [
            {"name": "Sentiment", "value": "sentiment", "radio_answer": {"name": "Good", "value": "good"}}]}}]}}}

A label is the vote of its author. A benchmark is the gold of its data row and not a vote. The item is the global key,
else the external id, else the id of the data row. Of several questions, `label` names one.
"""

from collections.abc import Iterator
from typing import Any

from outgrow.config.votes import VoteColumns
from outgrow.readers.platforms.export import (
    Answer,
    Export,
    Object,
    Platform,
    has,
    item_of,
    made,
    mapping,
    objects,
    one_question,
    scalars,
)
from outgrow.readers.source_table import SourceTable

TITLE = "an export of Labelbox"
NAMES = ("global_key", "external_id", "id")
PATHS = [
    ("item", "data_row.global_key"),
    ("source", "projects.labels[].label_details.created_by"),
    ("label", "projects.labels[].annotations.classifications[]"),
    ("seconds", "projects.labels[].performance_details.seconds_to_create"),
    ("gold", "projects.labels[].label_details.is_benchmark_reference"),
]


def _read(table: SourceTable, columns: VoteColumns) -> Export:
    rows = table.rows
    questions = [_name(one) for row in rows for label in _labels(row) for one in _classifications(label)]
    question = one_question(table.origin, questions, columns.label, none="no label has a classification")
    answers = [
        answer for index, row in enumerate(rows) for answer in _answers(table.place(index), row, question, columns)
    ]
    return made(table, answers, columns, f"{TITLE}, question `{question}`", paths=PATHS)


def _answers(place: str, row: Object, question: str, columns: VoteColumns) -> Iterator[Answer]:
    data_row = scalars(row.get("data_row"))
    name = next((data_row[key] for key in NAMES if key in data_row), None)
    item = item_of(data_row, columns.item, name, place)
    about = {"text": data_row["row_data"]} if "row_data" in data_row else {}
    yield Answer(place, item, about=about)
    for label in _labels(row):
        details = mapping(label.get("label_details"))
        chosen = [one for one in _classifications(label) if _name(one) == question]
        value = _value(chosen[0]) if chosen else None
        if details.get("is_benchmark_reference") is True:
            yield Answer(place, item, gold=value, about=about)
            continue
        seconds = mapping(label.get("performance_details")).get("seconds_to_create")
        yield Answer(place, item, details.get("created_by"), value, seconds=seconds, about=about)


def _labels(row: Object) -> Iterator[Object]:
    for project in mapping(row.get("projects")).values():
        yield from objects(mapping(project).get("labels"))


def _classifications(label: Object) -> list[Object]:
    return objects(mapping(label.get("annotations")).get("classifications"))


def _name(classification: Object) -> str:
    return str(classification.get("name") or classification.get("value"))


def _value(classification: Object) -> Any:
    """The chosen answer: one as its name, those of a checklist as a list."""
    radio, text = mapping(classification.get("radio_answer")), mapping(classification.get("text_answer"))
    if radio:
        return _name(radio)
    if text:
        return text.get("content")
    return [_name(answer) for answer in objects(classification.get("checklist_answers"))]


LABELBOX = Platform("labelbox", TITLE, lambda table: has(table, "data_row", "projects"), _read)
