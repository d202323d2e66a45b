"""From votes to a student's folder, with a real (small) model: what is in it, what its card says, where it can go."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from transformers import pipeline

import outgrow
from hub_server import TOKEN, hub
from outgrow.errors import ConfigError, DataError

DATA = Path(__file__).parents[2] / "examples" / "data"
CLASSES = ["account", "billing", "technical"]
MODEL = "bundled:smollm2-135m@1"
ITEMS = 60


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A student of the first tickets' votes, its folder, and what it was made of."""
    folder = tmp_path_factory.mktemp("student")
    tickets = pd.read_csv(DATA / "tickets.csv").head(ITEMS)
    votes = pd.read_csv(DATA / "ticket_votes.csv")
    votes = votes[votes["ticket"].isin(tickets["ticket"][: ITEMS - 5])]
    (folder / "tickets.csv").write_text(tickets.to_csv(index=False))
    (folder / "votes.csv").write_text(votes.to_csv(index=False))
    student = outgrow.train(
        folder / "tickets.csv",
        folder / "votes.csv",
        "student.training.epochs=1",
        "items.text=message",
        "items.gold=team",
        "student.max_length=64",
        model=MODEL,
        method="dawid_skene",
        test=DATA / "ticket_test.csv",
        output=folder / "student",
        store=folder / "steps",
    )
    return SimpleNamespace(folder=folder, student=student, tickets=tickets, votes=votes)


def test_the_folder_loads_by_itself_and_says_what_is_written(made: Any) -> None:
    written = made.student.predictions.to_pandas().set_index("item")
    classify = pipeline("text-classification", model=str(made.student.folder), top_k=None)
    for row in made.tickets.sample(8, random_state=0).itertuples():
        said = {one["label"]: one["score"] for one in classify([row.message], truncation=True, max_length=64)[0]}
        np.testing.assert_allclose([said[name] for name in CLASSES], list(written.loc[row.ticket, "probs"]), atol=2e-4)
        assert max(said, key=lambda name: said[name]) == written.loc[row.ticket, "label"]


def test_items_without_a_vote_and_test_items_are_answered_too(made: Any) -> None:
    written = made.student.predictions.to_pandas()
    learned = set(written[written["learned"]]["item"])
    assert learned == set(made.votes["ticket"])
    assert set(made.tickets["ticket"]) - learned < set(written["item"])
    assert sum(name.startswith("test-") for name in written["item"]) == made.student.card["answers"]["test"]["n"] == 80


def test_the_card_counts_what_is_there(made: Any) -> None:
    card = made.student.card
    assert card["votes"]["n"] == len(made.votes)
    assert card["training_data"]["kept"] == made.votes["ticket"].nunique()
    assert {one["name"] for one in card["votes"]["sources"]} == set(made.votes["worker"])
    gold = dict(pd.read_csv(DATA / "ticket_test.csv")[["ticket", "team"]].itertuples(index=False))
    written = made.student.predictions.to_pandas()
    test = written[written["item"].str.startswith("test-")]
    right = [
        gold[name.removeprefix("test-")] == label for name, label in zip(test["item"], test["label"], strict=True)
    ]
    assert card["answers"]["test"]["accuracy"] == pytest.approx(np.mean(right))


def test_the_card_is_what_the_hub_reads(made: Any) -> None:
    text = (made.student.folder / "README.md").read_text()
    _, front, body = text.split("---\n", 2)
    assert yaml.safe_load(front)["pipeline_tag"] == "text-classification"
    for name in set(made.votes["worker"]):
        assert f"| {name} |" in body
    assert "built-in" not in body
    assert "what the items' column `message` held in training" in body
    assert 'text = "…"' in body
    assert str(made.folder) not in body.replace(str(made.folder), "", 4), "paths only where the command needs them"


def test_the_command_of_the_card_makes_the_same_student_from_what_is_finished(made: Any) -> None:
    words = shlex.split(made.student.card["command"])
    assert words[:2] == ["outgrow", "train"]
    assert words[words.index("--store") + 1] == str(made.folder / "steps")
    before = {path.name for path in (made.folder / "steps").glob("*-*")}
    again = subprocess.run(
        [sys.executable, "-m", *words, "--json"],
        capture_output=True,
        text=True,
        cwd=made.folder,
    )
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["answers"] == made.student.card["answers"]
    assert {path.name for path in (made.folder / "steps").glob("*-*")} == before


def test_tables_in_memory_and_files_give_the_same_labels(made: Any) -> None:
    by_file = outgrow.combine(made.folder / "votes.csv", "dawid_skene").to_pandas()
    by_frame = outgrow.combine(made.votes, "dawid_skene").to_pandas()
    pd.testing.assert_frame_equal(by_file, by_frame)
    of_student = pq.read_table(made.student.folder / "labels.parquet").to_pandas()
    pd.testing.assert_frame_equal(by_file, of_student)


def test_a_student_and_its_labels_arrive_at_a_hub(made: Any) -> None:
    with hub() as server:
        environment = {**os.environ, "HF_ENDPOINT": server.url, "HF_TOKEN": TOKEN, "HF_HUB_OFFLINE": "0"}

        def export(*words: str, **more: str) -> Any:
            command = [sys.executable, "-m", "outgrow", "export", *words]
            return subprocess.run(command, capture_output=True, text=True, env={**environment, **more})

        sent = export(str(made.student.folder), "--hub", "me/student", "--public")
        assert sent.returncode == 0, sent.stderr
        labels = export(str(made.student.folder / "labels.parquet"), "--hub", "me/labels")
        assert labels.returncode == 0, labels.stderr
        assert server.private == {"models/me/student": False, "datasets/me/labels": True}
        there = server.files["models/me/student"]
        assert there["model.safetensors"] == (made.student.folder / "model.safetensors").read_bytes()
        assert "predictions.parquet" not in there
        assert b"dawid_skene" in server.files["datasets/me/labels"]["README.md"]
        stranger = export(str(made.student.folder), "--hub", "me/student", HF_TOKEN="nobody")
        assert stranger.returncode == 2
        assert "hf auth login" in stranger.stderr
    gone = export(str(made.student.folder), "--hub", "me/student")
    assert gone.returncode == 2
    assert "cannot be reached" in gone.stderr
    assert "Traceback" not in gone.stderr + stranger.stderr


def test_a_strange_folder_is_not_overwritten(made: Any) -> None:
    (made.folder / "mine").mkdir()
    (made.folder / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="choose another"):
        outgrow.train(made.tickets, made.votes, model=MODEL, output=made.folder / "mine", store=made.folder / "steps")
    assert (made.folder / "mine" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["student.adapt=probe"], "adapt"),
        (["keep.confidnce=0.5"], "confidence"),
        (["keep.confidence=2"], "keep.confidence"),
        (["tune.select_by=gold_accuracy"], "gold"),
    ],
)
def test_wrong_settings_are_named(made: Any, words: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        outgrow.train(made.tickets, made.votes, *words, model=MODEL, output=made.folder / "x", store=made.folder / "s")


def test_votes_on_other_items_are_refused_with_examples(made: Any) -> None:
    strangers = made.votes.assign(ticket=["X" + name for name in made.votes["ticket"]])
    with pytest.raises(DataError, match=r"XT1001.*T1001") as caught:
        outgrow.train(
            made.tickets,
            strangers,
            "items.text=message",
            "items.id=ticket",
            model=MODEL,
            output=made.folder / "y",
            store=made.folder / "steps",
        )
    assert "no item is in both" in str(caught.value)
