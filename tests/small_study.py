"""A study that takes seconds, run by the real command in processes of its own."""

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

STUDY: dict[str, Any] = {
    "name": "small",
    "task": {"name": "mmlu_topic", "source": "bundled", "sizes": {"half_a": 60, "half_b": 80, "test": 120}},
    "supervisors": {
        "words": {"type": "ngram"},
        "a": {"model": "bundled:wordllama", "dims": 32},
        "b": {"model": "bundled:wordllama", "dims": 64},
    },
    "student": {"model": "bundled:wordllama"},
    "methods": ["single", "naive", "vote"],
    "variants": ["plain", "self_training"],
    "tune": {"l2": [0.01, 0.1], "epochs": [20], "folds": 2},
    "seeds": [0],
    "bootstrap": 200,
    "threads": 1,  # the same bytes whatever --jobs
}
FILE = "small.yaml"
ENVIRONMENT = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "PASSIVE", "COLUMNS": "200"}


def write(folder: Path, study: Mapping[str, Any] = STUDY) -> Path:
    """The experiment's file in `folder`, where its store and report will be."""
    path = folder / FILE
    path.write_text(yaml.safe_dump(dict(study), sort_keys=False))
    return path


def start(folder: Path, *words: str) -> "subprocess.Popen[str]":
    """The command in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "outgrow", *words],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def outgrow(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """The command's exit code and what it printed; never a traceback."""
    process = start(folder, *words)
    out, err = process.communicate(timeout=300)
    assert "Traceback" not in out + err, err
    return subprocess.CompletedProcess(words, process.returncode, out, err)


@cache
def finished(prepare: Callable[[Path], Path] = write) -> tuple[Path, "subprocess.CompletedProcess[str]"]:
    """A folder in which the study has been run once, and how that ended. Not to be written to: see `copy`."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    prepare(folder)
    return folder, outgrow(folder, "run", FILE)


def copy(to: Path, prepare: Callable[[Path], Path] = write) -> Path:
    """The finished study once more, to be changed."""
    shutil.copytree(finished(prepare)[0], to, dirs_exist_ok=True)
    return to


def events(folder: Path) -> list[dict[str, Any]]:
    """What the store's log tells, line by line."""
    log = folder / "runs" / "steps" / "events.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def executed(folder: Path, since: int = 0) -> list[str]:
    """`name label` of every step that was finished after the first `since` events."""
    found = events(folder)[since:]
    return [f"{one['folder'].rpartition('-')[0]} {one['label']}" for one in found if one["kind"] == "finished"]


def step_folder(folder: Path, name: str, label: str) -> Path:
    """Where the store keeps the step of that name and label."""
    for done in (folder / "runs" / "steps").glob(f"{name}-*/done.json"):
        log = [one["label"] for one in events(folder) if one["folder"] == done.parent.name]
        if label in log:
            return done.parent
    raise LookupError(f"{name} {label}")


def results(folder: Path, report: str = "small") -> dict[str, Any]:
    """`results.json` of the study's report."""
    return dict(json.loads((folder / "runs" / report / "results.json").read_text()))


def accuracies(folder: Path, report: str = "small") -> dict[str, float | None]:
    """Test accuracy of every row of the report."""
    return {row["name"]: row["score"]["value"] for row in results(folder, report)["rows"]}


def report_bytes(folder: Path) -> dict[str, bytes]:
    """All of the report that must not depend on when, how fast or how often the study was run."""
    report = folder / "runs" / "small"
    names = ["results.json", "resolved.yaml", "provenance.json"]
    # Of texts: single items with everybody's pieces and their probabilities.
    pages = report.glob("examples.html")
    paths = [*report.glob("tables/*"), *report.glob("figures/*"), *pages, *(report / name for name in names)]
    return {str(path.relative_to(report)): path.read_bytes() for path in paths}
