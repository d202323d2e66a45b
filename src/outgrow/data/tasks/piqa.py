"""PIQA (Bisk et al. 2020): which of two ways reaches a physical goal. Items with the same goal stay together."""

from outgrow.data.known import HIDDEN_TEST, PARQUET_BRANCH, Example, Hub, KnownTask, Shape, ask, letters, requests
from outgrow.data.table import Row


def _read(row: Row) -> Example | None:
    gold = int(row["label"])
    return Example(ask(row["goal"]), gold, [row["sol1"], row["sol2"]], row["goal"]) if gold >= 0 else None


PIQA = KnownTask(
    name="piqa",
    title="PIQA: which of two ways reaches a goal",
    kind="choose",
    classes=letters(2),
    licence="AFL 3.0",
    hub=Hub("ybisk/piqa", revision=PARQUET_BRANCH),
    parts=HIDDEN_TEST,
    bundled=requests("piqa", "train", "val"),
    shapes=(Shape("goal sol1 sol2 label", _read),),
)
