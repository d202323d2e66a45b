"""Annotations of Potato: a TSV or CSV table with a column per choice, or JSON lines.

    user  instance_id  displayed_text  sentiment:::positive  sentiment:::negative          a mark is `true`, else blank
    {"id": …, "user_id": …, "label_annotations": {"sentiment": {"positive": "true"}}, "span_annotations": …}

A question is what stands before `:::`. A question of one choice without marks has its values as labels (a Likert
scale, a text).
"""

from typing import Any

from outgrow.config.votes import VoteColumns
from outgrow.readers.platforms.export import (
    Answer,
    Export,
    Object,
    Platform,
    first_rows,
    given_or,
    has,
    item_of,
    kind_of_labels,
    made,
    mapping,
    one_question,
    texts_of,
    with_columns,
)
from outgrow.readers.platforms.mturk import is_mark, marked_choices
from outgrow.readers.source_table import SourceTable

BETWEEN, LABELS = ":::", "label_annotations"
NONE = "no instance has an annotated label"
TITLE = "annotations of Potato"
ITEMS, TEXTS = ("instance_id", "id"), ("displayed_text", "text")
PATHS = [("item", "id"), ("source", "user_id"), ("label", LABELS)]


def _read_table(table: SourceTable, columns: VoteColumns) -> Export:
    marked = [name for name in table.columns if BETWEEN in name]
    question = one_question(table.origin, (name.split(BETWEEN)[0] for name in marked), columns.label, none=NONE)
    cells_of = {
        name.split(BETWEEN, 1)[1]: table.column(name).to_pylist()
        for name in marked
        if name.split(BETWEEN)[0] == question
    }
    values = [cell for cells in cells_of.values() for cell in cells if cell is not None]
    if len(cells_of) == 1 and not all(map(is_mark, values)):
        labels: list[Any] = next(iter(cells_of.values()))
    else:
        labels = marked_choices(cells_of)
    table = with_columns(table, **{question: labels})
    found = given_or(columns, item="instance_id", source="user").model_copy(update={"label": question})
    return Export(
        table, found, f"{TITLE}, question `{question}`", texts_of(table, *TEXTS), kind=kind_of_labels(labels)
    )


def _read_objects(table: SourceTable, columns: VoteColumns) -> Export:
    rows = table.rows
    questions = [name for row in rows for name in mapping(row.get(LABELS))]
    question = one_question(table.origin, questions, columns.label, none=NONE)
    answers = []
    for index, row in enumerate(rows):
        place = table.place(index)
        name = next((row[key] for key in ITEMS if row.get(key) is not None), None)
        text = next((row[key] for key in TEXTS if row.get(key) is not None), None)
        user = row.get("user_id", row.get("user"))
        label = _chosen(mapping(row.get(LABELS)).get(question))
        answers.append(Answer(place, item_of(row, columns.item, name, place), user, label, about={"text": text}))
    return made(table, answers, columns, f"{TITLE}, question `{question}`", paths=PATHS)


def _chosen(marks: Any) -> Any:
    """The marked choices of a question, or the value of its only choice; none of them as an empty list."""
    choices: Object = mapping(marks)
    if not choices:
        return None
    marked = [choice for choice, mark in choices.items() if is_mark(mark) or mark == choice]
    if not marked and len(choices) == 1:
        return next(iter(choices.values()))
    return marked


POTATO = Platform(
    "potato",
    TITLE,
    lambda table: has(table, "user", "instance_id") and any(BETWEEN in name for name in table.columns),
    _read_table,
)
POTATO_JSON = Platform(
    "potato_json",
    TITLE,
    lambda table: has(table, LABELS) and all(isinstance(row.get(LABELS), dict) for row in first_rows(table)),
    _read_objects,
)
