"""Annotations of Prodigy: JSON lines, a line per annotated task.

    {"text": …, "_input_hash": 1, "options": [{"id": "POS"}, …], "accept": ["POS"], "answer": "accept",
     "_annotator_id": "db-ada", "_session_id": …}
    {"text": …, "_input_hash": 1, "spans": [{"start": 0, "end": 4, "label": "PER"}], "answer": "accept", …}
    {"text": …, "_input_hash": 1, "label": "POS", "answer": "reject", …}

Tasks with the same `_input_hash` are one item. The source is the annotator, else the session, else the file. With
options the vote is what was chosen; a rejected or ignored task is an abstention. Without options a task asks whether
its `label` is right: the classes are `accept` and `reject`, and with several labels `label=NAME` picks one.
"""

from typing import Any

from outgrow.config.votes import VoteColumns
from outgrow.readers.platforms.export import (
    Answer,
    Export,
    Object,
    Path,
    Platform,
    Span,
    first_rows,
    has,
    item_of,
    made,
    objects,
    one_question,
    scalars,
)
from outgrow.readers.source_table import SourceTable, stem_of

TITLE = "annotations of Prodigy"
HASHES = ("_input_hash", "_task_hash", "id")
PEOPLE = ("_annotator_id", "_session_id")


def _read(table: SourceTable, columns: VoteColumns) -> Export:
    rows = table.rows
    chosen = any(isinstance(row.get("accept") or row.get("spans"), list) for row in rows)
    form = TITLE
    if not chosen:
        asked = [str(row["label"]) for row in rows if isinstance(row.get("label"), str)]
        label = one_question(table.origin, asked, columns.label, none="no task has options or a label")
        form = f"{TITLE}, which accept or reject `{label}`"
        rows_of = [(index, row) for index, row in enumerate(rows) if row.get("label") == label]
    else:
        rows_of = list(enumerate(rows))
    alone = columns.one_source or stem_of(table.origin)
    answers = [_answer(table.place(index), row, chosen, columns, alone) for index, row in rows_of]
    if all(answer.source == alone for answer in answers):
        form += f", all by one annotator, `{alone}`"
    return made(table, answers, columns.model_copy(update={"one_source": None}), form, paths=_paths(chosen))


def _answer(place: str, row: Object, chosen: bool, columns: VoteColumns, alone: str) -> Answer:
    name = next((row[key] for key in HASHES if row.get(key) is not None), None)
    values = {**scalars(row), **{f"meta.{key}": cell for key, cell in scalars(row.get("meta")).items()}}
    item = item_of(values, columns.item, name, place, usual=HASHES[0])
    keys = (columns.source,) if columns.source else PEOPLE
    person = None if columns.one_source else next((row[key] for key in keys if row.get(key) is not None), None)
    about = {key: cell for key, cell in values.items() if not key.startswith("_") and key not in NOT_ABOUT}
    label = _chosen(row) if chosen else {"accept": "accept", "reject": "reject"}.get(str(row.get("answer")))
    return Answer(place, item, alone if person is None else person, label, about=about)


def _paths(chosen: bool) -> list[Path]:
    return [("item", HASHES[0]), ("source", PEOPLE[0]), ("label", "accept" if chosen else "answer")]


NOT_ABOUT = ("answer", "label", "id", "priority", "score")


def _chosen(row: Object) -> Any:
    """The accepted options, or the spans; nothing unless the task was accepted."""
    if row.get("answer") != "accept":
        return None
    if isinstance(row.get("accept"), list):
        return row["accept"]
    spans = objects(row.get("spans"))
    return [Span(span["start"], span["end"], span.get("label")) for span in spans if {"start", "end"} <= set(span)]


PRODIGY = Platform(
    "prodigy",
    TITLE,
    lambda table: (
        has(table, "answer")
        and (has(table, "_input_hash") or has(table, "_task_hash") or has(table, "accept", "options"))
        and all(row.get("answer") in ("accept", "reject", "ignore", None) for row in first_rows(table))
    ),
    _read,
)
