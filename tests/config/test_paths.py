"""One rule for paths: in a file from that file's folder, in words from the working directory."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from outgrow.config.load import dump_experiment, file_settings, read_experiment
from outgrow.errors import ConfigError

STUDY: dict[str, Any] = {
    "name": "x",
    "task": {"name": "t", "path": "data/d.csv"},
    "supervisors": {
        "votes": {"votes": "v.csv"},
        "rule": {"function": "rules.py:short"},
        "folder": {"model": "./m@2"},
        "hub": {"model": "org/name"},
    },
    "student": {"model": "m"},
    "methods": ["naive"],
}


def written(folder: Path) -> Path:
    for name in ("m", "elsewhere"):
        (folder / name).mkdir()
    path = folder / "x.yaml"
    path.write_text(yaml.safe_dump(STUDY))
    return path


def read_in(folder: Path, source: str, words: tuple[str, ...] = ()) -> Any:
    before = Path.cwd()
    os.chdir(folder)
    try:
        experiment = read_experiment(source, words)
        places = (experiment.store, experiment.output, experiment.answers, experiment.task.path)
        return experiment, file_settings(experiment), [place.resolve() for place in places if place is not None]
    finally:
        os.chdir(before)


def test_a_file_is_the_same_study_from_everywhere(tmp_path: Path) -> None:
    path = written(tmp_path)
    whole, there, beside = (
        read_in(*place)
        for place in ((Path("/"), str(path)), (tmp_path, "x.yaml"), (tmp_path / "elsewhere", "../x.yaml"))
    )
    assert whole[1] == there[1] == beside[1]
    assert whole[2] == there[2] == beside[2]
    assert there[2] == [tmp_path / name for name in ("runs/steps", "runs/x", "answers", "data/d.csv")]
    assert whole[0].supervisors["rule"].function == f"{tmp_path}/rules.py:short"
    assert whole[0].supervisors["folder"].model == f"{tmp_path}/m@2"
    assert whole[0].student.model == f"{tmp_path}/m"
    assert whole[0].supervisors["hub"].model == "org/name"


def test_words_and_mappings_are_said_in_the_working_directory(tmp_path: Path) -> None:
    path = written(tmp_path)
    words = ("task.path=own.csv", "store=kept", "student.model=./mine")
    found = read_in(tmp_path / "elsewhere", str(path), words)[0]
    assert (found.task.path, found.store, found.student.model) == (Path("own.csv"), Path("kept"), "./mine")
    assert found.output == tmp_path / "runs/x"
    named = read_experiment(STUDY)
    assert (named.store, named.output, named.task.path) == (Path("runs/steps"), Path("runs/x"), Path("data/d.csv"))


def test_a_hub_model_is_no_folder_of_the_working_directory(tmp_path: Path) -> None:
    path = written(tmp_path)
    (tmp_path / "elsewhere" / "org" / "name").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"`org/name`.*the working directory has such a folder"):
        read_in(tmp_path / "elsewhere", str(path))
    assert read_in(tmp_path, str(path))[0].supervisors["hub"].model == "org/name"


def test_a_report_s_settings_can_be_run_where_they_lie(tmp_path: Path) -> None:
    experiment = read_experiment(written(tmp_path))
    assert experiment.output is not None
    experiment.output.mkdir(parents=True)
    told = experiment.output / "resolved.yaml"
    told.write_text(dump_experiment(experiment, of_report=True))
    assert str(tmp_path) not in told.read_text()
    again = read_experiment(told)
    for one, other in ((again.store, experiment.store), (again.task.path, experiment.task.path)):
        assert one is not None
        assert other is not None
        assert one.resolve() == other.resolve()
    assert file_settings(again) == file_settings(experiment)
