"""Social IQa (Sap et al. 2019): what people feel, want or do next. Items with the same situation stay together."""

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
    if not row["label"]:
        return None
    options = [row["answerA"], row["answerB"], row["answerC"]]
    return TaskExample(ask(row["context"] + " " + row["question"]), int(row["label"]) - 1, options, row["context"])


SOCIAL_IQA = PublishedTask(
    name="social_iqa",
    title="Social IQa: what people feel, want or do next",
    kind="choose",
    classes=letters(3),
    licence="CC BY 4.0",
    hub=HubSource("allenai/social_i_qa", revision=PARQUET_BRANCH),
    parts=HIDDEN_TEST,
    bundled=requests("socialiqa", "train", "val"),
    shapes=(RowShape("context question answerA answerB answerC label", _read),),
)
