"""WinoGrande (Sakaguchi et al. 2020): which of two names fills the blank.

Sentences come in twins that differ in one word and in the answer. Twins offer the same options and begin alike, and
are kept on one side of a split by that.
"""

from outgrow.data.known import HIDDEN_TEST, Example, Hub, KnownTask, Shape, letters, requests
from outgrow.data.table import Row


def _read(row: Row) -> Example | None:
    if not row["answer"]:
        return None
    options = [row["option1"], row["option2"]]
    twin = " ".join([*sorted(options), *row["sentence"].split()[:2]])
    return Example("Fill in the blank: " + row["sentence"] + "\nAnswer:", int(row["answer"]) - 1, options, twin)


WINOGRANDE = KnownTask(
    name="winogrande",
    title="WinoGrande: who or what fills the blank",
    kind="choose",
    classes=letters(2),
    licence="CC BY",
    hub=Hub("allenai/winogrande", "winogrande_xl"),
    parts=HIDDEN_TEST,
    bundled=requests("winogrande", "train", "val"),
    shapes=(Shape("sentence option1 option2 answer", _read),),
)
