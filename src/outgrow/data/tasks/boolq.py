"""BoolQ (Clark et al. 2019): yes/no questions that people asked a search engine, with a passage that answers.

The wheel's copy puts the article's title before the passage; the hub's does not. Questions about one passage stay
together.
"""

from outgrow.data.published_task import HIDDEN_TEST, HubSource, PublishedTask, RowShape, TaskExample, ask, requests
from outgrow.readers.source_table import Row


def _read(row: Row) -> TaskExample:
    gold = {"true": "yes", "false": "no"}[str(row["answer"]).lower()]
    return TaskExample(ask(row["question"].rstrip("?") + "?", row["passage"]), gold, group=row["passage"])


def _from_wheel(row: Row) -> TaskExample:
    return TaskExample(row["query"], row["choices"][row["gold"]], group=row["query"].rpartition("\nQuestion:")[0])


BOOLQ = PublishedTask(
    name="boolq",
    title="BoolQ: yes/no questions about a passage",
    kind="classify",
    classes=("no", "yes"),
    licence="CC BY-SA 3.0",
    hub=HubSource("google/boolq"),
    parts=HIDDEN_TEST,
    bundled=requests("boolq", "train", "val"),
    text_template="Answer yes or no.\n{text}\nAnswer:",
    shapes=(RowShape("question answer passage", _read), RowShape("query choices gold", _from_wheel)),
)
