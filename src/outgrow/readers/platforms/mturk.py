"""Batch results of Amazon Mechanical Turk (MTurk): a CSV file with a row per assignment.

    HITId,WorkerId,AssignmentStatus,WorkTimeInSeconds,Input.text,Answer.sentiment.label,…

The item is the HIT, the source the worker. An answer is one column (`Answer.sentiment.label`), a column of marks per
choice (`Answer.polite.yes`, `Answer.polite.no` with `true` and `false`), or JSON in `Answer.taskAnswers`. If at least
one assignment is approved, only approved ones count; before any review all count that are not rejected.
"""

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from outgrow.config.votes import VoteColumns
from outgrow.readers.categorical import categorical
from outgrow.readers.column_patterns import MARKS
from outgrow.readers.column_roles import RUNNING_TEXT
from outgrow.readers.column_roles import plain as plain_name
from outgrow.readers.platforms.export import (
    CLASSES,
    Export,
    Platform,
    as_list,
    given_or,
    has,
    kind_of_labels,
    mapping,
    objects,
    one_question,
    with_columns,
)
from outgrow.readers.source_table import SourceTable

ANSWER, INPUT, STATUS, PACKED = "Answer.", "Input.", "AssignmentStatus", "Answer.taskAnswers"
Labels = Callable[[], list[Any]]


def _read(table: SourceTable, columns: VoteColumns) -> Export:
    questions = _questions(table)
    named = columns.label
    if named is not None and named not in table.columns:
        named = named.removeprefix(ANSWER).removesuffix(".label")
    column, kind = named if named in table.columns else None, CLASSES
    if column is None:
        question = one_question(table.origin, questions, named, none="has no column `Answer.…` with answers")
        answer = questions[question]
        if isinstance(answer, str):
            column = answer
        else:
            column = f"{ANSWER}{question}"
            labels = answer()
            kind = kind_of_labels(labels)
            table = with_columns(table, **{column: labels})
    where, note = counted_states(table, columns, STATUS, ("approved",), "rejected")
    found = given_or(columns, item="HITId", source="WorkerId", where=where)
    texts = {name.removeprefix(INPUT): name for name in table.columns if name.startswith(INPUT)}
    return Export(table, found.model_copy(update={"label": column}), "batch results of MTurk", texts, note, kind=kind)


def counted_states(
    table: SourceTable, columns: VoteColumns, name: str, approved: Sequence[str], rejected: str
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """The rows that count by the column of states, as `where` has them, with a note if there are others.

    If any row has one of the states `approved`, only such rows; else all that are not `rejected` (both in lower case).
    Nothing if the user decides (`where`, `ignore`).
    """
    if name not in table.columns or name in columns.where or name in columns.ignore:
        return {}, ()
    states = categorical(table.column(name), f"{table.origin}, column `{name}`").names
    approved_states = tuple(state for state in states if state.lower() in approved)
    counted = approved_states or tuple(state for state in states if state.lower() != rejected)
    if len(counted) == len(states) or not counted:
        return {}, ()
    others = ", ".join(f"`{state}`" for state in states if state not in counted)
    note = f"Rows with {others} in `{name}` do not count; `ignore='{name}'` counts them."
    return {name: counted}, (note,)


def _questions(table: SourceTable) -> dict[str, str | Labels]:
    """By question, its column, or a function that makes the labels of its columns."""
    plain, marked = [], dict[str, list[str]]()
    for name in table.columns:
        if not name.startswith(ANSWER) or name == PACKED:
            continue
        head, _, choice = name.removeprefix(ANSWER).rpartition(".")
        if head and choice != "label" and _are_marks(table, name):
            marked.setdefault(head, []).append(name)
        else:
            plain.append(name)
    questions: dict[str, str | Labels] = {name.removeprefix(ANSWER).removesuffix(".label"): name for name in plain}
    questions |= {head: _labels_of_marks(table, names) for head, names in marked.items()}
    questions |= _packed(table) if PACKED in table.columns else {}
    return {name: answer for name, answer in questions.items() if plain_name(name) not in RUNNING_TEXT} or questions


def _are_marks(table: SourceTable, name: str) -> bool:
    names = categorical(table.column(name), name).names
    return bool(names) and MARKS.issuperset(map(str.lower, names))


def _labels_of_marks(table: SourceTable, names: list[str]) -> Labels:
    return lambda: marked_choices({name.rpartition(".")[2]: table.column(name).to_pylist() for name in names})


def marked_choices(cells_of: dict[str, list[Any]]) -> list[Any]:
    """The marked choices of each row: as texts if no row has several, else as lists."""
    rows = zip(*cells_of.values(), strict=True)
    chosen = [[choice for choice, cell in zip(cells_of, row, strict=True) if is_mark(cell)] for row in rows]
    several = any(len(choices) > 1 for choices in chosen)
    return [choices if several else next(iter(choices), None) for choices in chosen]


def is_mark(cell: Any) -> bool:
    """Whether a cell marks its choice: `true`, as a text or a value."""
    return cell is True or str(cell).lower() == "true"


def _packed(table: SourceTable) -> dict[str, str | Labels]:
    """The questions in a column of JSON: a list of one object with an entry per question."""
    answers = [_unpacked(cell) for cell in table.column(PACKED).to_pylist()]
    names = dict.fromkeys(name for answer in answers for name in answer)
    return {name: partial(_packed_labels, answers, name) for name in names}


def _packed_labels(answers: list[dict[str, Any]], question: str) -> list[Any]:
    return [_label(answer.get(question)) for answer in answers]


def _unpacked(cell: Any) -> dict[str, Any]:
    try:
        value = json.loads(cell or "[]")
    except (ValueError, RecursionError):
        return {}
    return mapping(next(iter(objects(as_list(value))), {}))


def _label(value: Any) -> Any:
    """A label from the forms of crowd elements: a value, `{"label": "x"}`, or `{"x": true, "y": false}`."""
    if not isinstance(value, dict):
        return value
    if "label" in value:
        return value["label"]
    return next((choice for choice, mark in value.items() if is_mark(mark)), None)


MTURK = Platform(
    "mturk",
    "batch results of MTurk",
    lambda table: has(table, "HITId", "WorkerId") and any(name.startswith(ANSWER) for name in table.columns),
    _read,
)
