"""The identity of a study's data for its hash, without loading it. Paths are hints: content alone counts."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from outgrow.config.task import PartFiles, SetSection, TaskSection
from outgrow.data.data_source import hub_name, source_of, wheel_version
from outgrow.data.task_kind import capability_errors
from outgrow.data.tasks import TASKS
from outgrow.errors import DataError
from outgrow.graph.step import Json
from outgrow.readers.raw_file import require_regular
from outgrow.readers.source_table import SourceTable


def data_identity(section: TaskSection) -> str:
    """The content hash of `path` or of what outgrow makes, the name and version of the wheel, or the hub's
    `id@revision`; of a mixture all of these, by capability.

    A hub branch that moves keeps its name: pin `task.revision` where that matters.
    Raises `DataError` for a missing file or wheel, `ConfigError` for an unknown task.
    """
    if not section.capabilities:
        return set_identity(section)
    identities = []
    for name, capability in section.capabilities.items():
        with capability_errors(name):
            identities.append(f"{name}={set_identity(capability)}")
    return " ".join(identities)


def set_identity(section: SetSection) -> str:
    """The same of one set."""
    source = source_of(section)
    published = TASKS.get(section.name)
    if source == "bundled":
        return (
            wheel_version()
            if published is None or published.made is None
            else f"sha256:{_made_hash(published.made())}"
        )
    if source == "hub":
        assert published is not None
        assert published.hub is not None  # `source_of` has seen to it
        return hub_name(published.hub, section.revision)
    contents = {
        part: f"sha256:{content_hash(path)}{_matters_of_name(path, published is not None)}"
        for part, path in section.places.items()
    }
    return contents.get("") or " ".join(f"{part}={content}" for part, content in contents.items())


def _matters_of_name(path: Path, is_published: bool) -> str:
    """What a file's name adds to its content: its format and, of a known set, perhaps its part or subject."""
    if path.is_dir():
        return ""
    suffixes = path.suffixes[-2:] if path.suffix.lower() == ".gz" else path.suffixes[-1:]
    return f"/{path.name}" if is_published else "".join(suffixes).lower()


def _made_hash(tables: Iterable[tuple[str, SourceTable]]) -> str:
    rows = {split: table.rows for split, table in tables}
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()


def content_hash(path: Path, key: str = "task.path") -> str:
    """SHA-256 of a file, or of a folder's names and contents; `key` asked for it. Raises `DataError`."""
    digest = hashlib.sha256()
    try:
        if not path.exists():
            raise DataError(f"{key}: there is no file or folder {path}")
        if not path.is_dir():
            require_regular(path)
            _feed(digest, path)
            return digest.hexdigest()
        for file in sorted(file for file in path.rglob("*") if file.is_file()):
            digest.update(f"\n{file.relative_to(path).as_posix()} {file.stat().st_size}\n".encode())
            _feed(digest, file)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    return digest.hexdigest()


def _feed(digest: "hashlib._Hash", file: Path) -> None:
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)


Tree = dict[str, Any]


def paths_of(section: TaskSection) -> dict[str, Json]:
    """By capability ("" for a task that is one set), the path of its data from the root of the disk, or by part."""
    sets = {"": section, **section.capabilities}
    return {name: _absolute(section.path) for name, section in sets.items() if section.path is not None}


def _absolute(path: Path | PartFiles) -> Json:
    if isinstance(path, Path):
        return str(path.absolute())
    return {key: str(place.absolute()) for key, place in dict(path).items()}


def without_paths(task: Mapping[str, Any]) -> Tree:
    """A dumped section without them."""
    own = {key: value for key, value in task.items() if key != "path"}
    if "capabilities" in own:
        own["capabilities"] = {name: without_paths(task) for name, task in own["capabilities"].items()}
    return own


def with_paths(task: Mapping[str, Any], paths: Mapping[str, Json]) -> Tree:
    """The reverse."""
    own = dict(task)
    if "" in paths:
        own["path"] = paths[""]
    if "capabilities" in own:
        inner = {name: {"": path} for name, path in paths.items()}
        tasks = own["capabilities"].items()
        own["capabilities"] = {name: with_paths(task, inner.get(name, {})) for name, task in tasks}
    return own
