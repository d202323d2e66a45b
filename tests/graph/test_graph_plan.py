"""The plan: the same steps as a run would look at, without touching anything."""

import subprocess
import sys
import time

import pytest
from step_functions import contents, diamond, step

from outgrow.errors import DataError
from outgrow.graph.plan import plan
from outgrow.graph.runner import run_steps
from outgrow.graph.step import Step
from outgrow.graph.store import Store


def test_a_plan_tells_what_is_new_and_changes_nothing(tmp_path):
    store = Store(tmp_path / "store")
    steps = diamond()
    assert [line.state for line in plan(list(steps.values()), store)] == ["new"] * 4
    assert not store.root.exists()
    run_steps(list(steps.values()), store)
    before = contents(store)
    changed = diamond(left="l")
    planned = plan(list(changed.values()), store)
    assert {line.step.name: line.state for line in planned} == {
        "top": "cached",
        "left": "new",
        "right": "cached",
        "bottom": "new",
    }
    (store.path(steps["top"]) / "text.txt").write_text("a different length")
    assert plan([steps["top"]], store)[0].state == "new"
    assert contents(store).keys() == before.keys()
    assert not (store.root / ".damaged").exists() or not list((store.root / ".damaged").iterdir())


def test_a_plan_and_a_run_agree_on_what_is_needed(tmp_path):
    store = Store(tmp_path)
    steps = diamond()
    run_steps([steps["left"]], store)
    new = {line.step.identity for line in plan([steps["bottom"]], store) if line.state == "new"}
    outcomes = run_steps([steps["bottom"]], store)
    assert new == {identity for identity, outcome in outcomes.items() if outcome.state == "done"}
    assert [line.step.name for line in plan([steps["bottom"]], store)] == ["bottom"]


def test_a_cost_is_passed_on(tmp_path):
    one = Step("one", "m:f", hints={"cost": {"seconds": 3}})
    assert plan([one, step("two", text="")], Store(tmp_path))[0].cost == {"seconds": 3}


def test_five_hundred_steps_are_planned_in_a_second(tmp_path):
    store = Store(tmp_path)
    steps = [step("one", text="0")]
    for number in range(1, 500):
        steps.append(step("one", inputs=(steps[number // 10],), text=str(number)))
    store.prepare()
    for one in steps[::2]:
        store.fresh_folder(one)
        store.commit(one, 0.0)
    began = time.process_time()  # a busy machine does not count
    planned = plan(steps, store)
    assert time.process_time() - began < 1
    assert sum(line.state == "cached" for line in planned) == 250


def test_planning_imports_nothing_heavy():
    script = (
        "import sys, outgrow.graph.runner, outgrow.graph.plan\n"
        "print([name for name in ('torch', 'numpy', 'pyarrow', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_plan_on_a_file_is_refused(tmp_path):
    (tmp_path / "store").write_text("")
    with pytest.raises(DataError, match="is a file"):
        plan([step("one", text="")], Store(tmp_path / "store"))
