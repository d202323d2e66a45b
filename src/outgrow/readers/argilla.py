"""Argilla's exported records: answers of people and suggestions of models.

Supported are records by `records.to_json`, by `to_datasets` (flat columns), and of the older feedback data sets:

    {"id": …, "responses": {"label": [{"value": "good", "user_id": …, "status": "submitted"}]},
              "suggestions": {"label": {"value": "bad", "score": 0.7, "agent": "model"}}}
    {"id": …, "label.responses": ["good"], "label.responses.users": […], "label.responses.status": […],
              "label.suggestion": "bad", "label.suggestion.score": 0.7, "label.suggestion.agent": "model"}
    {"id": …, "responses": [{"user_id": …, "status": "submitted", "values": {"label": {"value": "good"}}}],
              "suggestions": [{"question_name": "label", "value": "bad", "score": 0.7, "agent": "model"}]}

A submitted response (or one without status) is a vote of its user, a discarded one an abstention; drafts are left out.
A suggestion is a vote of its agent (`suggestion` if it has none) with its score as confidence. Only questions with one
label as the answer are supported.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from outgrow.config.votes import VoteColumns
from outgrow.errors import ConfigError, DataError, suggest
from outgrow.readers.vote_rows import LongRow, VoteRows, vote_rows_of_rows
from outgrow.text_format import listed

Object = dict[str, Any]
Answer = tuple[str, Object]
"""A question's name, and `value`, `user_id` and `status`, or `value`, `score` and `agent`."""


def is_argilla(columns: Sequence[str]) -> bool:
    """Whether records with these keys are from Argilla."""
    return {"fields", "responses"} <= set(columns) or any(name.endswith(".responses") for name in columns)


def vote_rows_of_records(origin: str, records: list[Object], columns: VoteColumns) -> VoteRows:
    """The votes of exported records; `columns.label` names the question if there are several."""
    questions = dict.fromkeys(name for record in records for name, _ in (*_responses(record), *_suggestions(record)))
    if columns.label is not None and columns.label not in questions:
        raise ConfigError(f"{origin}: no question is called `{columns.label}`; {suggest(columns.label, questions)}")
    if not questions:
        raise DataError(f"{origin}: no record has a response or a suggestion")
    if columns.label is None and len(questions) > 1:
        raise ConfigError(f"{origin}: there are several questions, {listed(list(questions))}; name one, `label=…`")
    question = columns.label or next(iter(questions))
    votes = [vote for index, record in enumerate(records, 1) for vote in _votes(origin, index, record, question)]
    return vote_rows_of_rows(origin, votes, f"{origin} was read as records of Argilla, question `{question}`.")


def _votes(origin: str, index: int, record: Object, question: str) -> Iterator[LongRow]:
    item = next((record[key] for key in ("id", "external_id", "_server_id") if record.get(key) is not None), index)
    place = f"{origin}, record {item}"
    yield LongRow(place, item)
    for name, answer in _responses(record):
        status = answer.get("status")
        status = status.get("value") if isinstance(status, dict) else status
        if name == question and status in (None, "submitted", "discarded"):
            value = answer.get("value") if status != "discarded" else None
            yield LongRow(place, item, _user(answer.get("user_id"), place), _label(value, place))
    for name, answer in _suggestions(record):
        if name == question and answer.get("value") is not None:
            label, score = _label(answer["value"], place), answer.get("score")
            yield LongRow(place, item, answer.get("agent") or "suggestion", label, confidence=score)


def _label(value: Any, place: str) -> Any:
    if isinstance(value, list | dict):
        raise DataError(f"{place}: the answer {str(value)[:60]!r} is not one label")
    return value


def _user(user: Any, place: str) -> Any:
    if user is None or isinstance(user, list | dict):
        raise DataError(f"{place}: a response has no `user_id`")
    return user


def _objects(value: Any) -> list[Object]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _responses(record: Object) -> Iterator[Answer]:
    stored = record.get("responses")
    if isinstance(stored, dict):
        for name, answers in stored.items():
            yield from ((name, answer) for answer in _objects(answers))
    for response in _objects(stored):
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


def _suggestions(record: Object) -> Iterator[Answer]:
    stored = record.get("suggestions")
    if isinstance(stored, dict):
        yield from ((name, suggestion) for name, suggestion in stored.items() if isinstance(suggestion, dict))
    yield from ((str(suggestion.get("question_name")), suggestion) for suggestion in _objects(stored))
    for key, value in record.items():
        if key.endswith(".suggestion") and value is not None:
            parts = {part: record.get(f"{key}.{part}") for part in ("score", "agent")}
            yield key.removesuffix(".suggestion"), {"value": value, **parts}
