"""Tables with a row per respondent and a column per question: the questions are the items.

Exports of Qualtrics have three lines of headers: the names of the columns, the texts of the questions, and the ids of
the questions (`{"ImportId":"QID1"}`). Previews do not count. `layout=respondents` reads any other table of this form;
the column of respondents has a usual name of a source (`worker_id`), or is named by `source`.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from outgrow.config.votes import VoteColumns
from outgrow.errors import ConfigError, DataError, suggest
from outgrow.readers.column_roles import RUNNING_TEXT, find, plain
from outgrow.readers.platforms.export import Answer, Export, Object, Path, Platform, made
from outgrow.readers.source_table import SourceTable
from outgrow.text_format import listed, many

QUESTION = re.compile(r"(?:\d+_)?QID\d+(?!.*(?:TEXT|_DO\b|CLICK|SUBMIT))")
"""The id of a question; texts beside a choice, orders of display and timings have ids of this form, too."""
RECORD = "_recordId"
PREVIEW = "Survey Preview"


def _is_qualtrics(table: SourceTable) -> bool:
    return table.is_csv and len(table.columns) > 1 and _import_ids(table.first_rows(2)) is not None


def _import_ids(rows: Sequence[Object]) -> dict[str, str] | None:
    """The id of each column, from the third line of headers; None for another table."""
    if len(rows) < 2:
        return None
    ids = {}
    for name, cell in rows[1].items():
        try:
            ids[name] = str(json.loads(cell)["ImportId"])
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
    return ids


def _read_qualtrics(table: SourceTable, columns: VoteColumns) -> Export:
    rows = table.rows
    ids = _import_ids(rows) or {}
    texts, people = rows[0], list(enumerate(rows))[2:]
    source = columns.source or next((name for name, own in ids.items() if own == RECORD), None)
    if source is None:
        raise ConfigError(f"{table.origin}: no column names the respondents; name it, `source=…`")
    questions = columns.votes or tuple(
        name for name, own in ids.items() if QUESTION.match(own) and name not in columns.ignore and name != source
    )
    counted = [(row, person) for row, person in people if PREVIEW not in person.values()]
    _check(table, source, questions, columns, counted)
    notes = (
        [f"Previews were left out: {many(len(people) - len(counted), 'row')}."] if len(people) > len(counted) else []
    )
    answers = _answers(table, counted, source, questions, {name: str(texts.get(name) or "") for name in questions})
    form = f"an export of Qualtrics, whose respondents (`{source}`) are sources and whose questions are items"
    return made(table, answers, columns.model_copy(update=_TAKEN), form, *notes, paths=_paths(source, questions))


def _read_respondents(table: SourceTable, columns: VoteColumns) -> Export:
    free = [name for name in table.columns if name and name not in columns.ignore]
    source = find("source", table, columns, free)
    if source is None:
        raise ConfigError(
            f"{table.origin}: no column names the respondents; there are {table.column_list}. Name it, `source=…`"
        )
    taken = {source, *(find(part, table, columns, free) for part in ("seconds", "price"))}
    questions = columns.votes or tuple(
        name for name in free if name not in taken and plain(name) not in RUNNING_TEXT and name not in columns.where
    )
    rows = [
        (index, row)
        for index, row in enumerate(table.rows)
        if all(str(row.get(name)) in values for name, values in columns.where.items())
    ]
    _check(table, source, questions, columns, rows)
    answers = _answers(table, rows, source, questions, {})
    form = f"a table of respondents: `{source}` has the sources, and the other columns are items"
    return made(table, answers, columns.model_copy(update=_TAKEN), form, paths=_paths(source, questions))


def _paths(source: str, questions: Sequence[str]) -> list[Path]:
    return [("source", source), *(("label", question) for question in questions)]


_TAKEN: dict[str, Any] = {"item": None, "where": {}, "ignore": ()}
"""Options that the adapter has used."""


def _answers(
    table: SourceTable,
    rows: Sequence[tuple[int, Object]],
    source: str,
    questions: Sequence[str],
    texts: dict[str, str],
) -> list[Answer]:
    return [
        Answer(
            f"{table.place(index)}, column `{question}`",
            question,
            row.get(source),
            None if row.get(question) == "" else row.get(question),
            about={"text": texts[question]} if question in texts else {},
        )
        for index, row in rows
        for question in questions
    ]


def _check(
    table: SourceTable, source: str, questions: Sequence[str], columns: VoteColumns, rows: Sequence[tuple[int, Object]]
) -> None:
    """Raise `ConfigError` for a column that there is not, and for questions with answers of their own."""
    for name in (source, *questions):
        if name not in table.columns:
            raise ConfigError(f"{table.origin}: there is no column `{name}`; {suggest(name, table.columns)}")
    if not questions:
        raise DataError(f"{table.origin}: has no column of a question")
    if columns.votes or len(questions) < 2:
        return
    n_questions = Counter(answer for name in questions for answer in {row.get(name) for _, row in rows})
    alone = [
        name
        for name in questions
        if (own := {row.get(name) for _, row in rows} - {None, ""}) and all(n_questions[answer] < 2 for answer in own)
    ]
    if alone:
        rest = ",".join(name for name in questions if name not in alone)
        raise ConfigError(
            f"{table.origin}: {listed(alone)} {'has' if len(alone) == 1 else 'have'} answers that no other question"
            " has, so not all questions ask for the same classes; name those that do, such as"
            f" `votes={rest or questions[0]}`"
        )


QUALTRICS = Platform("qualtrics", "an export of Qualtrics", _is_qualtrics, _read_qualtrics)
RESPONDENTS = Platform("respondents", "a table of respondents", lambda table: False, _read_respondents, by_name=True)
