"""What reaches a terminal does not steer it, whatever a file holds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from outgrow.errors import DataError
from outgrow.text_format import harmless

EVIL = "\x1b]0;title\x07\x1b[31m\x9b2J\u202e"


def outgrow(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "outgrow", *map(str, words)], capture_output=True, text=True, check=False
    )


def test_only_what_steers_is_replaced() -> None:
    assert harmless("Zoë, 东京 😀\ta\nb") == "Zoë, 东京 😀\ta\nb"
    assert harmless(EVIL + "\ud800\r") == "\ufffd]0;title\ufffd\ufffd[31m\ufffd2J" + 3 * "\ufffd"
    assert str(DataError(f"a class `{EVIL}`")) == f"a class `{harmless(EVIL)}`"


@pytest.mark.parametrize("wrong", [False, True])
def test_names_of_a_file_are_shown_harmless(tmp_path: Path, wrong: bool) -> None:
    path = tmp_path / "v.jsonl"
    rows = [{"item": i, "source": f"{EVIL}{j}", "label": f"{EVIL}{(i + j) % 2}"} for i in range(6) for j in range(3)]
    rows += [{**rows[0], "label": "other"}] if wrong else []
    path.write_text("\n".join(map(json.dumps, rows)))
    for words in (("labels", path), ("combine", path, "--method", "vote")):
        done = outgrow(*words)
        assert done.returncode == (2 if wrong else 0), done.stderr
        assert harmless(done.stdout + done.stderr) == done.stdout + done.stderr
    told = outgrow("combine", path, "--method", "vote", "--json").stdout
    assert harmless(told) == told
    found = json.loads(told)
    assert (
        ("votes for two classes" in found["error"])
        if wrong
        else (found["votes"]["classes"] == [f"{EVIL}0", f"{EVIL}1"])
    )
