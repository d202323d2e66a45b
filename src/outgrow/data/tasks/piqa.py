"""PIQA (Bisk et al. 2020): which of two ways reaches a physical goal. Items with the same goal stay together."""

from outgrow.data.published_task import (
    HIDDEN_TEST,
    PARQUET_BRANCH,
    HubSource,
    PublishedTask,
    RowShape,
    TaskExample,
    ask,
    letters,
    requests,
)
from outgrow.readers.source_table import Row


def _read(row: Row) -> TaskExample | None:
    gold = int(row["label"])
    return TaskExample(ask(row["goal"]), gold, [row["sol1"], row["sol2"]], row["goal"]) if gold >= 0 else None


PIQA = PublishedTask(
    name="piqa",
    title="PIQA: which of two ways reaches a goal",
    kind="choose",
    classes=letters(2),
    licence="AFL 3.0",
    hub=HubSource("ybisk/piqa", revision=PARQUET_BRANCH),
    parts=HIDDEN_TEST,
    bundled=requests("piqa", "train", "val"),
    shapes=(RowShape("goal sol1 sol2 label", _read),),
)
