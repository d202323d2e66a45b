"""ECQA's published files: what becomes prompt and gold, and which rows are left out."""

import csv

import pytest

from outgrow.config.task import TaskSection
from outgrow.data.load_task import load_task
from outgrow.errors import DataError
from outgrow.metrics.final_answer import final_answer
from outgrow.metrics.text_answers import answer_match

OPTIONS = [f"q_op{place}" for place in range(1, 6)]
COLUMNS = ["q_no", "q_concept", "q_text", *OPTIONS, "q_ans", "taskA_pos", "taskA_neg", "taskB"]


def row(number, **changes):
    plain = {
        "q_no": f"n{number}",
        "q_concept": "money",
        "q_text": f" Where is coin {number} kept? ",
        **{name: f"place {letter}" for name, letter in zip(OPTIONS, "abcde", strict=True)},
        "q_ans": "place c",
        "taskA_pos": "It is safe.",
        "taskA_neg": "They are wet.",
        "taskB": "Coins are kept where it is safe, \nnot where it is wet.",
    }
    return {**plain, **changes}


def write(path, rows):
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def test_gold_is_the_explanation_and_then_the_answer(tmp_path):
    for number, part in enumerate(("train", "val", "test")):
        write(tmp_path / f"cqa_data_{part}.csv", [row(10 * number + i) for i in range(3)])
    task = load_task(TaskSection(name="ecqa", path=tmp_path))
    assert (task.kind, task.metric) == ("generate", "answer_match")
    assert task.items.parts == ["test"] * 3 + ["train"] * 6
    listed = "- place a\n- place b\n- place c\n- place d\n- place e"
    assert task.items.prompts[0].startswith(f"Question: Where is coin 20 kept?\n{listed}\nExplain")
    assert task.items.answers[0] == "Coins are kept where it is safe, \nnot where it is wet.\n#### place c"
    assert {final_answer(text) for text in task.items.answers} == {"place c"}
    said = ["It is wet.\n#### Place C", "place c", "#### place d", "It is place c.", ""]
    assert answer_match(said, task.items.answers[:5]).tolist() == [1, 1, 0, 0, 0]
    assert any("`commonsense_qa` with `form: text`" in note for note in task.notes)


def test_rows_that_cannot_be_learned_are_left_out_and_counted(tmp_path):
    rows = [row(1), row(2, q_ans="elsewhere"), row(3, taskB=" "), row(4, q_op3="Place C", q_ans="Place C")]
    write(tmp_path / "cqa_data_train.csv", rows)
    task = load_task(TaskSection(name="ecqa", path=tmp_path / "cqa_data_train.csv"))
    assert task.items.ids == ["train-1", "train-4"]
    assert any(note.endswith("for this task: 2.") for note in task.notes)


def test_other_files_are_refused_with_their_line(tmp_path):
    (tmp_path / "train.jsonl").write_text('{"id": "n1", "positives": [], "negatives": [], "explanation": "so"}\n')
    with pytest.raises(DataError, match=r"train.jsonl, line 1: not a row of `ecqa`: it has id, .*needs q_text, q_ans"):
        load_task(TaskSection(name="ecqa", path=tmp_path))
