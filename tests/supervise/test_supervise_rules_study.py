"""Rules among the supervisors of a study: what they need, what a change re-runs, and a whole run."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from outgrow.config.load import read_experiment
from outgrow.data.task import Items, Split, Task
from outgrow.errors import ConfigError, DataError
from outgrow.graph.step import Job, Step
from outgrow.labels import WeakLabels
from outgrow.study.build import build_study
from outgrow.supervise.rule_source import file_hash
from outgrow.supervise.rules_step import apply_rule
from small_study import FILE, accuracies, outgrow, results, step_folder, write

FUNCTION = """
def of_law(row):
    if "court" in row["text"].lower():
        return "law"
    return {"law": 0.1, "physics": 0.9} if "energy" in row["text"] else None
"""
STUDY: dict[str, Any] = {
    "name": "small",
    "task": {"name": "mmlu_topic", "source": "bundled", "sizes": {"half_a": 60, "half_b": 200, "test": 150}},
    "supervisors": {
        "cells": {"regex": "cells?|gene|protein|species", "says": "biology", "ignore_case": True},
        "law": {"function": "my_rules.py:of_law"},
        "words": {"type": "ngram"},
    },
    "student": {"model": "bundled:wordllama"},
    "methods": ["vote"],
    "untouched": False,
    "variants": ["plain"],
    "tune": {"l2": [0.01], "epochs": [20], "folds": 2},
    "seeds": [0],
    "bootstrap": 100,
    "threads": 1,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_rules.py").write_text(FUNCTION)
    write(tmp_path, STUDY)
    return tmp_path


def supervisors(folder: Path, *words: str) -> dict[str, Step]:
    study = build_study(read_experiment(folder / FILE, words))
    return {step.label.partition(",")[0]: step for step in study.steps if step.name == "supervisor"}


def test_a_study_with_two_rules_and_an_n_gram_model(folder: Path) -> None:
    done = outgrow(folder, "run", FILE, "-q")
    assert done.returncode == 0, done.stderr
    assert set(accuracies(folder)) >= {"cells", "law", "words", "vote"}
    assert results(folder)["missing"] == []
    assert results(folder)["about"]["untaught"] == ["cells", "law"]
    for name in ("cells", "law"):
        found = step_folder(folder, "supervisor", f"{name}, seed 0")
        tables = {part: WeakLabels.load(found / f"{part}.parquet") for part in ("anchors", "half_b", "test")}
        assert [len(table.items) for table in tables.values()] == [60, 200, 150]
        assert {table.sources for table in tables.values()} == {(name,)}
        share = np.concatenate([table.voted[:, 0] for table in tables.values()]).mean()
        assert 0 < share < 0.5, "silent where it does not apply"
        assert json.loads((found / "errors.json").read_text()) == []


def test_what_is_in_the_file_of_a_function_matters_and_not_where_it_lies(folder: Path) -> None:
    before = supervisors(folder)
    (folder / "elsewhere.py").write_text(FUNCTION)
    moved = supervisors(folder, f"supervisors.law.function={folder}/elsewhere.py:of_law")
    assert moved["law"].identity == before["law"].identity
    assert moved["law"].hints["file"].endswith("elsewhere.py")
    (folder / "my_rules.py").write_text(FUNCTION + "\n# changed\n")
    after = supervisors(folder)
    assert after["law"].identity != before["law"].identity
    assert after["cells"].identity == before["cells"].identity
    assert supervisors(folder, "supervisors.cells.limit=2")["cells"].identity != before["cells"].identity


def test_what_rules_of_a_study_cannot_be_is_said_before_it_runs(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"supervisors\.cells\.says: no class `biologie`; did you mean `biology`"):
        supervisors(folder, "supervisors.cells.says=biologie")
    with pytest.raises(DataError, match=r"missing\.py: there is no such file"):
        supervisors(folder, "supervisors.law.function=missing.py:of_law")
    for task in ("{name: arc_easy}", "{name: errands}"):
        with pytest.raises(ConfigError, match=r"supervisors\.cells: a rule votes for one of a task's classes"):
            supervisors(folder, f"task={task}")
    with pytest.raises(ConfigError, match=r"student\.regex: unknown key"):
        supervisors(folder, "student={regex: x, says: law}")


def applied(folder: Path, rule: dict[str, Any], content: str | None = None, file: Path | None = None) -> WeakLabels:
    """The step on five items, two of them in half B."""
    items = Items([f"i{n}" for n in range(5)], [f"text {n}" for n in range(5)], np.zeros(5, dtype=np.int64))
    for name in ("pool", "split", "out", "scratch"):
        (folder / name).mkdir(exist_ok=True)
    Task("mine", "classify", ("no", "yes"), items).save(folder / "pool")
    Split(np.array([4]), np.array([1, 2]), np.array([0, 3])).save(folder / "split")
    inputs = {name: folder / name for name in ("pool", "split")}
    job = Job(folder / "out", inputs, folder / "scratch", {} if file is None else {"file": str(file)})
    apply_rule(job, rule={"limit": 1.0, **rule}, content=content, source="mine")
    return WeakLabels.load(folder / "out" / "half_b.parquet")


def test_the_step_tells_errors_and_keeps_the_other_votes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "f.py"
    file.write_text("def f(row): return 1 // (int(row['text'][-1]) % 4) or {'no': 0.5, 'yes': 0.5}\n")
    labels = applied(tmp_path, {"function": "f"}, file_hash(file), file)
    assert labels.probs[:, 0].tolist() == [[0.0, 1.0], [0.5, 0.5]]
    (error,) = json.loads((tmp_path / "out" / "errors.json").read_text())
    assert (error["error"], error["n_items"], error["items"]) == ("ZeroDivisionError", 2, ["i4", "i0"])
    assert "Rule `mine` fails on 2 items (i4, i0): ZeroDivisionError" in caplog.text
    with pytest.raises(DataError, match="has changed since the study was planned"):
        applied(tmp_path, {"function": "f"}, "sha256:other", file)


def test_the_step_refuses_silence_and_unknown_classes(tmp_path: Path) -> None:
    pattern = {"regex": "2|3", "says": "yes", "ignore_case": False}
    assert applied(tmp_path, pattern).probs[:, 0].tolist() == [[0.0, 0.0], [0.0, 1.0]]
    with pytest.raises(DataError, match=r"supervisors\.mine: the rule says nothing of any of the 5 items"):
        applied(tmp_path, {**pattern, "regex": "zzz"})
    with pytest.raises(ConfigError, match=r"supervisors\.mine\.says: no class `ja`; known: `no`, `yes`"):
        applied(tmp_path, {**pattern, "says": "ja"})
