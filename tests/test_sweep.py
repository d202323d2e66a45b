"""Sweeps: a grid or a list of points of any keys, shared steps, one report, heat maps; suites likewise."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import outgrow
from outgrow.cli.output import say_suite
from outgrow.config.suite import STUDY, read_studies, read_suite
from outgrow.errors import ConfigError
from outgrow.reporting.sweep_plots import key_axis, sweep_plots
from outgrow.reporting.sweep_tables import Sweep, by_key, interaction, single_pgr, sweep_tables, weak_strong

TINY: dict[str, Any] = {
    "name": "swept",
    "task": {"name": "mmlu_topic", "source": "bundled", "sizes": {"half_a": 60, "half_b": 80, "test": 100}},
    "supervisors": {"words": {"type": "ngram"}, "letters": {"type": "ngram", "unit": "char", "longest": 3}},
    "student": {"model": "bundled:wordllama"},
    "methods": ["single", "naive"],
    "variants": ["plain"],
    "tune": {"l2": [0.1], "epochs": [20], "folds": 2},
    "gold_controls": False,
    "seeds": [0],
    "bootstrap": 100,
    "sweep": {"task.sizes.half_b": [40, 80], "student": {"narrow": {"dims": 32}, "wide": {"dims": 128}}},
}


def write(folder: Path, **changes: Any) -> Path:
    path = folder / "swept.yaml"
    path.write_text(yaml.safe_dump({**TINY, **changes}, sort_keys=False))
    return path


# ---- the file -------------------------------------------------------------------------------------------


def test_a_grid_has_a_study_for_every_two_values(tmp_path: Path) -> None:
    suite = read_suite(write(tmp_path), ["seeds=7"])
    assert list(suite.studies) == [
        "half_b-40_student-narrow",
        "half_b-40_student-wide",
        "half_b-80_student-narrow",
        "half_b-80_student-wide",
    ]
    last = suite.studies["half_b-80_student-wide"]
    assert (last.task.sizes.half_b, last.task.sizes.test, last.seeds) == (80, 100, [7])
    assert last.student.model_dump()["dims"] == 128
    assert last.student.model == "bundled:wordllama"
    assert last.output == tmp_path / "runs/swept/half_b-80_student-wide"
    assert suite.points["half_b-40_student-wide"] == {"task.sizes.half_b": "40", "student": "wide"}


def test_a_list_has_its_points_and_methods_have_places(tmp_path: Path) -> None:
    points = [{"self_training.gamma_max": 0.2}, {"methods.1.noise": 0.3, "seeds": [4]}]
    first, second = read_suite(write(tmp_path, sweep=points)).studies.values()
    assert first.self_training.gamma_max == 0.2
    assert (second.methods[-1].noise, second.seeds) == (0.3, [4])


def test_paths_in_a_sweep_are_relative_to_its_file(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    suite = read_suite(write(tmp_path / "deep", sweep={"store": ["one", "two"]}))
    assert [study.store for study in suite.studies.values()] == [tmp_path / "deep/one", tmp_path / "deep/two"]


def test_another_name_is_another_folder(tmp_path: Path) -> None:
    suite = read_suite(write(tmp_path), ["name=other"])
    assert suite.folder == tmp_path / "runs/other"
    assert next(iter(suite.studies.values())).name == "other.half_b-40_student-narrow"


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ({}, "sweep"),
        ([], "sweep"),
        ({"seeds": []}, "`seeds`"),
        ({"task.sizes.half_c": [1]}, "half_c"),
        ({"student": [{"dims": 2}, {"dims": 2}], "seeds": [[0], [0]]}, "two points"),
        ({"bootstrap": list(range(100, 700))}, "600 studies"),
    ],
)
def test_a_bad_sweep_is_one_sentence(tmp_path: Path, sweep: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_studies(write(tmp_path, sweep=sweep))


def test_one_study_is_not_read_from_a_sweep(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="run_suite"):
        outgrow.run(write(tmp_path))


def test_one_plan_has_shared_steps_once(tmp_path: Path) -> None:
    steps = outgrow.plan(write(tmp_path)).steps
    assert len({step.folder for step in steps}) == len(steps)
    # Two sizes of the pool; each has one step for a supervisor, and one for the hidden states of each student.
    assert sum(step.name == "pool" for step in steps) == 2
    assert sum(step.name == "supervisor" for step in steps) == 4
    assert sum(step.name == "features" for step in steps) == 4


# ---- the report -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, outgrow.SuiteResult]:
    """A sweep that was run."""
    path = write(tmp_path_factory.mktemp("swept"))
    return path, outgrow.run_suite(path)


def test_a_sweep_is_reported_shown_and_loaded(swept: tuple[Path, outgrow.SuiteResult], capsys: Any) -> None:
    path, found = swept
    assert found.complete
    page = found.report.read_text()
    for name in ("score_by_half_b", "score_by_student"):
        assert f'id="plot-{name}"' in page
        assert (found.folder / "figures" / f"{name}.svg").is_file()
    for study in found.results:
        assert f'href="{study}/report.html"' in page
        assert (found.folder / study / "report.html").is_file()
    loaded = outgrow.load_suite(path)
    assert loaded.to_pandas().equals(found.to_pandas())
    rows = json.loads((found.folder / "tables/sweep.json").read_text())["rows"]
    assert len(rows) == 4 * 3
    assert {row["student"] for row in rows} == {"narrow", "wide"}
    assert found["half_b-40_student-wide"]["naive"].score.value in {row["score"] for row in rows}
    say_suite(found, as_json=False)
    assert "half_b by student" in capsys.readouterr().out.replace("task.sizes.", "")


def test_larger_halves_hold_the_smaller_ones(swept: tuple[Path, outgrow.SuiteResult]) -> None:
    small, large = (swept[1][f"half_b-{size}_student-wide"].predictions("naive", part="half_b") for size in (40, 80))
    assert set(small.text) < set(large.text)


# ---- tables and axes from known numbers -----------------------------------------------------------------


def test_a_table_against_a_key_has_the_numbers_of_its_studies(swept: tuple[Path, outgrow.SuiteResult]) -> None:
    sweep = swept[1].sweep
    only = Sweep(
        "one",
        {n: {"size": p["task.sizes.half_b"]} for n, p in sweep.points.items() if "wide" in n},
        {n: r for n, r in sweep.results.items() if "wide" in n},
    )
    table = by_key(only, "size")
    naive = next(line for line in table.lines if line.cells[0] == "naive")
    study = only.results["half_b-40_student-wide"]
    assert naive.cells[1] == study.named("naive").score
    assert naive.cells[3] == study.named("naive").pgr
    assert key_axis(only, "size").is_number
    assert [position.x for position in key_axis(only, "size").positions] == [40, 80]


def test_students_and_supervisors_have_the_pgr_of_single_rows(swept: tuple[Path, outgrow.SuiteResult]) -> None:
    sweep = swept[1].sweep
    one = [sweep.results["half_b-80_student-wide"]]
    assert single_pgr(one, "words") == one[0].named("single: words").pgr
    table = weak_strong(sweep)
    assert [line.cells[0] for line in table.lines] == ["narrow", "wide"]
    assert [column.title for column in table.columns[2:]] == ["words", "letters"]
    assert len(interaction(sweep, "task.sizes.half_b", "student").lines) == 2


def test_a_suite_has_one_key_and_no_curves(swept: tuple[Path, outgrow.SuiteResult]) -> None:
    results = swept[1].sweep.results
    suite = Sweep("pair", {name: {STUDY: name} for name in results}, results)
    assert [table.name for table in sweep_tables(suite)][-1] == "sweep"
    assert not any("by_" in table.name for table in sweep_tables(suite))
    assert not list(sweep_plots(suite))
