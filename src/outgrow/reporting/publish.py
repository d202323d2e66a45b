"""A study's report put where it belongs, unless it is there already."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter

from outgrow.config.load import file_settings
from outgrow.graph.event import StepOutcome
from outgrow.graph.store import Store
from outgrow.reporting.made_of import made_of
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
    """What its owner may not expect, one sentence each."""


def publish(
    study: Study, store: Store, outcomes: Mapping[str, StepOutcome], folder: Path, *, replace: bool = False
) -> Report:
    """Write the report into `folder`, or beside it if a finished one must not be lost; nothing if nothing is new.

    Measuring and drawing take seconds and heavy libraries, so what was written is only read again where settings,
    results and code are what they were. Raises `DataError` and `StepFailed` as `write_report` does.
    """
    complete = is_complete(study, outcomes)
    place, notes = _place(study, folder, complete, replace)
    of = made_of(study, store, outcomes)
    if is_current(place, of):
        return Report(place, lambda: read_results(place), notes)
    from outgrow.reporting.write_report import write_report

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
        # Nobody could know before the run: another one has put it there meanwhile.
        return beside(folder), (f"{folder} holds a finished report of other settings by now: {beside(folder)}",)
    return folder, ()


def read_results(folder: Path) -> Results:
    """`results.json` as what it was made from, to the last digit."""
    return TypeAdapter(Results).validate_json((folder / "results.json").read_bytes())
