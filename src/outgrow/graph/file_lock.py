"""Locks between processes and threads, for everything on the disk that two could change at once.

A lock is a file that the kernel locks (`flock`) for the process that has opened it. The lock ends with that process,
however it ends; a file that a kill leaves behind locks nothing. Only this module calls `flock`.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOOK_EVERY = 0.05
"""Seconds between two attempts of a process that waits."""

Refusal = Callable[[OSError], Exception]
"""From what prevents a lock to the error that is raised; `NoFileLocks` where the disk has none."""


class NoFileLocks(OSError):
    """The disk has no file locks."""


def as_it_is(error: OSError) -> OSError:
    """The error itself."""
    return error


def nothing() -> None:
    """Do nothing."""


@contextmanager
def hold(
    path: Path,
    on_wait: Callable[[], None] = nothing,
    *,
    patience: float = 0.0,
    removed: bool = False,
    refusal: Refusal = as_it_is,
) -> Iterator[None]:
    """Hold the lock that the file `path` is; wait while another process or thread has it. Makes folders above it.

    Args:
        on_wait: is called once, where the lock is not free within `patience` seconds.
        removed: remove the file at the end.
        refusal: makes the error that is raised where there can be no lock; by default an `OSError`.
    """
    began, waits = time.monotonic(), False
    while (handle := _taken(path, refusal)) is None:
        if not waits and time.monotonic() - began >= patience:
            on_wait()
            waits = True
        time.sleep(LOOK_EVERY)
    try:
        yield
    finally:
        _release(handle, path if removed else None)


@contextmanager
def attempt(path: Path, *, removed: bool = False, refusal: Refusal = as_it_is) -> Iterator[bool]:
    """Hold the lock if it is free; yields whether it is held. The rest as `hold`."""
    handle = _taken(path, refusal)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            _release(handle, path if removed else None)


@contextmanager
def share(path: Path) -> Iterator[None]:
    """Hold the lock together with others that share it; wait while one holds it alone. Never raises: where the file
    cannot be opened or locked, nothing is held."""
    handle = _shared(path)
    try:
        yield
    finally:
        if handle is not None:
            _release(handle, None)


def _shared(path: Path) -> int | None:
    """The handle of the file, locked for reading."""
    handle = None
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY if path.exists() else os.O_RDWR | os.O_CREAT, 0o666)
        while not try_lock(handle, fcntl.LOCK_SH):
            time.sleep(LOOK_EVERY)
        return handle
    if handle is not None:
        os.close(handle)
    return None


def try_lock(handle: int, kind: int = fcntl.LOCK_EX) -> bool:
    """Lock an open file if it is free; returns whether it is locked now. Raises `NoFileLocks`."""
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise NoFileLocks(error.errno, error.strerror) from error
    return True


def is_still(path: Path, handle: int) -> bool:
    """Whether a name is that of an open file."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except FileNotFoundError:
        return False


def _taken(path: Path, refusal: Refusal) -> int | None:
    """The handle of the locked file, if the lock was free."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        mine = False
        try:
            # Its last holder may have removed the file between our two calls; then it locks nothing.
            mine = try_lock(handle) and is_still(path, handle)
        finally:
            if not mine:
                os.close(handle)
    except OSError as error:
        raise refusal(error) from error
    return handle if mine else None


def _release(handle: int, path: Path | None) -> None:
    """Let go of a lock, and remove its file `path`."""
    if path is not None:
        with suppress(OSError):
            path.unlink()
    # Closing alone would not do: a process that was forked meanwhile may hold a copy of the handle.
    fcntl.flock(handle, fcntl.LOCK_UN)
    os.close(handle)
