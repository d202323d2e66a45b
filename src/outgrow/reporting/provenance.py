"""Where the numbers come from: versions, content hashes, wall times.

Not part of `Results`: a second run of the same study finds the same results at another speed.
"""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from outgrow.graph.event import StepOutcome
from outgrow.graph.store import Store
from outgrow.reporting.evidence.steps import record
from outgrow.study.build import Study

PACKAGES = (
    "outgrow",
    "torch",
    "transformers",
    "peft",
    "accelerate",
    "datasets",
    "scikit-learn",
    "numpy",
    "scipy",
    "pyarrow",
    "matplotlib",
)


@dataclass(frozen=True)
class StepTime:
    """How a step ended, and the wall time of its computation (None: not computed)."""

    folder: str
    name: str
    label: str
    state: str
    seconds: float | None


@dataclass(frozen=True)
class Provenance:
    """What is needed to reproduce the numbers."""

    python: str
    packages: dict[str, str]
    """Versions of what is installed where the report was written."""
    written_by: tuple[str, ...]
    """Versions of outgrow that computed the steps."""
    data: dict[str, dict[str, str]]
    """SHA-256 of the items and of every split, by step folder and file."""
    steps: dict[str, str]
    """The full identity of every finished step, by folder."""


def provenance(study: Study, store: Store) -> Provenance:
    """Read the records of the finished steps."""
    records = {step.folder: done for step in study.steps if (done := record(store, step))}
    data = [step.folder for step in (study.pool, *study.splits) if step.folder in records]
    return Provenance(
        python=platform.python_version(),
        packages=versions(),
        written_by=tuple(sorted({done.outgrow for done in records.values()})),
        data={name: {file: content.sha256 for file, content in records[name].files.items()} for name in data},
        steps={name: done.identity for name, done in records.items()},
    )


def versions() -> dict[str, str]:
    """Of the installed libraries that a result may depend on."""
    return {name: installed for name in PACKAGES if (installed := _version(name))}


def times(study: Study, store: Store, outcomes: Mapping[str, StepOutcome]) -> list[StepTime]:
    """Every step of the study, in the order in which they can run."""
    step_times = []
    for step in study.steps:
        done, outcome = record(store, step), outcomes.get(step.identity)
        state = outcome.state if outcome else "cached" if done else "not run"
        step_times.append(StepTime(step.folder, step.name, step.label, state, done.seconds if done else None))
    return step_times


def show_seconds(seconds: float | None) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
