"""ECQA (Aggarwal et al. 2021): CommonsenseQA's questions with an explanation that people wrote for each answer.

The prompt is the question with its five options; the gold text is the free-flow explanation (`taskB`) and then, on a
line of its own, `#### ` and the right option, which alone is measured (by its number, where it has one: one option of
two thousand). The lists of properties for and against single options (`taskA_pos`, `taskA_neg`) are not used. Rows
without an explanation, or whose answer is no option, are left out.
"""

from outgrow.data.published_task import HubSource, PublishedTask, RowShape, TaskExample
from outgrow.readers.source_table import Row

_OPTIONS = [f"q_op{number}" for number in range(1, 6)]


def _read(row: Row) -> TaskExample | None:
    options = [str(row[name]).strip() for name in _OPTIONS]
    answer, explanation = row["q_ans"].strip(), row["taskB"].strip()
    if answer not in options or not explanation:
        return None
    listed = "\n".join(f"- {option}" for option in options)
    return TaskExample(f"Question: {row['q_text'].strip()}\n{listed}", f"{explanation}\n#### {answer}")


ECQA = PublishedTask(
    name="ecqa",
    title="ECQA: everyday knowledge, five options, answers with an explanation",
    kind="generate",
    classes=(),
    licence="CDLA-Sharing 1.0",
    hub=HubSource("yangdong/ecqa"),
    shapes=(RowShape("q_text q_ans taskB", _read),),
    metric="answer_match",
    template="{text}\nExplain which option is right, then write `#### ` and that option.",
    note="Gold is an explanation and then the answer; `commonsense_qa` with `form: text` has such questions without"
    " explanations.",
)
