"""Argilla's exported records: answers of people and suggestions of models.

Supported are records by `records.to_json`, by `to_datasets` (flat columns), and of the older feedback data sets:

    {"id": …, "responses": {"label": [{"value": "good", "user_id": …, "status": "submitted"}]},
              "suggestions": {"label": {"value": "bad", "score": 0.7, "agent": "model"}}}
    {"id": …, "label.responses": ["good"], "label.responses.users": […], "label.responses.status": […],
              "label.suggestion": "bad", "label.suggestion.score": 0.7, "label.suggestion.agent": "model"}
    {"id": …, "responses": [{"user_id": …, "status": "submitted", "values": {"label": {"value": "good"}}}],
              "suggestions": [{"question_name": "label", "value": "bad", "score": 0.7, "agent": "model"}]}

A submitted response (or one without status) is a vote of its user, a discarded one an abstention; drafts are left out.
A suggestion is a vote of its agent (`suggestion` if it has none) with its score as confidence. Records of text
classification of version 1 have one annotation, and predictions of an agent, of which the best one counts:

    {"id": …, "text": …, "annotation": "good", "annotation_agent": "ada", "prediction": [["good", 0.9], ["bad", 0.1]],
     "prediction_agent": "model", "status": "Validated"}
"""

from collections.abc import Iterator
from typing import Any

from outgrow.config.votes import VoteColumns
from outgrow.errors import DataError
from outgrow.readers.platforms.export import (
    Answer,
    Export,
    Object,
    Platform,
    Span,
    has,
    item_of,
    made,
    objects,
    one_question,
    scalars,
)
from outgrow.readers.source_table import SourceTable

Response = tuple[str, Object]
"""A question's name, and `value`, `user_id` and `status`, or `value`, `score` and `agent`."""
TITLE = "records of Argilla"
IDS = ("id", "external_id", "_server_id")
PATHS = [
    ("item", "id"),
    ("source", "responses[].user_id"),
    ("label", "responses[].value"),
    ("confidence", "suggestions[].score"),
]
PATHS_1 = [
    ("item", "id"),
    ("source", "annotation_agent"),
    ("source", "prediction_agent"),
    ("label", "annotation"),
    ("label", "prediction"),
]


def _is_argilla(table: SourceTable) -> bool:
    return has(table, "fields", "responses") or any(name.endswith(".responses") for name in table.columns)


def _read(table: SourceTable, columns: VoteColumns) -> Export:
    records = table.rows
    asked = [name for record in records for name, _ in (*_responses(record), *_suggestions(record))]
    question = one_question(table.origin, asked, columns.label, none="no record has a response or a suggestion")
    answers = [
        answer
        for index, record in enumerate(records, 1)
        for answer in _answers(table.origin, index, record, question, columns)
    ]
    return made(table, answers, columns, f"{TITLE}, question `{question}`", paths=PATHS)


def _answers(origin: str, index: int, record: Object, question: str, columns: VoteColumns) -> Iterator[Answer]:
    name = next((record[key] for key in IDS if record.get(key) is not None), index)
    about = scalars(record.get("fields")) or _flat_fields(record)
    item = item_of({**about, **scalars(record.get("metadata"))}, columns.item, name, f"{origin}, record {name}")
    place = f"{origin}, record {item}"
    yield Answer(place, item, about=about)
    for name, response in _responses(record):
        status = response.get("status")
        status = status.get("value") if isinstance(status, dict) else status
        if name == question and status in (None, "submitted", "discarded"):
            value = response.get("value") if status != "discarded" else None
            yield Answer(place, item, _user(response.get("user_id"), place), _label(value, place), about=about)
    for name, suggestion in _suggestions(record):
        if name == question and suggestion.get("value") is not None:
            score = suggestion.get("score")
            confidence = score if isinstance(score, int | float) else None
            yield Answer(
                place,
                item,
                suggestion.get("agent") or "suggestion",
                _label(suggestion["value"], place),
                confidence,
                about=about,
            )


def _label(value: Any, place: str) -> Any:
    """A label, a list of labels, or spans. Raises `DataError` for another answer, such as a ranking."""
    spans = objects(value)
    if spans and all({"start", "end", "label"} <= set(span) for span in spans):
        return [Span(span["start"], span["end"], span["label"]) for span in spans]
    if spans or isinstance(value, dict):
        raise DataError(f"{place}: the answer {str(value)[:60]!r} is not a label")
    return value


def _flat_fields(record: Object) -> Object:
    """The fields of a record with flat columns: all single values without a role."""
    return {key: cell for key, cell in scalars(record).items() if "." not in key and key not in (*IDS, "status")}


def _user(user: Any, place: str) -> Any:
    if user is None or isinstance(user, list | dict):
        raise DataError(f"{place}: a response has no `user_id`")
    return user


def _responses(record: Object) -> Iterator[Response]:
    stored = record.get("responses")
    if isinstance(stored, dict):
        for name, answers in stored.items():
            yield from ((name, answer) for answer in objects(answers))
    for response in objects(stored):
        values = response.get("values")
        for name, value in values.items() if isinstance(values, dict) else ():
            if isinstance(value, dict):
                yield name, {**response, "value": value.get("value")}
    for key in record:
        if key.endswith(".responses") and isinstance(record[key], list):
            users, status = (record.get(f"{key}.{part}") or [] for part in ("users", "status"))
            for index, value in enumerate(record[key]):
                answer = {"value": value, "user_id": _at(users, index), "status": _at(status, index)}
                yield key.removesuffix(".responses"), answer


def _at(values: Any, index: int) -> Any:
    return values[index] if isinstance(values, list) and index < len(values) else None


def _suggestions(record: Object) -> Iterator[Response]:
    stored = record.get("suggestions")
    if isinstance(stored, dict):
        yield from ((name, suggestion) for name, suggestion in stored.items() if isinstance(suggestion, dict))
    yield from ((str(suggestion.get("question_name")), suggestion) for suggestion in objects(stored))
    for key, value in record.items():
        if key.endswith(".suggestion") and value is not None:
            parts = {part: record.get(f"{key}.{part}") for part in ("score", "agent")}
            yield key.removesuffix(".suggestion"), {"value": value, **parts}


def _is_older(table: SourceTable) -> bool:
    return has(table, "annotation", "annotation_agent", "prediction")


def _read_older(table: SourceTable, columns: VoteColumns) -> Export:
    """Records of text classification of version 1: an annotation, and predictions with their scores."""
    answers = []
    for index, record in enumerate(table.rows, 1):
        place = table.place(index - 1)
        about = scalars(record.get("inputs")) | {key: record[key] for key in ("text",) if record.get(key) is not None}
        item = item_of(about | scalars(record.get("metadata")), columns.item, record.get("id", index), place)
        answers.append(Answer(place, item, about=about))
        if record.get("annotation") is not None and record.get("status") != "Discarded":
            agent = record.get("annotation_agent") or "annotation"
            answers.append(Answer(place, item, agent, record["annotation"], about=about))
        best = max(
            (pair for pair in map(_pair, record.get("prediction") or []) if pair),
            key=lambda pair: pair[1],
            default=None,
        )
        if best is not None:
            agent = record.get("prediction_agent") or "prediction"
            answers.append(Answer(place, item, agent, best[0], best[1], about=about))
    return made(table, answers, columns, f"{TITLE}, version 1", paths=PATHS_1)


def _pair(prediction: Any) -> tuple[Any, float] | None:
    """A label and its score, from `["good", 0.9]` or `{"label": "good", "score": 0.9}`."""
    if isinstance(prediction, dict):
        prediction = [prediction.get("label"), prediction.get("score")]
    if isinstance(prediction, list | tuple) and len(prediction) == 2 and isinstance(prediction[1], int | float):
        return prediction[0], float(prediction[1])
    return None


ARGILLA = Platform("argilla", TITLE, _is_argilla, _read)
ARGILLA_1 = Platform("argilla_1", f"{TITLE}, version 1", _is_older, _read_older)
