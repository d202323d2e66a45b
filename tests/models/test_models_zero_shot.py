"""The untouched model's answers: sensible, normalised, and for the test items of all splits."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from outgrow.config.task import TaskSection
from outgrow.data.load_task import load_task
from outgrow.data.task import Items, Split, Task
from outgrow.graph.step import Job
from outgrow.labels import WeakLabels
from outgrow.models.zero_shot import answer, option_logprobs, per_character, softmax, take_answers

PARAMS: dict[str, Any] = {"revision": None, "dtype": "float32", "max_length": 128}


@pytest.fixture(scope="module")
def questions() -> Task:
    return load_task(TaskSection(name="sciq")).take(np.arange(60))


def answers(folder: Path, task: Task, tests: list[list[int]], **params: Any) -> WeakLabels:
    inputs = {"pool": folder / "pool"}
    for name in ("pool", "out", "scratch"):
        (folder / name).mkdir()
    task.save(folder / "pool")
    for number, rows in enumerate(tests):
        inputs[f"split.{number}"] = folder / str(number)
        (folder / str(number)).mkdir()
        Split(*(np.asarray(part, dtype=np.int64) for part in ([0], [1], rows))).save(folder / str(number))
    answer(Job(folder / "out", inputs, folder / "scratch"), **{**PARAMS, **params})
    return WeakLabels.load(folder / "out" / "test.parquet")


def test_test_items_of_all_splits_are_answered(
    tmp_path: Path, questions: Task, lm: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    said = answers(tmp_path, questions, [[5, 3], [3, 9]], model="bundled:smollm2-135m@3", score="sum")
    items = questions.items.take(np.asarray([3, 5, 9]))
    assert said.items == items.ids
    assert said.sources == ("untouched",)
    assert items.options is not None
    scores = option_logprobs(lm, tokenizer, items.prompts, items.options).total
    np.testing.assert_allclose(said.probs[:, 0], softmax(scores), atol=1e-3)


def test_without_a_split_the_whole_pool_is_answered_and_divided_as_a_supervisors_answers(tmp_path: Path) -> None:
    prompts = ["1, 2, 3,", "The capital of France is", "The capital of Italy is", "2, 4, 6,"]
    items = Items(["a", "b", "c", "d"], prompts, np.asarray([1, 0, 2, 3]))
    task = Task("names", "classify", ("Paris", "4", "Rome", "8"), items)
    for name in ("pool", "split", "answers", "divided", "scratch"):
        (tmp_path / name).mkdir()
    task.save(tmp_path / "pool")
    Split(np.asarray([2, 0]), np.asarray([3]), np.asarray([1])).save(tmp_path / "split")
    model = {**PARAMS, "model": "bundled:smollm2-135m"}
    answer(Job(tmp_path / "answers", {"pool": tmp_path / "pool"}, tmp_path / "scratch"), **model)
    inputs = {"split": tmp_path / "split", "answers": tmp_path / "answers"}
    take_answers(Job(tmp_path / "divided", inputs, tmp_path / "scratch"))
    whole = WeakLabels.load(tmp_path / "answers" / "answers.parquet")
    assert whole.hard[:, 0].tolist() == [1, 0, 2, 3]
    for file, names in (("anchors", "ca"), ("half_b", "d"), ("test", "b")):
        part = WeakLabels.load(tmp_path / "divided" / f"{file}.parquet")
        assert part.items == list(names)
        assert part.sources == ("untouched",)
        np.testing.assert_array_equal(part.probs, whole.probs[["abcd".index(name) for name in names]])


@pytest.mark.slow
def test_the_real_model_beats_guessing(tmp_path: Path, questions: Task) -> None:
    said = answers(tmp_path, questions, [list(range(60))], model="bundled:smollm2-135m", score="sum")
    accuracy = (said.hard[:, 0] == questions.items.gold).mean()
    assert accuracy > 0.25 + 3 * np.sqrt(0.25 * 0.75 / 60)


def test_classes_are_the_options_of_a_classification(tmp_path: Path) -> None:
    prompts = ["The capital of France is", "1, 2, 3,"]
    items = Items(["a", "b"], prompts, np.asarray([0, 1]))
    task = Task("names", "classify", ("Paris", "4", "alarm_set"), items)
    said = answers(tmp_path, task, [[0, 1]], model="bundled:smollm2-135m")
    assert said.hard[:, 0].tolist() == [0, 1]
    assert said.n_classes == 3


def test_length_normalisation_orders_by_character_on_the_scale_of_a_token(rng: np.random.Generator) -> None:
    total = -rng.uniform(1, 30, size=(5, 4))
    options = [["x" * int(n) for n in rng.integers(1, 20, size=4)] for _ in range(5)]
    tokens = rng.integers(1, 5, size=(5, 4))
    scores = per_character(total, options, tokens)
    lengths = np.asarray([[len(text) for text in row] for row in options])
    assert (scores.argsort(axis=1) == (total / lengths).argsort(axis=1)).all()
    alike = per_character(total, [["abc"] * 4] * 5, np.full((5, 4), 2))
    np.testing.assert_allclose(alike, total / 2)
