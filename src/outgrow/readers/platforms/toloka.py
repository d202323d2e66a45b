"""Assignments of Toloka: a TSV file with a row per task of an assignment.

    INPUT:image  OUTPUT:result  GOLDEN:result  HINT:text  ASSIGNMENT:worker_id  ASSIGNMENT:status  …

The item is the only `INPUT:` column, else the id of the task, else all `INPUT:` columns together. `GOLDEN:` columns
are the gold of control tasks, whose answers are votes as all others.
"""

from outgrow.config.votes import VoteColumns
from outgrow.readers.platforms.export import Export, Platform, given_or, has, one_question
from outgrow.readers.platforms.mturk import counted_states
from outgrow.readers.source_table import SourceTable

INPUT, OUTPUT, GOLDEN, WORKER = "INPUT:", "OUTPUT:", "GOLDEN:", "ASSIGNMENT:worker_id"
TASK, STATUS = "ASSIGNMENT:task_id", "ASSIGNMENT:status"


def _read(table: SourceTable, columns: VoteColumns) -> Export:
    label = columns.label
    if label not in table.columns:
        questions = {name.removeprefix(OUTPUT): name for name in table.columns if name.startswith(OUTPUT)}
        none = "has no column `OUTPUT:…` with answers"
        label = questions[one_question(table.origin, questions, label, none=none)]
    inputs = [name for name in table.columns if name.startswith(INPUT)]
    item = inputs[0] if len(inputs) == 1 else TASK if has(table, TASK) else ",".join(inputs) or None
    golden = GOLDEN + str(label).removeprefix(OUTPUT)
    where, note = counted_states(table, columns, STATUS, ("approved", "accepted"), "rejected")
    gold = golden if golden in table.columns and golden not in columns.ignore else None
    found = given_or(columns, item=item, source=WORKER, gold=gold, where=where)
    texts = {name.removeprefix(INPUT): name for name in inputs}
    return Export(table, found.model_copy(update={"label": label}), "assignments of Toloka", texts, note)


TOLOKA = Platform(
    "toloka",
    "assignments of Toloka",
    lambda table: has(table, WORKER) and any(name.startswith(OUTPUT) for name in table.columns),
    _read,
)
