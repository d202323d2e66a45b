"""WinoGrande (Sakaguchi et al. 2020): which of two names fills the blank.

Sentences come in twins that differ in one word and in the answer. Twins offer the same options and begin alike, and
are kept on one side of a split by that.
"""

from outgrow.data.published_task import HIDDEN_TEST, HubSource, PublishedTask, RowShape, TaskExample, letters, requests
from outgrow.readers.source_table import Row


def _read(row: Row) -> TaskExample | None:
    if not row["answer"]:
        return None
    options = [row["option1"], row["option2"]]
    twin = " ".join([*sorted(options), *row["sentence"].split()[:2]])
    return TaskExample("Fill in the blank: " + row["sentence"] + "\nAnswer:", int(row["answer"]) - 1, options, twin)


WINOGRANDE = PublishedTask(
    name="winogrande",
    title="WinoGrande: who or what fills the blank",
    kind="choose",
    classes=letters(2),
    licence="CC BY",
    hub=HubSource("allenai/winogrande", "winogrande_xl"),
    parts=HIDDEN_TEST,
    bundled=requests("winogrande", "train", "val"),
    shapes=(RowShape("sentence option1 option2 answer", _read),),
)
