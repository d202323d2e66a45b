"""What is moved or renamed computes nothing again: data, votes and models are what is in them."""

import shutil
from pathlib import Path
from typing import Any

import yaml

from outgrow.config.load import read_experiment
from outgrow.graph.step import Step
from outgrow.models.model_names import known_folder, parse_name
from outgrow.study.build import build_study

STUDY: dict[str, Any] = {
    "name": "x",
    "supervisors": {"ada": {"type": "votes"}, "near": {}},
    "methods": ["naive"],
    "seeds": [0],
}


def steps_in(folder: Path, data: str, votes: str, model: str) -> list[Step]:
    """The steps of a study of these files, which lie in `folder`."""
    folder.mkdir()
    rows = [f"row {n} is long,{'ab'[n % 2]}" for n in range(60)]
    (folder / data).write_text("\n".join(["text,label", *rows]))
    (folder / votes).write_text("\n".join(["item,source,label", *(f"{n},ada,{'ab'[n % 2]}" for n in range(60))]))
    source = known_folder(parse_name("bundled:minilm-l6"), None)
    assert source is not None
    shutil.copytree(source, folder / model)
    study = {
        **STUDY,
        "task": {"name": "t", "path": data, "sizes": {"half_a": 20, "half_b": 20, "test": 10}},
        "supervisors": {"ada": {"votes": votes}, "near": {"model": f"./{model}@2"}},
        "student": {"model": model},
    }
    (folder / "x.yaml").write_text(yaml.safe_dump(study))
    return build_study(read_experiment(folder / "x.yaml")).steps


def test_places_and_names_are_no_part_of_any_step(tmp_path: Path) -> None:
    first = steps_in(tmp_path / "one", "d.csv", "v.csv", "m")
    second = steps_in(tmp_path / "two", "renamed.csv", "others.csv", "minilm")
    assert [step.identity for step in first] == [step.identity for step in second]
    found = {step.settings["model"] for step in second if step.name == "features"}
    assert found == {str(tmp_path / "two" / "minilm"), str(tmp_path / "two" / "minilm@2")}
    assert not any(str(tmp_path) in str(step.params) for step in first)


def test_other_content_is_another_step(tmp_path: Path) -> None:
    first = steps_in(tmp_path / "one", "d.csv", "v.csv", "m")
    with (tmp_path / "one" / "d.csv").open("a") as file:
        file.write("\none more,a")
    second = build_study(read_experiment(tmp_path / "one" / "x.yaml")).steps
    assert {step.identity for step in first}.isdisjoint(step.identity for step in second)
