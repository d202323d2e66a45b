"""The runner: what is executed, in what order, and what failures do."""

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from step_functions import contents, diamond, notes_in, step

from outgrow.errors import ConfigError
from outgrow.graph.runner import Event, run_steps
from outgrow.graph.step import Step
from outgrow.graph.store import Store


def states(outcomes, steps):
    return {one.name: outcomes[one.identity].state for one in steps if one.identity in outcomes}


def test_a_diamond_runs_each_step_once_and_then_is_reused(tmp_path):
    notes, store = tmp_path / "notes", Store(tmp_path / "store")
    steps = diamond(notes)
    first = run_steps(list(steps.values()), store)
    assert notes_in(notes) == ["bottom", "left", "right", "top"]
    assert {outcome.state for outcome in first.values()} == {"done"}
    assert (store.path(steps["bottom"]) / "text.txt").read_text() == "TLTRB"
    before = contents(store)
    again = run_steps(list(steps.values()), store)
    assert {outcome.state for outcome in again.values()} == {"cached"}
    assert len(notes_in(notes)) == 4
    assert contents(store) == before


def test_changing_one_parameter_reruns_only_what_depends_on_it(tmp_path):
    notes, store = tmp_path / "notes", Store(tmp_path / "store")
    run_steps(list(diamond(notes).values()), store)
    notes.unlink()
    changed = diamond(notes, left="l")
    outcomes = run_steps(list(changed.values()), store)
    assert notes_in(notes) == ["bottom", "left"]
    assert states(outcomes, changed.values()) == {"top": "cached", "right": "cached", "left": "done", "bottom": "done"}
    assert (store.path(changed["bottom"]) / "text.txt").read_text() == "TlTRB"


def test_jobs_do_not_change_the_result(tmp_path):
    one, three = Store(tmp_path / "one"), Store(tmp_path / "three")
    run_steps(list(diamond().values()), one, jobs=1)
    run_steps(list(diamond().values()), three, jobs=3)
    assert contents(one) == contents(three)


def test_independent_steps_run_at_the_same_time(tmp_path):
    steps = [step(f"s{number}", text=str(number), seconds=0.7) for number in range(3)]
    store = Store(tmp_path)
    began, ended = {}, {}

    def watch(event):
        if event.kind in ("started", "finished"):
            (began if event.kind == "started" else ended)[event.step.name] = time.monotonic()

    run_steps(steps, store, jobs=3, on_event=watch)
    assert max(began.values()) < min(ended.values())


def test_an_unneeded_input_is_left_alone(tmp_path):
    notes, store = tmp_path / "notes", Store(tmp_path / "store")
    steps = diamond(notes)
    run_steps([steps["bottom"]], store)
    store.path(steps["top"]).rename(tmp_path / "away")
    notes.unlink()
    outcomes = run_steps([steps["bottom"]], store)
    assert not notes.exists()
    assert states(outcomes, steps.values()) == {"bottom": "cached"}
    # Asked for by name, it is made again; and so it is where an unfinished step reads it.
    other = step("other", notes=notes, inputs=(steps["top"],), text="O")
    assert states(run_steps([steps["bottom"], other], store), [*steps.values(), other]) == {
        "bottom": "cached",
        "top": "done",
        "other": "done",
    }


def test_a_failure_takes_along_only_what_needs_it(tmp_path):
    store = Store(tmp_path)
    top = step("top", text="T")
    bad = step("bad", "complain", inputs=(top,))
    below = step("below", inputs=(bad, top), text="b")
    deeper = step("deeper", inputs=(below,), text="d")
    fine = step("fine", inputs=(top,), text="f")
    steps = [top, bad, below, deeper, fine]
    events: list[Event] = []
    outcomes = run_steps(steps, store, on_event=events.append)
    assert states(outcomes, steps) == {
        "top": "done",
        "bad": "failed",
        "below": "skipped",
        "deeper": "skipped",
        "fine": "done",
    }
    assert outcomes[bad.identity].error == "x.jsonl, row 7: label `maybe` is not one of `yes`, `no`"
    assert outcomes[deeper.identity].error == "needs `bad`, which failed"
    assert [event.step.name for event in events if event.kind == "skipped"] == ["below", "deeper"]
    assert (events[-1].done, events[-1].total) == (5, 5)


def test_an_unexpected_error_is_one_sentence_and_a_log(tmp_path):
    store = Store(tmp_path)
    bad = step("bad", "break_down")
    outcome = run_steps([bad], store)[bad.identity]
    assert outcome.state == "failed"
    assert outcome.error == f"ZeroDivisionError: no classes (traceback in {store.log(bad)})"
    log = outcome.log.read_text()
    assert "about to divide" in log
    assert "Traceback" in log
    assert not store.path(bad).exists()
    assert list((tmp_path / ".tmp").iterdir()) == []
    assert (tmp_path / ".scratch" / bad.folder / "checkpoint").read_text() == "worth keeping"


@pytest.mark.parametrize("function", ["no_such_module:f", "step_functions:no_such_function", "step_functions"])
def test_a_function_that_is_not_there_fails_its_step(tmp_path, function):
    bad = Step("bad", function)
    outcome = run_steps([bad], Store(tmp_path))[bad.identity]
    assert outcome.state == "failed"
    assert "Error: " in outcome.error


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (
            step("bad", "shoot_itself", number=int(signal.SIGKILL)),
            "was killed (SIGKILL); probably the machine ran out",
        ),
        (step("bad", "shoot_itself", number=int(signal.SIGSEGV)), "was killed (SIGSEGV)"),
        (step("bad", "leave", code=3), "exit code 3"),
        (step("bad", "leave_child_and_die"), "was killed (SIGKILL)"),
    ],
    ids=["kill", "crash", "exit", "orphan"],
)
def test_a_dead_worker_fails_its_step_and_is_replaced(tmp_path, bad, words):
    store = Store(tmp_path)
    fine = [step(f"fine{number}", text=str(number)) for number in range(3)]
    outcomes = run_steps([bad, *fine], store, jobs=1)
    assert words in outcomes[bad.identity].error
    assert outcomes[bad.identity].state == "failed"
    assert [outcomes[one.identity].state for one in fine] == ["done"] * 3
    assert list((tmp_path / ".tmp").iterdir()) == []
    assert not store.is_busy(bad)


def test_a_worker_is_reused_and_knows_its_threads(tmp_path):
    store = Store(tmp_path)
    steps = [Step(f"s{n}", "step_functions:look_around", {}, hints={"device": "cpu"}) for n in range(3)]
    run_steps(steps, store, jobs=1, threads=3)
    seen = [json.loads((store.path(one) / "seen.json").read_text()) for one in steps]
    assert len({about["pid"] for about in seen}) == 1
    assert seen[0]["OMP_NUM_THREADS"] == seen[0]["MKL_NUM_THREADS"] == "3"
    assert seen[0]["OMP_WAIT_POLICY"] == "PASSIVE"
    assert seen[0]["hints"] == {"device": "cpu"}


def test_all_that_a_step_prints_is_in_its_log(tmp_path):
    store = Store(tmp_path)
    talker, quiet = step("talker", "speak"), step("quiet", text="q")
    outcomes = run_steps([talker, quiet], store)
    log = outcomes[talker.identity].log.read_text()
    assert sorted(log.split("\n")[:-1]) == ["printed by Python", "printed by a child", "printed by compiled code"]
    assert outcomes[quiet.identity].log.read_text() == ""


def test_progress_and_the_event_log(tmp_path):
    store, log = Store(tmp_path / "store"), tmp_path / "log" / "events.jsonl"
    slow = step("slow", "climb", rounds=5, pause=0.15)
    events: list[Event] = []
    run_steps([slow], store, on_event=events.append, log=log)
    kinds = [event.kind for event in events]
    assert kinds[0] == "started"
    assert kinds[-1] == "finished"
    shares = [event.share for event in events if event.kind == "progress"]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["started", "finished"]
    assert lines[1]["seconds"] >= 0.75
    assert not (store.root / ".scratch" / slow.folder).exists()


def test_an_event_log_that_cannot_be_written_stops_nothing(tmp_path):
    only = step("only", text="x")
    events: list[Event] = []
    (tmp_path / "file").write_text("")
    log = tmp_path / "file" / "events.jsonl"
    outcomes = run_steps([only], Store(tmp_path / "store"), on_event=events.append, log=log)
    assert outcomes[only.identity].state == "done"
    assert [event.kind for event in events] == ["started", "damaged", "finished"]


def test_two_runs_on_one_store_share_the_work(tmp_path):
    notes, store = tmp_path / "notes", Store(tmp_path / "store")
    steps = list(diamond(notes, seconds=0.4).values())
    events: list[Event] = []
    results = [None, None]

    def one_run(number):
        results[number] = run_steps(steps, store, jobs=1, on_event=events.append)

    threads = [threading.Thread(target=one_run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert notes_in(notes) == ["bottom", "left", "right", "top"]
    for one in steps:
        ends = sorted(result[one.identity].state for result in results)
        assert ends in (["cached", "done"], ["cached", "cached"])
    assert "waiting" in {event.kind for event in events}


def test_five_hundred_finished_steps_are_recognised_at_once(tmp_path):
    store = Store(tmp_path)
    steps = [step("one", text="0")]
    for number in range(1, 500):
        steps.append(step("one", inputs=(steps[number // 10],), text=str(number)))
    store.prepare()
    for one in steps:
        (store.fresh_folder(one) / "result").write_text(one.identity * 50)
        store.commit(one, 0.0)
    # Processor time, so that a busy machine does not fail the test.
    began = time.process_time()
    outcomes = run_steps(steps, store)
    assert time.process_time() - began < 3
    assert {outcome.state for outcome in outcomes.values()} == {"cached"}
    assert len(outcomes) == 500


def test_a_run_may_be_started_from_anywhere(tmp_path):
    """From standard input, say: there is no main module that a child could import, and no `__main__` guard."""
    script = (
        "from pathlib import Path\nfrom step_functions import diamond\nfrom outgrow.graph.runner import run_steps\n"
        "from outgrow.graph.store import Store\n"
        "print({o.state for o in run_steps(list(diamond().values()), Store(Path('store'))).values()})"
    )
    environment = {"PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(
        [sys.executable, "-"], input=script, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "{'done'}\n"
    assert done.stderr == ""


@pytest.mark.parametrize(("jobs", "threads"), [(0, 1), (1, 0), (-1, None)])
def test_nonsense_is_refused(tmp_path, jobs, threads):
    with pytest.raises(ConfigError, match="at least 1"):
        run_steps([], Store(tmp_path), jobs=jobs, threads=threads)
