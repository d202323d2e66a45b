"""Studies with every selection, run by the real command: every analysis of the report has its table and its figure."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

from outgrow.data.tasks.sums import make_sums
from outgrow.labels import Targets
from small_study import FILE, STUDY, outgrow, results, step_folder, write
from small_texts import MODEL
from tiny_writers import save_writer

WORDS = {"beams": 1, "candidates": 1, "max_new_tokens": 10}
TOLD = {"model": "./b", "adapt": "none", "max_length": 128}
ALONE = {"type": "self_bootstrap", "by": TOLD, "decoding": WORDS}
"""Answers as `told` does: they agree wherever its labels were not exchanged."""
HALF = {"fraction": 0.5}


def selected(name: str, select: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"preset": "naive", "name": name, "stages": [{"select": select}], **more}


TEXTS: dict[str, Any] = {
    "name": "small",
    "task": {
        "name": "two",
        "sizes": {"half_a": 6, "half_b": 10, "test": 6},
        "capabilities": {"maths": {"name": "sums"}, "stories": {"name": "tales"}},
    },
    "supervisors": {"a": {**MODEL, "model": "./a"}, "told": TOLD},
    "student": {**MODEL, "model": "./student"},
    "labelling": WORDS,
    "answering": WORDS,
    "methods": [
        "naive",
        "alone",
        {"preset": "self_bootstrap", "refine": {"type": "self_bootstrap", "decoding": WORDS}},
        selected("agreement", {"type": "agreement", "strong": ALONE, "keep": HALF}, sources=["told"], noise=0.5),
        selected("rewarded", {"type": "reward_model", "strong": ALONE}, sources=["told"], noise=0.5),
        selected("oracle", {"type": "oracle", "keep": HALF}, sources=["told"], noise=0.5),
        selected("less variety", {"type": "random", "keep": HALF}),
        selected("less", {"type": "random", "keep": HALF}, budget="epochs"),
        {"preset": "naive", "name": "noisy", "noise": 0.5},
    ],
    "variants": ["plain"],
    "seeds": [0],
    "bootstrap": 100,
    "threads": 1,
}
BOTH = ("labels", "selections", "reward_models", "consistency")


def test_a_study_of_texts_has_every_analysis(tmp_path: Path) -> None:
    _, table = next(make_sums())
    texts = [row[column] for row in table.rows[:40] for column in ("question", "answer")]
    for name, vocab in {"a": 280, "b": 310, "student": 300}.items():
        save_writer(tmp_path / name, "llama", texts, vocab)
    write(tmp_path, TEXTS)
    done = outgrow(tmp_path, "run", FILE, "-q")
    assert done.returncode == 0, done.stderr
    report = tmp_path / "runs" / "small"
    assert results(tmp_path)["missing"] == []
    tables = {path.stem for path in (report / "tables").glob("*.md")}
    assert {"transfer", "transfer_gain", "curves", *BOTH, *(f"{name}_by_capability" for name in BOTH)} <= tables
    figures = {path.stem for path in (report / "figures").glob("*.svg")}
    assert {"labels", "selections", "consistency", "cloud", "transfer", "curve_noise", "curve_share"} <= figures
    # Models of random weights are never right: rewards have nothing to tell apart, which the table says.
    assert "reward_models" not in figures
    assert "its labels are all right or all wrong" in (report / "tables" / "reward_models.md").read_text()

    found = results(tmp_path)["topics"]
    by_name = {one["methods"][0]: one for one in found["selections"]}
    alone = by_name["alone: maths"]["sizes"]
    assert alone["maths"][0] == alone["maths"][1] == alone[""][1] > 0
    assert alone["stories"] == [alone[""][0] - alone["maths"][0], 0]
    labels, kept = by_name["rewarded"]["sizes"][""]
    assert (labels, kept) == (19, 10), "one of twenty is too long to be read; of ten and of nine five are kept"
    # What was exchanged agrees no more; the strong model says what `told` said at first.
    assert 0 < found["consistency"][0]["measured"][""]["agreeing"]["value"] < 1
    assert found["reward_models"][0]["examples"][""]["positives"] > 0
    [cloud] = found["clouds"]
    assert set(cloud["kept"]) == {"agreement", "rewarded", "oracle"}
    assert 0 < len(cloud["points"]) <= cloud["labels"] == labels, "one is too long to be read"
    assert {one["row"] for one in found["curves"]} == {"naive", "noisy", "less", "less variety"}
    again = outgrow(tmp_path, "report", FILE)
    assert again.returncode == 0, again.stderr


def test_a_study_of_votes_has_what_votes_can_have(tmp_path: Path) -> None:
    study = deepcopy(STUDY) | {"variants": ["plain"], "supervisors": {"words": {"type": "ngram"}}}
    judge = {"model": "bundled:smollm2-135m@2", "max_length": 256}
    study["methods"] = [
        "naive",
        "agreement",
        selected("confident", {"type": "confidence"}),
        selected("oracle", {"type": "oracle"}),
        selected("rewarded", {"type": "reward_model", "model": judge}),
        selected("half", {"type": "random", "keep": HALF}),
        {"preset": "naive", "name": "noisy", "noise": 0.5},
    ]
    write(tmp_path, study)
    done = outgrow(tmp_path, "run", FILE, "-q")
    assert done.returncode == 0, done.stderr
    report = tmp_path / "runs" / "small"
    tables = {path.stem for path in (report / "tables").glob("*.md")}
    assert {"selections", "reward_models", "consistency", "curves"} <= tables
    assert not {"labels", "transfer", "selections_by_capability"} & tables
    figures = {path.stem for path in (report / "figures").glob("*.svg")}
    assert {"selections", "cloud", "reward_models", "consistency", "curve_noise", "curve_share"} <= figures
    found = results(tmp_path)
    by_name = {one["methods"][0]: one["measured"][""] for one in found["topics"]["selections"]}
    assert by_name["oracle"]["kept"]["value"] == 1
    assert by_name["oracle"]["words"] is None
    votes = next(one for one in found["topics"]["supervisors"] if one["name"] == "words")["half_b"]["value"]
    assert by_name["confident"]["everything"]["value"] == votes
    folder = step_folder(tmp_path, "selected", "confidence, confident, seed 0")
    kept = Targets.load(folder / "targets.parquet")
    gold = {row["item"]: row["score"] for row in json.loads(
        (step_folder(tmp_path, "selected", "oracle, oracle, seed 0") / "kept.json").read_text())["rows"]}  # fmt: skip
    expected = sum(gold[item] for item in kept.items) / len(kept.items)
    assert abs(by_name["confident"]["kept"]["value"] - expected) < 1e-6
    assert [row["name"] for row in found["rows"] if row["oracle"]] == ["oracle"]
