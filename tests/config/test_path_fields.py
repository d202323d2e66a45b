"""The types of fields say which values are paths, in sections of ours and of plug-ins."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import BeforeValidator, Field

from outgrow import plugins
from outgrow.config.load import file_settings, read_experiment
from outgrow.config.path_fields import FileText, ModelText, PathForm, change_paths
from outgrow.config.section import Section
from small_study import STUDY

SOURCE = """
from pathlib import Path
from typing import Literal

from outgrow.config.path_fields import FileText, ModelText
from outgrow.config.section import Section
from outgrow.supervise.source_record import SourceRecord


class Lexicon(Section):
    '''Words of a file.'''

    type: Literal["lexicon"]
    words: Path
    more: list[Path] = []
    by: FileText = "a.py:f"
    reader: ModelText = "org/name"
    model: str = "no path"


EXTENSIONS = [SourceRecord(Lexicon, kinds=frozenset({"classify", "choose", "generate"}))]
"""


class One(Section):
    type: Literal["one"]
    model: ModelText
    file: FileText | None = None


class Other(Section):
    type: Literal["other"]
    model: str
    place: Path | None = None


def _type_of(tree: Any) -> Any:
    return {"type": "one", **tree} if isinstance(tree, dict) else tree


Either = Annotated[One | Other, Field(discriminator="type"), BeforeValidator(_type_of)]


class Root(Section):
    path: Path | None = None
    paths: list[Path] = []
    pair: tuple[Path, str] | None = None
    name: str = ""
    either: Either | None = None
    named: dict[str, Either] = {}
    rows: list[Either] = []


def changed(tree: dict[str, Any], section: type[Section] = Root) -> dict[str, Any]:
    return change_paths(tree, section, {PathForm.FILE: "file {}".format, PathForm.MODEL: "model {}".format})


def test_only_fields_of_path_types_are_changed() -> None:
    assert changed({"path": "a", "name": "b", "unknown": "c", "paths": ["d", 7], "seeds": 3}) == {
        "path": "file a",
        "name": "b",
        "unknown": "c",
        "paths": ["file d", 7],
        "seeds": 3,
    }
    assert changed({"paths": "a, b"}) == {"paths": ["file a", "file b"]}
    assert changed({"path": None, "paths": {"path": "a"}}) == {"path": None, "paths": {"path": "a"}}


def test_the_type_of_a_section_decides() -> None:
    other = {"type": "other", "model": "m", "place": "p"}
    assert changed({"either": other}) == {"either": {**other, "place": "file p"}}
    assert changed({"either": {"type": "one", "model": "m", "file": "f", "place": "p"}}) == {
        "either": {"type": "one", "model": "model m", "file": "file f", "place": "p"}
    }
    assert changed({"either": {"model": "m"}}) == {"either": {"model": "model m"}}, "as the validator fills it in"
    assert changed({"named": {"path": other}, "rows": [other, 3]}) == {
        "named": {"path": {**other, "place": "file p"}},
        "rows": [{**other, "place": "file p"}, 3],
    }


def test_a_section_of_unknown_type_may_be_any_of_them() -> None:
    tree = {"type": "wrong", "model": "m", "file": "f", "place": "p"}
    assert changed({"either": tree}) == {"either": {**tree, "model": "model m", "file": "file f", "place": "file p"}}


def test_forms_without_a_change_stay() -> None:
    tree = {"path": "a", "either": {"type": "one", "model": "m"}}
    assert change_paths(tree, Root, {PathForm.MODEL: str.upper}) == {**tree, "either": {"type": "one", "model": "M"}}
    assert tree["path"] == "a"


@pytest.fixture
def _only_here() -> Iterator[None]:
    yield
    for plugin in plugins.loaded():
        plugins.forget(plugin)


@pytest.mark.usefixtures("_only_here")
def test_a_plugin_s_source_has_paths_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "lexicon.py").write_text(SOURCE)
    (tmp_path / "reader").mkdir()
    lexicon = {"type": "lexicon", "words": "w.txt", "more": ["~/x", "y"], "by": "b.py:g", "reader": "reader"}
    study = {**STUDY, "plugins": ["lexicon.py"], "supervisors": {**STUDY["supervisors"], "words": lexicon}}
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(study))
    experiment = read_experiment(file, ["supervisors.words.more=[z]"])
    assert dict(experiment.supervisors["words"]) == {
        "type": "lexicon",
        "words": tmp_path / "w.txt",
        "more": [Path("z")],
        "by": f"{tmp_path}/b.py:g",
        "reader": f"{tmp_path}/reader",
        "model": "no path",
    }
    again = file_settings(experiment)["supervisors"]["words"]
    assert (again["words"], again["by"], again["reader"]) == ("../../w.txt", "../../b.py:g", "./../../reader")
