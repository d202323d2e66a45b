"""The raw shapes that ARC, OpenBookQA and CommonsenseQA share: options with letters, and an `answerKey`."""

from outgrow.data.published_task import RowShape, TaskExample, ask
from outgrow.readers.source_table import Row


def lettered(question: str) -> tuple[RowShape, ...]:
    """Shapes of a set whose question is in the column `question`: on the hub, as published, in the wheel."""

    def from_hub(row: Row) -> TaskExample | None:
        choices = row["choices"]
        return _example(row[question], choices["label"], choices["text"], row["answerKey"])

    return (
        RowShape(f"{question} choices answerKey", from_hub),
        RowShape("query choices gold", lambda row: TaskExample(row["query"], row["gold"], row["choices"])),
        RowShape("question answerKey", _from_publisher),
    )


def _from_publisher(row: Row) -> TaskExample | None:
    choices = row["question"]["choices"]
    labels, texts = ([choice[key] for choice in choices] for key in ("label", "text"))
    return _example(row["question"]["stem"], labels, texts, row["answerKey"])


def _example(question: str, labels: list[str], texts: list[str], key: str) -> TaskExample | None:
    return TaskExample(ask(question), labels.index(key), texts) if key else None
