"""`answer_vote` and `slot_vote` as rows of a study of texts: plans, what a row cannot be, and the step itself."""

import json
from pathlib import Path
from typing import Any

import pytest

from outgrow.combiners.text_targets_step import make_text_targets
from outgrow.config.load import read_experiment
from outgrow.errors import ConfigError
from outgrow.graph.step import Job, Step
from outgrow.study.build import Study, build_study
from outgrow.study.cost import cost_of, scale_of
from outgrow.texts import Candidate, TextTargets, WeakTexts, certain

MODEL = {"model": "bundled:smollm2-135m@2", "adapt": "lora"}


def study(task: dict[str, Any], *methods: Any, **changes: Any) -> dict[str, Any]:
    return {
        "name": "counted",
        "task": {**task, "sizes": {"half_a": 4, "half_b": 6, "test": 4}},
        "supervisors": {"a": MODEL, "b": {**MODEL, "training": {"lr": 1e-4}}, "c": {**MODEL, "adapt": "none"}},
        "student": {**MODEL, "model": "bundled:smollm2-135m@4"},
        "methods": list(methods),
        "variants": ["plain"],
        "seeds": [0],
        **changes,
    }


def build(*args: Any, **changes: Any) -> Study:
    return build_study(read_experiment(study(*args, **changes)))


def targets_of(found: Study, kind: str) -> Step:
    (step,) = [
        one for one in found.steps if one.name == "targets" and one.params.get("combine", {}).get("type") == kind
    ]
    return step


def test_both_are_planned_on_the_texts_that_the_other_rows_have() -> None:
    found = build({"name": "errands"}, "naive", "slot_vote")
    assert [row.name for row in found.rows if row.role == "method"] == ["naive", "slot_vote"]
    slots = targets_of(found, "slot_vote")
    assert slots.params["combine"] == {"type": "slot_vote", "threshold": 0.5, "weight": "share"}
    assert slots.inputs["labels"].identity == targets_of(found, "keep_all").inputs["labels"].identity
    sums = targets_of(build({"name": "sums"}, "answer_vote"), "answer_vote")
    assert sums.params["combine"]["metric"] == "answer_match", "the task's own"
    own = {"preset": "answer_vote", "combine": {"metric": "exact_match", "candidates": "all"}}
    assert targets_of(build({"name": "sums"}, own), "answer_vote").params["combine"]["metric"] == "exact_match"


def test_one_text_per_item_is_cheaper_to_learn_than_all() -> None:
    found = build({"name": "errands"}, "naive", "slot_vote")
    scale = scale_of(found.experiment, None)
    students = {one.inputs["targets"].params.get("combine", {}).get("type"): one for one in found.steps
                if one.name == "student"}  # fmt: skip
    tokens = {name: cost_of(step, scale).tokens for name, step in students.items()}
    assert tokens["keep_all"] == 3 * tokens["slot_vote"] == 3 * tokens[None]


@pytest.mark.parametrize(
    ("task", "method", "told"),
    [
        ({"name": "errands"}, "answer_vote", "these are sets of slots; use `slot_vote`"),
        ({"name": "sums"}, "slot_vote", "the task's metric is `answer_match`; use `answer_vote`"),
        ({"name": "sums", "metric": "rouge_l"}, "answer_vote", r"combine\.metric: `rouge_l`"),
        ({"name": "sums"}, {"preset": "answer_vote", "combine": {"metric": "rouge_l"}}, r"combine\.metric: `rouge_l`"),
        ({"name": "errands"}, {"preset": "slot_vote", "combine": {"threshold": 1}}, r"combine\.threshold: write"),
        ({"name": "errands"}, "vote", "`vote` counts votes for classes; texts have .*`answer_vote`"),
        ({"name": "mmlu_topic", "source": "bundled"}, "slot_vote", "`slot_vote` chooses among texts; use `naive`"),
    ],
)  # fmt: skip
def test_what_they_cannot_count_is_said_before_anything_runs(task: dict[str, Any], method: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        build(task, method)


@pytest.mark.parametrize(
    ("combine", "texts", "wanted"),
    [
        ({"type": "answer_vote", "metric": "answer_match"}, ["#### 4", "so 5", "4.0"], "#### 4"),
        ({"type": "slot_vote"}, ['{"a": "x"}', "{}", '{"a": "X", "b": "y"}'], '{"a": "x"}'),
    ],
)
def test_the_step_writes_what_a_student_reads(
    tmp_path: Path, combine: dict[str, Any], texts: list[str], wanted: str
) -> None:
    for name in ("labels", "out"):
        (tmp_path / name).mkdir()
    row = [[Candidate(text, certain(text))] for text in texts]
    WeakTexts(["i"], ("a", "b", "c"), [row]).save(tmp_path / "labels" / "half_b.parquet")
    options = read_experiment(study({"name": "errands"}, {"name": "x", "combine": combine})).methods[0].combine
    make_text_targets(
        Job(tmp_path / "out", {"labels": tmp_path / "labels"}, tmp_path), combine=json.loads(options.model_dump_json())
    )
    targets = TextTargets.load(tmp_path / "out" / "targets.parquet")
    assert targets.texts == [wanted]
    assert 0.5 < targets.weight[0] < 1
