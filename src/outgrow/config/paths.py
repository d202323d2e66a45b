"""Paths in a file are relative to its folder, those on the command line and in Python to the working directory.

The same holds for defaults: finished steps are in `runs/steps`, reports in `runs/NAME`, and responses of servers in
`answers`, all in the file's folder. So a file finds its data and its finished steps from any working directory.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from outgrow.config.home_paths import at_home, is_folder
from outgrow.errors import ConfigError

PATHS: Mapping[str, Sequence[str]] = {
    "task": ("path",),
    "supervisors": ("function", "votes", "model"),
    "student": ("model",),
    "second_view": ("model",),
    "methods": ("prompts", "model"),
    "judges": ("prompt", "model"),
}
"""By section, the keys that name files, at any depth; a model may be a folder."""
PLACES = ("store", "output", "answers")
"""Keys of the file itself that name folders."""
LISTS = ("plugins",)
"""Keys of the file itself that name several files."""
STORE = Path("runs/steps")
ANSWERS = Path("answers")
REPORTS = Path("runs")


def seen_from(folder: Path, tree: Mapping[str, Any]) -> dict[str, Any]:
    """The tree of a file in `folder`, with every path relative to the working directory."""
    return _changed(tree, lambda path: str(folder / at_home(path)), lambda name: _model(name, folder))


def told_from(folder: Path, tree: Mapping[str, Any]) -> dict[str, Any]:
    """The reverse: a tree as a file in `folder` would have it."""
    home = os.path.abspath(folder)
    return _changed(
        tree,
        lambda path: os.path.relpath(path, home),
        lambda name: f"./{os.path.relpath(name, home)}" if _is_path(name) else name,
    )


def _changed(tree: Mapping[str, Any], path: Callable[[str], str], model: Callable[[str], str]) -> dict[str, Any]:
    def change(part: Any, keys: Sequence[str]) -> Any:
        if isinstance(part, list):
            return [change(one, keys) for one in part]
        if not isinstance(part, Mapping):
            return part
        return {key: change_value(part, key, value, keys) for key, value in part.items()}

    def change_value(part: Mapping[str, Any], key: str, value: Any, keys: Sequence[str]) -> Any:
        if key not in keys or not isinstance(value, str):
            return change(value, keys)
        if key != "model":
            return path(value)
        return value if "url" in part or part.get("type") == "endpoint" else model(value)

    places: dict[str, Any] = {key: path(tree[key]) for key in PLACES if isinstance(tree.get(key), str)}
    places |= {
        key: [path(file) if isinstance(file, str) else file for file in files_of(tree[key])]
        for key in LISTS
        if key in tree
    }
    return {key: change(part, PATHS[key]) if key in PATHS else part for key, part in tree.items()} | places


def files_of(value: Any) -> list[Any]:
    """A list of files as it may be written: a list, or one text with commas."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",")]
    return value if isinstance(value, list) else []


def _model(name: str, folder: Path) -> str:
    """A model's name; if it is a folder relative to `folder`, its path. An impossible path is unchanged."""
    try:
        place = folder / at_home(name)
    except ConfigError:  # reported where the model is loaded
        return name
    if not _is_path(name) and not _is_folder(place):
        if _is_folder(Path(name)):
            raise ConfigError(
                f"model `{name}`: the working directory has such a folder, and the file's folder has none: write its"
                f" path (`{os.path.abspath(name)}`), or run elsewhere if a model of the hub is meant"
            )
        return name
    return str(place) if place.is_absolute() else f"./{place}"


def _is_folder(place: Path) -> bool:
    """Also of a model that is cut, `models/mine@8`."""
    base, cut, _ = str(place).rpartition("@")
    return is_folder(str(place)) or (bool(cut) and is_folder(base))


def _is_path(name: str) -> bool:
    return name.startswith((".", "/", "~"))
