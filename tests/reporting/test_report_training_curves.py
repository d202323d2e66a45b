"""Training curves and early stopping in a report, from studies that were run: numbers, marks, what may not choose."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import outgrow
import small_study
import small_texts
from outgrow.errors import ConfigError
from outgrow.evaluations import Evaluations
from outgrow.reporting.topics.training_curves import TRAINING_CURVES

FEW: dict[str, Any] = {"number": 4, "holdout": 0.25}
METHODS: list[Any] = [
    "naive",
    {"preset": "early_stopping", "evaluations": {**FEW, "keep": "weak"}},
    {"preset": "early_stopping_oracle", "evaluations": {**FEW, "keep": "gold"}},
]
STUDY: dict[str, Any] = {
    **small_study.STUDY,
    "supervisors": {"a": {"model": "bundled:wordllama", "dims": 32}},
    "methods": METHODS,
    "variants": ["plain"],
    "seeds": [0, 1],
    "gold_controls": False,
    "tune": {"l2": [0.0], "epochs": [20], "folds": 2},
}


def prepare(folder: Path) -> Path:
    return small_study.write(folder, STUDY)


def prepare_texts(folder: Path) -> Path:
    small_texts.write_texts_study(folder)
    section = {"number": 3, "keep": "gold"}
    methods = [{"preset": "naive", "evaluations": section}, {"preset": "early_stopping", "evaluations": {"number": 3}}]
    one = {"supervisors": {"a": small_texts.TEXTS["supervisors"]["a"]}, "variants": ["plain"]}
    return small_study.write(folder, {**small_texts.TEXTS, **one, "methods": methods})


@pytest.fixture(scope="module")
def result() -> outgrow.Result:
    folder, ended = small_study.finished(prepare)
    assert ended.returncode == 0, ended.stderr
    return outgrow.load(folder / "runs" / "small")


def evaluations(result: outgrow.Result, row: str) -> list[Evaluations]:
    steps = next(one for one in result.study.rows if one.name == row).steps
    return [Evaluations.load(result.store.path(step) / "evaluations.parquet") for step in steps]


def test_means_are_those_of_the_items_and_the_seeds(result: outgrow.Result) -> None:
    curves = {curve.row: curve for curve in TRAINING_CURVES.of(result.results)}
    assert list(curves) == ["early_stopping", "early_stopping_oracle"]
    found, curve = evaluations(result, "early_stopping"), curves["early_stopping"]
    assert [point.update for point in curve.points] == [5, 10, 15, 20]
    for place, point in enumerate(curve.points):
        for name, estimate in point.means.items():
            by_seed = [seed.means(seed.each[place])[name] for seed in found]
            assert estimate.value == pytest.approx(np.mean([mean or 0.0 for mean in by_seed]), abs=1e-6)
            assert estimate.low is not None
            assert estimate.low <= estimate.value <= (estimate.high or 1)
    for name, estimate in curve.at_kept.items():
        chosen = [
            seed.means(next(one for one in seed.each if one.update == kept))[name]
            for seed, kept in zip(found, curve.kept, strict=True)
        ]
        assert estimate.value == pytest.approx(np.mean([mean or 0.0 for mean in chosen]), abs=1e-6)
    last = curve.points[-1].means["gold_test"].value or 0.0
    assert curve.test_gain.value == pytest.approx((curve.at_kept["gold_test"].value or 0.0) - last, abs=1e-6)
    assert result["early_stopping"].score.value == pytest.approx(curve.at_kept["gold_test"].value, abs=1e-6)


def test_the_oracle_row_says_that_it_used_gold_and_is_ranked_with_no_other(result: outgrow.Result) -> None:
    gold = {row.name: (row.gold, row.oracle) for row in result.results.of("method")}
    assert gold["naive"] == gold["early_stopping"] == ("none", False)
    assert gold["early_stopping_oracle"] == ("oracle", True)
    cells = {str(line.cells[0]): line.cells for line in result.table("main").lines}
    assert cells["early_stopping_oracle"][1] == "B (oracle)"
    assert cells["early_stopping"][1] == "none"


def test_rows_of_one_training_share_a_curve_in_picture_and_table(result: outgrow.Result) -> None:
    points = result.table("training_curve_points").lines
    assert {line.section for line in points} == {"early_stopping, early_stopping_oracle"}
    svg = (result.folder / "figures" / "training_curves.svg").read_text()
    assert "test items" in svg
    assert "oracle" in svg


def test_curves_of_updates_have_the_evaluations(result: outgrow.Result) -> None:
    curve = result.curves("early_stopping")
    evaluated = curve.dropna(subset="gold_test")
    assert evaluated.groupby("seed").size().tolist() == [4, 4]
    expected = [
        seed.means(one)["weak_held_out"] for seed in evaluations(result, "early_stopping") for one in seed.each
    ]
    assert evaluated.weak_held_out.tolist() == pytest.approx(expected)
    assert "gold_test" not in result.curves("naive")


def test_rows_without_evaluations_keep_their_steps(result: outgrow.Result) -> None:
    params = {row.name: row.steps[0].params for row in result.study.rows if row.role == "method"}
    assert "evaluations" not in params["naive"]
    assert params["early_stopping"]["evaluations"]["keep"] == "weak"


def test_texts_have_curves_of_log_probabilities() -> None:
    folder, ended = small_study.finished(prepare_texts)
    assert ended.returncode == 0, ended.stderr
    result = outgrow.load(folder / "runs" / "small")
    oracle, stopped = TRAINING_CURVES.of(result.results)
    assert (oracle.keep, stopped.keep) == ("gold", "weak")
    assert all((point.means["gold_test"].value or 0.0) < 0 for point in stopped.points)
    rows = {row.name: row for row in result.results.of("method")}
    assert (rows["naive"].gold, rows["naive"].oracle) == ("oracle", True)
    assert rows["early_stopping"].gold == "none"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"half_a_gold": "added"}, "leave out `evaluations`"),
        ({"evaluations": {"keep": "best"}}, "evaluations.keep"),
        ({"evaluations": {"holdout": 0}}, "evaluations.holdout"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    path = small_study.write(tmp_path, {**STUDY, "methods": [{"preset": "early_stopping", **change}]})
    with pytest.raises(ConfigError, match=complaint):
        outgrow.plan(path)
