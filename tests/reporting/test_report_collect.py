"""Every number against loops over the stored answers, and what happens where answers are missing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import EXPERIMENT
from outgrow.config.load import read_experiment
from outgrow.data.task import Split, Task
from outgrow.errors import DataError
from outgrow.graph.event import StepOutcome
from outgrow.labels import WeakLabels
from outgrow.reporting.collect import collect, write_report
from outgrow.reporting.evidence.steps import reason
from outgrow.reporting.headline import make_headline
from outgrow.reporting.results import Results
from outgrow.reporting.rows import baseline_name
from outgrow.reporting.topics import make_tables
from outgrow.reporting.topics.supervisors import MEAN_VOTE

Small = Callable[..., Any]
EQUAL = {"words": 1.0, "characters": 1.0, "static": 1.0, "layer-4": 1.0}
OWN = {**EQUAL, "words": 2.0}
PLAIN = {**EXPERIMENT, "variants": ["plain"], "second_view": None}


def answered(simulated: Any, row_name: str, seed: int, part: str = "test") -> tuple[list[str], np.ndarray, np.ndarray]:
    """Items, answers and gold of one row under one seed, read one by one."""
    row = next(row for row in simulated.study.rows if row.name == row_name)
    labels = WeakLabels.load(simulated.store.path(row.steps[seed]) / f"{part}.parquet")
    task = Task.load(simulated.store.path(simulated.study.pool))
    gold = dict(zip(task.items.ids, task.items.gold.tolist(), strict=True))
    return labels.items, labels.hard[:, 0], np.array([gold[item] for item in labels.items])


def seed_accuracy(simulated: Any, row: str, seed: int, part: str = "test") -> float:
    _, hard, gold = answered(simulated, row, seed, part)
    return float(np.mean(hard == gold))


def test_accuracy_per_seed_and_over_seeds(simulated: Any, results: Results) -> None:
    for name in ("words", "ceiling", "naive", "bayesian + matching"):
        expected = [seed_accuracy(simulated, name, seed) for seed in range(3)]
        row = results.named(name)
        assert [one.value for one in row.per_seed] == pytest.approx(expected, abs=1e-6)
        assert row.score.value == pytest.approx(np.mean(expected), abs=1e-6)
        assert row.score.seeds == 3
        items = {item for seed in range(3) for item in answered(simulated, name, seed)[0]}
        assert row.score.n == len(items)


def mean_accuracy(simulated: Any, row: str, seeds: tuple[int, ...] = (0, 1, 2)) -> float:
    return float(np.mean([seed_accuracy(simulated, row, seed) for seed in seeds]))


def test_pgr_is_the_mean_over_supervisors(simulated: Any, results: Results) -> None:
    top = mean_accuracy(simulated, "ceiling")
    weak = [mean_accuracy(simulated, name) for name in results.about.supervisors]
    student = mean_accuracy(simulated, "naive")
    expected = np.mean([(student - floor) / (top - floor) for floor in weak])
    found = results.named("naive").pgr
    assert found is not None
    assert found.value == pytest.approx(expected, abs=1e-5)


def test_single_supervisor_rows_are_held_against_their_own(simulated: Any, results: Results) -> None:
    row = results.named("single: static + self-training")
    floor, top = mean_accuracy(simulated, "static"), mean_accuracy(simulated, "ceiling")
    assert list(row.pgr_by_supervisor) == ["static"]
    assert row.pgr is not None
    assert row.pgr.value == pytest.approx((mean_accuracy(simulated, row.name) - floor) / (top - floor), abs=1e-5)


def test_two_views_are_held_against_both_ceilings(simulated: Any, results: Results) -> None:
    row = results.named("naive + two views")
    assert row.pgr is not None
    assert row.pgr_main is not None
    for estimate, ceiling in ((row.pgr, "ceiling, two views"), (row.pgr_main, "ceiling")):
        top, student = mean_accuracy(simulated, ceiling), mean_accuracy(simulated, row.name)
        weak = [mean_accuracy(simulated, name) for name in results.about.supervisors]
        assert estimate.value == pytest.approx(np.mean([(student - w) / (top - w) for w in weak]), abs=1e-5)


def test_differences_to_naive(simulated: Any, results: Results) -> None:
    row = results.named("bayesian + self-training")
    student = mean_accuracy(simulated, row.name)
    assert row.versus_naive is not None
    assert row.versus_plain_naive is not None
    same = student - mean_accuracy(simulated, "naive + self-training")
    assert row.versus_naive.value == pytest.approx(same, abs=1e-6)
    assert row.versus_plain_naive.value == pytest.approx(student - mean_accuracy(simulated, "naive"), abs=1e-6)
    assert results.named("naive").versus_naive is None


def test_a_failed_seed_leaves_the_row_with_the_others(simulated: Any, results: Results) -> None:
    row = results.named("vote")
    assert row.score.seeds == 2
    assert row.score.value == pytest.approx(mean_accuracy(simulated, "vote", (0, 1)), abs=1e-6)
    assert row.versus_plain_naive is not None
    expected = mean_accuracy(simulated, "vote", (0, 1)) - mean_accuracy(simulated, "naive", (0, 1))
    assert row.versus_plain_naive.value == pytest.approx(expected, abs=1e-6)
    assert [(one.row, one.seed) for one in results.missing] == [("vote", 2)]
    assert "out of memory" in results.missing[0].reason


def test_mean_vote_and_agreement(simulated: Any, results: Results) -> None:
    right, same = [], []
    for seed in range(3):
        labels = [
            WeakLabels.load(simulated.store.path(row.steps[seed]) / "test.parquet")
            for row in simulated.study.rows
            if row.role == "floor"
        ]
        _, _, gold = answered(simulated, "words", seed)
        mean = sum(one.probs[:, 0] for one in labels)
        right.append(np.mean(mean.argmax(axis=1) == gold))
        same.append(np.mean(labels[0].hard == labels[1].hard))
    assert results.topics["supervisors"][-1].name == MEAN_VOTE
    assert results.topics["supervisors"][-1].test.value == pytest.approx(np.mean(right), abs=1e-6)
    assert results.topics["agreement"][0].agreement.value == pytest.approx(np.mean(same), abs=1e-6)


@pytest.mark.parametrize("part", ["test", "half_b"])
def test_error_copying(simulated: Any, results: Results, part: str) -> None:
    shares = []
    for seed in range(3):
        weak, student = (answered(simulated, name, seed, part) for name in ("static", "naive"))
        by_item = dict(zip(student[0], student[1].tolist(), strict=True))
        wrong = [(by_item[i], w, g) for i, w, g in zip(*weak, strict=True) if w != g]
        outcomes = [(s == g, s == w, s not in (g, w)) for s, w, g in wrong]
        shares.append(np.mean(outcomes, axis=0))
    found = next(c for c in results.topics["error_copying"] if (c.row, c.part, c.weak) == ("naive", part, "static"))
    values = [found.follows_gold.value, found.follows_weak.value, found.neither.value]
    assert values == pytest.approx(np.mean(shares, axis=0), abs=1e-5)


def test_supervisors_are_measured_on_what_they_label(simulated: Any, results: Results) -> None:
    expected = np.mean([seed_accuracy(simulated, "layer-4", seed, "half_b") for seed in range(3)])
    found = next(one for one in results.topics["supervisors"] if one.name == "layer-4")
    assert found.half_b.value == pytest.approx(expected, abs=1e-6)


def test_calibration_of_every_row(results: Results) -> None:
    for row in results.rows:
        found = results.topics["calibration"][row.name]
        assert found.ece.low <= found.ece.value <= found.ece.high
        assert len(found.curve) == 10


def test_chosen_settings_reach_adjusted_rows(results: Results) -> None:
    assert {one.row for one in results.topics["chosen"].settings} == {row.name for row in results.rows}
    assert results.topics["chosen"].settings[0].settings == {"l2": 0.01, "lr": 0.05, "epochs": 200}
    assert not any(one.oracle for one in results.topics["chosen"].settings)
    assert results.topics["origins"]["vote"] == ("made for vote",)


def test_the_same_folders_give_the_same_bytes(simulated: Any, report_folder: Path, tmp_path: Path) -> None:
    later = {
        name: one if one.state == "failed" else StepOutcome("cached", seconds=99.0)
        for name, one in simulated.outcomes.items()
    }
    write_report(simulated.study, simulated.store, later, tmp_path)
    files = sorted(path.relative_to(report_folder) for path in report_folder.rglob("*") if path.is_file())
    assert len(files) > 40
    differ = [str(file) for file in files if (report_folder / file).read_bytes() != (tmp_path / file).read_bytes()]
    assert differ == ["manifest.json", "report.html", "timing.json"]
    assert json.loads((tmp_path / "results.json").read_text())["about"]["name"] == "simulated"
    assert not list(tmp_path.rglob(".*"))


def test_nothing_but_items(simulate_small: Small, tmp_path: Path) -> None:
    world = simulate_small(tmp_path / "store", skip_all=True)
    results = write_report(world.study, world.store, {}, tmp_path / "out")
    assert all(not row.score.defined for row in results.rows)
    assert len(results.missing) == len(results.rows)
    assert {one.reason for one in results.missing} == {"not run yet"}
    assert "No method has a result yet." in (tmp_path / "out" / "report.html").read_text()


def test_no_items(simulate_small: Small, tmp_path: Path) -> None:
    study = simulate_small(tmp_path / "store", skip_all=True).study
    from outgrow.graph.store import Store

    empty = Store(tmp_path / "empty")
    with pytest.raises(DataError, match="nothing to report"):
        collect(study, empty, {})


def test_one_supervisor_and_no_naive(simulate_small: Small, tmp_path: Path) -> None:
    world = simulate_small(
        tmp_path / "store", supervisors={"words": {"type": "ngram"}}, methods=["single", "vote"], seeds=[7]
    )
    results = write_report(world.study, world.store, world.outcomes, tmp_path / "out")
    assert results.about.baseline is None
    assert results.topics["agreement"] == ()
    assert [one.name for one in results.topics["supervisors"]] == ["words"]
    assert results.named("vote").versus_naive is None
    assert results.named("vote").pgr is not None


def test_a_renamed_naive_row_is_still_the_baseline(simulate_small: Small, tmp_path: Path) -> None:
    methods = [{"preset": "naive", "name": "plain mean"}, "bayesian"]
    world = simulate_small(tmp_path / "store", methods=methods)
    results = collect(world.study, world.store, world.outcomes)
    assert results.about.baseline == "plain mean"
    assert results.named("bayesian").versus_naive is not None


@pytest.mark.parametrize(
    ("methods", "baseline"),
    [
        ([{"preset": "naive", "name": "gamma .25", "self_training": {"gamma_max": 0.25}}, "naive"], "naive"),
        ([{"preset": "naive", "name": "gamma .25", "self_training": {"gamma_max": 0.25}}, "bayesian"], None),
        ([{"preset": "naive", "name": "noisy", "noise": 0.3}, {"preset": "naive", "name": "z"}], "z"),
        ([{"preset": "naive", "name": "a few", "sources": ["words", "static"]}, "vote"], None),
        ([{"preset": "naive", "name": "all", "sources": ["words", "characters", "static", "layer-4"]}], "all"),
        (
            [
                {
                    "preset": "naive",
                    "name": "half",
                    "stages": [{"select": {"type": "random", "keep": {"fraction": 0.5}}}],
                },
                {"preset": "naive", "name": "whole", "stages": [{"share": 1.0}]},
            ],
            "whole",
        ),
        ([{"preset": "bayesian", "name": "naive"}, {"preset": "naive", "name": "other"}], "other"),
        ([{"preset": "naive", "name": "two", "rounds": 2}], None),
        ([{"preset": "naive", "name": "same", "combine": {"type": "keep_all", "weights": EQUAL}}], "same"),
        ([{"preset": "naive", "name": "own", "combine": {"type": "keep_all", "weights": OWN}}, "vote"], "own"),
        (
            [
                {"preset": "naive", "name": "own", "combine": {"type": "keep_all", "weights": OWN}},
                {
                    "preset": "naive",
                    "name": "other",
                    "combine": {"type": "keep_all", "weights": {**OWN, "words": 9.0}},
                },
            ],
            None,
        ),
    ],
)
def test_the_row_of_reference_is_the_one_with_naives_settings(methods: list[Any], baseline: str | None) -> None:
    assert baseline_name(read_experiment({**PLAIN, "methods": methods})) == baseline


def test_without_a_naive_row_there_is_no_difference_and_a_note(simulate_small: Small, tmp_path: Path) -> None:
    gamma = {"preset": "naive", "name": "gamma 0.25", "self_training": {"gamma_max": 0.25}}
    world = simulate_small(tmp_path / "store", methods=[gamma, "bayesian"], variants=["plain", "self_training"])
    results = write_report(world.study, world.store, world.outcomes, tmp_path / "out")
    assert all(row.versus_naive is None and row.versus_plain_naive is None for row in results.rows)
    assert "differences" not in {table.name for table in make_tables(results)}
    assert any("No row has the settings of naive" in sentence for sentence in make_headline(results).sentences)


def test_an_answer_that_is_not_there_is_an_error(simulate_small: Small, tmp_path: Path) -> None:
    world = simulate_small(tmp_path / "store")
    row = next(row for row in world.study.rows if row.name == "naive")
    path = world.store.path(row.steps[0]) / "test.parquet"
    labels = WeakLabels.load(path)
    split = Split.load(world.store.path(world.study.splits[0]))
    short = labels.take(np.arange(len(split.test) - 1))
    for folder in [world.store.fresh_folder(row.steps[0])]:
        short.save(folder / "test.parquet")
        path.unlink()
        for file in path.parent.iterdir():
            file.unlink()
        path.parent.rmdir()
        world.store.commit(row.steps[0], 1.0)
    with pytest.raises(DataError, match=r"test\.parquet: has no answer for item `q\d+`"):
        collect(world.study, world.store, world.outcomes)


def test_reason_names_the_step_that_failed(simulate_small: Small, tmp_path: Path) -> None:
    study = simulate_small(tmp_path / "store", skip_all=True).study
    naive = next(row for row in study.rows if row.name == "naive").steps[0]
    words = next(row for row in study.rows if row.name == "words").steps[0]
    outcomes = {
        words.identity: StepOutcome("failed", error="the disk is full"),
        naive.identity: StepOutcome("skipped", error="an input failed"),
    }
    assert reason(words, outcomes) == "the disk is full"
    assert reason(naive, outcomes) == f"needs {words.folder} (words, seed 0), which failed: the disk is full"
    assert reason(naive, {naive.identity: StepOutcome("interrupted")}) == "interrupted"
