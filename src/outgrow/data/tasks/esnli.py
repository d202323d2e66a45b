"""e-SNLI (Camburu et al. 2018): does a premise entail a hypothesis? The explanations are not used.

Hypotheses about one premise stay on one side of a split.
"""

from outgrow.data.published_task import PARQUET_BRANCH, HubSource, PublishedTask, RowShape, TaskExample
from outgrow.readers.source_table import Row

_CLASSES = ("entailment", "neutral", "contradiction")


def _example(premise: str, hypothesis: str, label: int | str) -> TaskExample | None:
    if label in (-1, "-", ""):  # the annotators did not agree
        return None
    gold = dict(enumerate(_CLASSES)).get(label, label) if isinstance(label, int) else label
    return TaskExample(f"Premise: {premise.strip()}\nHypothesis: {hypothesis.strip()}", gold, group=premise)


def _read(row: Row) -> TaskExample | None:
    return _example(row["premise"], row["hypothesis"], row["label"])


def _from_csv(row: Row) -> TaskExample | None:
    return _example(row["Sentence1"], row["Sentence2"], row["gold_label"])


ESNLI = PublishedTask(
    name="esnli",
    title="e-SNLI: entailment, neutral or contradiction",
    kind="classify",
    classes=_CLASSES,
    licence="MIT",
    hub=HubSource("esnli/esnli", revision=PARQUET_BRANCH),
    line_files={"premise": "s1", "hypothesis": "s2", "label": "labels"},
    text_template="Is the hypothesis an entailment, neutral or a contradiction?\n{text}\nAnswer:",
    shapes=(RowShape("premise hypothesis label", _read), RowShape("Sentence1 Sentence2 gold_label", _from_csv)),
)
