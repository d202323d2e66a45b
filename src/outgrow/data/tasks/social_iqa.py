"""Social IQa (Sap et al. 2019): what people feel, want or do next. Items with the same situation stay together."""

from outgrow.data.known import HIDDEN_TEST, PARQUET_BRANCH, Example, Hub, KnownTask, Shape, ask, letters, requests
from outgrow.data.table import Row


def _read(row: Row) -> Example | None:
    if not row["label"]:
        return None
    options = [row["answerA"], row["answerB"], row["answerC"]]
    return Example(ask(row["context"] + " " + row["question"]), int(row["label"]) - 1, options, row["context"])


SOCIAL_IQA = KnownTask(
    name="social_iqa",
    title="Social IQa: what people feel, want or do next",
    kind="choose",
    classes=letters(3),
    licence="CC BY 4.0",
    hub=Hub("allenai/social_i_qa", revision=PARQUET_BRANCH),
    parts=HIDDEN_TEST,
    bundled=requests("socialiqa", "train", "val"),
    shapes=(Shape("context question answerA answerB answerC label", _read),),
)
