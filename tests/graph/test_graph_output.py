"""Files and folders that somebody asked for: whole after a kill at every instant, and never changed by two at once."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import instants
import pytest

from outgrow.errors import DataError
from outgrow.graph.output import alone, exchange, recover, whole_file

COUNT = """
import json, sys
from pathlib import Path
from outgrow.graph.output import alone, whole_file
path = Path(sys.argv[1])
for number in range(int(sys.argv[2])):
    with alone(path, print):
        count = json.loads(path.read_text())
        with whole_file(path, lasting=False) as unfinished:
            unfinished.write_text(json.dumps(count + 1))
    print(number, flush=True)
"""
HOLD = """
import sys, time
from pathlib import Path
from outgrow.graph.output import alone, whole_file
with alone(Path(sys.argv[1])), whole_file(Path(sys.argv[1])) as unfinished:
    unfinished.write_text("half")
    print("held", flush=True)
    time.sleep(600)
"""


def run(program: str, *words: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", program, *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("work", instants.WORKS)
def test_whole_and_repeatable_after_a_kill_at_every_instant(tmp_path: Path, work: str) -> None:
    command = [sys.executable, instants.__file__, work, str(tmp_path / "here")]
    found = subprocess.run(command, capture_output=True, text=True)
    assert (found.returncode, found.stderr) == (0, "")
    assert int(found.stdout) > (10 if work == "file" else 40)


def test_this_disk_exchanges_names(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    if not exchange(tmp_path / "a", tmp_path / "b"):
        pytest.skip("this system or disk cannot exchange two names")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]
    assert not exchange(tmp_path / "a", tmp_path / "nowhere")


def test_of_several_that_change_a_file_none_is_lost(tmp_path: Path) -> None:
    path, each, several = tmp_path / "count", 40, 6
    path.write_text("0")
    runs = [run(COUNT, path, each) for _ in range(several)]
    done = [len(one.communicate(timeout=120)[0].splitlines()) for one in runs]
    assert [one.returncode for one in runs] == [0] * several
    assert done == [each] * several
    assert json.loads(path.read_text()) == each * several
    assert [one.name for one in tmp_path.iterdir()] == ["count"]


def test_a_killed_one_frees_the_lock_and_what_it_left_is_swept(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")
    held = run(HOLD, path)
    assert held.stdout is not None
    assert held.stdout.readline() == "held\n"
    with pytest.raises(DataError, match="another process is writing it"), alone(path):
        pass
    with whole_file(tmp_path / "other.txt") as unfinished:
        unfinished.write_text("beside it")
    assert len(list(tmp_path.glob(".outgrow-*"))) == 2, "what somebody works on is left alone"
    os.kill(held.pid, signal.SIGKILL)
    held.communicate()
    assert len(list(tmp_path.glob(".outgrow-*"))) == 2
    with alone(path), whole_file(path) as unfinished:
        unfinished.write_text("new")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["other.txt", "out.txt"]
    assert path.read_text() == "new"


def test_who_waits_is_told_once_and_gets_it(tmp_path: Path) -> None:
    held = run(HOLD, tmp_path / "x")
    assert held.stdout is not None
    held.stdout.readline()
    told = []

    def end_it() -> None:
        told.append(time.monotonic())
        held.kill()

    began = time.monotonic()
    with alone(tmp_path / "x", end_it):
        assert len(told) == 1
    assert 1 < told[0] - began < 10
    held.communicate()


def test_through_a_link_the_same_file_is_locked_and_written(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "file")
    with alone(tmp_path / "link"):
        with pytest.raises(DataError), alone(tmp_path / "there" / "file"):
            pass
        with whole_file(tmp_path / "link") as unfinished:
            unfinished.write_text("x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "file").read_text() == "x"


def test_what_fails_leaves_the_earlier_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")
    with pytest.raises(IsADirectoryError), whole_file(tmp_path / "x"):
        tmp_path.write_text("half")
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("x", "old")]


def test_a_name_as_long_as_the_disk_allows(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 255)
    with alone(path), whole_file(path) as unfinished:
        unfinished.write_text("x")
    recover(path)
    assert path.read_text() == "x"
