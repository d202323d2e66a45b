"""An edited loss through the command: the plan says so, the run makes the steps anew and no others, and says so."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import outgrow as package
from small_study import ENVIRONMENT, FILE, accuracies, copy, executed
from small_study import events as events_of


def command(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """The command of the package's copy in `folder`."""
    environment = {**ENVIRONMENT, "PYTHONPATH": str(folder / "copied")}
    return subprocess.run(
        [sys.executable, "-m", "outgrow", *words], cwd=folder, env=environment, capture_output=True, text=True
    )


def test_a_loss_that_is_edited_is_computed_again(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    copied = folder / "copied" / "outgrow"
    shutil.copytree(Path(package.__file__).parent, copied, ignore=shutil.ignore_patterns("__pycache__"))
    assert {step["state"] for step in json.loads(command(folder, "plan", FILE, "--json").stdout)} == {"cached"}
    before, told = accuracies(folder), len(events_of(folder))

    loss = copied / "losses" / "softmax_losses.py"
    text = loss.read_text()
    assert "return -(target" in text
    loss.write_text(text.replace("return -(target", "return -0 * (target"))
    steps = json.loads(command(folder, "plan", FILE, "--json").stdout)
    changed = {f"{step['name']} {step['label']}" for step in steps if step["code_changed"]}
    assert changed == {f"{step['name']} {step['label']}" for step in steps if step["state"] == "new"}
    assert {"supervisor a, seed 0", "student naive, seed 0"} <= changed
    assert "supervisor words, seed 0" not in changed
    assert "new, code changed" in command(folder, "plan", FILE).stdout

    done = command(folder, "run", FILE)
    assert done.returncode == 0, done.stderr
    assert "code changed: " in done.stderr
    assert set(executed(folder, told)) == changed
    after = accuracies(folder)
    assert after["words"] == before["words"]
    assert after["naive"] != before["naive"]
    # Every answer of a student that learned nothing is the same.
    assert after["naive"] == after["ceiling"]
