"""What a report follows from, as one hash: where that is the same, the report would be, and is not made again."""

import hashlib
import json
import platform
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from outgrow.config.load import file_settings
from outgrow.graph.event import StepOutcome
from outgrow.graph.step import Step
from outgrow.graph.store import Store
from outgrow.reporting.evidence.missing import reason, record
from outgrow.reporting.provenance import versions
from outgrow.study.build import Study

SOURCES = (".py", ".yaml", ".html", ".css")


def made_of(study: Study, store: Store, outcomes: Mapping[str, StepOutcome]) -> str:
    """64 hex digits over settings, every step's result or why there is none, versions of libraries, our own code."""
    content = {
        "settings": file_settings(study.experiment),
        "steps": {step.folder: _result(step, store, outcomes) for step in study.steps},
        "versions": [platform.python_version(), versions()],
        "code": source_digest(),
        "seen from": str(Path.cwd()),  # the page names files by their place there
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _result(step: Step, store: Store, outcomes: Mapping[str, StepOutcome]) -> Any:
    done = record(store, step)
    if done is None:
        return reason(step, outcomes)
    return [step.label, done.identity, done.seconds, done.outgrow, sorted(one.sha256 for one in done.files.values())]


@cache
def source_digest() -> str:
    """64 hex digits over the sources of this package: all of them, as a report shows something of nearly each."""
    found = hashlib.sha256()
    for name, source in sorted(_sources(files("outgrow"))):
        found.update(f"{name}\0".encode() + source.read_bytes() + b"\0")
    return found.hexdigest()


def _sources(folder: Traversable, above: str = "") -> list[tuple[str, Traversable]]:
    inside = [(f"{above}/{one.name}", one) for one in folder.iterdir()]
    deeper = [found for name, one in inside if one.is_dir() for found in _sources(one, name)]
    return deeper + [(name, one) for name, one in inside if one.is_file() and name.endswith(SOURCES)]
