"""A student that answers some new items alone: its card, its predictions, and what goes back to the sources."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import outgrow
import small_study
from outgrow.data.task import Split, Task
from outgrow.deliver.cascade import cascade_of
from outgrow.deliver.training_data_step import make_training_data
from outgrow.errors import DataError
from outgrow.graph.step import Job
from outgrow.labels import Targets, WeakLabels

DATA = Path(__file__).parents[2] / "examples" / "data"
MODEL = "bundled:smollm2-135m@1"
WORDS = (
    *("student.training.epochs=1", "items.text=message", "items.gold=team", "student.max_length=64"),
    *("cascade.accuracy=0.2", "cascade.level=0.9"),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A weak student with a modest promise by gold."""
    folder = tmp_path_factory.mktemp("cascade")
    tickets = pd.read_csv(DATA / "tickets.csv").head(40)
    votes = pd.read_csv(DATA / "ticket_votes.csv")
    votes = votes[votes["ticket"].isin(tickets["ticket"])]
    student = outgrow.train(
        tickets,
        votes,
        *WORDS,
        model=MODEL,
        method="vote",
        test=DATA / "ticket_test.csv",
        output=folder / "student",
        store=folder / "steps",
    )
    return SimpleNamespace(folder=folder, student=student, tickets=tickets, votes=votes)


def test_the_card_counts_the_held_out_answers(made: Any) -> None:
    cascade = made.student.card["cascade"]
    gold = dict(pd.read_csv(DATA / "ticket_test.csv")[["ticket", "team"]].itertuples(index=False))
    written = made.student.predictions.to_pandas()
    held = written[written["item"].str.startswith("test-")]
    alone = held[held["confidence"] >= cascade["threshold"]]
    right = [
        gold[name.removeprefix("test-")] == label for name, label in zip(alone["item"], alone["label"], strict=True)
    ]
    assert (cascade["n"], cascade["right"]) == (len(alone), sum(right))
    assert cascade["share"] == len(alone) / len(held)
    assert cascade["low"] >= cascade["accuracy"]
    assert cascade["against"] == "gold"
    assert "may answer alone" in (made.student.folder / "README.md").read_text()


def test_new_items_get_the_answers_of_the_folder(made: Any) -> None:
    """The same as in training, and the same again from finished steps."""
    new = pd.read_csv(DATA / "ticket_test.csv").drop(columns="team")
    table = outgrow.predict(made.student.folder, new, id="ticket", store=made.folder / "steps").to_pandas()
    known = made.student.predictions.to_pandas().set_index("item")
    for row in table.itertuples():
        np.testing.assert_allclose(
            list(row.probabilities.values()), list(known.loc[f"test-{row.item}", "probs"]), atol=2e-4
        )
    threshold = made.student.card["cascade"]["threshold"]
    assert (table["by"] == np.where(table["confidence"] >= threshold, "student", "sources")).all()
    everything = outgrow.predict(made.student.folder, new, id="ticket", threshold=0.0, store=made.folder / "steps")
    assert set(everything["by"].to_pylist()) == {"student"}


def test_a_promise_that_cannot_be_kept_sends_everything_back(made: Any, tmp_path: Path) -> None:
    steps = {path.name.partition("-")[0]: path for path in (made.folder / "steps").glob("*-*")}
    facts = cascade_of(steps["training_data"], steps["student"], accuracy=0.999, level=0.95, holdout=0.2)
    assert facts["threshold"] is None
    assert facts["needed"] > facts["n_held"]
    card = json.loads((made.student.folder / "card.json").read_text())
    for path in made.student.folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "card.json").unlink()
    (tmp_path / "card.json").write_text(json.dumps({**card, "kind": "generate"}))
    with pytest.raises(DataError, match="classes"):
        outgrow.predict(tmp_path, made.tickets, store=made.folder / "steps")
    (tmp_path / "card.json").write_text(json.dumps({**card, "cascade": None}))
    table = outgrow.predict(tmp_path, made.tickets.head(5), store=made.folder / "steps")
    assert table["by"].to_pylist() == ["student"] * 5
    (tmp_path / "card.json").write_text(json.dumps({**card, "cascade": facts}))
    table = outgrow.predict(tmp_path, made.tickets.head(5), store=made.folder / "steps")
    assert table["by"].to_pylist() == ["sources"] * 5


def test_without_test_items_a_part_of_the_voted_ones_is_held_out(made: Any, tmp_path: Path) -> None:
    """Their labels are not learned, and what is right is their combined label."""
    made.tickets.to_csv(tmp_path / "items.csv", index=False)
    made.votes[made.votes["ticket"] != made.tickets["ticket"][0]].to_csv(tmp_path / "votes.csv", index=False)
    settings = {"student": {"model": "-"}, "items": {"text": "message"}, "cascade": {"accuracy": 0.5}}
    hints = {"files": {"items": str(tmp_path / "items.csv"), "labels": str(tmp_path / "votes.csv")}}
    for name in ("data", "answered"):
        (tmp_path / name).mkdir()
    make_training_data(Job(tmp_path / "data", {}, tmp_path, hints), settings=settings, content={})
    task, split = Task.load(tmp_path / "data"), Split.load(tmp_path / "data")
    held = json.loads((tmp_path / "data" / "held_out.json").read_text())
    assert len(held) == 8
    assert sorted(Targets.load(tmp_path / "data" / "targets.parquet").items) == sorted(
        set(made.tickets["ticket"][1:]) - set(held)
    )
    combined = pq.read_table(tmp_path / "data" / "combined.parquet").to_pandas().set_index("item")
    for part, rows in (("half_b", split.half_b), ("test", split.test)):
        names = [task.items.ids[row] for row in rows.tolist()]
        labels = [task.classes.index(combined.loc[name, "label"]) if name in held else 0 for name in names]
        if part == "test":
            labels[names.index(held[0])] = (labels[names.index(held[0])] + 1) % 3
        probs = np.full((len(names), 3), 0.1)
        probs[np.arange(len(names)), labels] = 0.8
        WeakLabels(names, ("student",), probs[:, None]).save(tmp_path / "answered" / f"{part}.parquet")
    facts = cascade_of(tmp_path / "data", tmp_path / "answered", accuracy=0.5, level=0.9, holdout=0.2)
    assert (facts["against"], facts["n_held"], facts["n"], facts["right"]) == ("the combined labels", 8, 8, 7)


def test_the_command(made: Any) -> None:
    made.tickets.to_csv(made.folder / "new.csv", index=False)
    words = ["predict", "--student", "student", "--items", "new.csv", "-o", "labels.csv", "--store", "steps"]
    done = small_study.outgrow(made.folder, *words)
    assert done.returncode == 0, done.stderr
    labels = pd.read_csv(made.folder / "labels.csv")
    assert list(labels.columns) == ["item", "label", "confidence", "probabilities", "by"]
    assert f"{(labels['by'] == 'student').sum()} of 40 items" in done.stdout
    strange = small_study.outgrow(made.folder, *words[:2], "nothing", *words[3:])
    assert (strange.returncode, "nothing" in strange.stderr) == (2, True)
