"""Files that hold one source's votes and do not say whose they are; the usual names of items."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from drawn_seeds import SEEDS
from outgrow.config.votes import VoteColumns
from outgrow.errors import ConfigError, DataError
from outgrow.readers.read_votes import read_votes, sources_of

CLASSES = ("humanities", "science", "trade")


def distributions(seed, n=12):
    return np.random.default_rng(seed).dirichlet(np.ones(3), size=n)


def written(folder: Path, kind: str, probs: np.ndarray) -> Path:
    path = folder / f"ada.{kind}"
    frame = pd.DataFrame(
        {"uid": [f"q{i}" for i in range(len(probs))], **{f"p_{n}": p for n, p in zip(CLASSES, probs.T, strict=True)}}
    )
    if kind == "parquet":
        frame.to_parquet(path)
    elif kind == "jsonl":
        frame.to_json(path, orient="records", lines=True, double_precision=15)
    else:
        frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_a_column_per_class_is_one_sources_distribution(tmp_path, kind, seed):
    probs = distributions(seed)
    path = written(tmp_path, kind, probs)
    table = read_votes(path)
    assert table.sources == ("ada",)
    assert table.classes == CLASSES
    assert table.items == [f"q{i}" for i in range(12)]
    np.testing.assert_allclose(table.probs, probs, atol=1e-12)
    assert any("one source, `ada`" in note for note in table.notes)
    assert read_votes(path, alone="second").sources == ("second",)
    assert read_votes(path, columns=VoteColumns(one_source="third"), alone="second").sources == ("third",)
    assert sources_of(path) is None


@pytest.mark.parametrize("seed", SEEDS)
def test_a_table_of_probabilities_is_one_sources(tmp_path, seed):
    probs = distributions(seed)
    probs[3], probs[5] = 0, np.nan
    np.save(tmp_path / "ben.npy", probs)
    table = read_votes(tmp_path / "ben.npy", classes=CLASSES)
    assert table.sources == ("ben",)
    assert table.items == [str(i) for i in range(12)]
    voted = [i for i in range(12) if i not in (3, 5)]
    assert table.item.tolist() == voted
    np.testing.assert_allclose(table.probs, probs[voted], atol=1e-12)
    assert read_votes(probs, alone="cleo").sources == ("cleo",)
    np.testing.assert_allclose(read_votes(probs.astype(np.float32)).probs, probs[voted], atol=1e-6)
    assert read_votes(np.eye(3)).sources == ("0", "1", "2"), "whole numbers are classes"
    with pytest.raises(DataError, match="is not a class number"):
        read_votes(probs * 3)


def test_labels_of_nobody_are_asked_and_named():
    rows = pd.DataFrame({"id": range(4), "label": list("abab")})
    with pytest.raises(ConfigError, match="`one_source=source`"):
        read_votes(rows)
    assert read_votes(rows, alone="ada").sources == ("ada",)
    assert read_votes(rows, columns=VoteColumns(one_source="ada")).n_votes == 4
    several = rows.assign(worker=list("uvuv"))
    assert read_votes(several, alone="ada").sources == ("u", "v")
    assert read_votes(several, columns=VoteColumns(one_source="ada")).sources == ("ada",)


@pytest.mark.parametrize(
    "name", ["question", "_unit_id", "HITId", "id", "uid", "example_id", "exampleId", "Task ID", "sample-id", "image"]
)
def test_usual_names_of_items(name):
    rows = pd.DataFrame({name: [1, 1, 2], "worker": ["a", "b", "a"], "label": ["x", "y", "y"]})
    assert read_votes(rows).items == ["1", "2"]
    wide = pd.DataFrame({name: [1, 2], "ann": ["x", "y"], "bo": ["y", "y"]})
    assert read_votes(wide).sources == ("ann", "bo")


def test_an_id_is_better_than_a_question():
    rows = pd.DataFrame({"question": ["?", "!", "?"], "id": [1, 1, 2], "worker": list("aba"), "label": list("xyy")})
    assert read_votes(rows).items == ["1", "2"]
