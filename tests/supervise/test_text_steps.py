"""The steps `texts`, `scores` and `labels` of a study of texts, on a real model cut short."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from outgrow.data.task import Items, Split, Task
from outgrow.errors import DataError
from outgrow.graph.step import Job
from outgrow.models.load_model import load_causal_lm, load_tokenizer
from outgrow.supervise.label_steps import gather_texts
from outgrow.supervise.writer_steps import pooled, score_texts, write_texts
from outgrow.texts import WeakTexts

MODEL: dict[str, Any] = {
    "model": "bundled:smollm2-135m@2",
    "revision": None,
    "identity": "x",
    "dtype": "float32",
    "max_length": 64,
    "chat": False,
    "unfit": "skip",
    "system": None,
    "type": "model",
    "trust_remote_code": False,
}
DECODING = {
    "beams": 2,
    "candidates": 2,
    "sample": False,
    "temperature": 1.0,
    "top_p": 1.0,
    "max_new_tokens": 5,
    "stop": [],
}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A folder with `pool`, `split` and `trained`: eight prompts, one of them far too long."""
    prompts = [f"say {word}" for word in ["one", "two", "three", "four", "five", "six", "seven"]] + ["eight " * 80]
    items = Items([f"i{n}" for n in range(8)], prompts, np.zeros(8, dtype=np.int64), answers=["x"] * 8)
    for name in ("pool", "split", "trained/model"):
        (tmp_path / name).mkdir(parents=True)
    Task("mine", "generate", (), items, metric="exact_match").save(tmp_path / "pool")
    Split(np.array([0, 1]), np.array([4, 2, 7]), np.array([3, 5, 6])).save(tmp_path / "split")
    lm = load_causal_lm(MODEL["model"])
    lm.save_pretrained(tmp_path / "trained" / "model")
    load_tokenizer(MODEL["model"]).save_pretrained(tmp_path / "trained" / "model")
    return tmp_path


def job(study: Path, name: str, **inputs: str) -> Job:
    for part in ("out", "scratch"):
        (study / name / part).mkdir(parents=True)
    return Job(study / name / "out", {key: study / path for key, path in inputs.items()}, study / name / "scratch", {})


def wrote(study: Path, name: str, part: str, **inputs: str) -> WeakTexts:
    step = job(study, f"{name}-{part}", pool="pool", split="split", **inputs)
    write_texts(step, model=MODEL, decoding=DECODING, part=part, seed=0, name=name)
    return WeakTexts.load(step.out / f"{part}.parquet")


def test_texts_are_written_for_the_items_of_a_part_and_no_others(study: Path) -> None:
    strong, test = wrote(study, "a", "half_b"), wrote(study, "a", "test")
    assert strong.items == ["i4", "i2", "i7"]
    assert test.items == ["i3", "i5", "i6"]
    assert strong.sources == ("a",)
    about = json.loads((study / "a-half_b" / "out" / "written.json").read_text())
    assert about["without_answer"] == ["i7"]
    assert strong.candidates[2] == [[]], "who cannot read the prompt abstains"
    assert all(row[0] for row in test.candidates)


def test_who_wants_to_stop_at_a_prompt_without_room_does(study: Path) -> None:
    step = job(study, "strict", pool="pool", split="split")
    with pytest.raises(DataError, match=r"1 prompts leave no room .*\(items i7\); `unfit: skip` goes on"):
        write_texts(step, model={**MODEL, "unfit": "stop"}, decoding=DECODING, part="half_b", seed=0, name="a")
    assert not list(step.out.iterdir())


def test_a_trained_model_is_read_from_its_folder(study: Path) -> None:
    pretrained, trained = wrote(study, "a", "test"), wrote(study, "b", "test", model="trained")
    assert [row[0][0].text for row in pretrained.candidates] == [row[0][0].text for row in trained.candidates]


def test_a_scorer_reads_every_different_text_once(study: Path) -> None:
    first, second = wrote(study, "a", "half_b"), wrote(study, "b", "half_b", model="trained")
    second.candidates[0][0].append(first.candidates[0][0][0]._replace(text="something else"))
    second.save(study / "b-half_b" / "out" / "half_b.parquet")
    step = job(study, "scores", pool="pool", model="trained", **{"texts.a": "a-half_b/out", "texts.b": "b-half_b/out"})
    score_texts(step, model=MODEL, name="b")
    scored = WeakTexts.load(step.out / "half_b.parquet")
    items, texts = pooled([first, second])
    assert scored.sources == ("b",)
    assert scored.items == items == first.items
    found = [[one.text for one in row[0]] for row in scored.candidates]
    assert found == texts
    assert found[0][-1] == "something else"
    own = {one.text: one for one in second.candidates[1][0]}
    for one in scored.candidates[1][0]:
        if own[one.text].pieces.end.tolist() == one.pieces.end.tolist():
            assert one.logprob == pytest.approx(own[one.text].logprob, abs=1e-3)


def test_sources_are_put_side_by_side(study: Path) -> None:
    for name in "ab":
        wrote(study, name, "half_b")
    step = job(study, "labels", **{"source.b": "b-half_b/out", "source.a": "a-half_b/out"})
    gather_texts(step, sources=["b", "a"])
    labels = WeakTexts.load(step.out / "half_b.parquet")
    assert labels.sources == ("b", "a")
    wrong = job(study, "wrong", **{"source.c": "a-half_b/out"})
    with pytest.raises(DataError, match="source `c`: expected its texts alone, found those of a"):
        gather_texts(wrong, sources=["c"])
