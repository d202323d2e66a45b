"""BoolQ (Clark et al. 2019): yes/no questions that people asked a search engine, with a passage that answers.

The wheel's copy puts the article's title before the passage; the hub's does not. Questions about one passage stay
together.
"""

from outgrow.data.known import HIDDEN_TEST, Example, Hub, KnownTask, Shape, ask, requests
from outgrow.data.table import Row


def _read(row: Row) -> Example:
    gold = {"true": "yes", "false": "no"}[str(row["answer"]).lower()]
    return Example(ask(row["question"].rstrip("?") + "?", row["passage"]), gold, group=row["passage"])


def _from_wheel(row: Row) -> Example:
    return Example(row["query"], row["choices"][row["gold"]], group=row["query"].rpartition("\nQuestion:")[0])


BOOLQ = KnownTask(
    name="boolq",
    title="BoolQ: yes/no questions about a passage",
    kind="classify",
    classes=("no", "yes"),
    licence="CC BY-SA 3.0",
    hub=Hub("google/boolq"),
    parts=HIDDEN_TEST,
    bundled=requests("boolq", "train", "val"),
    text_template="Answer yes or no.\n{text}\nAnswer:",
    shapes=(Shape("question answer passage", _read), Shape("query choices gold", _from_wheel)),
)
