"""What a store holds, and which studies use it.

A study uses the steps of its graph, as its file and this version's code give them. So a result of other settings or of
other code is used by no study, and `garbage.py` may remove it. A study may also be given as the folder of its report,
which has the settings of the run with its overrides, and the steps that the report was made of.

Nothing is written here. Sizes are those of the files, in bytes.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import yaml

from outgrow.config.experiment import Experiment
from outgrow.config.override import Word
from outgrow.config.paths import SETTINGS
from outgrow.config.suite import read_studies
from outgrow.errors import DataError
from outgrow.graph.done import Damaged, read_done
from outgrow.graph.durable import files_in
from outgrow.graph.step import Step
from outgrow.study.build import build_study

STEP_FOLDER = re.compile(r"[A-Za-z][\w.]*-[0-9a-f]{8}")
"""`NAME-HASH8`."""
PROVENANCE = "provenance.json"
OTHERS: Mapping[str, str] = {
    "damaged results": ".damaged",
    "checkpoints of unfinished steps": ".scratch",
    "unfinished or removed steps": ".tmp",
    "logs": ".logs",
}
"""Folders of a store that are not steps."""


@dataclass(frozen=True)
class StoredStep:
    """A finished step of a store."""

    folder: str
    size: int
    seconds: float
    """How long it was computed."""
    finished_at: str
    """UTC, ISO 8601."""
    identity: str
    users: tuple[str, ...] = ()
    """Names of the studies that use it, of those that were asked about."""


class StudySteps(NamedTuple):
    """A study and its steps."""

    name: str
    store: Path
    steps: tuple[Step, ...]
    recorded: frozenset[str] = frozenset()
    """Folders of the steps that its report was made of."""

    @property
    def folders(self) -> set[str]:
        """Names of the folders of its steps."""
        return {step.folder for step in self.steps} | self.recorded


def studies_in(source: Path, words: Sequence[Word] = ()) -> list[StudySteps]:
    """The study of a file or of a report's folder, or all studies of a suite; `words` are overrides.

    Raises `ConfigError`, `DataError`.
    """
    if not source.is_dir():
        return [_steps_of(experiment) for experiment in read_studies(source, words)]
    recorded = study_of_report(source)
    if recorded is None:
        raise DataError(f"{source}: is no folder of a report; name the file of a study, or the folder of its report")
    studies = [_steps_of(experiment) for experiment in read_studies(source, words)]
    return [study._replace(recorded=recorded.recorded) for study in studies]


def _steps_of(experiment: Experiment) -> StudySteps:
    store = Path(os.path.normpath(experiment.store))
    return StudySteps(experiment.name, store, tuple(build_study(experiment).steps))


def study_of_report(folder: Path) -> StudySteps | None:
    """The study of a report, with the steps that the report was made of; `None` if there is no readable report."""
    try:
        settings = yaml.safe_load((folder / SETTINGS).read_text(encoding="utf-8"))
        steps = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))["steps"]
        store = Path(os.path.normpath(folder / settings["store"]))
        return StudySteps(str(settings["name"]), store, (), frozenset(map(str, steps)))
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError, RecursionError):
        return None


def reports_beside(root: Path) -> list[Path]:
    """Folders of reports in the folder of the store, and one level deeper, where suites have theirs."""
    pages = (*root.parent.glob(f"*/{SETTINGS}"), *root.parent.glob(f"*/*/{SETTINGS}"))
    return sorted(page.parent for page in pages if root not in page.parents)


def known_studies(root: Path) -> list[StudySteps]:
    """The studies of the reports beside a store that are made of its steps."""
    studies = filter(None, map(study_of_report, reports_beside(root)))
    return [study for study in studies if is_same_place(study.store, root)]


def is_same_place(first: Path, second: Path) -> bool:
    """Whether two paths lead to one place."""
    return os.path.realpath(first) == os.path.realpath(second)


def store_of(studies: Sequence[StudySteps]) -> Path:
    """The one store of several studies. Raises `DataError` if there are several."""
    stores = list(dict.fromkeys(os.path.realpath(study.store) for study in studies))
    if len(stores) > 1:
        raise DataError(f"these studies have several stores ({', '.join(stores)}); name one of them with `--store`")
    return studies[0].store


def stored_steps(root: Path, studies: Sequence[StudySteps] = ()) -> Iterator[StoredStep]:
    """Every finished step of a store by name, with those of `studies` that use it.

    Folders that are no whole step are left out. Raises `DataError` if there is no store.
    """
    require_store(root)
    users: dict[str, list[str]] = {}
    for study in studies:
        for name in study.folders:
            users.setdefault(name, []).append(study.name)
    for folder in sorted(root.iterdir()):
        if STEP_FOLDER.fullmatch(folder.name) and folder.is_dir():
            with suppress(Damaged, OSError):
                done = read_done(folder)
                if folder.name == f"{done.name}-{done.identity[:8]}":
                    names = tuple(dict.fromkeys(users.get(folder.name, ())))
                    size, made = size_of(folder), (done.seconds, done.finished_at, done.identity)
                    yield StoredStep(folder.name, size, *made, users=names)


def require_store(root: Path) -> None:
    """Raise `DataError` if there is no store at `root`."""
    if not root.is_dir():
        raise DataError(f"{root}: no store here; name its folder with `--store`, or a study that has been run")


def size_of(path: Path) -> int:
    """Bytes of all files below a folder; files that vanish meanwhile count nothing."""
    total = 0
    for file in files_in(path):
        with suppress(OSError):
            total += file.lstat().st_size
    return total


def other_sizes(root: Path) -> dict[str, int]:
    """Bytes of what is in a store besides finished steps."""
    return {title: size_of(root / name) for title, name in OTHERS.items()}
