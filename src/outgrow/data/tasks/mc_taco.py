"""MC-TACO (Zhou et al. 2019): is a candidate answer about time plausible?

A question has several candidates, any number of them plausible, and a sentence several questions; all that is asked
about a sentence stays on one side of a split.
"""

from outgrow.data.published_task import PARQUET_BRANCH, HubSource, PublishedTask, RowShape, TaskExample
from outgrow.readers.source_table import Row

_NUMBERED = {"0": "no", "1": "yes"}


def _read(row: Row) -> TaskExample:
    question = row["sentence"] + "\nQuestion: " + row["question"]
    label = str(row["label"])
    return TaskExample(question + "\nAnswer: " + row["answer"], _NUMBERED.get(label, label), group=row["sentence"])


MC_TACO = PublishedTask(
    name="mc_taco",
    title="MC-TACO: plausible answers about time",
    kind="classify",
    classes=("no", "yes"),
    licence="research release",
    hub=HubSource("CogComp/mc_taco", revision=PARQUET_BRANCH),
    text_template="Is this answer plausible, yes or no?\n{text}\nPlausible:",
    header=("sentence", "question", "answer", "label", "category"),
    shapes=(RowShape("sentence question answer label", _read),),
)
