"""Exports of labelling tools, in every shape in which they come."""

import json

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.config.votes import VoteColumns
from outgrow.errors import ConfigError, DataError
from outgrow.readers.read_votes import read_votes


def annotation(who, choice, question="sentiment", **more):
    result = {"from_name": question, "to_name": "text", "type": "choices", "value": {"choices": [choice]}}
    return {"completed_by": who, "result": [] if choice is None else [result], "lead_time": 2.5, **more}


def task(number, *annotations, **more):
    return {"id": number, "data": {"text": f"text {number}", "key": f"k{number}"}, "annotations": annotations, **more}


def written(folder, value, name="export.json"):
    path = folder / name
    path.write_text(json.dumps(value))
    return path


@pytest.mark.parametrize("name", ["export.json", "export.jsonl"])
def test_label_studio(tmp_path, name):
    tasks = [
        task(7, annotation(1, "good"), annotation({"id": 2, "email": "b@x"}, "bad")),
        task(8, annotation(1, "bad", was_cancelled=True), annotation(3, "bad", ground_truth=True)),
        task(9, annotation(1, None), predictions=[{"model_version": "m", "result": []}]),
        task(10),
    ]
    path = tmp_path / name
    path.write_text(json.dumps(tasks) if name == "export.json" else "\n".join(map(json.dumps, tasks)))
    table = read_votes(path)
    assert table.items == ["7", "8", "9", "10"]
    assert table.sources == ("1", "b@x")
    assert table.classes == ("bad", "good")
    assert table.label.tolist() == [1, 0]
    assert table.seconds.tolist() == [2.5, 2.5]
    assert table.gold.tolist() == [-1, 0, -1, -1]
    assert any("Predictions of models left out: 1." in note for note in table.notes)
    named = read_votes(path, columns=VoteColumns(item="key"))
    assert named.items == ["k7", "k8", "k9", "k10"]


def test_label_studio_with_several_questions(tmp_path):
    both = annotation(1, "good")
    both["result"] += annotation(1, "long", "length")["result"]
    tasks = [task(1, both), task(2, annotation(1, "bad"), annotation(2, "short", "length"))]
    path = written(tmp_path, tasks)
    with pytest.raises(ConfigError, match="several questions, `sentiment`, `length`"):
        read_votes(path)
    table = read_votes(path, columns=VoteColumns(label="length"))
    assert table.classes == ("long", "short")
    assert table.n_votes == 2
    with pytest.raises(ConfigError, match="no question is called `lenght`; did you mean `length`"):
        read_votes(path, columns=VoteColumns(label="lenght"))


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ([task(1, {"completed_by": 1, "result": [{"value": {"text": ["x"]}, "from_name": "q"}]})], "has a choice"),
        ([task(1, annotation(None, "good"))], "task 1: an annotation has no annotator"),
        ([task(1, annotation(1, "a"), annotation(1, "b"))], "task 1: source `1` votes for two classes on item `1`"),
        ([{"annotations": [annotation(1, "a")], "id": {}}], "has no `id`"),
        ([task(1, annotation(1, "a") | {"lead_time": "long"})], "task 1: `long` in column `seconds` is not a number"),
    ],
)
def test_label_studio_that_cannot_be_read(tmp_path, tasks, message):
    with pytest.raises(DataError, match=message):
        read_votes(written(tmp_path, tasks), classes=["a", "b", "good"])


def several(label):
    value = annotation(1, label)
    value["result"][0]["value"]["choices"].append("more")
    return value


def test_several_choices_are_no_vote(tmp_path):
    with pytest.raises(DataError, match="task 3: an answer has 2 labels"):
        read_votes(written(tmp_path, [task(3, several("good"))]))


ANSWERS = {
    "r1": [("u1", "good", "submitted"), ("u2", "bad", "discarded"), ("u3", "bad", "draft")],
    "r2": [("u1", "bad", "submitted")],
    "r3": [],
}
SUGGESTED = {"r1": ("bad", 0.7, "model"), "r2": ("good", None, None)}


def nested(record):
    answers = [{"value": value, "user_id": who, "status": status} for who, value, status in ANSWERS[record]]
    value, score, agent = SUGGESTED.get(record, (None, None, None))
    suggestions = {"label": {"value": value, "score": score, "agent": agent}} if value else {}
    return {"id": record, "fields": {"text": "t"}, "responses": {"label": answers}, "suggestions": suggestions}


def flat(record):
    who, values, status = (
        (list(part) for part in zip(*ANSWERS[record], strict=True)) if ANSWERS[record] else ([], [], [])
    )
    value, score, agent = SUGGESTED.get(record, (None, None, None))
    names = {"label.suggestion": value, "label.suggestion.score": score, "label.suggestion.agent": agent}
    return {
        "id": record,
        "text": "t",
        "label.responses": values,
        "label.responses.users": who,
        "label.responses.status": status,
        **names,
    }


def older(record):
    answers = [
        {"user_id": who, "status": status, "values": {"label": {"value": value}}}
        for who, value, status in ANSWERS[record]
    ]
    value, score, agent = SUGGESTED.get(record, (None, None, None))
    suggestion = {"question_name": "label", "value": value, "score": score, "agent": agent}
    suggestions = [suggestion] if value else []
    return {"id": record, "fields": {"text": "t"}, "responses": answers, "suggestions": suggestions}


@pytest.mark.parametrize("shape", [nested, flat, older])
@pytest.mark.parametrize("name", ["export.json", "export.jsonl"])
def test_argilla(tmp_path, shape, name):
    records = [shape(record) for record in ANSWERS]
    path = tmp_path / name
    path.write_text(json.dumps(records) if name == "export.json" else "\n".join(map(json.dumps, records)))
    table = read_votes(path)
    assert table.items == ["r1", "r2", "r3"]
    assert set(table.sources) == {"u1", "u2", "model", "suggestion"}
    assert table.n_per_source[table.sources.index("u2")] == 0
    votes = {
        (table.items[i], table.sources[s]): table.probs[row].tolist()
        for row, (i, s) in enumerate(zip(table.item, table.source, strict=True))
    }
    assert table.classes == ("bad", "good")
    assert votes == {
        ("r1", "u1"): [0, 1],
        ("r1", "model"): [0.7, pytest.approx(0.3)],
        ("r2", "u1"): [1, 0],
        ("r2", "suggestion"): [0, 1],
    }


def test_argilla_with_answers_that_are_no_label(tmp_path):
    record = nested("r1")
    record["responses"]["label"][0]["value"] = ["good", "bad"]
    with pytest.raises(DataError, match="record r1: an answer has 2 labels"):
        read_votes(written(tmp_path, [record]))


@pytest.mark.parametrize("seed", SEEDS)
def test_collections_of_labelling_functions(tmp_path, seed):
    draw = np.random.default_rng(seed)
    votes, gold = draw.integers(-1, 2, size=(20, 5)), draw.integers(0, 2, size=20)
    votes[0] = [0, 1, -1, 0, 0]
    rows = [
        {"data": {"text": "t"}, "label": int(truth), "weak_labels": row.tolist()}
        for row, truth in zip(votes, gold, strict=True)
    ]
    mapping = {f"i{at}": row for at, row in enumerate(rows)}
    for value in (mapping, rows):
        table = read_votes(written(tmp_path, value), classes=["HAM", "SPAM"])
        np.testing.assert_array_equal(table.dense(), votes)
        np.testing.assert_array_equal(table.gold, gold)
        assert "`label` was read as gold" in table.notes[0]
        assert (read_votes(written(tmp_path, value), columns=VoteColumns(ignore=("label",))).gold == -1).all()
    rows[3]["weak_labels"].append(1)
    with pytest.raises(DataError, match=r"item `3`: `weak_labels` must be 5 class numbers"):
        read_votes(written(tmp_path, rows))
