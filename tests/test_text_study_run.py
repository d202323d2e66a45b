"""A study of texts through the command: a run, what a second run reuses, what a change runs again."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

import outgrow as outgrow_api
from outgrow.texts import TextTargets, WeakTexts
from small_study import FILE, copy, events, executed, finished, outgrow, report_bytes, results, step_folder, write
from small_texts import TEXTS, write_texts_study


def rerun(folder: Path, study: dict[str, Any]) -> list[str]:
    """What another experiment in the same folder executes."""
    write(folder, study)
    told = len(events(folder))
    done = outgrow(folder, "run", FILE, "-q", "--replace")
    assert done.returncode == 0, done.stderr
    return sorted(executed(folder, told))


def test_a_run_ends_in_a_whole_report() -> None:
    folder, done = finished(write_texts_study)
    assert (done.returncode, done.stdout.count("Student trained on gold")) == (0, 1), done.stderr
    found = results(folder)
    assert [row["name"] for row in found["rows"]] == [
        "a", "b", "ceiling", "naive", "joint_decoding", "bayesian", "bayesian + self-training", "bayesian_cdpo",
    ]  # fmt: skip
    assert found["missing"] == []
    assert all(row["score"]["value"] is not None and row["score"]["n"] == 16 for row in found["rows"])
    assert found["topics"]["preferences"]["bayesian_cdpo"] == "bayesian"
    report = folder / "runs" / "small"
    for name in ("main", "preferences", "models", "texts", "slot_types", "agreement", "per_seed"):
        assert (report / "tables" / f"{name}.tex").is_file(), name
    page = (report / "examples.html").read_text()
    assert all(words in page for words in ("ceiling", "naive", "How to read the colours"))


def test_a_second_run_executes_nothing_and_writes_the_same_bytes(tmp_path: Path) -> None:
    folder = copy(tmp_path, write_texts_study)
    before = report_bytes(folder)
    assert rerun(folder, TEXTS) == []
    assert report_bytes(folder) == before


def test_a_new_method_generates_no_labels_again(tmp_path: Path) -> None:
    folder = copy(tmp_path, write_texts_study)
    onehot = {"preset": "bayesian", "name": "onehot", "soft_labels": {"rest": "onehot"}, "variants": ["plain"]}
    study = {**TEXTS, "methods": [*TEXTS["methods"], onehot]}
    assert rerun(folder, study) == ["student onehot, seed 0", "texts test: onehot, seed 0"]
    assert (folder / "runs" / "small" / "tables" / "ablation.md").is_file()


def test_the_writer_of_a_row_answers_new_items_as_in_the_study(tmp_path: Path) -> None:
    result = outgrow_api.load(copy(tmp_path, write_texts_study) / "runs" / "small")
    for row in ("naive", "bayesian_cdpo", "ceiling", "b"):
        student, known = result.student(row), result.predictions(row, part="test").head(5)
        made = student.predict(list(known.text))
        assert list(made.answer) == list(known["vote.b" if row == "b" else "answer"]), row
        assert made.confidence.between(0, 1).all()
        folder = student.save(tmp_path / "saved" / row)
        assert sum(weight.numel() for weight in AutoModelForCausalLM.from_pretrained(folder).parameters()) > 0
        assert AutoTokenizer.from_pretrained(folder)(known.text.iloc[0]).input_ids
    named = student.predict([{"name": "x", "words": known.text.iloc[0]}], text="words", id="name")
    assert list(named.item) == ["x"]


def test_the_default_fits_its_weights_to_gold_that_no_supervisor_learned(tmp_path: Path) -> None:
    folder = copy(tmp_path, write_texts_study)
    ran = rerun(folder, {**TEXTS, "methods": [*TEXTS["methods"], {"preset": "outgrow", "variants": ["plain"]}]})
    assert [step for step in ran if step.startswith(("held_out", "texts held_out"))] == [
        "held_out seed 0", "texts held_out: a, seed 0", "texts held_out: b, seed 0",
    ]  # fmt: skip
    (gold,) = (folder / "runs" / "steps").glob("held_out-*/held_out.parquet")
    items = WeakTexts.load(gold).items
    aside = [set(json.loads(path.read_text())) for path in (folder / "runs" / "steps").glob("*/held_out.json")]
    assert set(items) == set.intersection(*aside[:2])
    targets = (folder / "runs" / "steps").glob("targets-*/targets.parquet")
    notes = [note for path in targets for note in TextTargets.load(path).origin]
    assert any(f"fitted on {len(items)} items of half A" in note for note in notes)
    (row,) = (row for row in results(folder)["rows"] if row["name"] == "outgrow")
    assert row["gold"] == "held_out"


def test_all_rows_make_as_many_updates_as_the_ceiling(tmp_path: Path) -> None:
    """12 items in batches of 4, two passes, whether an item has one text or one of every supervisor."""
    folder = copy(tmp_path, write_texts_study)
    rerun(folder, {**TEXTS, "methods": [*TEXTS["methods"], {"preset": "single", "variants": ["plain"]}]})
    students = list((folder / "runs" / "steps").glob("student-*/metrics.jsonl"))
    assert len(students) == 7, "ceiling, naive, joint_decoding, bayesian twice, single of two supervisors"
    assert {len(path.read_text().splitlines()) for path in students} == {6}


def test_a_student_of_a_scored_pool_is_a_row_like_others(tmp_path: Path) -> None:
    """Scores of half B are used again; the row has the ceiling's number of updates. Controls: more."""
    folder = copy(tmp_path, write_texts_study)
    pooled = {"preset": "outgrow", "variants": ["plain"]}
    again = rerun(folder, {**TEXTS, "methods": [*TEXTS["methods"], pooled], "gold_controls": True})
    held_out = Counter(held_out=1, texts=2, scores=2)
    assert Counter(name.partition(" ")[0] for name in again) == Counter(student=3, targets=3, texts=3) + held_out
    scores = {row["name"]: row["score"]["value"] for row in results(folder)["rows"]}
    assert all(scores[name] is not None for name in ("outgrow", "gold_a", "gold_a_and_votes"))
    controls = [step_folder(folder, "student", f"{name}, seed 0") for name in ("gold_a", "gold_a_and_votes")]
    updates = [len((control / "metrics.jsonl").read_text().splitlines()) for control in controls]
    assert updates == [2 * 24 / 4, 2 * (24 + 12) / 4], "two passes over half A, and over both halves"
    student = step_folder(folder, "student", "outgrow, seed 0")
    losses = [json.loads(line)["loss"] for line in (student / "metrics.jsonl").read_text().splitlines()]
    assert len(losses) == 6
    assert all(0 < loss < 20 for loss in losses)


def test_another_epsilon_changes_pairs_and_what_hangs_on_them(tmp_path: Path) -> None:
    folder = copy(tmp_path, write_texts_study)
    *others, tuned = TEXTS["methods"]
    study = {**TEXTS, "methods": [*others, {**tuned, "preference": {**tuned["preference"], "epsilon": 0.1}}]}
    assert rerun(folder, study) == [
        "pairs bayesian_cdpo, seed 0", "preference bayesian_cdpo, seed 0, cdpo",
        "texts test: bayesian_cdpo, seed 0, cdpo",
    ]  # fmt: skip


def test_another_setting_of_one_supervisor_trains_nobody_elses_again(tmp_path: Path) -> None:
    folder = copy(tmp_path, write_texts_study)
    b = TEXTS["supervisors"]["b"]
    changed = {**b, "training": {**b["training"], "lr": 5e-3}}
    again = rerun(folder, {**TEXTS, "supervisors": {**TEXTS["supervisors"], "b": changed}})
    assert "supervisor b, seed 0" in again
    assert not {"supervisor a, seed 0", "student ceiling, seed 0", "texts strong: a, seed 0", "gold seed 0"} & set(
        again
    )


@pytest.mark.parametrize("budget", ["a smaller", "a larger"])
def test_tokens_per_pass_change_nothing_that_is_read(budget: str, tmp_path: Path) -> None:
    """`batch_tokens` is a hint: the same steps, so nothing runs again."""
    folder = copy(tmp_path, write_texts_study)
    student = {**TEXTS["student"], "batch_tokens": {"a smaller": 128, "a larger": 8192}[budget]}
    assert rerun(folder, {**TEXTS, "student": student}) == []
