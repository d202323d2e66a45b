"""Dolly (Databricks 2023): instructions and responses by employees, some with a passage to go by.

Only the instructions without a passage are used: a question and its answer, as in the persona study of paper 3.
"""

from outgrow.data.known import Example, Hub, KnownTask, Shape
from outgrow.data.table import Row


def _read(row: Row) -> Example | None:
    if str(row.get("context") or "").strip():
        return None
    return Example(row["instruction"], row["response"])


DOLLY = KnownTask(
    name="dolly",
    title="Dolly: instructions and their responses",
    kind="generate",
    classes=(),
    licence="CC BY-SA 3.0",
    hub=Hub("databricks/databricks-dolly-15k"),
    shapes=(Shape("instruction context response category", _read),),
    metric="rouge_l",
)
