"""Cosmos QA (Huang et al. 2019): why, what if, what next, asked about a few sentences of a blog.

Several questions share a passage; they are kept on one side of a split.
"""

from outgrow.data.published_task import (
    HIDDEN_TEST,
    PARQUET_BRANCH,
    HubSource,
    PublishedTask,
    RowShape,
    TaskExample,
    ask,
    letters,
)
from outgrow.readers.source_table import Row


def _read(row: Row) -> TaskExample | None:
    gold = int(row["label"])
    options = [row[f"answer{i}"] for i in range(4)]
    return TaskExample(ask(row["question"], row["context"]), gold, options, row["context"]) if gold >= 0 else None


COSMOS_QA = PublishedTask(
    name="cosmos_qa",
    title="Cosmos QA: reading between the lines of a blog",
    kind="choose",
    classes=letters(4),
    licence="CC BY 4.0",
    hub=HubSource("allenai/cosmos_qa", revision=PARQUET_BRANCH),
    parts=HIDDEN_TEST,
    shapes=(RowShape("context question answer0 answer1 answer2 answer3 label", _read),),
)
