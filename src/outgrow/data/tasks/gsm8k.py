"""GSM8K (Cobbe et al. 2021): grade-school word problems, with a worked solution that ends with `#### ` and a number.

The solution is learned as it was published, with the calculator's marks (`<<16-3=13>>`). Only its final number counts.
"""

from outgrow.data.published_task import HubSource, PublishedTask, RowShape, TaskExample
from outgrow.data.task import Part
from outgrow.readers.source_table import Row

_PARTS: dict[str, Part] = {"train": "train", "test": "test"}


def _read(row: Row) -> TaskExample:
    if "####" not in row["answer"]:
        raise ValueError("no final answer after `####` in `answer`")
    return TaskExample(row["question"], row["answer"])


GSM8K = PublishedTask(
    name="gsm8k",
    title="GSM8K: grade-school word problems with worked solutions",
    kind="generate",
    classes=(),
    licence="MIT",
    hub=HubSource("openai/gsm8k", "main"),
    parts=_PARTS,
    shapes=(RowShape("question answer", _read),),
    ignore=("socratic",),
    metric="answer_match",
    template="{text}\nReason step by step, then write `#### ` and the number that is the answer.",
)
