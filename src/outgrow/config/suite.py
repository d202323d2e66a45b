"""Several studies in one file: a suite, whose studies are named, or a sweep, whose studies are the values of keys.

suite: laptop_suite
base:            # an experiment without a name
  ...
studies:         # what each study changes, merged key by key
  arc_easy: {task: {name: arc_easy}, student: {layer: 20}}

name: sizes      # an experiment with one more key
sweep:           # a grid: every value of every key
  task.sizes.half_a: [100, 200]
  student: {small: {model: "bundled:wordllama"}, large: {model: "bundled:minilm-l6"}}     # values by name

A sweep may also be a list of points, `sweep: [{seeds: [0]}, {task.sizes.half_a: 50, seeds: [1]}]`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field, ValidationError

from outgrow.config.experiment import Experiment
from outgrow.config.load import experiment_file, fill_in_methods, load_tree, read_experiment
from outgrow.config.messages import FileLocation, error_messages
from outgrow.config.override import Word, merge, override
from outgrow.config.paths import REPORTS
from outgrow.config.section import Name, Section
from outgrow.config.yaml_text import Tree, unshared
from outgrow.errors import ConfigError
from outgrow.text_format import short

STUDY = "study"
"""The one key of a suite: which study."""
MOST_STUDIES = 500
SEVERAL = ("suite", "sweep")
"""Keys of a file with several studies."""


class SuiteFile(Section):
    """The keys of a suite file."""

    suite: Name
    """The suite's name; its reports are in `runs/SUITE/STUDY` in the file's folder."""
    base: dict[str, Any]
    """An experiment without a name: the keys that all studies share."""
    studies: Annotated[dict[Name, dict[str, Any]], Field(min_length=1)]
    """By study name, the keys in which it differs from the base."""


class Suite(Section):
    """A suite or a sweep after reading: its studies are complete experiments."""

    name: str
    studies: dict[str, Experiment]
    points: dict[str, dict[str, str]]
    """By study, the value of every swept key, as a name; of a suite the study's name under `study`."""
    folder: Path
    """Folder of the report over all studies."""


class SweepPoint(NamedTuple):
    """One study of a sweep."""

    labels: dict[str, str]
    """By key, the name of its value."""
    changes: dict[str, Any]
    """By dotted key, the value."""


def is_suite(source: str | Path | Mapping[str, Any]) -> bool:
    """Whether a file or mapping has several studies. Raises `ConfigError` for a file that is no mapping."""
    tree = source if isinstance(source, Mapping) else load_tree(experiment_file(source))[0]
    return any(key in tree for key in SEVERAL)


def read_suite(source: str | Path | Mapping[str, Any], words: Sequence[Word] = (), code: bool = True) -> Suite:
    """Read a suite or a sweep; `words` are overrides for every study; `code` as for `read_experiment`.

    Raises `ConfigError`.
    """
    if isinstance(source, Mapping):
        tree, place, folder = unshared(source), FileLocation("experiment"), Path()
    else:
        file = experiment_file(source)
        (tree, place), folder = load_tree(file), file.parent
    return (_read_suite if "suite" in tree else _read_sweep)(tree, place, folder, words, code)


def _read_suite(tree: Tree, place: FileLocation, folder: Path, words: Sequence[Word], code: bool) -> Suite:
    try:
        file = SuiteFile.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(error_messages(error, place, SuiteFile)) from None
    studies = {
        name: read_experiment(
            {
                **merge(file.base, changes),
                "name": f"{file.suite}.{name}",
                "output": str(REPORTS / file.suite / name),
            },
            words,
            called=place.at("studies", name),
            folder=folder,
            code=code,
        )
        for name, changes in file.studies.items()
    }
    points = {name: {STUDY: name} for name in studies}
    return Suite(name=file.suite, studies=studies, points=points, folder=folder / REPORTS / file.suite)


# ---- sweeps ---------------------------------------------------------------------------------------------


def _read_sweep(tree: Tree, place: FileLocation, folder: Path, words: Sequence[Word], code: bool) -> Suite:
    where = place.at("sweep")
    base = {key: value for key, value in tree.items() if key != "sweep"}
    for word in words:
        if isinstance(word, str) and word.startswith("name="):
            base["name"] = word.partition("=")[2]
    words = [word for word in words if not (isinstance(word, str) and word.startswith("name="))]
    name = str(base.get("name", ""))
    if not name:
        raise ConfigError(f"{place.name}: a sweep needs a `name`")
    studies: dict[str, Experiment] = {}
    points: dict[str, dict[str, str]] = {}
    for point in _points(tree["sweep"], where):
        study = _study_name(point.labels)
        if study in studies:
            raise ConfigError(f"{where}: two points are named `{study}`; give their values names, `key: {{NAME: …}}`")
        changed = _changed(base, point, place)
        changed |= {"name": f"{name}.{study}", "output": str(REPORTS / name / study)}
        studies[study] = read_experiment(changed, words, called=f"{where} ({study})", folder=folder, code=code)
        points[study] = point.labels
    return Suite(name=name, studies=studies, points=points, folder=folder / REPORTS / name)


def _changed(base: Tree, point: SweepPoint, place: FileLocation) -> Tree:
    """The experiment at one point; mappings are merged into the section that they change."""
    tree: Tree = unshared(base)
    fill_in_methods(tree, place)
    for key, value in point.changes.items():
        override(tree, {key: value})
    return tree


def _points(sweep: Any, where: str) -> Iterator[SweepPoint]:
    """A mapping is a grid, the last key changing fastest; a list has the points one by one."""
    if isinstance(sweep, Mapping) and sweep:
        axes = [[(key, *value) for value in _values(key, values, where)] for key, values in sweep.items()]
        grid: Any = list(product(*axes))
    elif isinstance(sweep, list) and sweep and all(isinstance(point, Mapping) and point for point in sweep):
        grid = [[(key, _label(value, str(index)), value) for key, value in p.items()] for index, p in enumerate(sweep)]
    else:
        raise ConfigError(f"{where}: is a mapping from keys to lists of values, or a list of mappings")
    if len(grid) > MOST_STUDIES:
        raise ConfigError(f"{where}: {len(grid)} studies; at most {MOST_STUDIES} are read")
    for point in grid:
        yield SweepPoint({key: label for key, label, _ in point}, {key: value for key, _, value in point})


def _values(key: str, values: Any, where: str) -> list[tuple[str, Any]]:
    if isinstance(values, Mapping) and values:
        return [(str(name), value) for name, value in values.items()]
    if isinstance(values, list) and values:
        return [(_label(value, str(index)), value) for index, value in enumerate(values)]
    raise ConfigError(f"{where}: `{key}` needs a list of values, or a mapping from names to values")


def _label(value: Any, otherwise: str) -> str:
    """The name of a value: itself, or the model that it names."""
    if isinstance(value, Mapping):
        return str(value.get("model") or value.get("preset") or value.get("name") or otherwise)
    return otherwise if isinstance(value, list) and len(str(value)) > 20 else short(str(value), 40)


def _study_name(labels: Mapping[str, str]) -> str:
    """`half_a-100_student-small`, which is also the folder of the study's report."""
    parts = (f"{key.rpartition('.')[2]}-{label}" for key, label in labels.items())
    return re.sub(r"[^A-Za-z0-9.-]+", "_", "_".join(parts)).strip("_.")


def read_studies(
    source: str | Path | Mapping[str, Any], words: Sequence[Word] = (), code: bool = True
) -> list[Experiment]:
    """The one experiment of a file or mapping, or all experiments of a suite or a sweep."""
    if is_suite(source):
        return list(read_suite(source, words, code).studies.values())
    return [read_experiment(source, words, code=code)]
