"""e-SNLI (Camburu et al. 2018): does a premise entail a hypothesis? The explanations are not used.

Hypotheses about one premise stay on one side of a split.
"""

from outgrow.data.known import PARQUET_BRANCH, Example, Hub, KnownTask, Shape
from outgrow.data.table import Row

_CLASSES = ("entailment", "neutral", "contradiction")


def _example(premise: str, hypothesis: str, label: int | str) -> Example | None:
    if label in (-1, "-", ""):  # the annotators did not agree
        return None
    gold = dict(enumerate(_CLASSES)).get(label, label) if isinstance(label, int) else label
    return Example(f"Premise: {premise.strip()}\nHypothesis: {hypothesis.strip()}", gold, group=premise)


def _read(row: Row) -> Example | None:
    return _example(row["premise"], row["hypothesis"], row["label"])


def _from_csv(row: Row) -> Example | None:
    return _example(row["Sentence1"], row["Sentence2"], row["gold_label"])


ESNLI = KnownTask(
    name="esnli",
    title="e-SNLI: entailment, neutral or contradiction",
    kind="classify",
    classes=_CLASSES,
    licence="MIT",
    hub=Hub("esnli/esnli", revision=PARQUET_BRANCH),
    line_files={"premise": "s1", "hypothesis": "s2", "label": "labels"},
    text_template="Is the hypothesis an entailment, neutral or a contradiction?\n{text}\nAnswer:",
    shapes=(Shape("premise hypothesis label", _read), Shape("Sentence1 Sentence2 gold_label", _from_csv)),
)
