"""The step `questions`: the prompts of one judge for all items, as a task.

A pair of texts is two items, in both orders: first all items in the order of the file, then all of them turned round.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from outgrow.config.ask import AskedColumns
from outgrow.data.parse_cells import prompt_of
from outgrow.data.task import Items, Task
from outgrow.data.template import template_pieces
from outgrow.data.unlabelled_items import id_column, read_unlabelled
from outgrow.graph.step import Job, Json
from outgrow.readers.open_table import read_table
from outgrow.readers.source_table import SourceTable
from outgrow.supervise.answer_form import AnswerForm

ANSWER = "Answer:"
"""After it a model of this machine continues with its answer."""
ORDERS = ("ab", "ba")
"""Of the texts of a pair: as in the file, and turned round."""


def make_questions(job: Job, *, question: dict[str, Json], content: str) -> None:
    """Read the file of the hint `items` and write a task. `content` only enters the step's identity."""
    questions(read_table(Path(job.hints["items"])), question).save(job.out)


def questions(table: SourceTable, question: Mapping[str, Any]) -> Task:
    """The task of a table.

    `question` has the roles of `columns`, `pairs`, the `prompt` (a template), the `form` of the answer (an
    `AnswerForm`), whether a model `continues` the prompt, and a `system` prompt for it. Raises `DataError` for a row,
    `ConfigError` for a column.
    """
    columns = AskedColumns.model_validate(question["columns"])
    ids = columns.id or id_column(table, ())
    if question["pairs"]:
        first, second = (read_unlabelled(table, text, ids) for text in (columns.first, columns.second))
        there = _filled(table, question["prompt"], {"first": first.prompts, "second": second.prompts})
        back = _filled(table, question["prompt"], {"first": second.prompts, "second": first.prompts})
        # These ids are unique, whatever the items are called.
        names, prompts = [f"{order} {name}" for order in ORDERS for name in first.ids], [*there, *back]
    else:
        items = read_unlabelled(table, columns.text, ids)
        names, prompts = items.ids, _filled(table, question["prompt"], {"text": items.prompts})
    form = AnswerForm.from_json(question["form"])
    prompts = [form.listed(prompt) for prompt in prompts]
    if question["continues"]:
        prompts = ["\n".join(filter(None, [question["system"], prompt, ANSWER])) for prompt in prompts]
    return Task("asked", "classify", form.names, Items(names, prompts, np.full(len(names), -1)))


def _filled(table: SourceTable, template: str, texts: Mapping[str, Sequence[str]]) -> list[str]:
    """The template of every row; `texts` are fields beside the table's columns, and go before them."""
    pieces = template_pieces(template, "prompts")
    others = {name for _, name in pieces if name is not None} - set(texts)
    read = {name: prompt_of(name, table, f"prompts: `{{{name}}}`") for name in sorted(others)}
    prompts = []
    for row, cells in enumerate(table.rows):
        place = table.place(row)
        values = {name: text[row] for name, text in texts.items()}
        values |= {name: cell(cells, place) for name, cell in read.items()}
        prompts.append("".join(literal + ("" if name is None else values[name]) for literal, name in pieces))
    return prompts
