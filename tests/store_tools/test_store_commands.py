"""The verbs of the store on a real study."""

import json
import time
from pathlib import Path

import pytest

import small_study
from small_study import FILE, executed, outgrow, report_bytes, start

TINY = {**small_study.STUDY, "methods": ["naive", "vote"], "variants": ["plain"], "gold_controls": False}


def prepare(folder: Path) -> Path:
    return small_study.write(folder, TINY)


def test_a_colleague_reuses_every_step_of_a_bundle(tmp_path: Path) -> None:
    here, there = small_study.copy(tmp_path / "here", prepare), tmp_path / "there"
    there.mkdir()
    prepare(there)
    packed = outgrow(here, "store", "pack", FILE, "-o", "x.tar.zst")
    assert (packed.returncode, packed.stderr) == (0, "")
    unpacked = outgrow(there, "store", "unpack", str(here / "x.tar.zst"))
    assert (unpacked.returncode, unpacked.stderr) == (0, "")
    again = outgrow(there, "run", FILE, "-q")
    assert (again.returncode, again.stderr) == (0, "")
    assert executed(there) == []
    assert report_bytes(there) == report_bytes(here)


def test_a_store_is_shown_and_cleaned(tmp_path: Path) -> None:
    folder = small_study.copy(tmp_path / "study", prepare)
    steps = json.loads(outgrow(folder, "store", "ls", "--json").stdout)
    assert steps
    assert all(step["users"] == ["small"] for step in steps)
    used = json.loads(outgrow(folder, "store", "du", FILE, "--json").stdout)
    assert [row["study"] for row in used["studies"]] == ["small", "(no study)"]
    assert used["studies"][0]["bytes"] == sum(step["size"] for step in steps)
    small_study.write(folder, {**TINY, "methods": ["vote"]})
    listed = outgrow(folder, "store", "gc", "--keep", FILE)
    assert "nothing was removed" in listed.stdout
    assert len(list((folder / "runs" / "steps").glob("*-*"))) == len(steps)
    removed = json.loads(outgrow(folder, "store", "gc", "--keep", FILE, "--yes", "--json").stdout)
    assert 0 < removed["removed"] == len(removed["steps"]) < len(steps)
    assert ", 0 new" in outgrow(folder, "plan", FILE).stdout
    # A report's folder names the same study with the settings of its run.
    kept = json.loads(outgrow(folder, "store", "gc", "runs/small", "--json").stdout)
    assert not kept["steps"]
    assert outgrow(folder, "store", "pack", "runs/small", "-o", "x.tar.zst").returncode == 0


def test_gc_waits_for_no_run_and_takes_nothing_from_it(tmp_path: Path) -> None:
    prepare(tmp_path)
    run = start(tmp_path, "run", FILE, "-q")
    while run.poll() is None and not list(tmp_path.glob("runs/steps/pool-*")):
        time.sleep(0.02)
    (tmp_path / "elsewhere").mkdir()
    kept = small_study.write(tmp_path / "elsewhere", {**TINY, "seeds": [1], "store": "../runs/steps"})
    refused = outgrow(tmp_path, "store", "gc", "--keep", str(kept), "--yes")
    assert run.poll() is None
    assert refused.returncode == 2
    assert "uses this store" in refused.stderr
    err = run.communicate(timeout=120)[1]
    assert (run.returncode, err) == (0, "")
    assert report_bytes(tmp_path) == report_bytes(small_study.finished(prepare)[0])


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["gc"], "--keep"),
        (["ls"], "--store"),
        (["ls", "missing.yaml"], "missing.yaml"),
        (["ls", "."], "folder of a report"),
        (["unpack", "missing.tar.zst"], "no such file"),
    ],
)
def test_bad_input_gives_one_sentence(tmp_path: Path, words: list[str], part: str) -> None:
    ended = outgrow(tmp_path, "store", *words)
    assert ended.returncode == 2
    assert part in ended.stderr
    assert ended.stderr.count("\n") == 1
