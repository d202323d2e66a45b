"""Whatever a step or a rule is at, it and all that it has started die with the run that was killed."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from drawn_seeds import SEEDS
from orphans import alive_in, left_after

HERE = Path(__file__).parent
SECONDS = 5.0
STUCK = """
import re, subprocess, sys

def start_a_child():
    subprocess.Popen([sys.executable, "-S", "-c", "import time; open('child', 'w'); time.sleep(600)"])

def stuck(row):
    start_a_child()
    re.search("^(a+)+$", "a" * 60 + "b")  # holds the interpreter's lock

def step(job): stuck({})
"""
RULES = """
from outgrow.supervise.rules_step import apply_rules
items = [{"item": str(number), "text": "a" * 60 + "b"} for number in range(8)]
mine = {"function": "stuck.py:stuck", "limit": 600}
rules = {"mine": mine, "pattern": {"regex": "^(a+)+$", "says": "a", "limit": 600}}
apply_rules({"classes": ["a", "b"], "rules": {name: rules[name] for name in NAMES}}, items, jobs=2)
"""
STEP = """
import sys
from pathlib import Path
from outgrow.graph.runner import run_steps
from outgrow.graph.step import Step
from outgrow.graph.store import Store
sys.path.insert(0, "")
run_steps([Step("stuck", "stuck:step", {})], Store(Path("store")))
"""
PROGRAMS = {
    "a rule that has started a child": RULES.replace("NAMES", '["mine"]'),
    "a pattern": RULES.replace("NAMES", '["pattern"]'),
    "a step that has started a child": STEP,
}


def started(folder: Path, program: str) -> "subprocess.Popen[bytes]":
    (folder / "stuck.py").write_text(STUCK)
    return subprocess.Popen([sys.executable, "-c", program], cwd=folder, start_new_session=True)


@pytest.mark.parametrize("what", PROGRAMS)
def test_nothing_outlives_a_killed_parent(tmp_path: Path, what: str) -> None:
    run = started(tmp_path, PROGRAMS[what])
    until = time.monotonic() + 60
    while not ((tmp_path / "child").exists() if "child" in what else len(alive_in(run.pid)) >= 5):
        assert run.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    time.sleep(0.3)
    assert len(alive_in(run.pid)) >= 3
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert left_after(run.pid, SECONDS) == []


def test_nothing_outlives_a_parent_that_is_killed_while_it_starts_processes(tmp_path: Path) -> None:
    draw = random.Random(SEEDS[0])
    for number in range(12):
        run = started(
            tmp_path, PROGRAMS["a rule that has started a child" if number % 2 else "a step that has started a child"]
        )
        alone = time.monotonic() + 60
        while len(alive_in(run.pid)) < 2 and time.monotonic() < alone:
            assert run.poll() is None
        time.sleep(draw.choice([0, 0.005, 0.03, 0.2]) * draw.random())
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        assert left_after(run.pid, SECONDS) == [], number


def test_what_a_rule_has_started_ends_with_the_work(tmp_path: Path) -> None:
    program = (
        RULES.replace("NAMES", '["mine"]').replace('"limit": 600', '"limit": 0.1').replace("range(8)", "range(2)")
    )
    run = subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    (tmp_path / "stuck.py").write_text(STUCK)
    assert "rule `mine` fails on all 2 items" in run.communicate(timeout=60)[1]
    assert left_after(run.pid, SECONDS) == []
