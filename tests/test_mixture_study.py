"""A study of several capabilities: its steps, what they will cost, and a run from nothing to the report."""

import json
from pathlib import Path
from typing import Any

import outgrow
from outgrow.config.load import read_experiment
from outgrow.data.task import Split, Task
from outgrow.data.tasks.sums import make_sums
from outgrow.study.build import build_study
from outgrow.study.cost import scale_of
from small_study import FILE, results, write
from small_study import outgrow as command
from small_texts import MODEL
from tiny_writers import save_writer

SETS: dict[str, Any] = {
    "maths": {"name": "sums"},
    "stories": {"name": "tales", "sizes": {"half_a": 6, "half_b": 8, "test": 9}},
    "science": {"name": "openbookqa"},
}
MIXED: dict[str, Any] = {
    "name": "small",
    "task": {"name": "three", "sizes": {"half_a": 10, "half_b": 6, "test": 8}, "capabilities": SETS},
    "supervisors": {"a": {**MODEL, "model": "./a"}},
    "student": {**MODEL, "model": "./student"},
    "labelling": {"beams": 1, "candidates": 1, "max_new_tokens": 12},
    "answering": {"beams": 1, "candidates": 1, "max_new_tokens": 12},
    "methods": ["naive"],
    "variants": ["plain"],
    "untouched": False,
    "gold_controls": False,
    "seeds": [0],
    "bootstrap": 100,
    "threads": 1,
}
BUNDLED = {"model": "bundled:smollm2-135m@2", "adapt": "lora"}
LAID_OUT = {**MIXED, "supervisors": {"a": BUNDLED}, "student": BUNDLED}


def pool_of(study: dict[str, Any], *words: str) -> str:
    return build_study(read_experiment(study, words)).pool.identity


def test_another_size_of_one_capability_is_another_pool_and_split() -> None:
    study = build_study(read_experiment(LAID_OUT))
    assert study.splits[0].params["sizes"] == {
        "maths": {"half_a": 10, "half_b": 6, "test": 8},
        "stories": {"half_a": 6, "half_b": 8, "test": 9},
        "science": {"half_a": 10, "half_b": 6, "test": 8},
    }
    first = pool_of(LAID_OUT)
    assert pool_of(LAID_OUT) == first
    assert pool_of(LAID_OUT, "task.capabilities.stories.sizes.test=7") != first
    assert pool_of(LAID_OUT, "task.capabilities.science.template='{text}'") != first
    assert pool_of(LAID_OUT, "task.resplit=false") == first


def test_a_task_of_one_set_says_nothing_of_capabilities() -> None:
    """Its steps are those of before there were any, and so are their results."""
    study = build_study(read_experiment({**LAID_OUT, "task": {"name": "sums"}}))
    assert "capabilities" not in study.pool.params["task"]
    assert set(study.splits[0].params["sizes"]) == {"half_a", "half_b", "test"}


def test_a_plan_counts_the_items_of_all_capabilities() -> None:
    scale = scale_of(read_experiment(LAID_OUT), None)
    assert (scale.half_a, scale.half_b, scale.test) == (26, 20, 25)
    one = {**LAID_OUT, "task": {"name": "sums", "sizes": {"half_a": 26, "half_b": 20, "test": 25}}}
    costs = [sum(step.cost.tokens for step in outgrow.plan(study).steps) for study in (LAID_OUT, one)]
    assert costs[0] == costs[1] > 0


def test_from_nothing_to_the_report(tmp_path: Path) -> None:
    _, table = next(make_sums())
    texts = [row[column] for row in table.rows[:40] for column in ("question", "answer")]
    for name, vocab in {"a": 280, "student": 300}.items():
        save_writer(tmp_path / name, "llama", texts, vocab)
    write(tmp_path, MIXED)
    done = command(tmp_path, "run", FILE)
    assert done.returncode == 0, done.stderr
    found = results(tmp_path)
    assert found["missing"] == []
    assert found["about"]["capabilities"] == {
        "maths": "answer match",
        "stories": "exact match",
        "science": "exact match",
    }
    assert [row["name"] for row in found["rows"]] == ["a", "ceiling", "naive"]
    topics = found["topics"]
    for row in found["rows"]:
        tested = topics["capabilities"]["rows"][row["name"]]
        assert [tested[name]["score"]["n"] for name in SETS] == [8, 9, 8]
        values = [one["score"]["value"] for one in tested.values()]
        assert abs(row["score"]["value"] - sum(values) / 3) < 1e-5
        assert set(topics["texts"][row["name"]]["unreadable_by"]) == {"maths", "science"}
    folder = tmp_path / "runs" / "small" / "tables"
    rows = json.loads((folder / "capabilities.json").read_text())["rows"]
    assert [row["row"] for row in rows] == ["a", "ceiling", "naive"]
    store = tmp_path / "runs" / "steps"
    task = Task.load(next(store.glob("pool-*")))
    split = Split.load(next(store.glob("split-*")))
    strong = [task.items.capabilities[row] for row in split.half_b.tolist()]
    assert {name: strong.count(name) for name in SETS} == {"maths": 6, "stories": 8, "science": 6}
    again = command(tmp_path, "report", FILE)
    assert again.returncode == 0, again.stderr
