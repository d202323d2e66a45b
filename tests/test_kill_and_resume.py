"""A run that is killed or interrupted at any instant goes on to the same tables, byte for byte."""

import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from drawn_seeds import SEEDS
from small_study import FILE, accuracies, events, executed, finished, outgrow, report_bytes, start, write
from small_texts import write_texts_study

KILLS = 5
STUDIES = {"votes": write, "texts": write_texts_study}


def wait_for_events(run: "subprocess.Popen[str]", folder: Path, number: int) -> None:
    """Until the run has told of `number` events, or has ended."""
    while run.poll() is None and len(events(folder)) < number:
        time.sleep(0.005)


@pytest.mark.parametrize("kind", STUDIES)
def test_killed_at_random_instants_a_study_comes_to_the_same_tables(kind: str, tmp_path: Path) -> None:
    prepare = STUDIES[kind]
    expected, written = report_bytes(finished(prepare)[0]), text_bytes(finished(prepare)[0])
    draw = random.Random(SEEDS[0])
    kills = 0
    while kills < KILLS:
        folder = tmp_path / f"after-{kills}-kills"
        folder.mkdir()
        prepare(folder)
        kills += kill_until_finished(folder, draw, KILLS - kills)
        # Killed steps are made again, finished ones never.
        ends = Counter(one["folder"] for one in events(folder) if one["kind"] == "finished")
        assert max(ends.values()) == 1
        assert report_bytes(folder) == expected
        assert text_bytes(folder) == written


def text_bytes(folder: Path) -> dict[str, bytes]:
    """All that anybody wrote, scored or preferred, by step: the bytes hang on every weight of the models."""
    steps = folder / "runs" / "steps"
    return {
        str(path.relative_to(steps)): path.read_bytes()
        for name in ("texts", "scores", "pairs")
        for path in steps.glob(f"{name}-*/*.parquet")
    }


def kill_until_finished(folder: Path, draw: random.Random, most: int) -> int:
    """Start the study again and again, killing it at most `most` times; returns how often it was killed."""
    kills = 0
    while True:
        run = start(folder, "run", FILE, "-q", "--jobs", draw.choice("12"))
        if kills < most:
            # Instants spread over start-up, over the steps, which come thick and fast after it, and over the report.
            wait_for_events(run, folder, len(events(folder)) + draw.randrange(8))
            try:
                run.wait(draw.choice([0.02, 0.2, 1.0]) * draw.random())
            except subprocess.TimeoutExpired:
                os.killpg(run.pid, signal.SIGKILL)
                kills += 1
        err = run.communicate(timeout=120)[1]
        if run.returncode == 0:
            return kills
        assert run.returncode == -signal.SIGKILL, err


@pytest.mark.parametrize(("number", "jobs"), [(1, "1"), (14, "2")])
def test_ctrl_c_says_so_keeps_what_is_finished_and_the_same_command_goes_on(
    tmp_path: Path, number: int, jobs: str
) -> None:
    write(tmp_path)
    run = start(tmp_path, "run", FILE, "-q", "--jobs", jobs)
    wait_for_events(run, tmp_path, number)
    os.killpg(run.pid, signal.SIGINT)
    out, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert err.startswith("outgrow: interrupted")
    assert err.count("\n") == 1
    kept = executed(tmp_path)
    if number > 1:
        assert kept
        assert "report: runs/small/report.html" in out
        assert None in accuracies(tmp_path).values()
    before = events(tmp_path)
    told = len(before)
    again = outgrow(tmp_path, "run", FILE, "-q")
    assert (again.returncode, again.stderr) == (0, "")
    once = Counter(kept + executed(tmp_path, told))
    expected = Counter(executed(finished()[0]))
    assert once <= expected
    # A worker may have stored its step when the signal came before the run noted it: the next run finds it finished.
    begun = Counter(f"{one['folder'].rpartition('-')[0]} {one['label']}" for one in before if one["kind"] == "started")
    assert expected - once <= begun - Counter(kept)
    assert report_bytes(tmp_path) == report_bytes(finished()[0])
