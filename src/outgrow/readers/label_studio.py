"""Label Studio's JSON export: a list of tasks, each with its annotations.

    [{"id": 7, "annotations": [{"completed_by": 3 or {"email": …}, "was_cancelled": false, "ground_truth": false,
       "lead_time": 4.2, "result": [{"from_name": "sentiment", "type": "choices", "value": {"choices": ["good"]}}]}]}]

An annotation is a vote of its annotator with `lead_time` as its seconds. A cancelled one, or one without a choice, is
an abstention. A rating is a choice of its number. An annotation with `ground_truth` is the task's gold and not a vote,
because it would agree with itself. `completions` of old versions are read in the same way. Predictions are left out
and counted. Only single choices are supported: no regions, texts and multiple choices.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from outgrow.config.votes import VoteColumns
from outgrow.errors import ConfigError, DataError, suggest
from outgrow.readers.vote_rows import LongRow, VoteRows, vote_rows_of_rows
from outgrow.text_format import listed, many

Object = dict[str, Any]


def is_label_studio(rows: list[Any]) -> bool:
    """Whether rows are exported tasks."""
    return bool(rows) and all(isinstance(row, dict) and isinstance(_annotations(row), list) for row in rows)


def vote_rows_of_tasks(origin: str, tasks: list[Object], columns: VoteColumns) -> VoteRows:
    """The votes of exported tasks; `columns.label` names the question (`from_name`) if there are several."""
    question = _question(origin, tasks, columns.label)
    votes = [vote for index, task in enumerate(tasks, 1) for vote in _votes(origin, index, task, question, columns)]
    predictions = sum(len(_list(task.get("predictions"))) for task in tasks)
    left_out = f" {many(predictions, 'prediction')} of models left out." if predictions else ""
    note = f"{origin} was read as an export of Label Studio, question `{question}`.{left_out}"
    return replace(vote_rows_of_rows(origin, votes, note), item_from=columns.item)


def _annotations(task: Object) -> Any:
    return task.get("annotations", task.get("completions"))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _choices(task: Object) -> Iterator[tuple[Object, list[Object]]]:
    """Each annotation with its results of single choices."""
    for annotation in _list(_annotations(task)):
        if isinstance(annotation, dict):
            results = [result for result in _list(annotation.get("result")) if isinstance(result, dict)]
            yield annotation, [result for result in results if _chosen(result) is not None]


def _chosen(result: Object) -> list[Any] | None:
    """The choices of a result, with a rating as its number; None for a result of another kind."""
    value = _mapping(result.get("value"))
    chosen = value.get("choices", value.get("rating"))
    return chosen if isinstance(chosen, list) or chosen is None else [chosen]


def _mapping(value: Any) -> Object:
    return {key: cell for key, cell in value.items() if cell is not None} if isinstance(value, dict) else {}


def _question(origin: str, tasks: list[Object], named: str | None) -> str:
    questions = dict.fromkeys(
        str(result.get("from_name")) for task in tasks for _, results in _choices(task) for result in results
    )
    if named is not None and named not in questions:
        raise ConfigError(f"{origin}: no question is called `{named}`; {suggest(named, questions)}")
    if not questions:
        raise DataError(
            f"{origin}: no annotation has a choice; only questions of type `choices` and `rating` are supported"
        )
    if named is None and len(questions) > 1:
        raise ConfigError(f"{origin}: there are several questions, {listed(list(questions))}; name one, `label=…`")
    return named or next(iter(questions))


def _votes(origin: str, index: int, task: Object, question: str, columns: VoteColumns) -> Iterator[LongRow]:
    place = f"{origin}, task {task.get('id', index)}"
    item = task.get("id", index) if columns.item is None else _mapping(task.get("data")).get(columns.item)
    if item is None or isinstance(item, dict | list):
        raise DataError(f"{place}: has no `{columns.item or 'id'}`")
    answered = False
    for annotation, results in _choices(task):
        chosen = [_chosen(result) or [] for result in results if str(result.get("from_name")) == question]
        label = _single(chosen, place)
        answered = True
        if annotation.get("ground_truth") is True:
            yield LongRow(place, item, gold=label)
            continue
        label = None if annotation.get("was_cancelled") is True else label
        yield LongRow(place, item, _annotator(annotation, place), label, seconds=annotation.get("lead_time"))
    if not answered:
        yield LongRow(place, item)


def _single(chosen: list[list[Any]], place: str) -> Any:
    labels = [label for choices in chosen for label in choices]
    if len(labels) > 1:
        raise DataError(
            f"{place}: an annotation chooses {listed([str(label) for label in labels])}; a vote is for one class"
        )
    return labels[0] if labels else None


def _annotator(annotation: Object, place: str) -> Any:
    annotator = annotation.get("completed_by")
    if isinstance(annotator, dict):
        annotator = annotator.get("email") or annotator.get("id")
    if annotator is None or isinstance(annotator, list | dict):
        raise DataError(f"{place}: an annotation has no annotator (`completed_by`)")
    return annotator
