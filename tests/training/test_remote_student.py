"""A student that its provider tunes: what is sent, what is paid for, and what becomes of kills and refusals."""

import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import small_study
from fine_tuning_server import COURSE, TuningServer, tuning
from loopback import Body, choice
from outgrow.align.pieces import PieceTable
from outgrow.config.endpoint import EndpointSection
from outgrow.config.load import read_experiment
from outgrow.data.task import Items, Split, Task
from outgrow.data.tasks.errands import make_errands
from outgrow.errors import ConfigError, DataError, StepFailed
from outgrow.generation.remote_generator import TUNED
from outgrow.graph.step import Job
from outgrow.study.build import build_study
from outgrow.texts import TextTargets, certain
from outgrow.training.remote_student_step import cancel_remote, train_remote_student
from small_study import FILE, events, executed, outgrow, results, write

AUTO = {"epochs": "auto", "batch_size": "auto", "lr_multiplier": "auto"}
SECRET = "sk-very-secret-0123456789"
NAMES = ["i3", "i1", "i4", "i2"]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNING_KEY", SECRET)
    monkeypatch.setitem(small_study.ENVIRONMENT, "TUNING_KEY", SECRET)


@pytest.fixture
def server() -> Any:
    with tuning() as running:
        yield running


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Six items, four of which have a target, in an order of their own."""
    prompts = [f"what is {number}?" for number in range(6)]
    items = Items([f"i{number}" for number in range(6)], prompts, np.zeros(6, dtype=np.int64), answers=["x"] * 6)
    for name in ("pool", "split", "targets"):
        (tmp_path / name).mkdir()
    Task("mine", "generate", (), items, metric="exact_match").save(tmp_path / "pool")
    Split(np.asarray([0]), np.asarray([1, 2, 3, 4]), np.asarray([5])).save(tmp_path / "split")
    teach(tmp_path, NAMES, [f"é {name}" for name in NAMES])
    return tmp_path


def teach(study: Path, items: list[str], texts: list[str], weight: list[float] | None = None, cut: str = "") -> None:
    """Other targets; the text of item `cut` has no end."""
    pieces = [certain(text) for text in texts]
    pieces = [
        PieceTable(one.end[:-1], one.logprob[:-1]) if item == cut else one
        for item, one in zip(items, pieces, strict=True)
    ]
    targets = TextTargets(items, texts, pieces, np.asarray(weight or [1.0] * len(items)))
    targets.save(study / "targets" / "targets.parquet")


def section(url: str, **changes: Any) -> dict[str, Any]:
    named = {"type": "endpoint", "model": "tiny", "url": url, "key": "TUNING_KEY", "timeout": 2.0, "retries": 4}
    return EndpointSection.model_validate({**named, **changes}).model_dump(mode="json")


def run(
    study: Path,
    url: str,
    out: str = "out",
    fine_tuning: dict[str, Any] = AUTO,
    seed: int = 0,
    poll: float = 0.02,
    report: Callable[[str, float], None] = lambda message, share: None,
    **changes: Any,
) -> Path:
    """The step in a fresh `out`, with the scratch folder that it always has."""
    whole = section(url, **changes)
    (study / "scratch").mkdir(exist_ok=True)
    (study / out).mkdir()
    hints = {"endpoint": whole, "answers": str(study / "store" / "answers.sqlite"), "poll": poll}
    inputs = {name: study / name for name in ("pool", "split", "targets")}
    job = Job(study / out, inputs, study / "scratch", hints, report)
    train_remote_student(job, model=whole, fine_tuning=fine_tuning, seed=seed)
    return study / out


def record(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "chosen.json").read_text()))


def lines(server: TuningServer, number: int = 0) -> list[dict[str, Any]]:
    """What was uploaded."""
    content = list(server.files.values())[number]["content"]
    return [json.loads(line) for line in content.decode().splitlines()]


def chat(item: str, *before: dict[str, str]) -> dict[str, Any]:
    question = {"role": "user", "content": f"what is {item[1:]}?"}
    return {"messages": [*before, question, {"role": "assistant", "content": f"é {item}"}]}


def test_a_student_is_tuned(study: Path, server: TuningServer) -> None:
    told: list[tuple[str, float]] = []
    out = run(
        study,
        server.url,
        fine_tuning={**AUTO, "epochs": 2},
        seed=3,
        report=lambda message, share: told.append((message, share)),
    )
    (order,) = server.started
    assert {key: order[key] for key in ("model", "training_file", "seed")} == {
        "model": "tiny",
        "training_file": "file-0",
        "seed": 3,
    }
    assert order["hyperparameters"] == {"n_epochs": 2, "batch_size": "auto", "learning_rate_multiplier": "auto"}
    assert order["metadata"]["purchase"].startswith(order["suffix"])
    assert order["metadata"]["content"][:16] in server.files["file-0"]["about"]["filename"]
    assert json.loads((out / "model" / TUNED).read_text()) == {"model": "ft:tiny:org:ftjob-0"}
    about = record(out)
    assert about["chosen"] == {"n_epochs": 2, "batch_size": 1, "learning_rate_multiplier": 1.8}
    assert {key: about[key] for key in ("learned", "trained_tokens", "job", "cut_off")} == {
        "learned": 4,
        "trained_tokens": 28,
        "job": "ftjob-0",
        "cut_off": 0,
    }
    steps = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert steps == [{"step": step, "total_steps": 4, "train_loss": 1 / step} for step in (1, 2, 3, 4)]
    assert told[0] == ("validating_files: the job was created", 0.0)
    assert told[-1] == ("running: step 3", 0.75)
    assert server.keys == {f"Bearer {SECRET}"}


def test_every_text_is_a_chat_in_an_order_of_the_seed(study: Path, server: TuningServer) -> None:
    told = {"role": "system", "content": "be brief"}
    for out, seed, system in (("a", 0, None), ("b", 1, None), ("c", 0, "be brief")):
        (study / "scratch" / "job.json").unlink(missing_ok=True)
        run(study, server.url, out, seed=seed, system=system)
    first, second, third = (lines(server, number) for number in range(3))
    assert sorted(map(json.dumps, first)) == sorted(json.dumps(chat(name)) for name in NAMES)
    assert sorted(map(json.dumps, second)) == sorted(map(json.dumps, first))
    assert second != first
    assert third == [{"messages": [told, *one["messages"]]} for one in first]
    assert "é" in server.files["file-0"]["content"].decode(), "as it is, not escaped"
    assert len({one["metadata"]["purchase"] for one in server.started}) == 3


@pytest.mark.parametrize("forgets", [(), ("metadata",), ("metadata", "user_provided_suffix")])
def test_the_same_content_is_paid_for_once_whoever_wants_it(
    study: Path, server: TuningServer, forgets: tuple[str, ...]
) -> None:
    server.forgets = forgets
    for number in range(3):  # others' jobs, so that the list has pages
        server.new_file(f"other-{number}.jsonl", b"{}\n")
        other = {"model": "tiny", "training_file": f"file-{number}", "hyperparameters": {}, "seed": 0}
        server.new_job({**other, "metadata": {"purchase": "other"}, "suffix": "other"})
    first = record(run(study, server.url))
    for path in (study / "scratch").iterdir():
        path.unlink()
    assert record(run(study, server.url, "again")) == first
    assert (len(server.jobs), len(server.files)) == (4, 4)
    run(study, server.url, "more", fine_tuning={**AUTO, "epochs": 5})
    assert len(server.jobs) == 5


def test_two_steps_at_once_share_a_job(study: Path, server: TuningServer) -> None:
    def work(number: int) -> None:
        folder = study / str(number)
        (folder / "scratch").mkdir(parents=True)
        (folder / "out").mkdir()
        hints = {"endpoint": section(server.url), "answers": str(study / "answers.sqlite"), "poll": 0.05}
        inputs = {name: study / name for name in ("pool", "split", "targets")}
        job = Job(folder / "out", inputs, folder / "scratch", hints)
        train_remote_student(job, model=section(server.url), fine_tuning=AUTO, seed=0)

    working = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in working:
        thread.start()
    for thread in working:
        thread.join()
    assert [record(study / str(number) / "out")["job"] for number in range(3)] == ["ftjob-0"] * 3
    assert len(server.jobs) == 1


@pytest.mark.parametrize(
    ("halt", "dies"),
    [
        ("POST /files before", True),
        ("POST /files after", True),
        ("GET /fine_tuning/jobs after", True),
        ("POST /fine_tuning/jobs before", True),
        ("POST /fine_tuning/jobs after", True),
        ("GET /fine_tuning/jobs/ftjob-0 before", True),
        ("GET /fine_tuning/jobs/ftjob-0/events after", True),
        ("POST /fine_tuning/jobs before", False),
    ],
)
def test_killed_at_any_moment_one_job_is_started(study: Path, server: TuningServer, halt: str, dies: bool) -> None:
    """SIGKILL while the server stands still; it goes on with what it was asked before the next run, or during it."""
    server.halt = halt
    child = multiprocessing.get_context("spawn").Process(target=run, args=(study, server.url, "killed"))
    child.start()
    assert server.halted.wait(60)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert not (study / "killed" / "chosen.json").exists()
    later = threading.Timer(0.0 if dies else 0.5, server.released.set)
    later.start()
    if dies:
        later.join()
    out = run(study, server.url, poll=1.0 if not dies else 0.1)
    assert len(server.jobs) == 1
    assert record(out)["job"] == "ftjob-0"


def test_a_failed_job_is_told_and_not_taken_again(study: Path, server: TuningServer) -> None:
    server.course, server.error = ["queued", "failed"], f"no good, {SECRET}"
    with pytest.raises(StepFailed, match=r"job ftjob-0 failed: no good, …; the same command starts a new one"):
        run(study, server.url)
    server.course = list(COURSE)
    assert record(run(study, server.url, "again"))["job"] == "ftjob-1"
    assert (len(server.jobs), len(server.files)) == (2, 1)


def test_a_job_that_failed_unseen_is_told_before_another_is_started(study: Path, server: TuningServer) -> None:
    server.trouble = lambda request, count: "500" if request.startswith("GET /fine_tuning/jobs/") else None
    with pytest.raises(StepFailed, match="HTTP 500"):
        run(study, server.url, retries=0)
    server.trouble = lambda request, count: None
    server.jobs["ftjob-0"]["course"] = ["failed"]
    with pytest.raises(StepFailed, match="ftjob-0 failed"):
        run(study, server.url, "again")
    assert len(server.jobs) == 1


def test_a_job_that_is_cancelled_ends_the_step(study: Path, server: TuningServer) -> None:
    server.course = ["running"]

    def stop(message: str, share: float) -> None:
        assert cancel_remote(study / "scratch", section(server.url)) == "cancelled"

    with pytest.raises(StepFailed, match="job ftjob-0 was cancelled"):
        run(study, server.url, report=stop)
    server.course = list(COURSE)
    assert record(run(study, server.url, "again"))["job"] == "ftjob-1"


def test_what_was_begun_can_be_cancelled_later_even_without_a_note(study: Path, server: TuningServer) -> None:
    assert cancel_remote(study, section(server.url)) is None
    server.course = ["running"]
    server.trouble = lambda request, count: "500" if request.endswith("ftjob-0") and count > 1 else None
    with pytest.raises(StepFailed, match=r"HTTP 500.*run the same command again"):
        run(study, server.url, retries=0)
    server.trouble = lambda request, count: None
    (study / "scratch" / "job.json").unlink()
    assert cancel_remote(study / "scratch", section(server.url)) == "cancelled"
    assert server.jobs["ftjob-0"]["cancelled"]
    assert cancel_remote(study / "scratch", section(server.url)) is None


def test_a_finished_job_is_not_cancelled(study: Path, server: TuningServer) -> None:
    run(study, server.url)
    assert cancel_remote(study / "scratch", section(server.url)) == "succeeded"
    assert not any(request.endswith("cancel") for request in server.asked)


@pytest.mark.parametrize("trouble", ["429", "500", "503", "cut", "not json"])
def test_trouble_that_passes_is_outlasted(study: Path, server: TuningServer, trouble: str) -> None:
    """Everywhere: where files and jobs are made, too, and there nothing is made twice."""
    server.trouble = lambda request, count: trouble if count == 0 else None
    assert record(run(study, server.url))["learned"] == 4
    assert (len(server.jobs), len(server.files)) == (1, 1)


@pytest.mark.parametrize(
    ("status", "words"),
    [("401", "environment variable TUNING_KEY has a wrong key"), ("400", "HTTP 400"), ("404", "HTTP 404")],
)
@pytest.mark.parametrize("where", ["GET /files", "POST /files", "POST /fine_tuning/jobs"])
def test_a_refusal_is_told_once_and_without_the_key(
    study: Path, server: TuningServer, status: str, words: str, where: str
) -> None:
    server.trouble = lambda request, count: status if request == where else None
    with pytest.raises(StepFailed, match=words) as told:
        run(study, server.url)
    assert SECRET not in str(told.value)
    assert server.asked.count(where) == 1


def test_a_server_that_is_down_is_named(study: Path) -> None:
    with tuning() as server:
        url = server.url
    with pytest.raises(StepFailed, match=r"`tiny` at http://.*the connection failed.*same command again"):
        run(study, url, retries=0)


def test_a_job_that_is_gone_is_not_paid_for_again_unasked(study: Path, server: TuningServer) -> None:
    server.trouble = lambda request, count: "500" if request.endswith("ftjob-0") else None
    with pytest.raises(StepFailed):
        run(study, server.url, retries=0)
    server.trouble = lambda request, count: "404" if request.endswith("ftjob-0") else None
    with pytest.raises(StepFailed, match=r"fine-tuning job ftjob-0.*delete .*job\.json"):
        run(study, server.url, "again")
    assert len(server.jobs) == 1


def test_a_server_without_events_gives_no_metrics(study: Path, server: TuningServer) -> None:
    server.with_events = False
    told: list[tuple[str, float]] = []
    out = run(study, server.url, report=lambda message, share: told.append((message, share)))
    assert (out / "metrics.jsonl").read_text() == ""
    assert told[-1] == ("running", 0.0)


def test_the_key_is_in_no_file(study: Path, server: TuningServer) -> None:
    server.trouble = lambda request, count: "429" if count == 0 else None
    run(study, server.url)
    files = [path for path in study.rglob("*") if path.is_file()]
    assert len(files) > 8
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]


def test_texts_without_weight_and_without_an_end_are_left_out(
    study: Path, server: TuningServer, caplog: pytest.LogCaptureFixture
) -> None:
    teach(study, [*NAMES, "i1"], [*(f"é {name}" for name in NAMES), "not me"], [1.0, 1.0, 1.0, 1.0, 0.0], cut="i4")
    out = run(study, server.url)
    assert sorted(map(json.dumps, lines(server))) == sorted(json.dumps(chat(name)) for name in NAMES if name != "i4")
    assert record(out)["left_out"] == {"cut_off": ["i4"]}
    assert "1 texts were cut off (items i4)" in caplog.text


def test_equal_shares_are_all_learned(study: Path, server: TuningServer) -> None:
    teach(study, ["i1", "i2", "i1", "i2"], ["a", "b", "c", "d"], [0.5, 3.0, 0.5, 3.0])
    assert record(run(study, server.url))["learned"] == 4


@pytest.mark.parametrize(
    ("items", "weight", "words"),
    [
        (["i1", "i1", "i2"], [0.5, 0.5, 1.0], r"item `i1` weighs 0\.5 and one of `i2` 1,.*`single`"),
        (["i1", "i1", "i2"], [0.3, 0.7, 0.0], r"item `i1` weighs 0\.3 and one of `i1` 0\.7,.*one text per item"),
        (["i1", "i2", "i3"], [0.0, 0.0, 0.0], "nothing to learn: no target has a weight above 0"),
        (["i1", "i2", "i5"], [1.0, 1.0, 1.0], "item `i5` is not among the items to learn from"),
    ],
)
def test_targets_that_no_provider_can_learn_are_refused_before_anything_is_sent(
    study: Path, server: TuningServer, items: list[str], weight: list[float], words: str
) -> None:
    teach(study, items, ["a", "b", "c"], weight)
    with pytest.raises(DataError, match=words):
        run(study, server.url)
    assert server.asked == []


# ---- a whole study --------------------------------------------------------------------------------------


def whole_study(url: str) -> dict[str, Any]:
    """Two weak models and the strong one, all behind one server."""
    endpoint = {"type": "endpoint", "url": url, "key": "TUNING_KEY", "timeout": 10.0, "retries": 4}
    return {
        "name": "small",
        "task": {"name": "errands", "template": "{text}", "sizes": {"half_a": 6, "half_b": 12, "test": 16}},
        "supervisors": {"a": {**endpoint, "model": "weak-a"}, "b": {**endpoint, "model": "weak-b-7b"}},
        "student": {**endpoint, "model": "strong", "fine_tuning": {"poll": 0.05, "epochs": 2}},
        "methods": ["single", {"preset": "naive", "sources": ["a"]}],
        "variants": ["plain"],
        "seeds": [0],
        "bootstrap": 100,
        "threads": 1,
    }


def knowing(body: Body) -> list[dict[str, Any]]:
    """Tuned models know the answers, weak ones every other, the untouched one none."""
    said = body["messages"][-1]["content"]
    knows = body["model"].startswith("ft:") or (body["model"].startswith("weak") and len(said) % 2)
    return [choice(GOLD[said] if knows else "{}")]


GOLD = {str(row["text"]): str(row["slots"]) for _, table in make_errands() for row in table.rows}


def test_a_whole_study_at_a_provider(tmp_path: Path) -> None:
    with tuning(knowing) as server:
        write(tmp_path, whole_study(server.url))
        planned = outgrow(tmp_path, "plan", FILE)
        assert planned.returncode == 0, planned.stderr
        assert planned.stdout.count("student ") == 4
        done = outgrow(tmp_path, "run", FILE, "--jobs", "3")
        assert done.returncode == 0, done.stderr
        found = results(tmp_path)
        scores = {row["name"]: row["score"]["value"] for row in found["rows"]}
        assert list(scores) == [
            "a", "b", "untouched student", "ceiling", "single: a", "single: b", "naive",
        ]  # fmt: skip
        assert scores["untouched student"] < scores["a"] < scores["ceiling"] == scores["naive"] == 1.0
        assert found["missing"] == []
        assert {row["settings"]["n_epochs"] for row in found["topics"]["chosen"]["settings"]} == {2}
        assert len(server.jobs) == 2, "the ceiling's, and one for all who learn the same texts"
        told, asked, chats = len(events(tmp_path)), len(server.asked), len(server.requests)
        again = outgrow(tmp_path, "run", FILE, "-q")
        assert again.returncode == 0, again.stderr
        assert executed(tmp_path, told) == []
        assert (len(server.asked), len(server.requests)) == (asked, chats)
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["student.fine_tuning=null"], r"student: .* add `fine_tuning: \{\}`"),
        (["variants=[plain,self_training]"], r"variants: `self_training`"),
        (["methods=[bayesian]"], r"method `bayesian`: loss `evidential`"),
        (["methods=[{name: p, preference: {}, sources: [a]}]"], r"method `p`: `preference`"),
    ],
)
def test_what_a_provider_cannot_do_is_said_before_anything_runs(words: list[str], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        build_study(read_experiment(whole_study("http://127.0.0.1:1/v1"), words))


def test_how_often_a_job_is_looked_at_changes_no_step() -> None:
    def steps(*words: str) -> set[str]:
        study = build_study(read_experiment(whole_study("http://127.0.0.1:1/v1"), words))
        return {step.identity for step in study.steps if step.name == "student"}

    assert steps() == steps("student.fine_tuning.poll=5", "student.retries=3")
    assert not steps() & steps("student.fine_tuning.epochs=3")
