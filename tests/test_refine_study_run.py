"""A study with rewritten labels, a supervisor behind a server, rules and judges: run, resumed, and its books kept."""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from loopback import Body, Loopback, choice, serving, tokens_read
from small_study import FILE, events, executed, outgrow, results, write
from small_texts import MODEL, TEXTS, write_texts_study

WORDS = {"stop": ["\n"], "beams": 1, "candidates": 1, "max_new_tokens": 8}


def answer(body: Body) -> list[dict[str, Any]]:
    """A judge rates, anybody else fills no slot."""
    text = "[[7]]" if body["model"] == "judge" else "{}"
    return [choice(text, number) for number in range(body.get("n", 1))]


def write_models(folder: Path) -> None:
    """As for any small study, but the student can read several examples at once."""
    write_texts_study(folder)
    path = folder / "student" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "max_position_embeddings": 1024}))


@pytest.fixture
def server() -> Iterator[Loopback]:
    with serving(answer) as running:
        yield running


def study_of(url: str) -> dict[str, Any]:
    def refined(kind: str, **more: Any) -> dict[str, Any]:
        return {"preset": "naive", "name": kind, "refine": {"type": kind, "decoding": WORDS, **more}}

    study = deepcopy(TEXTS)
    study["task"]["sizes"] = {"half_a": 8, "half_b": 6, "test": 6}
    study["supervisors"] = {
        "a": {**MODEL, "model": "./a"},
        "far": {"type": "endpoint", "model": "far", "url": url},
        "told": {"model": "./b", "adapt": "none", "system": "Be brief.", "max_length": 128},
    }
    study["student"]["max_length"] = 1024
    study["labelling"] = {"beams": 1, "candidates": 1, "max_new_tokens": 8}
    study["answering"] = study["labelling"]
    study["methods"] = [
        "naive",
        refined("icl", batch=2),
        refined("infer_and_respond", batch=2, naming=WORDS),
        refined("ask_to_improve"),
        refined("self_bootstrap"),
        {"preset": "joint_decoding", "sources": ["a", "told"]},
    ]
    study["variants"] = ["plain"]
    study["measures"] = {
        "empty braces": {"type": "rule", "pattern": r"^\{\}$"},
        "contained": {"type": "metric", "metric": "contains"},
    }
    study["measures"] = {name.replace(" ", "_"): one for name, one in study["measures"].items()}
    judge = {"type": "endpoint", "model": "judge", "url": url}
    study["judges"] = {"jury": {"by": judge, "scales": {"style": [1, 10]}, "samples": 2}}
    study["untouched"] = True
    return study


def test_a_study_of_rewritten_labels_ends_in_a_whole_report(tmp_path: Path, server: Loopback) -> None:
    write_models(tmp_path)
    study = study_of(server.url)
    write(tmp_path, study)
    done = outgrow(tmp_path, "run", FILE, "-q")
    assert done.returncode == 0, done.stderr
    found = results(tmp_path)
    rows = {row["name"]: row for row in found["rows"]}
    assert set(rows) == {
        "a", "far", "told", "untouched student", "ceiling", "naive", "icl", "infer_and_respond", "ask_to_improve",
        "self_bootstrap", "joint_decoding",
    }  # fmt: skip
    assert found["missing"] == []
    measured = found["topics"]["measures"]
    assert measured["far"]["measures"]["empty_braces"]["value"] == 1.0
    assert all(row["measures"]["style"]["value"] == 7.0 for row in measured.values())
    assert found["about"]["plane"] == ["empty_braces", "contained"]
    report = tmp_path / "runs" / "small"
    assert (report / "tables" / "measures.md").is_file()
    assert (report / "figures" / "plane.svg").is_file()
    assert "column-rewritten" in (report / "examples.html").read_text()
    spent = {one["model"]: one for one in found["topics"]["spending"]}
    assert set(spent) == {"far", "judge"}
    asked_of_far = [body for body in map(json.loads, server.given) if body["model"] == "far"]
    assert len(asked_of_far) == 6 + 6
    assert spent["far"]["read"] == sum(map(tokens_read, asked_of_far))
    assert spent["judge"]["written"] == 2 * 5 * 6 * len(rows)

    asked, told = len(server.requests), len(events(tmp_path))
    assert outgrow(tmp_path, "run", FILE, "-q").returncode == 0
    assert executed(tmp_path, told) == []
    assert len(server.requests) == asked

    # Another way to ask leaves everything as it is; a new row buys only its own ratings.
    study["judges"]["jury"]["by"]["concurrency"] = 2
    study["methods"].append({"preset": "single", "name": "only", "sources": ["a"]})
    write(tmp_path, study)
    told = len(events(tmp_path))
    assert outgrow(tmp_path, "run", FILE, "-q", "--replace").returncode == 0
    assert sorted(name.split()[0] for name in executed(tmp_path, told)) == [
        "labels",
        "ratings",
        "student",
        "targets",
        "texts",
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"plane": ["contained", "stile"]}, "did you mean `style`?"),
        ({"measures": {"style": {"type": "rule", "pattern": "x"}}}, "the name `style` is given twice"),
        ({"measures": {"bad": {"type": "rule", "pattern": "("}}}, "not a regular expression"),
        ({"supervisors": {"far": {"type": "endpoint", "model": "m", "url": "localhost"}}}, "up to `/v1`"),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    write(tmp_path, {**study_of("http://127.0.0.1:9/v1"), **changes})
    done = outgrow(tmp_path, "plan", FILE)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("key", ["url", "key"])
def test_a_key_in_the_file_is_refused_and_not_repeated(tmp_path: Path, key: str) -> None:
    study = study_of("http://127.0.0.1:9/v1")
    study["supervisors"]["far"][key] = "sk-secret-1" if key == "key" else "http://me:sk-secret-1@host/v1"
    write(tmp_path, study)
    done = outgrow(tmp_path, "plan", FILE)
    assert done.returncode == 2
    assert "environment variable" in done.stderr
    assert "sk-secret" not in done.stderr + done.stdout


def test_a_server_that_is_down_is_one_clear_message_and_the_rest_is_kept(tmp_path: Path) -> None:
    write_texts_study(tmp_path)
    with serving(answer) as server:
        url = server.url
    study = study_of(url)
    study["supervisors"]["far"]["retries"] = 0
    study["methods"] = [{"preset": "naive", "sources": ["a"]}]
    study["judges"], study["untouched"] = {}, False
    write(tmp_path, study)
    done = outgrow(tmp_path, "run", FILE, "-q")
    assert done.returncode == 1
    assert "the connection failed" in done.stderr
    assert "same command" in done.stderr
    assert "Traceback" not in done.stderr
    rows = {row["name"]: row for row in results(tmp_path)["rows"]}
    assert rows["naive"]["score"]["value"] is not None
    assert rows["far"]["score"]["value"] is None
