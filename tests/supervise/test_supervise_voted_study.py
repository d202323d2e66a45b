"""Votes of a file among the supervisors of a study: what they need, what a change re-runs, and whole runs."""

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from outgrow.api import plan
from outgrow.cli.inspection import copy_recipe
from outgrow.config.load import read_experiment
from outgrow.config.task import TaskSection
from outgrow.data.load_task import load_task
from outgrow.data.tasks.errands import make_errands
from outgrow.errors import ConfigError, DataError
from outgrow.graph.step import Step
from outgrow.labels import WeakLabels
from outgrow.study.build import build_study
from small_study import FILE, accuracies, outgrow, results, step_folder, write
from small_texts import MODEL
from tiny_writers import save_writer

DATA = Path(__file__).parents[2] / "examples" / "data"
PEOPLE = ("ada", "ben", "cleo", "dan", "eve")
STUDY: dict[str, Any] = {
    "name": "small",
    "task": {
        "name": "tickets",
        "path": "tickets.csv",
        "columns": {"id": "ticket", "text": "message", "label": "team"},
        "sizes": {"half_a": 80, "half_b": 200, "test": 200},
    },
    "supervisors": {
        **{name: {"votes": "ticket_votes.csv"} for name in PEOPLE[:-1]},
        "crier": {"votes": "ticket_votes.csv", "source": "eve", "columns": {"item": "ticket"}},
    },
    "student": {"model": "bundled:wordllama"},
    "methods": ["vote", "dawid_skene", "naive", "bayesian"],
    "variants": ["plain"],
    "tune": {"l2": [0.01], "epochs": [20], "folds": 2},
    "seeds": [0],
    "bootstrap": 100,
    "threads": 1,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("tickets.csv", "ticket_votes.csv"):
        shutil.copyfile(DATA / name, tmp_path / name)
    write(tmp_path, STUDY)
    return tmp_path


def supervisors(folder: Path, *words: str) -> dict[str, Step]:
    study = build_study(read_experiment(folder / FILE, words))
    return {step.label.partition(",")[0]: step for step in study.steps if step.name == "supervisor"}


def test_a_study_whose_supervisors_are_five_people_in_a_file(folder: Path) -> None:
    planned = outgrow(folder, "plan", FILE)
    assert planned.returncode == 0, planned.stderr
    done = outgrow(folder, "run", FILE, "-q")
    assert done.returncode == 0, done.stderr
    found = results(folder)
    assert found["missing"] == []
    assert found["about"]["untaught"] == [*PEOPLE[:-1], "crier"]
    assert set(found["about"]["models"]) == {"ceiling"}
    scores = accuracies(folder)
    assert set(scores) >= {"crier", "vote", "dawid_skene", "naive", "bayesian", "ceiling"}
    with (folder / "ticket_votes.csv").open(newline="") as file:
        votes = {(row["ticket"], row["worker"]): row["label"] for row in csv.DictReader(file)}
    taken = step_folder(folder, "supervisor", "crier, seed 0")
    counted = 0
    for part, n in (("anchors", 80), ("half_b", 200), ("test", 200)):
        table = WeakLabels.load(taken / f"{part}.parquet")
        assert (len(table.items), table.sources) == (n, ("crier",))
        there = [(item, "eve") in votes for item in table.items]
        np.testing.assert_array_equal(table.voted[:, 0], there)
        counted += sum(there)
    assert counted == sum(worker == "eve" for _, worker in votes)
    assert_measured_where_they_voted(folder, found, votes, done.stdout)


def assert_measured_where_they_voted(
    folder: Path, found: dict[str, Any], votes: dict[tuple[str, str], str], text: str
) -> None:
    """Nobody asked a file about the items on which it is silent: they are neither right nor wrong."""
    with (folder / "tickets.csv").open(newline="") as file:
        gold = {row["ticket"]: row["team"] for row in csv.DictReader(file)}
    items = WeakLabels.load(step_folder(folder, "supervisor", "crier, seed 0") / "test.parquet").items
    for row in (row for row in found["rows"] if row["role"] == "floor"):
        worker = "eve" if row["name"] == "crier" else row["name"]
        said = [votes[item, worker] == gold[item] for item in items if (item, worker) in votes]
        assert row["score"]["value"] == pytest.approx(np.mean(said), abs=1e-6)
        assert row["score"]["n"] == row["per_seed"][0]["n"] == len(said)
        assert row["score"]["note"] == "on the items that it answered"
    together = next(one for one in found["topics"]["supervisors"] if one["name"] == "mean vote")
    assert together["test"]["n"] == sum(any((item, worker) in votes for worker in PEOPLE) for item in items)
    assert "and is measured on the others." in text
    assert "count as wrong" not in text


def test_what_is_in_the_file_matters_and_not_where_it_lies(folder: Path) -> None:
    before = supervisors(folder)
    (folder / "elsewhere").mkdir()
    shutil.copyfile(folder / "ticket_votes.csv", folder / "elsewhere" / "v.csv")
    moved = supervisors(folder, f"supervisors.ada.votes={folder}/elsewhere/v.csv")
    assert moved["ada"].identity == before["ada"].identity
    assert moved["ada"].hints["file"].endswith("v.csv")
    assert supervisors(folder, "supervisors.ada.source=ben")["ada"].identity != before["ada"].identity
    assert before["crier"].identity != before["ada"].identity
    with (folder / "ticket_votes.csv").open("a") as file:
        file.write("T1001,ben,technical,1\n")
    after = supervisors(folder)
    assert all(after[name].identity != before[name].identity for name in before)


def test_what_is_wrong_is_said_before_the_study_runs(folder: Path) -> None:
    with pytest.raises(DataError, match=r"supervisors\.ada\.votes: there is no file or folder .*gone\.csv"):
        supervisors(folder, "supervisors.ada.votes=gone.csv")
    with pytest.raises(ConfigError, match=r"supervisors\.ada\.columns\.itm: unknown key; did you mean `item`"):
        supervisors(folder, "supervisors.ada.columns.itm=ticket")
    with pytest.raises(ConfigError, match=r"supervisors\.ada: votes of a file name the options .*task\.form"):
        supervisors(folder, "task={name: arc_easy}")
    with pytest.raises(ConfigError, match=r"student\.votes: unknown key"):
        supervisors(folder, "student={votes: ticket_votes.csv}")


TEXTS: dict[str, Any] = {
    "name": "small",
    "task": {"name": "errands", "template": "{text}", "sizes": {"half_a": 8, "half_b": 12, "test": 10}},
    "supervisors": {"ada": {"votes": "answers.csv"}, "ben": {"votes": "answers.csv"}},
    "student": {**MODEL, "model": "./student", "training": {**MODEL["training"], "keep": "last"}},
    "answering": {"beams": 1, "candidates": 1, "max_new_tokens": 16},
    "methods": ["slot_vote", "naive"],
    "variants": ["plain"],
    "untouched": False,
    "seeds": [0],
    "bootstrap": 100,
    "threads": 1,
}


def test_texts_of_a_file_teach_a_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, table = next(make_errands())
    save_writer(tmp_path / "student", "llama", [row[key] for row in table.rows[:40] for key in ("text", "slots")], 300)
    write(tmp_path, TEXTS)
    write_answers(tmp_path / "answers.csv")
    done = outgrow(tmp_path, "run", FILE, "-q")
    assert done.returncode == 0, done.stderr
    found = results(tmp_path)
    assert found["missing"] == []
    assert found["about"]["untaught"] == ["ada", "ben"]
    strong = {row["name"]: row["half_b"]["value"] for row in found["topics"]["supervisors"]}
    assert strong == {"ada": 1.0, "ben": 0.0}
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"supervisor `ada` is a file and cannot score texts"):
        build_study(read_experiment(tmp_path / FILE, ["methods=[joint_decoding]"]))


def write_answers(path: Path) -> None:
    """Ada knows gold and leaves every third item out, Ben says of all items that there is no slot."""
    items = load_task(TaskSection(name="errands", template="{text}")).items
    assert items.answers is not None
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["item", "source", "answer"])
        for number, (name, gold) in enumerate(zip(items.ids, items.answers, strict=True)):
            writer.writerows([(name, "ada", gold if number % 3 else ""), (name, "ben", "{}")])


def test_the_example_is_what_it_says() -> None:
    experiment = read_experiment(DATA.parent / "ticket_votes.yaml")
    assert tuple(experiment.supervisors) == PEOPLE
    assert build_study(experiment).rows[0].name == "ada"


def test_the_example_is_copied_with_all_of_its_data(tmp_path: Path) -> None:
    copied = copy_recipe("ticket_votes", tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in copied] == [
        "ticket_votes.yaml", "data/tickets.csv", "data/ticket_votes.csv",
    ]  # fmt: skip
    assert build_study(read_experiment(tmp_path / "ticket_votes.yaml")).rows[0].name == "ada"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["supervisors.tomm={votes: ticket_votes.csv}"],
            r"supervisors\.tomm: .* has no source `tomm`; there are `ada`",
        ),
        (["supervisors.ada.columns={item: number}"], "there is no column `number`"),
        (["supervisors.ada.columns={label: seconds, item: nobody}"], "there is no column `nobody`"),
    ],
)
def test_a_plan_reads_the_votes(folder: Path, words: list[str], message: str) -> None:
    words = [word.replace("ticket_votes", str(folder / "ticket_votes")) for word in words]
    with pytest.raises((ConfigError, DataError), match=message):
        plan(folder / FILE, *words)
