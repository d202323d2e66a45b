"""Scores from tables of any layout, to a score per item with its interval, a median, and a table of raters."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import outgrow
from drawn_seeds import SEEDS
from outgrow.errors import ConfigError, DataError
from outgrow.vote_kinds import kind_of
from outgrow.vote_kinds.rater_table import quadratic_kappa


def ratings(seed: int = SEEDS[0], n_items: int = 60) -> pd.DataFrame:
    """Ratings 1 to 5 of three raters."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(1, 6, n_items)
    said = np.clip(np.round(truth[:, None] + rng.normal(0, 0.5, (n_items, 3))), 1, 5).astype(int)
    item, rater = np.nonzero(np.ones_like(said))
    names = np.array(["ada", "ben", "cleo"])
    return pd.DataFrame({"item": item, "rater": names[rater], "rating": said[item, rater], "truth": truth[item]})


def command(*words: object) -> subprocess.CompletedProcess[str]:
    run = [sys.executable, "-m", "outgrow", *map(str, words)]
    return subprocess.run(run, capture_output=True, text=True, check=False)


def test_a_column_of_ratings_is_read_as_scores(tmp_path: Path) -> None:
    ratings().drop(columns="truth").to_csv(tmp_path / "votes.csv", index=False)
    done = command("combine", tmp_path / "votes.csv", "-o", tmp_path / "out.csv")
    assert done.returncode == 0, done.stderr
    assert "by rater_model" in done.stdout
    table = pd.read_csv(tmp_path / "out.csv")
    assert list(table) == ["item", "score", "level", "low", "high", "median", "votes"]
    expected = ratings().groupby("item").rating.median()
    np.testing.assert_array_equal(table["median"], expected)
    assert ((table.low - 0.5 <= table.score) & (table.score <= table.high + 0.5)).all()
    assert set(table.level) <= {1, 2, 3, 4, 5}


def test_sources_and_numbers_of_the_whole_as_json(tmp_path: Path) -> None:
    ratings().to_csv(tmp_path / "votes.csv", index=False)
    done = json.loads(command("labels", tmp_path / "votes.csv", "ignore=truth", "--json").stdout)
    assert done["combine"]["kind"] == "scores"
    assert [source["name"] for source in done["votes"]["sources"]] == ["ada", "ben", "cleo"]
    assert set(done["votes"]["sources"][0]) == {"name", "votes", "bias", "scale", "noise", "correlation", "kappa"}


@pytest.mark.parametrize("method", ["median", "mean"])
def test_baselines_are_exact(method: str) -> None:
    frame = ratings(SEEDS[1]).drop(columns="truth")
    table = outgrow.combine(frame, method).to_pandas()
    np.testing.assert_allclose(table.score, getattr(frame.groupby("item").rating, method)())


def test_wide_long_and_named_columns_are_the_same() -> None:
    frame = ratings().drop(columns="truth")
    wide = frame.pivot(index="item", columns="rater", values="rating").reset_index()
    wide.columns = [str(name) for name in wide.columns]
    renamed = frame.rename(columns={"item": "ticket", "rater": "von", "rating": "zahl"})
    long = outgrow.combine(frame).to_pandas()
    for other in (
        outgrow.combine(wide, kind="scores"),
        outgrow.combine(wide, kind="scores", votes=["ada", "ben", "cleo"]),
        outgrow.combine(renamed, item="ticket", source="von", score="zahl"),
    ):
        pd.testing.assert_frame_equal(other.to_pandas(), long)


def test_gold_of_some_items_is_kept_and_used() -> None:
    frame = ratings()
    gold = frame[frame.item < 10].drop_duplicates("item")[["item", "truth"]]
    by_table = outgrow.combine(frame.drop(columns="truth"), gold=gold.rename(columns={"truth": "gold"})).to_pandas()
    assert by_table.level[:10].tolist() == gold.truth.tolist()
    assert by_table.gold.notna().sum() == 10
    column = frame.assign(gold=frame.truth.where(frame.item < 10)).drop(columns="truth")
    pd.testing.assert_frame_equal(outgrow.combine(column).to_pandas(), by_table)


def test_continuous_scores_have_no_levels() -> None:
    frame = ratings().drop(columns="truth").rename(columns={"rating": "score"})
    frame["score"] = frame.score * 17.3 + np.random.default_rng(SEEDS[2]).normal(size=len(frame))
    table = outgrow.combine(frame).to_pandas()
    assert "level" not in table
    assert (table.high > table.low).all()


def test_what_is_ordinal_is_told_by_the_values() -> None:
    frame = ratings().drop(columns="truth")
    assert "level" in outgrow.combine(frame.assign(rating=frame.rating / 2)).to_pandas()
    assert "level" not in outgrow.combine(frame, scale="continuous").to_pandas()
    assert "level" in outgrow.combine(frame.assign(rating=frame.rating * 100), scale="ordinal").to_pandas()


def test_what_the_votes_are_can_be_said_otherwise() -> None:
    frame = ratings().drop(columns="truth")
    assert kind_of(frame).name == "scores"
    for options in (
        {"kind": "classes"},
        {"method": "vote"},
        {"options": ["classes"]},
        {"columns": {"scale": "nominal"}},
    ):
        assert kind_of(frame, **options).name == "classes"
    assert kind_of(frame.assign(rating=frame.rating > 2)).name == "classes", "two values are classes"
    assert kind_of(frame.assign(label="a")).name == "classes", "another column has labels"
    assert kind_of(frame.rename(columns={"rating": "label"})).name == "classes"


@pytest.mark.parametrize(
    ("changes", "words", "named"),
    [
        ({"rating": "good"}, {"kind": "scores"}, "row 1"),
        ({"rater": None}, {"kind": "scores"}, "row 1"),
        ({}, {"score": "stars"}, "stars"),
        ({}, {"kind": "scores", "renormalise": True}, "renormalise"),
        ({}, {"kind": "scors"}, "scores"),
        ({}, {"kind": "scores", "method": "vote"}, "median"),
    ],
)
def test_mistakes_are_told(changes: dict[str, Any], words: dict[str, Any], named: str) -> None:
    with pytest.raises((ConfigError, DataError), match=named):
        outgrow.combine(ratings().drop(columns="truth").assign(**changes), **words)


def test_repeated_scores_need_an_option() -> None:
    frame = pd.DataFrame({"item": [1, 1, 2, 2], "rater": ["a", "a", "a", "b"], "score": [2, 4, 3, 1]})
    with pytest.raises(DataError, match="repeats=average"):
        outgrow.combine(frame)
    found = {
        way: outgrow.combine(frame, "mean", repeats=way).to_pandas().score[0] for way in ("first", "last", "average")
    }
    assert found == {"first": 2, "last": 4, "average": 3}


@pytest.mark.parametrize("seed", SEEDS)
def test_kappa_is_that_of_the_table_of_counts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = rng.integers(5, size=(2, 80)).astype(float)
    other = np.where(rng.random(80) < 0.6, one, other)
    weight = (np.arange(5)[:, None] - np.arange(5)) ** 2
    counts = np.zeros((5, 5))
    np.add.at(counts, (one.astype(int), other.astype(int)), 1 / 80)
    expected = 1 - (weight * counts).sum() / (weight * np.outer(counts.sum(1), counts.sum(0))).sum()
    assert quadratic_kappa(one, other) == pytest.approx(expected)


def test_labels_that_are_scores_are_asked_about(tmp_path: Path) -> None:
    rng = np.random.default_rng(SEEDS[0])
    frame = pd.DataFrame(
        {"item": np.repeat(range(30), 2), "worker": ["a", "b"] * 30, "label": rng.random(60).round(4)}
    )
    frame.to_csv(tmp_path / "votes.csv", index=False)
    refused = command("combine", tmp_path / "votes.csv")
    assert refused.returncode == 2
    assert "--kind scores" in refused.stderr
    assert command("combine", tmp_path / "votes.csv", "--kind", "scores").returncode == 0
