"""SciQ (Welbl et al. 2017): crowd-written science exam questions with three distractors.

The right answer is published apart from its distractors, so the options are shuffled here, by a hash of their text.
The support passage is not used: it gives most answers away. A four-way rendering of the test questions as
instructions is in circulation as well and is read too.
"""

import re

from outgrow.data.published_task import HubSource, PublishedTask, RowShape, TaskExample, ask, letters
from outgrow.readers.source_table import Row

_RENDERED = re.compile(r"question: (.*?)\n\n(Answer1: .*?)\n\nAnswer format:", re.DOTALL)


def _apart(row: Row) -> TaskExample:
    distractors = [row[f"distractor{i}"] for i in (1, 2, 3)]
    return TaskExample(ask(row["question"]), 0, [row["correct_answer"], *distractors])


def _rendered(row: Row) -> TaskExample:
    match = _RENDERED.search(row["instruction"])
    if match is None:
        raise ValueError("no question with `Answer1:` … in `instruction`")
    options = re.split(r"\n?Answer\d: ", match[2])[1:]
    return TaskExample(ask(match[1]), int(row["answer"].removeprefix("answer")) - 1, options)


SCIQ = PublishedTask(
    name="sciq",
    title="SciQ: science exam questions",
    kind="choose",
    classes=letters(4),
    licence="CC BY-NC 3.0",
    hub=HubSource("allenai/sciq"),
    bundled={"validation": "hf_datasets/sciq/none/validation/*.arrow"},
    shapes=(
        RowShape("question correct_answer distractor1 distractor2 distractor3", _apart),
        RowShape("instruction answer", _rendered),
    ),
    shuffle_options=True,
)
