"""A suite: several studies that differ in a few keys, in one file.

suite: laptop_suite
base:            # an experiment without a name
  ...
studies:         # what each study changes, merged key by key
  arc_easy: {task: {name: arc_easy}, student: {layer: 20}}
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from outgrow.config.experiment import Experiment
from outgrow.config.load import load_tree, read_experiment
from outgrow.config.messages import error_messages
from outgrow.config.override import Word, merge
from outgrow.config.paths import REPORTS
from outgrow.config.section import Name, Section
from outgrow.errors import ConfigError


class SuiteFile(Section):
    """The keys of a suite file."""

    suite: Name
    """The suite's name; its reports are in `runs/SUITE/STUDY` in the file's folder."""
    base: dict[str, Any]
    """An experiment without a name: the keys that all studies share."""
    studies: Annotated[dict[Name, dict[str, Any]], Field(min_length=1)]
    """By study name, the keys in which it differs from the base."""


class Suite(Section):
    """A suite after reading: its studies are complete experiments."""

    name: str
    studies: dict[str, Experiment]
    folder: Path
    """Folder of the tables over all studies."""


def read_suite(path: str | Path, words: Sequence[Word] = (), code: bool = True) -> Suite:
    """Read a suite file; `words` are overrides for every study; `code` as for `read_experiment`.

    Raises `ConfigError`.
    """
    path = Path(path)
    tree, place = load_tree(path)
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
            folder=path.parent,
            code=code,
        )
        for name, changes in file.studies.items()
    }
    return Suite(name=file.suite, studies=studies, folder=path.parent / REPORTS / file.suite)


def read_studies(
    source: str | Path | Mapping[str, Any], words: Sequence[Word] = (), code: bool = True
) -> list[Experiment]:
    """The one experiment of a file or mapping, or all experiments of a suite file."""
    if not isinstance(source, Mapping) and "suite" in load_tree(Path(source))[0]:
        return list(read_suite(source, words, code).studies.values())
    return [read_experiment(source, words, code=code)]
