"""The notebooks run from their first cell to their last on bundled data, and show what their prose says."""

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from small_study import ENVIRONMENT

EXAMPLES = Path(__file__).parents[1] / "examples"
NAMES = sorted(path.stem for path in (EXAMPLES / "notebooks").glob("*.py"))
RUN = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("notebook", sys.argv[1])
notebook = importlib.util.module_from_spec(spec)
spec.loader.exec_module(notebook)
_, found = notebook.app.run()
print(json.dumps(eval(sys.argv[2], dict(found))))
"""
pytestmark = pytest.mark.skipif(
    find_spec("marimo") is None,
    reason="marimo is not installed: `pip install -c constraints.txt 'outgrow[notebooks]'`",
)


def run(folder: Path, name: str, expression: str) -> Any:
    """Execute all cells of a copy; returns what an expression of their variables is then."""
    shutil.copytree(EXAMPLES, folder / "examples", ignore=shutil.ignore_patterns("runs", "answers"))
    notebook = folder / "examples" / "notebooks" / f"{name}.py"
    command = [sys.executable, "-c", RUN, str(notebook), expression]
    ended = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def test_there_are_three() -> None:
    assert NAMES == ["study", "texts", "votes"]


def test_the_study_is_run_loaded_and_compared(tmp_path: Path) -> None:
    found = run(
        tmp_path,
        "study",
        "{'complete': result.complete, 'tables': result.tables, 'rows': len(main), 'n': difference.n,"
        " 'agree': [float(accuracy[True]), float(accuracy[False])],"
        " 'loss': [float(losses['naive'].iloc[0]), float(losses['naive'].iloc[-1])]}",
    )
    assert found["complete"]
    assert "main" in found["tables"]
    assert found["rows"] > 5
    assert found["n"] > 400
    assert found["agree"][0] > found["agree"][1]
    assert found["loss"][1] < found["loss"][0]
    assert (tmp_path / "examples" / "notebooks" / "runs" / "notebook" / "report.html").is_file()


def test_votes_become_labels_and_a_student(tmp_path: Path) -> None:
    found = run(
        tmp_path,
        "votes",
        "{'sources': {name: one.value for name, one in accuracies.items()}, 'labels': len(labels),"
        " 'scores': {name: one.value for name, one in scores.items()}, 'answers': list(answers['label'])}",
    )
    assert found["sources"]["ada"] > found["sources"]["dan"]
    assert found["labels"] == 400
    assert min(found["scores"].values()) > 0.6
    assert found["answers"] == ["billing", "technical"]


def test_texts_are_combined_and_checked(tmp_path: Path) -> None:
    found = run(tmp_path, "texts", "{'checked': checked, 'expected': expected, 'steps': len(plan.steps)}")
    sources = [found["checked"][name] for name in ("careful", "hasty", "careless")]
    assert found["checked"]["answer_one_coin"] > max(sources)
    assert abs(found["expected"] - found["checked"]["answer_one_coin"]) < 0.1
    assert found["steps"] > 5


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_a_notebook_of_marimo(name: str) -> None:
    command = [sys.executable, "-m", "marimo", "check", "--strict", str(EXAMPLES / "notebooks" / f"{name}.py")]
    ended = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
