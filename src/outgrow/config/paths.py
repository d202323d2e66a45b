"""Paths in a file are relative to its folder, those on the command line and in Python to the working directory.

The same holds for defaults: finished steps are in `runs/steps`, reports in `runs/NAME`, and responses of servers in
`answers`, all in the file's folder. So a file finds its data and its finished steps from any working directory.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from outgrow.config.home_paths import at_home, is_folder
from outgrow.config.path_fields import Changes, PathForm, change_paths
from outgrow.config.section import Section
from outgrow.errors import ConfigError

STORE = Path("runs/steps")
ANSWERS = Path("answers")
REPORTS = Path("runs")
SETTINGS = "resolved.yaml"
"""In the folder of a report: the experiment with all defaults."""


def seen_from(folder: Path, tree: Mapping[str, Any], section: type[Section]) -> dict[str, Any]:
    """The tree of a `section` in a file in `folder`, with every path relative to the working directory."""
    changes: Changes = {
        PathForm.FILE: lambda path: str(folder / at_home(path)),
        PathForm.MODEL: lambda name: _model(name, folder),
    }
    return change_paths(tree, section, changes)


def written_in(folder: Path, tree: Mapping[str, Any], section: type[Section]) -> dict[str, Any]:
    """The reverse: a tree as a file in `folder` would have it."""
    home = os.path.abspath(folder)

    def model(name: str) -> str:
        return f"./{os.path.relpath(name, home)}" if _is_path(name) else name

    changes: Changes = {PathForm.FILE: lambda path: os.path.relpath(path, home), PathForm.MODEL: model}
    return change_paths(tree, section, changes)


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
