"""Several classes per item, from every form of table."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import outgrow
from drawn_seeds import SEEDS
from outgrow.errors import ConfigError, DataError
from outgrow.vote_kinds import kind_of

CLASSES = ["animal", "plant", "stone"]


def label_sets(seed: int = SEEDS[0], n_items: int = 50) -> pd.DataFrame:
    """Labels of three sources that mark most of what is true."""
    rng = np.random.default_rng(seed)
    true = rng.random((n_items, 3)) < [0.5, 0.4, 0.2]
    marked = rng.random((n_items, 3, 3)) < np.where(true[:, None], 0.85, 0.08)
    marked[..., 0] |= ~marked.any(axis=2)
    item, source = np.nonzero(np.ones((n_items, 3)))
    labels = [[name for name, yes in zip(CLASSES, row, strict=True) if yes] for row in marked[item, source]]
    return pd.DataFrame({"item": item, "annotator": np.array(["ada", "ben", "cleo"])[source], "labels": labels})


def test_every_form_of_table_gives_the_same(tmp_path: Path) -> None:
    frame = label_sets()
    expected = outgrow.combine(frame).to_pandas()
    frame.to_json(tmp_path / "votes.jsonl", orient="records", lines=True)
    as_text = frame.assign(labels=frame.labels.map(json.dumps))
    as_text.to_csv(tmp_path / "votes.csv", index=False)
    marks = frame.drop(columns="labels")
    for name in CLASSES:
        marks[name] = frame.labels.map(lambda labels, name=name: name in labels)
    one_each = frame.explode("labels").rename(columns={"labels": "label"})
    for found in (
        outgrow.combine(tmp_path / "votes.jsonl"),
        outgrow.combine(tmp_path / "votes.csv"),
        outgrow.combine(frame.assign(labels=frame.labels.map("; ".join)), kind="multi_label"),
        outgrow.combine(marks, marks=CLASSES),
        outgrow.combine(marks.replace({True: "x", False: None}), marks=CLASSES),
        outgrow.combine(marks.astype(dict.fromkeys(CLASSES, int)), marks=CLASSES),
        outgrow.combine(one_each, kind="multi_label"),
    ):
        pd.testing.assert_frame_equal(found.to_pandas(), expected)


def test_labels_are_those_with_a_probability_of_one_half() -> None:
    table = outgrow.combine(label_sets()).to_pandas()
    for labels, probabilities, confidence in zip(table.labels, table.probabilities, table.confidence, strict=True):
        assert list(labels) == [name for name in CLASSES if probabilities[name] >= 0.5]
        assert confidence == pytest.approx(np.prod([max(p, 1 - p) for p in probabilities.values()]))


def test_shares_are_counted() -> None:
    frame = label_sets(SEEDS[1])
    table = outgrow.combine(frame, "share").to_pandas().set_index("item")
    for item, rows in frame.groupby("item"):
        for name in CLASSES:
            expected = np.mean([name in labels for labels in rows.labels])
            assert table.probabilities[str(item)][name] == pytest.approx(expected)


def test_gold_of_some_items_is_kept() -> None:
    frame = label_sets()
    gold = [["stone"] if item < 5 else None for item in frame.item]
    table = outgrow.combine(frame.assign(gold=gold)).to_pandas()
    assert [list(labels) for labels in table.labels[:5]] == [["stone"]] * 5
    assert (table.confidence[:5] == 1).all()


def test_the_kind_is_told_by_lists_of_several_labels() -> None:
    assert kind_of(label_sets()).name == "multi_label"
    assert kind_of(label_sets().assign(labels=[["animal"]] * 150)).name == "classes", "a list of one is one class"
    assert kind_of(label_sets().assign(labels="animal")).name == "classes"


def test_an_empty_set_says_that_no_class_applies() -> None:
    frame = pd.DataFrame({"item": [1, 1, 2, 2], "annotator": ["a", "b"] * 2, "labels": [["x"], ["x"], [], []]})
    combined = outgrow.combine(frame)
    assert [list(labels) for labels in combined.to_pandas().labels] == [["x"], []]
    assert any("no class applies" in note for note in combined.notes)


@pytest.mark.parametrize(
    ("frame", "options", "named"),
    [
        (label_sets(), {"classes": ["animal"]}, "plant"),
        (label_sets().assign(labels="[broken"), {"kind": "multi_label"}, "row 1"),
        (label_sets().assign(cat="maybe"), {"marks": ["cat"]}, "maybe"),
        (label_sets().drop(columns="annotator"), {"kind": "multi_label"}, "source"),
    ],
)
def test_mistakes_are_told(frame: pd.DataFrame, options: dict[str, object], named: str) -> None:
    with pytest.raises((ConfigError, DataError), match=named):
        outgrow.combine(frame, **options)


def test_on_the_command_line(tmp_path: Path) -> None:
    label_sets().to_json(tmp_path / "votes.jsonl", orient="records", lines=True)
    run = [sys.executable, "-m", "outgrow", "combine", tmp_path / "votes.jsonl", "--classes", ",".join(CLASSES)]
    done = subprocess.run([*run, "-o", tmp_path / "out.csv", "--kind", "multi_label"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "150 label sets of 3 sources on 50 items, by shared_sources" in done.stdout
    assert json.loads(pd.read_csv(tmp_path / "out.csv").probabilities[0]).keys() == set(CLASSES)
