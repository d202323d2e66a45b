"""A report's folder: whether the report in it is finished, who may replace it, and how it is written.

Two rules keep what is good. A finished report is replaced by one of other settings only where its owner says so. A
report that lacks results (a step failed, or somebody stopped the run) never takes the place of a finished one: it goes
to `NAME.incomplete` beside it, and goes away once a finished one is written.

`manifest.json` is written last and says what the report was made of, of which settings, and every file's SHA-256.
Only files that a manifest names are ever removed.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from outgrow.errors import ConfigError, DataError, StepFailed
from outgrow.graph.durable import full_disk
from outgrow.graph.output import alone, whole_file
from outgrow.graph.writable import refuse_unwritable_folder
from outgrow.text_format import listed

MANIFEST, PAGE, SETTINGS = "manifest.json", "report.html", "resolved.yaml"
WITHOUT_EFFECT = (
    *("store", "answers", "output", "threads", "report_to"),
    *("batch_tokens", "concurrency", "timeout", "retries"),
)
"""Keys that change no number, at any depth."""
DEEPEST = "tables/pgr_by_supervisor.json.unfinished"
"""About the longest path below a report's folder."""


@dataclass(frozen=True)
class Manifest:
    """What a report says of itself."""

    made_of: str
    """One hash over all that its contents follow from; empty where nobody asked for it."""
    complete: bool
    """Whether every result is in it."""
    settings: Mapping[str, Any]
    files: Mapping[str, str]
    """SHA-256 of every file, by its path below the folder."""


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of the report in `folder`; None if there is none, or one that is damaged."""
    try:
        found = Manifest(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
        words = [found.made_of, *found.files, *found.files.values()]
        whole = isinstance(found.complete, bool) and isinstance(found.settings, dict)
        return found if whole and all(isinstance(word, str) for word in words) else None
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return None


# ---- who may replace it -------------------------------------------------------------------------------------


def refuse_to_replace(folder: Path, settings: Mapping[str, Any]) -> None:
    """Raise `ConfigError` if `folder` holds a finished report of other settings, or a page that may be anybody's."""
    if not holds_finished(folder):
        return
    if not settings_of(folder):
        raise ConfigError(
            f"{folder} holds a {PAGE} that tells no settings: choose another `name` or `output`, or replace it with"
            " `--replace` (in Python `replace=True`)"
        )
    other = settings_that_differ(folder, settings)
    if other:
        raise ConfigError(
            f"{folder} holds the finished report of other settings ({listed(other)}): keep both with another `name`"
            " or `output`, or replace it with `--replace` (in Python `replace=True`)"
        )


def refuse_place(folder: Path) -> None:
    """Raise `DataError` for a folder in which no report can be written, before anything is computed for it."""
    for place in (folder, beside(folder)):
        for inner in (place, (place / DEEPEST).parent, place / DEEPEST):
            refuse_unwritable_folder("output", inner)


def holds_finished(folder: Path) -> bool:
    """Whether a finished report is there; a page that no manifest tells of counts as one."""
    manifest = read_manifest(folder)
    return manifest.complete if manifest is not None else os.path.lexists(folder / PAGE)


def beside(folder: Path) -> Path:
    """Where a report goes that lacks results, if a finished one is in `folder`."""
    named = folder if folder.name not in ("", "..") else folder.resolve()
    return named.with_name(f"{named.name}.incomplete")


def settings_of(folder: Path) -> dict[str, Any]:
    """The settings of the report in `folder`; empty if there is none, or nothing tells them."""
    manifest = read_manifest(folder)
    if manifest is not None:
        return dict(manifest.settings)
    try:
        found = yaml.safe_load((folder / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def settings_that_differ(folder: Path, now: Mapping[str, Any]) -> list[str]:
    """Keys in which the report in `folder` is of other settings; none if there is no report."""
    then = settings_of(folder)
    if then and ("simulation" in then) != ("simulation" in now):
        return ["simulation"]
    before, after = _with_effect(then), _with_effect(now)
    # A key that only one of them has came or went with a version of outgrow.
    return [key for key in after if key in before and before[key] != after[key]]


def _with_effect(tree: Any) -> Any:
    """The settings without the keys that change no number."""
    if isinstance(tree, list):
        return [_with_effect(part) for part in tree]
    if not isinstance(tree, Mapping):
        return tree
    return {key: _with_effect(part) for key, part in tree.items() if key not in WITHOUT_EFFECT}


def words_that_differ(then: Mapping[str, Any], now: Mapping[str, Any], words: Sequence[str]) -> list[str]:
    """Those of the overrides by which the settings `now` were read that the settings `then`, if any, contradict."""
    keys = dict.fromkeys(word.partition("=")[0] for word in words)
    known = [key for key in keys if then and key not in WITHOUT_EFFECT]
    return [key for key in known if _part(then, key.split(".")) != _part(now, key.split("."))]


def _part(tree: Any, path: Sequence[str]) -> Any:
    """What stands under a key, None if nothing does."""
    for key in path:
        within = {str(place): one for place, one in enumerate(tree)} if isinstance(tree, list) else tree
        tree = within.get(key) if isinstance(within, dict) else None
    return tree


# ---- writing it ---------------------------------------------------------------------------------------------


def is_current(folder: Path, made_of: str) -> bool:
    """Whether the report in `folder` was made of just this, and every file of it is as it was written."""
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
    """Write every file of a report, then its manifest; remove what an earlier report had and this one lacks.

    Raises `DataError` if the folder cannot be written, `StepFailed` if the disk is full.
    """
    files = {name: _digest(text.encode()) for name, text in contents.items()}
    manifest = Manifest(made_of, complete, settings, files)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Two runs that end at once leave the report of one of them, not a mixture.
        with alone(folder / MANIFEST, on_wait=lambda: None):
            before = read_manifest(folder)
            for name, text in contents.items():
                write_file(folder / name, text)
            _remove(folder, set(before.files) - set(files) if before else set())
            write_file(folder / MANIFEST, json.dumps(asdict(manifest), ensure_ascii=False, indent=1) + "\n")
    except OSError as error:
        sentence = full_disk(error, folder)
        if sentence is not None:
            raise StepFailed(sentence) from error
        raise DataError(
            f"the report folder `{folder}` cannot be written: {error.strerror} ({error.filename});"
            " choose another with `output:`"
        ) from error


def drop_incomplete(folder: Path) -> None:
    """Remove the report of an unfinished run beside `folder`, in which there is a finished one now."""
    manifest = read_manifest(place := beside(folder))
    if manifest is not None and not manifest.complete:
        try:
            _remove(place, {*manifest.files, MANIFEST})
            for inner in (*place.iterdir(), place):
                inner.rmdir()
        except OSError:
            return  # something of somebody else's lies in it


def write_file(path: Path, text: str) -> None:
    """Write a text file that appears whole or not at all; folders above it are made."""
    # It can be made again from the store at any time, so nobody waits for the disk.
    with whole_file(path, lasting=False) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as file:
        file.write(text)


def _remove(folder: Path, names: set[str]) -> None:
    """Remove files of an earlier report; a name that leads out of the folder is none of ours."""
    root = folder.resolve()
    for path in (folder / name for name in names if "\0" not in name):
        if path.parent.resolve().is_relative_to(root) and path.is_file():
            path.unlink()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
