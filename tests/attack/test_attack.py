"""The short form of `make attack` for kills, and what the program does with what an attack finds."""

import json
from pathlib import Path

import kills
import pytest
import run
from failure import Failure

from drawn_seeds import SEEDS

MADE_UP = """
from failure import Failure

def run(count, seed):
    places = [place for place in range(count) if seed + place == 10]
    return count, [Failure("flipped byte", seed, place, "a traceback", b"bad", "../x.csv") for place in places]
"""


def test_killed_at_random_instants_nothing_is_lost_and_nothing_lives_on() -> None:
    tried, failures = kills.run(8, SEEDS[0])
    assert tried == 8
    assert failures == []


def test_every_attack_of_the_folder_is_found() -> None:
    assert "kills" in run.attacks()
    assert not {"run", "failure", "commands", "test_attack"} & set(run.attacks())


def test_what_an_attack_finds_is_counted_and_can_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "made_up.py").write_text(MADE_UP)
    monkeypatch.syspath_prepend(tmp_path)
    tally = run.attack("made_up", 100, 60.0, 0)
    assert (tally.tried, len(tally.failures)) == (100, 1)
    run.write_failures(tally, tmp_path / "out")
    about = json.loads((tmp_path / "out" / "made_up-0" / "failure.json").read_text())
    assert (tmp_path / "out" / "made_up-0" / "x.csv").read_bytes() == b"bad"
    words = about["again"].split()
    assert words[:3] == ["python", "tests/attack/run.py", "made_up"]
    seed, count = int(words[4]), int(words[6])
    assert run.attack("made_up", count, 60.0, seed).failures == [Failure(**about["failure"], content=b"bad")]
    assert run.table([tally]).splitlines()[2].startswith("| made_up | 100 | 1 | ")


def test_time_that_is_up_ends_an_attack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow.py").write_text(
        "import time\ndef run(count, seed):\n    time.sleep(0.2)\n    return count, []\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    tally = run.attack("slow", 10**9, 0.5, 0)
    assert 0 < tally.tried < 10**6
    assert tally.seconds < 5


def test_an_unknown_attack_is_named_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run.main(["nothing"])
    assert "no attack named nothing; there are" in capsys.readouterr().err
