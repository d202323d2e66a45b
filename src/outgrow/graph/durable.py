"""Durable files: sync to the disk, digests, and detection of a full disk.

`write` returns when the kernel has the bytes, `fsync` when the disk has them. A new name in a folder is durable only
after a sync of the folder.
"""

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

NEARLY_NOTHING = 1 << 20
"""Bytes; with less free space, any error of a writing library counts as caused by a full disk."""
FULL = (errno.ENOSPC, errno.EDQUOT)
FULL_WORDS = ("No space left on device", "Disk quota exceeded")


def files_in(folder: Path) -> list[Path]:
    """All files below `folder`, sorted by path."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def sync_tree(folder: Path) -> None:
    """Sync every file and folder below `folder` to the disk, but not `folder` itself."""
    for path in folder.rglob("*"):
        sync(path)


def sync(path: Path) -> None:
    """Sync one file or folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(path: Path) -> str:
    """64 hex digits over a file's bytes; cached until the file's inode, size or time changes."""
    stat = path.stat()
    return _sha256(path, stat.st_ino, stat.st_size, stat.st_mtime_ns)


def forget_digests() -> None:
    """Clear the cache at the start of a run: a changed file can have its earlier time and size."""
    _sha256.cache_clear()


@cache
def _sha256(path: Path, inode: int, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def full_disk(error: BaseException, folder: Path) -> str | None:
    """The message for an error caused by a full disk, else `None`.

    Some libraries do not pass on the system's error number. So any error while the disk of `folder` is nearly full
    counts, too, and is quoted.
    """
    folder = existing(folder)
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno in FULL:
            has_folder = isinstance(cause.filename, str) and Path(cause.filename).parent.is_dir()
            return _full_sentence(Path(cause.filename).parent if has_folder else folder)
        if any(words in str(cause) for words in FULL_WORDS):
            return _full_sentence(folder)
    if shutil.disk_usage(folder).free < NEARLY_NOTHING:
        return f"{_full_sentence(folder)} ({type(error).__name__}: {error})"
    return None


def existing(path: Path) -> Path:
    """`path`, or the nearest folder above it that exists."""
    return next(candidate for candidate in (path.absolute(), *path.absolute().parents) if os.path.exists(candidate))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _full_sentence(folder: Path) -> str:
    free = shutil.disk_usage(folder).free
    return f"disk full: {free / 1e6:.1f} MB free at {folder}; free some space and run the same command again"
