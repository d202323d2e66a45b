"""The raw shapes that ARC, OpenBookQA and CommonsenseQA share: options with letters, and an `answerKey`."""

from outgrow.data.known import Example, Shape, ask
from outgrow.data.table import Row


def lettered(question: str) -> tuple[Shape, ...]:
    """Shapes of a set whose question is in the column `question`: on the hub, as published, in the wheel."""

    def from_hub(row: Row) -> Example | None:
        choices = row["choices"]
        return _example(row[question], choices["label"], choices["text"], row["answerKey"])

    return (
        Shape(f"{question} choices answerKey", from_hub),
        Shape("query choices gold", lambda row: Example(row["query"], row["gold"], row["choices"])),
        Shape("question answerKey", _from_publisher),
    )


def _from_publisher(row: Row) -> Example | None:
    choices = row["question"]["choices"]
    labels, texts = ([choice[key] for choice in choices] for key in ("label", "text"))
    return _example(row["question"]["stem"], labels, texts, row["answerKey"])


def _example(question: str, labels: list[str], texts: list[str], key: str) -> Example | None:
    return Example(ask(question), labels.index(key), texts) if key else None
