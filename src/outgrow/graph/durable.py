"""Files that survive: bytes that are on the disk before they are called finished, and what a full disk looks like.

`write` returns when the kernel has the bytes, `fsync` when the disk has them. A folder is a file too: a name in it
lasts only once the folder itself has been synced.
"""

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

NEARLY_NOTHING = 1 << 20
"""Bytes; with less than this free, an odd failure of a library that writes is put down to the full disk."""
FULL = (errno.ENOSPC, errno.EDQUOT)
FULL_WORDS = ("No space left on device", "Disk quota exceeded")


def files_in(folder: Path) -> list[Path]:
    """All files below `folder`, sorted by path."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def sync_tree(folder: Path) -> None:
    """Push every file and folder below `folder` to the disk, but not `folder` itself."""
    for path in folder.rglob("*"):
        sync(path)


def sync(path: Path) -> None:
    """Push one file or folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(path: Path) -> str:
    """64 hex digits over a file's bytes; read again only if the file was touched since this run last asked."""
    about = path.stat()
    return _sha256(path, about.st_ino, about.st_size, about.st_mtime_ns)


def forget_digests() -> None:
    """A new run begins: read every file again, as time and size of a file can be what they were before a change."""
    _sha256.cache_clear()


@cache
def _sha256(path: Path, inode: int, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def full_disk(error: BaseException, folder: Path) -> str | None:
    """The sentence for an error that a full disk caused, else `None`.

    Not every library passes the system's error number on, so an error that merely comes while `folder`'s disk has
    next to nothing left counts as well, and is quoted.
    """
    folder = existing(folder)
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno in FULL:
            named = isinstance(cause.filename, str) and Path(cause.filename).parent.is_dir()
            return _full_sentence(Path(cause.filename).parent if named else folder)
        if any(words in str(cause) for words in FULL_WORDS):
            return _full_sentence(folder)
    if shutil.disk_usage(folder).free < NEARLY_NOTHING:
        return f"{_full_sentence(folder)} ({type(error).__name__}: {error})"
    return None


def existing(path: Path) -> Path:
    """`path`, or the nearest folder above it that exists."""
    return next(place for place in (path.absolute(), *path.absolute().parents) if os.path.exists(place))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _full_sentence(folder: Path) -> str:
    free = shutil.disk_usage(folder).free
    return f"disk full: {free / 1e6:.1f} MB free at {folder}; free some space and run the same command again"
