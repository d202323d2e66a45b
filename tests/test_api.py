"""The Python door: a mapping goes in, tables come out, and everything that the command says is said here too."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import outgrow
import small_study
from outgrow.errors import ConfigError

MANY_SEEDS = list(range(40))


@pytest.fixture(scope="module")
def result() -> outgrow.Result:
    """The small study, of which another process has finished every step."""
    folder, ended = small_study.finished()
    assert ended.returncode == 0, ended.stderr
    study = {**copy.deepcopy(small_study.STUDY), "store": str(folder / "runs/steps"), "output": str(folder / "again")}
    return outgrow.run(study)


def test_a_mapping_is_as_good_as_a_file(result: outgrow.Result) -> None:
    folder, _ = small_study.finished()
    assert {outcome.state for outcome in result.outcomes.values()} == {"cached"}
    again = (folder / "again" / "results.json").read_bytes()
    assert again == (folder / "runs" / "small" / "results.json").read_bytes()
    assert not result.failed
    assert not result.complaints
    assert not result.interrupted
    assert result.report.is_file()


def test_every_table_becomes_a_data_frame(result: outgrow.Result) -> None:
    assert result.tables[0] == "main"
    for name in result.tables:
        frame = result.to_pandas(name)
        assert len(frame), name
        assert not frame.columns.duplicated().any(), name
    supervisors = result.to_pandas("supervisors")
    assert set(small_study.STUDY["supervisors"]) <= set(supervisors.iloc[:, 0])
    with pytest.raises(ConfigError, match="did you mean `main`"):
        result.to_pandas("mian")


def test_it_turns_into_json_and_into_a_notebooks_view(result: outgrow.Result) -> None:
    told = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert {row["name"] for row in told["results"]["rows"]} >= {"naive", "vote", "ceiling"}
    shown = result._repr_html_()
    assert shown.count("<table") == 1
    assert "naive" in shown


def test_the_callers_mapping_is_left_alone() -> None:
    study: dict[str, Any] = copy.deepcopy(small_study.STUDY)
    outgrow.plan(study, "seeds=1,2", "methods.0=bayesian")
    assert study == small_study.STUDY


def test_a_plan_of_more_than_500_steps_takes_less_than_a_second(tmp_path: Path) -> None:
    study = {**copy.deepcopy(small_study.STUDY), "seeds": MANY_SEEDS, "store": str(tmp_path / "steps")}
    # In a process of its own, without the type checks of the tests, as a user plans.
    code = (
        "import json, sys, time, outgrow\nstudy, seconds = json.loads(sys.argv[1]), []\noutgrow.plan(study)\n"
        "for _ in range(3):\n    start = time.process_time()\n    outgrow.plan(study)\n"
        "    seconds.append(time.process_time() - start)\nprint(min(seconds))"
    )
    planned = subprocess.run([sys.executable, "-c", code, json.dumps(study)], capture_output=True, text=True)
    assert planned.returncode == 0, planned.stderr
    assert float(planned.stdout) < 1
    plan = outgrow.plan(study)
    assert len(plan.steps) > 500
    assert len(plan.new) == len(plan.steps)
    assert not (tmp_path / "steps").exists()
    assert len(json.dumps(plan.to_json())) > 500
