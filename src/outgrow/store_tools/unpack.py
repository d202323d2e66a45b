"""Reading a bundle into a store.

A bundle may be damaged, or made by somebody else. Its members are regular files within a step's folder, of the sizes
that the contents declare; anything else is refused before it is written. A step is written beside the others, compared
with its record (sizes, SHA-256, identity), and appears by one rename as after a run. So a kill at any time leaves a
valid store, and the same command goes on with the steps that are missing.

What a record cannot prove is that a step's results are honest: unpack bundles of people whose results you would use.
"""

import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from outgrow.errors import DataError, StepFailed
from outgrow.graph.done import DONE, Damaged, read_done, verify
from outgrow.graph.durable import existing, files_in, full_disk, sync, sync_tree
from outgrow.graph.store import Store
from outgrow.store_tools.bundle_format import CONTENTS, MOST_CONTENTS, Contents, parse_contents, parts_of

BLOCK = 1 << 20
"""Bytes that are copied at a time."""


@dataclass
class Unpacked:
    """What became of a bundle's steps."""

    contents: Contents
    added: list[str] = field(default_factory=list)
    """Folders of new steps."""
    present: list[str] = field(default_factory=list)
    """Folders that the store had already."""
    busy: list[str] = field(default_factory=list)
    """Folders of steps that a run is computing now."""


def unpack(bundle: Path, root: Path) -> Unpacked:
    """Add the steps of a bundle to the store `root`, which is made if it is missing.

    Raises `DataError` for a bundle that is damaged or of another format, `StepFailed` if the disk is too small. Steps
    that were added before an error are whole and stay.
    """
    store = Store(root)
    with _opened(bundle) as archive:
        contents = _contents(archive, bundle)
        _require_space(contents, root)
        store.prepare()
        store.sweep()
        unpacked = Unpacked(contents)
        with store.in_use():
            members = _Members(archive, str(bundle))
            for folder, size in contents.steps.items():
                _take_step(folder, size, members, store, unpacked)
            members.require_end()
    return unpacked


@contextmanager
def _opened(bundle: Path) -> Iterator[tarfile.TarFile]:
    """The archive, read from its beginning to its end; what it has instead of a bundle becomes a `DataError`."""
    if not bundle.is_file():
        raise DataError(f"{bundle}: no such file; name a bundle that `outgrow store pack` wrote")
    try:
        with (
            pa.OSFile(str(bundle), "rb") as file,
            pa.CompressedInputStream(file, "zstd") as stream,
            tarfile.open(fileobj=stream, mode="r|") as archive,
        ):
            yield archive
    except (tarfile.TarError, EOFError, pa.ArrowInvalid) as error:
        raise _damaged(bundle, str(error)) from error
    except OSError as error:
        full = full_disk(error, bundle.parent)
        if full:
            raise StepFailed(full) from error
        raise _damaged(bundle, str(error)) from error


def _damaged(bundle: Path | str, why: str) -> DataError:
    why = " ".join(why.split())[:120] or "it ends too early"
    return DataError(f"{bundle}: is damaged or no bundle ({why}); copy it again, or pack it again")


def _contents(archive: tarfile.TarFile, bundle: Path) -> Contents:
    member = archive.next()
    source = None if member is None or not member.isreg() else archive.extractfile(member)
    if member is None or source is None or member.name != CONTENTS or member.size > MOST_CONTENTS:
        raise _damaged(bundle, f"its first file is not {CONTENTS}")
    return parse_contents(source.read(), str(bundle))


def _require_space(contents: Contents, root: Path) -> None:
    free = shutil.disk_usage(existing(root)).free
    if contents.size > free:
        raise StepFailed(
            f"disk full: the bundle needs {contents.size / 1e6:.1f} MB, and {free / 1e6:.1f} MB are free at {root};"
            " free some space and run the same command again"
        )


class _Members:
    """The files of an archive in their order, each checked before it is read."""

    def __init__(self, archive: tarfile.TarFile, bundle: str) -> None:
        self.archive, self.bundle = archive, bundle
        self.waiting: tarfile.TarInfo | None = None
        self.step()

    def step(self) -> None:
        """Go to the next member."""
        self.waiting = self.archive.next()
        if self.waiting is not None and not self.waiting.isreg():
            name = self.waiting.name[:80]
            raise DataError(f"{self.bundle}: has a link or a special file (`{name}`); pack it again with outgrow")

    def of(self, folder: str, most: int) -> Iterator[tuple[str, tarfile.TarInfo]]:
        """The files of one step by name; together at most `most` bytes."""
        while self.waiting is not None:
            where, name = parts_of(self.waiting.name, self.bundle)
            if where != folder:
                return
            most -= self.waiting.size
            if most < 0:
                raise _damaged(self.bundle, f"{folder} is larger than declared")
            yield name, self.waiting
            self.step()

    def copy(self, member: tarfile.TarInfo, path: Path) -> None:
        """Write the content of the current member to a new file."""
        source = self.archive.extractfile(member)
        assert source is not None, "it is a regular file"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                shutil.copyfileobj(source, file, BLOCK)
        except (FileExistsError, NotADirectoryError) as error:
            raise _damaged(self.bundle, f"two of its files are in one place, {member.name[:80]}") from error
        if path.stat().st_size != member.size:
            raise _damaged(self.bundle, "it ends too early")

    def require_end(self) -> None:
        """Raise `DataError` if members are left."""
        if self.waiting is not None:
            raise _damaged(self.bundle, f"`{self.waiting.name[:80]}` is not among its steps")


def _take_step(folder: str, size: int, members: _Members, store: Store, unpacked: Unpacked) -> None:
    """Add one step, unless the store has it or a run computes it."""
    with store.try_lock(folder) as held:
        there = (store.root / folder).exists()
        place = store.root / ".tmp" / folder if held and not there else None
        try:
            if place is not None:
                shutil.rmtree(place, ignore_errors=True)
                place.mkdir(parents=True)
            for name, member in members.of(folder, size):
                if place is not None:
                    members.copy(member, place / name)
            if place is not None:
                _publish(place, folder, store, members.bundle)
        finally:
            if place is not None:
                shutil.rmtree(place, ignore_errors=True)
    (unpacked.present if there else unpacked.added if held else unpacked.busy).append(folder)


def _publish(place: Path, folder: str, store: Store, bundle: str) -> None:
    """Check a written step against its record and give it its name."""
    try:
        done = read_done(place)
        verify(done, place, thorough=True)
    except Damaged as damage:
        raise _damaged(bundle, f"{folder}: {damage}") from damage
    extra = {path.relative_to(place).as_posix() for path in files_in(place)} - {DONE, *done.files}
    if extra or folder != f"{done.name}-{done.identity[:8]}":
        raise _damaged(bundle, f"{folder} does not hold the step that it is named after")
    sync_tree(place)
    sync(place)
    place.rename(store.root / folder)
    sync(store.root)
