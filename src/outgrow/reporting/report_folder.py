"""The folder of a report: its state, the rules for replacing it, and its writing.

Two rules protect a finished report. A report with other settings replaces it only on request (`--replace`). An
incomplete report (a step failed, or the run was stopped) never replaces it: it is written to `NAME.incomplete` next to
it, and removed when a finished report is written.

`manifest.json` is written last. It has a hash of the report's inputs, the settings, and the SHA-256 of each file. Only
files in a manifest are ever removed.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from outgrow.config.paths import SETTINGS
from outgrow.errors import ConfigError, DataError, StepFailed
from outgrow.graph.durable import full_disk
from outgrow.graph.output import alone, whole_file
from outgrow.graph.writable import refuse_unwritable_folder
from outgrow.text_format import listed

MANIFEST, PAGE = "manifest.json", "report.html"
WITHOUT_EFFECT = (
    *("store", "answers", "output", "threads", "report_to", "resources"),
    *("batch_tokens", "concurrency", "timeout", "retries"),
)
"""Keys at any depth that do not change results."""
DEEPEST = "tables/pgr_by_supervisor.json.unfinished"
"""Approximately the longest path in a report's folder."""


@dataclass(frozen=True)
class Manifest:
    """The manifest of a report."""

    made_of: str
    """A hash of the inputs of the report; empty if it was not computed."""
    complete: bool
    """Whether no result is missing."""
    settings: Mapping[str, Any]
    files: Mapping[str, str]
    """SHA-256 of each file, by its path relative to the folder."""


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of the report in `folder`; None if it is missing or damaged."""
    try:
        manifest = Manifest(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
        texts = [manifest.made_of, *manifest.files, *manifest.files.values()]
        has_types = isinstance(manifest.complete, bool) and isinstance(manifest.settings, dict)
        return manifest if has_types and all(isinstance(text, str) for text in texts) else None
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return None


# ---- replacing ----------------------------------------------------------------------------------------------


def refuse_to_replace(folder: Path, settings: Mapping[str, Any]) -> None:
    """Raise `ConfigError` if `folder` has a finished report of other settings, or a page of unknown origin."""
    if not holds_finished(folder):
        return
    if not settings_of(folder):
        raise ConfigError(
            f"{folder} has a {PAGE} without settings: choose another `name` or `output`, or replace it with"
            " `--replace` (in Python `replace=True`)"
        )
    keys = settings_that_differ(folder, settings)
    if keys:
        raise ConfigError(
            f"{folder} has the finished report of other settings ({listed(keys)}): keep both with another `name`"
            " or `output`, or replace it with `--replace` (in Python `replace=True`)"
        )


def refuse_place(folder: Path) -> None:
    """Raise `DataError` for a folder in which no report can be written; called before any computation."""
    for place in (folder, beside(folder)):
        for inner in (place, (place / DEEPEST).parent, place / DEEPEST):
            refuse_unwritable_folder("output", inner)


def holds_finished(folder: Path) -> bool:
    """Whether `folder` has a finished report; a page without a manifest counts as one."""
    manifest = read_manifest(folder)
    return manifest.complete if manifest is not None else os.path.lexists(folder / PAGE)


def beside(folder: Path) -> Path:
    """The folder of an incomplete report if `folder` has a finished one."""
    resolved = folder if folder.name not in ("", "..") else folder.resolve()
    return resolved.with_name(f"{resolved.name}.incomplete")


def settings_of(folder: Path) -> dict[str, Any]:
    """The settings of the report in `folder`; empty if there is no report or no record of its settings."""
    manifest = read_manifest(folder)
    if manifest is not None:
        return dict(manifest.settings)
    try:
        settings = yaml.safe_load((folder / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return {}
    return settings if isinstance(settings, dict) else {}


def settings_that_differ(folder: Path, now: Mapping[str, Any]) -> list[str]:
    """Keys in which the settings of the report in `folder` differ; empty without a report."""
    earlier = settings_of(folder)
    if earlier and ("simulation" in earlier) != ("simulation" in now):
        return ["simulation"]
    before, after = _with_effect(earlier), _with_effect(now)
    # A key in only one of them was added or removed by another version of outgrow.
    return [key for key in after if key in before and before[key] != after[key]]


def _with_effect(tree: Any) -> Any:
    """The settings without the keys that do not change results."""
    if isinstance(tree, list):
        return [_with_effect(part) for part in tree]
    if not isinstance(tree, Mapping):
        return tree
    return {key: _with_effect(part) for key, part in tree.items() if key not in WITHOUT_EFFECT}


def words_that_differ(then: Mapping[str, Any], now: Mapping[str, Any], words: Sequence[str]) -> list[str]:
    """The overrides in `words` whose value in `now` differs from that in `then`; none if `then` is empty."""
    keys = dict.fromkeys(word.partition("=")[0] for word in words)
    compared = [key for key in keys if then and key not in WITHOUT_EFFECT]
    return [key for key in compared if _part(then, key.split(".")) != _part(now, key.split("."))]


def _part(tree: Any, path: Sequence[str]) -> Any:
    """The value at a path of keys, None without one."""
    for key in path:
        children = {str(index): child for index, child in enumerate(tree)} if isinstance(tree, list) else tree
        tree = children.get(key) if isinstance(children, dict) else None
    return tree


# ---- writing ------------------------------------------------------------------------------------------------


def is_current(folder: Path, made_of: str) -> bool:
    """Whether the report in `folder` has this hash of inputs, and all its files are unchanged."""
    manifest = read_manifest(folder)
    if manifest is None or not made_of or manifest.made_of != made_of:
        return False
    try:
        return all(_digest((folder / name).read_bytes()) == digest for name, digest in manifest.files.items())
    except (OSError, ValueError):
        return False


def write_folder(
    folder: Path, contents: Mapping[str, str], settings: Mapping[str, Any], made_of: str = "", complete: bool = True
) -> None:
    """Write the files of a report, then its manifest; remove files that only the earlier report has.

    Raises `DataError` if the folder cannot be written, `StepFailed` if the disk is full.
    """
    files = {name: _digest(text.encode()) for name, text in contents.items()}
    manifest = Manifest(made_of, complete, settings, files)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # With two runs that end at the same time, the report is that of one of them, not a mixture.
        with alone(folder / MANIFEST, on_wait=lambda: None):
            before = read_manifest(folder)
            for name, text in contents.items():
                write_file(folder / name, text)
            _remove(folder, set(before.files) - set(files) if before else set())
            write_file(folder / MANIFEST, json.dumps(asdict(manifest), ensure_ascii=False, indent=1) + "\n")
    except OSError as error:
        full = full_disk(error, folder)
        if full is not None:
            raise StepFailed(full) from error
        raise DataError(
            f"the report folder `{folder}` cannot be written: {error.strerror} ({error.filename});"
            " choose another with `output:`"
        ) from error


def drop_incomplete(folder: Path) -> None:
    """Remove the incomplete report next to `folder`, which now has a finished one."""
    manifest = read_manifest(place := beside(folder))
    if manifest is not None and not manifest.complete:
        try:
            _remove(place, {*manifest.files, MANIFEST})
            for inner in (*place.iterdir(), place):
                inner.rmdir()
        except OSError:
            return  # the folder has other files


def write_file(path: Path, text: str) -> None:
    """Write a text file atomically; parent folders are made."""
    # No sync to the disk, because the file can be made again from the store.
    with whole_file(path, lasting=False) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as file:
        file.write(text)


def _remove(folder: Path, names: set[str]) -> None:
    """Remove files of an earlier report; names outside the folder are ignored."""
    root = folder.resolve()
    for path in (folder / name for name in names if "\0" not in name):
        if path.parent.resolve().is_relative_to(root) and path.is_file():
            path.unlink()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
