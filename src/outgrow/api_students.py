"""Python function for finished students: predict.

outgrow.predict("student", "new.jsonl").to_pandas()
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from outgrow.config.paths import STORE
from outgrow.data.write_table import write_table
from outgrow.deliver.in_memory_tables import file_of_table
from outgrow.deliver.predict import predict_labels
from outgrow.graph.runner import Event


def predict(
    student: str | Path,
    items: Any,
    *,
    text: str | None = None,
    id: str | None = None,
    threshold: float | None = None,
    output: str | Path | None = None,
    device: str = "auto",
    store: str | Path = STORE,
    on_event: Callable[[Event], None] = lambda event: None,
) -> pa.Table:
    """A student's labels of new items: `item`, `label`, `confidence`, `probabilities`, `by`.

    `by` is `student` where it may answer alone, and `sources` where the item should go back to them.

    Args:
        student: its folder.
        items: a path, a `DataFrame`, an Arrow table, a data set or a list of dicts.
        text: the column of the texts, or a template of several; by default that of the training.
        id: the column of ids; by default that of the training, or one with a usual name, else the row's number.
        threshold: the least confidence of an answer of its own; by default that of its card, without one 0.
        output: a file for the table.
        device: `auto`, `cpu` or `cuda`.
        store: where finished steps are kept; the same call again goes on from there.

    Raises `ConfigError`, `DataError`, `StepFailed` with one sentence.
    """
    file = file_of_table(items, Path(store), "items")
    table = predict_labels(
        Path(student), file, text=text, id=id, threshold=threshold, device=device, store=Path(store), on_event=on_event
    )
    if output is not None:
        write_table(table, output)
    return table
