"""Dolly (Databricks 2023): instructions and responses by employees, some with a passage to go by.

Only the instructions without a passage are used: a question and its answer, as in the persona study of paper 3.
"""

from outgrow.data.published_task import HubSource, PublishedTask, RowShape, TaskExample
from outgrow.readers.source_table import Row


def _read(row: Row) -> TaskExample | None:
    if str(row.get("context") or "").strip():
        return None
    return TaskExample(row["instruction"], row["response"])


DOLLY = PublishedTask(
    name="dolly",
    title="Dolly: instructions and their responses",
    kind="generate",
    classes=(),
    licence="CC BY-SA 3.0",
    hub=HubSource("databricks/databricks-dolly-15k"),
    shapes=(RowShape("instruction context response category", _read),),
    metric="rouge_l",
)
