"""Writing a study's report to its folder, unless the report there is current."""

import hashlib
import inspect
import json
import platform
import sys
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple

from outgrow.config.load import file_settings
from outgrow.graph.event import StepOutcome
from outgrow.graph.step import Step
from outgrow.graph.store import Store
from outgrow.reporting.evidence.steps import reason, record
from outgrow.reporting.provenance import versions
from outgrow.reporting.report_folder import (
    beside,
    drop_incomplete,
    holds_finished,
    is_current,
    settings_that_differ,
)
from outgrow.reporting.results import Results
from outgrow.study.build import Study


class Report(NamedTuple):
    """A report that is on the disk."""

    folder: Path
    results: Callable[[], Results]
    notes: tuple[str, ...] = ()
    """Sentences for the user."""


def publish(
    study: Study, store: Store, outcomes: Mapping[str, StepOutcome], folder: Path, *, replace: bool = False
) -> Report:
    """Write the report into `folder`, or beside it if a finished one must not be lost.

    Measuring and drawing take seconds and heavy libraries. If settings, results and code are unchanged, nothing is
    written, and the results are read when they are needed. Raises `DataError` and `StepFailed` as `write_report` does.
    """
    complete = is_complete(study, outcomes)
    place, notes = _place(study, folder, complete, replace)
    of = made_of(study, store, outcomes)
    if is_current(place, of):
        return Report(place, lambda: _read(place), notes)
    from outgrow.reporting.collect import write_report

    results = write_report(study, store, outcomes, place, made_of=of, complete=complete)
    if complete and place == folder:
        drop_incomplete(folder)
    return Report(place, lambda: results, notes)


def is_complete(study: Study, outcomes: Mapping[str, StepOutcome]) -> bool:
    """Whether every step of the study has a result."""
    ends = (outcomes.get(step.identity) for step in study.steps)
    return all(end is not None and end.state in ("cached", "done") for end in ends)


def _place(study: Study, folder: Path, complete: bool, replace: bool) -> tuple[Path, tuple[str, ...]]:
    if not holds_finished(folder):
        return folder, ()
    if not complete:
        return beside(folder), (f"{folder} keeps its finished report; this one lacks results: {beside(folder)}",)
    if not replace and settings_that_differ(folder, file_settings(study.experiment)):
        # Another run has written it in the meantime.
        return beside(folder), (f"{folder} holds a finished report of other settings by now: {beside(folder)}",)
    return folder, ()


def _read(folder: Path) -> Results:
    from outgrow.reporting.collect import read_results

    return read_results(folder)


# ---- what a report was made of --------------------------------------------------------------------------

SOURCES = (".py", ".yaml", ".html", ".css")


def made_of(study: Study, store: Store, outcomes: Mapping[str, StepOutcome]) -> str:
    """64 hex digits over settings, every step's result or the reason for none, versions of libraries, and code."""
    content = {
        "settings": file_settings(study.experiment),
        "steps": {step.folder: _result(step, store, outcomes) for step in study.steps},
        "versions": [platform.python_version(), versions()],
        "code": source_digest(),
        "plug-ins": plug_in_digests(),
        "working folder": str(Path.cwd()),  # the page has file names relative to it
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _result(step: Step, store: Store, outcomes: Mapping[str, StepOutcome]) -> Any:
    done = record(store, step)
    if done is None:
        return reason(step, outcomes)
    return [step.label, done.identity, done.seconds, done.outgrow, sorted(file.sha256 for file in done.files.values())]


@cache
def source_digest() -> str:
    """64 hex digits over all sources of this package, since a report depends on nearly each."""
    digest = hashlib.sha256()
    for name, source in sorted(_sources(files("outgrow"))):
        digest.update(f"{name}\0".encode() + source.read_bytes() + b"\0")
    return digest.hexdigest()


def plug_in_digests() -> dict[str, str]:
    """By topic that a plug-in has added, the hash of its file."""
    topics = sys.modules.get("outgrow.reporting.topics")
    added = [record for name, record in topics.TOPICS.items() if name not in topics.TOPICS.built_in] if topics else []
    sources = {record.name: inspect.getsourcefile(record.measure) for record in added}
    return {
        name: hashlib.sha256(Path(source).read_bytes()).hexdigest() if source else ""
        for name, source in sources.items()
    }


def _sources(folder: Traversable, above: str = "") -> list[tuple[str, Traversable]]:
    inside = [(f"{above}/{path.name}", path) for path in folder.iterdir()]
    deeper = [source for name, path in inside if path.is_dir() for source in _sources(path, name)]
    return deeper + [(name, path) for name, path in inside if path.is_file() and name.endswith(SOURCES)]
