"""Suites: what studies share, what they change, and where their mistakes are."""

from pathlib import Path

import pytest
import yaml

from outgrow.config.load import read_experiment
from outgrow.config.override import merge
from outgrow.config.suite import read_studies, read_suite
from outgrow.errors import ConfigError

EXAMPLE = Path(__file__).parents[2] / "examples" / "laptop_suite.yaml"

GOOD = {
    "suite": "two",
    "base": {
        "task": {"name": "sciq", "sizes": {"half_a": 10, "half_b": 20, "test": 30}},
        "supervisors": {"words": {"type": "ngram"}, "static": {"model": "bundled:wordllama"}},
        "student": {"model": "bundled:minilm-l6", "layer": 3},
        "methods": ["naive"],
    },
    "studies": {
        "first": {"task": {"sizes": {"test": 5}}},
        "second": {"task": {"name": "piqa"}, "supervisors": {"static": None}, "student": {"layer": None}},
    },
}


def write(tmp_path: Path, tree: object) -> Path:
    path = tmp_path / "suite.yaml"
    path.write_text(yaml.safe_dump(tree, sort_keys=False))
    return path


def test_studies_are_the_base_with_their_changes(tmp_path: Path) -> None:
    first, second = read_suite(write(tmp_path, GOOD), ["seeds=7"]).studies.values()
    assert (first.task.sizes.half_a, first.task.sizes.test, first.student.layer) == (10, 5, 3)
    assert (second.task.name, list(second.supervisors), second.student.layer) == ("piqa", ["words"], None)
    assert first.seeds == second.seeds == [7]
    assert (first.name, first.output) == ("two.first", tmp_path / "runs/two/first")


def test_merging_replaces_leaves_and_drops_nulls() -> None:
    assert merge({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"c": 3}, "d": [2]}) == {"a": {"b": 1, "c": 3}, "d": [2]}
    assert merge({"a": 1, "b": 2}, {"a": None}) == {"b": 2}


def test_the_example_has_six_sets_and_ten_seeds() -> None:
    studies = read_studies(EXAMPLE)
    assert len({study.task.name for study in studies}) == 6
    assert all(len(study.seeds) == 10 for study in studies)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"studies": {}}, "studies"),
        ({"studeis": {}}, "studeis: unknown key; did you mean `studies`?"),
        (
            {"studies": {"first": {"task": {"nmae": "x"}}}},
            "studies.first: task.nmae: unknown key; did you mean `name`",
        ),
        ({"suite": "a/b"}, "suite"),
    ],
)
def test_a_mistake_names_the_study_and_the_key(tmp_path: Path, change: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_suite(write(tmp_path, {**GOOD, **change}))
    assert said in str(error.value)


def test_an_experiment_is_not_a_suite(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="outgrow suite"):
        read_experiment(write(tmp_path, GOOD))
