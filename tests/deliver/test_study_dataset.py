"""A study's results as a data set: `datasets` loads it offline, mlcroissant reads it, its numbers are the study's."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import yaml

import outgrow
import small_study
import small_texts
from hub_server import TOKEN, hub
from outgrow.errors import ConfigError, DataError

TABLES = ["predictions", "weak_labels", "targets", "items", "scores"]


@pytest.fixture(scope="module")
def result() -> outgrow.Result:
    return outgrow.load(small_study.finished()[0] / "runs" / "small")


@pytest.fixture(scope="module")
def folder(result: outgrow.Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return result.to_dataset(tmp_path_factory.mktemp("data") / "small", licence="cc-by-4.0")


@pytest.fixture(scope="module", autouse=True)
def _offline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """`datasets` keeps what it read in a cache, which must not be that of the person who runs the tests."""
    patch = pytest.MonkeyPatch()
    patch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    yield
    patch.undo()


def loaded(folder: Path, table: str) -> Any:
    return datasets.load_dataset(str(folder), table, split="train").to_pandas()


def front(folder: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((folder / "README.md").read_text().split("---\n")[1]))


def test_the_card_names_every_table_and_the_licence(folder: Path) -> None:
    about = front(folder)
    assert about["license"] == "cc-by-4.0"
    assert about["task_categories"] == ["text-classification"]
    assert [one["config_name"] for one in about["configs"]] == TABLES
    assert {path.name for path in folder.iterdir()} == {
        "README.md",
        "croissant.json",
        *(f"{name}.parquet" for name in TABLES),
    }
    assert len(datasets.load_dataset(str(folder), split="train")) == len(loaded(folder, "predictions"))


def test_predictions_give_the_scores_of_the_report(folder: Path, result: outgrow.Result) -> None:
    table = loaded(folder, "predictions")
    test = table[table.part == "test"]
    accuracies = (test.answer == test.gold).groupby(test.row).mean()
    scores = loaded(folder, "scores").set_index("row")
    assert set(accuracies.index) == set(result.rows) == set(scores.index)
    for row in result.rows:
        assert accuracies[row] == pytest.approx(result[row].score.value, abs=1e-6)
        assert scores.score[row] == result[row].score.value
        assert scores.score_low[row] == result[row].score.low
    one = result.predictions("naive", seed=0)
    mine = table[(table.row == "naive")].set_index(["part", "item"]).loc[list(zip(one.part, one.item, strict=True))]
    assert list(mine.answer) == list(one.answer)
    np.testing.assert_allclose(mine.confidence, one.confidence)


def test_weak_labels_targets_and_items_are_those_of_the_study(folder: Path, result: outgrow.Result) -> None:
    one = result.predictions("vote", seed=0, part="half_b").set_index("item")
    weak = loaded(folder, "weak_labels")
    for source in ("words", "a", "b"):
        mine = weak[weak.source == source].set_index("item").loc[one.index]
        assert list(mine.label) == list(one[f"vote.{source}"])
    np.testing.assert_allclose([sum(probs) for probs in weak.probs], 1, atol=1e-5)
    targets = loaded(folder, "targets")
    voted = targets[["vote" in rows for rows in targets.learned_by]].set_index("item").loc[one.index]
    assert list(voted.label) == list(one.target)
    items = loaded(folder, "items").set_index("item")
    assert list(items.text.loc[one.index]) == list(one.text)
    assert list(items.gold.loc[one.index]) == list(one.gold)


def test_a_licence_that_nobody_stated_is_left_out(result: outgrow.Result, tmp_path: Path) -> None:
    folder = result.to_dataset(tmp_path / "data", texts=False)
    assert "license" not in front(folder)
    assert "license" not in json.loads((folder / "croissant.json").read_text())
    assert "No licence was stated" in (folder / "README.md").read_text()
    assert list(loaded(folder, "items")) == ["item", "gold"]
    assert str(small_study.finished()[0]) not in (folder / "README.md").read_text()
    with pytest.raises(ConfigError, match="--licence"):
        result.to_dataset(tmp_path / "other", licence="CC BY 4.0!")


@pytest.mark.skipif(find_spec("mlcroissant") is None, reason="mlcroissant is not installed")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("licence", ["cc-by-4.0", None])
def test_croissant_reads_the_metadata_and_the_rows(
    result: outgrow.Result, tmp_path: Path, licence: str | None
) -> None:
    import mlcroissant

    folder = result.to_dataset(tmp_path / "data", licence=licence)
    found = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
    assert not found.metadata.ctx.issues.errors
    assert [one.name for one in found.metadata.record_sets] == TABLES
    for table in TABLES:
        read, expected = list(found.records(table)), loaded(folder, table)
        assert len(read) == len(expected)
        assert set(read[0]) == {f"{table}/{column}" for column in expected}
    weak = next(iter(found.records("weak_labels")))
    assert np.sum(weak["weak_labels/probs"]) == pytest.approx(1, abs=1e-5)
    (folder / "items.parquet").write_bytes(b"damaged")
    with pytest.raises(mlcroissant.GenerationError, match=r"items\.parquet"):
        list(mlcroissant.Dataset(jsonld=str(folder / "croissant.json")).records("items"))


def test_a_study_of_texts_has_texts(tmp_path: Path) -> None:
    place = small_study.finished(small_texts.write_texts_study)[0]
    result = outgrow.load(place / "runs" / "small")
    folder = result.to_dataset(tmp_path / "data")
    assert front(folder)["task_categories"] == ["text-generation"]
    table = loaded(folder, "predictions")
    assert set(table.part) == {"test"}
    assert "confidence" not in table
    one = result.predictions("bayesian", part="test")
    mine = table[table.row == "bayesian"].set_index("item").loc[one.item]
    assert [answer or None for answer in mine.answer] == [answer or None for answer in one.answer]
    assert set(loaded(folder, "weak_labels").source) == {"a", "b"}
    assert loaded(folder, "targets").weight.min() >= 0


def test_the_command_writes_it_and_leaves_other_folders_alone(tmp_path: Path) -> None:
    place = small_study.copy(tmp_path)
    made = small_study.outgrow(place, "export", "runs/small", "--dataset", "data", "--licence", "mit", "--no-texts")
    assert made.returncode == 0, made.stderr
    assert "text" not in loaded(place / "data", "items")
    assert front(place / "data")["license"] == "mit"
    again = small_study.outgrow(place, "export", small_study.FILE, "--dataset", "data", "--json")
    assert json.loads(again.stdout) == {"address": "data"}
    assert "license" not in front(place / "data")
    assert "text" in loaded(place / "data", "items")  # written anew under the same name: no cache stands for it
    (place / "mine").mkdir()
    (place / "mine" / "thesis.txt").write_text("years of work")
    refused = small_study.outgrow(place, "export", "runs/small", "--dataset", "mine")
    assert refused.returncode == 2
    assert "mine" in refused.stderr
    assert [path.name for path in (place / "mine").iterdir()] == ["thesis.txt"]
    for words in (["--dataset", "a", "--onnx", "b"], ["--onnx", "b", "--licence", "mit"]):
        assert small_study.outgrow(place, "export", "runs", *words).returncode == 2


def test_the_same_folder_arrives_at_a_hub(folder: Path) -> None:
    report = small_study.finished()[0] / "runs" / "small"
    with hub() as server:
        environment = {**os.environ, "HF_ENDPOINT": server.url, "HF_TOKEN": TOKEN, "HF_HUB_OFFLINE": "0"}
        words = ["export", str(report), "--hub", "me/results", "--licence", "cc-by-4.0"]
        command = [sys.executable, "-m", "outgrow", *words]
        sent = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert sent.returncode == 0, sent.stderr
        assert server.private == {"datasets/me/results": True}
        there = server.files["datasets/me/results"]
    assert {name: there[name] for name in there if name != ".gitattributes"} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }


def test_a_study_without_answers_is_refused(tmp_path: Path) -> None:
    place = small_study.copy(tmp_path)
    for step in (place / "runs" / "steps").iterdir():
        if step.is_dir() and not step.name.startswith(("pool", "split")):
            for path in step.glob("done.json"):
                path.unlink()
    with pytest.raises(DataError):
        outgrow.load(place / small_study.FILE).to_dataset(tmp_path / "data")
