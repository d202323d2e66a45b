"""Label Studio's exports.

JSON, a list of tasks, each with its annotations:

    [{"id": 7, "data": {"text": …}, "annotations": [{"completed_by": 3 or {"email": …}, "was_cancelled": false,
       "ground_truth": false, "lead_time": 4.2,
       "result": [{"from_name": "sentiment", "type": "choices", "value": {"choices": ["good"]}}]}]}]

JSON-MIN, CSV and TSV, a row per annotation:

    {"id": 7, "text": …, "sentiment": "good" or {"choices": ["good", "new"]}, "annotator": 3, "annotation_id": 11,
     "created_at": …, "updated_at": …, "lead_time": 4.2}

An annotation is a vote of its annotator with `lead_time` as its seconds. A cancelled one, or one without a choice, is
an abstention. Ratings and numbers are scores, several choices are a set of labels, and labels of a text are spans. An
annotation with `ground_truth` is the task's gold and not a vote, because it would agree with itself. `completions` of
old versions are read in the same way. Predictions are left out and counted.
"""

import json
from collections.abc import Iterator
from typing import Any

from outgrow.config.votes import VoteColumns
from outgrow.errors import DataError
from outgrow.readers.column_roles import RUNNING_TEXT, plain
from outgrow.readers.platforms.export import (
    Answer,
    Export,
    Object,
    Platform,
    Span,
    as_list,
    first_rows,
    has,
    item_of,
    made,
    mapping,
    objects,
    one_question,
    scalar,
    scalars,
)
from outgrow.readers.source_table import SourceTable

TITLE = "an export of Label Studio"
NO_CHOICE = (
    "no annotation has a choice; only questions of type `choices`, `rating`, `number` and `labels` (of a text) are"
    " supported"
)
ID, PERSON, BESIDE = (
    "id",
    "annotator",
    ("annotation_id", "created_at", "updated_at", "lead_time", "agreement", "project"),
)
PATHS = [
    ("item", "id"),
    ("source", "annotations[].completed_by"),
    ("label", "annotations[].result[].value"),
    ("seconds", "annotations[].lead_time"),
    ("gold", "annotations[].ground_truth"),
]


def _is_tasks(table: SourceTable) -> bool:
    rows = first_rows(table) if {"annotations", "completions"}.intersection(table.columns) else []
    return bool(rows) and all(isinstance(_annotations(row), list) for row in rows)


def _read_tasks(table: SourceTable, columns: VoteColumns) -> Export:
    origin, tasks = table.origin, table.rows
    asked = [str(result.get("from_name")) for task in tasks for _, results in _choices(task) for result in results]
    question = one_question(origin, asked, columns.label, none=NO_CHOICE)
    answers = [
        answer for index, task in enumerate(tasks, 1) for answer in _answers(origin, index, task, question, columns)
    ]
    predictions = sum(len(as_list(task.get("predictions"))) for task in tasks)
    notes = [f"Predictions of models left out: {predictions}."] if predictions else []
    return made(table, answers, columns, f"{TITLE}, question `{question}`", *notes, paths=PATHS)


def _annotations(task: Object) -> Any:
    return task.get("annotations", task.get("completions"))


def _choices(task: Object) -> Iterator[tuple[Object, list[Object]]]:
    """Each annotation with its results that are choices, in the order in which they were made."""
    for annotation in sorted(objects(_annotations(task)), key=lambda one: str(one.get("created_at") or "")):
        yield annotation, [one for one in objects(annotation.get("result")) if _chosen(one) is not None]


def _chosen(result: Object) -> list[Any] | None:
    """The choices of a result, with a rating as its number, or its spans; None for a result of another kind."""
    value = mapping(result.get("value"))
    if isinstance(value.get("labels"), list):
        place = mapping(value.get("globalOffsets")) or value
        start, end = place.get("start"), place.get("end")
        if not isinstance(start, int) or not isinstance(end, int):
            return None
        return [Span(start, end, label) for label in value["labels"]]
    chosen = value.get("choices", value.get("rating", value.get("number")))
    return None if chosen is None else as_list(chosen)


def _answers(origin: str, index: int, task: Object, question: str, columns: VoteColumns) -> Iterator[Answer]:
    place, about = f"{origin}, task {task.get(ID, index)}", scalars(task.get("data"))
    item = item_of(about, columns.item, task.get(ID, index), place)
    yield Answer(place, item, about=about)
    for annotation, results in _choices(task):
        chosen = [label for one in results if str(one.get("from_name")) == question for label in _chosen(one) or []]
        label: Any = chosen
        if annotation.get("ground_truth") is True:
            yield Answer(place, item, gold=label, about=about)
            continue
        label = None if annotation.get("was_cancelled") is True else label
        seconds = annotation.get("lead_time")
        yield Answer(place, item, _annotator(annotation, place), label, seconds=seconds, about=about)


def _annotator(annotation: Object, place: str) -> Any:
    annotator = annotation.get("completed_by")
    if isinstance(annotator, dict):
        annotator = annotator.get("email") or annotator.get(ID)
    if annotator is None or isinstance(annotator, list | dict):
        raise DataError(f"{place}: an annotation has no annotator (`completed_by`)")
    return annotator


def _read_rows(table: SourceTable, columns: VoteColumns) -> Export:
    """A row per annotation. The questions are the columns between `id` and `annotator`, if there are any."""
    order = table.columns
    between = order[order.index(ID) + 1 : order.index(PERSON)] if ID in order else []
    questions = [name for name in between or order if name not in (ID, PERSON, *BESIDE)]
    if not between:
        questions = [name for name in questions if plain(name) not in RUNNING_TEXT]
    none = "no column has the answers to a question; name it, `label=…`"
    named = columns.label
    question = named if named in order else one_question(table.origin, questions, named, none=none)
    texts = [name for name in order if name not in (ID, PERSON, *BESIDE, question)]
    answers = []
    for index, row in enumerate(table.rows):
        place = table.place(index)
        about = {name: row[name] for name in texts if scalar(row.get(name)) is not None}
        item = item_of(scalars(row), columns.item, row.get(ID), place)
        person, label = row.get(columns.source or PERSON), _cell(row.get(question))
        answers.append(Answer(place, item, person, label, seconds=row.get("lead_time"), about=about))
    form = f"{TITLE} with a row per annotation, question `{question}`"
    paths = [("item", ID), ("source", PERSON), ("label", question), ("seconds", "lead_time")]
    return made(table, answers, columns, form, paths=paths)


def _cell(cell: Any) -> Any:
    """The labels in a cell: a text, `{"choices": […]}`, spans, or JSON of these; a rating as its number."""
    if isinstance(cell, str) and cell.lstrip().startswith(("{", "[")):
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            return cell
    if isinstance(cell, list) and objects(cell):
        return [label for entry in objects(cell) for label in _chosen({"value": entry}) or []]
    if isinstance(cell, dict):
        return _chosen({"value": cell})
    return None if cell == "" else cell


LABEL_STUDIO = Platform("label_studio", TITLE, _is_tasks, _read_tasks)
LABEL_STUDIO_ROWS = Platform(
    "label_studio_rows",
    "an export of Label Studio with a row per annotation",
    lambda table: has(table, PERSON, "annotation_id", "lead_time"),
    _read_rows,
)
