"""Where a task's files lie: needed to read them, but no part of what a task is. Content alone is its identity."""

from collections.abc import Mapping
from typing import Any

from outgrow.config.task import TaskSection

Tree = dict[str, Any]


def paths_of(section: TaskSection) -> dict[str, str]:
    """By capability ("" for a task that is one set), the path of its data from the root of the disk."""
    sets = {"": section, **section.capabilities}
    return {name: str(one.path.absolute()) for name, one in sets.items() if one.path is not None}


def without_paths(task: Mapping[str, Any]) -> Tree:
    """A dumped section without them."""
    own = {key: value for key, value in task.items() if key != "path"}
    if "capabilities" in own:
        own["capabilities"] = {name: without_paths(one) for name, one in own["capabilities"].items()}
    return own


def with_paths(task: Mapping[str, Any], paths: Mapping[str, str]) -> Tree:
    """The reverse."""
    own = dict(task)
    if "" in paths:
        own["path"] = paths[""]
    if "capabilities" in own:
        inner = {name: {"": path} for name, path in paths.items()}
        own["capabilities"] = {name: with_paths(one, inner.get(name, {})) for name, one in own["capabilities"].items()}
    return own
