"""Atomic output of files and folders outside the store, with one writer at a time.

    .outgrow-RANDOM.unfinished   a file being written, locked by its writer; the next writer removes unlocked ones
    .outgrow-NAME.lock           held while a file or folder is read and written again; NAME is a digest
    .outgrow-NAME.new            a folder being written or removed
    .outgrow-NAME.old            the earlier folder during its replacement

Locks are kernel locks (`flock`), which end with the process that holds them. On a disk without locks, files are
written without a lock, unfinished files are not removed, and output that needs a lock is refused.
"""

import ctypes
import hashlib
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from outgrow.errors import DataError, StepFailed
from outgrow.graph.durable import full_disk, sync, sync_tree
from outgrow.graph.file_lock import NoFileLocks, attempt, hold, is_still, try_lock

MARK = ".outgrow-"
UNFINISHED = ".unfinished"
PATIENCE = 2.0
"""Seconds until a process that waits for a lock gets a message."""
AT_WORKING_FOLDER, EXCHANGE, SWAP = -100, 2, 2
"""Linux: paths are as they are; both calls: exchange two names."""


# ---- files -----------------------------------------------------------------------------------------------


@contextmanager
def whole_file(path: Path, *, lasting: bool = True) -> Iterator[Path]:
    """Yields a path to write to; it is renamed to `path` at the end of the block, unless the block raises.

    Parent folders are made, a link is followed. `lasting`: sync to the disk at the end of the block, which takes
    milliseconds. Raises `OSError`.
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent)
    unfinished, handle = _claimed(path.parent)
    try:
        yield unfinished
        if lasting:
            sync(unfinished)
        unfinished.replace(path)
        if lasting:
            sync(path.parent)
    finally:
        unfinished.unlink(missing_ok=True)
        os.close(handle)


def sweep(folder: Path) -> None:
    """Remove the unfinished files of writers that have ended."""
    for path in folder.glob(f"{MARK}*{UNFINISHED}"):
        with suppress(OSError):
            handle = os.open(path, os.O_RDWR)
            try:
                if try_lock(handle):
                    path.unlink()
            finally:
                os.close(handle)


def _claimed(folder: Path) -> tuple[Path, int]:
    """A new file and the handle that locks it."""
    while True:
        path = folder / f"{MARK}{secrets.token_hex(8)}{UNFINISHED}"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            locked = try_lock(handle)
        except NoFileLocks:
            locked = True  # on such a disk nothing is swept
        if locked and is_still(path, handle):  # no writer has swept it before it was locked
            return path, handle
        os.close(handle)


# ---- locks -----------------------------------------------------------------------------------------------


@contextmanager
def alone(path: Path, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock of a file or folder, which need not exist; wait for another holder.

    `on_wait` is called once, after `PATIENCE` seconds. Without it a held lock raises `DataError`, as do a disk without
    locks and a folder without write permission. Raises `StepFailed` for a full disk.
    """
    lock, refusal = _beside(path, "lock"), partial(_refusal, path)
    if on_wait is not None:
        with hold(lock, on_wait, patience=PATIENCE, removed=True, refusal=refusal):
            yield
        return
    with attempt(lock, removed=True, refusal=refusal) as mine:
        if not mine:
            raise DataError(f"{path}: another process is writing it; wait until it has ended, or choose another path")
        yield


def _refusal(path: Path, error: OSError) -> Exception:
    """Why a path cannot be locked."""
    if isinstance(error, NoFileLocks):
        return DataError(
            f"{path}: its disk has no file locks ({error.strerror}), without which two processes could overwrite each"
            " other; choose a folder on a local disk"
        )
    lock = _beside(path, "lock")
    if full := full_disk(error, lock.parent):
        return StepFailed(full)
    return DataError(f"{path}: cannot be written ({error.strerror}: {lock}); choose another place")


def _beside(path: Path, kind: str) -> Path:
    """The name of an auxiliary file next to a path; the same through every link."""
    path = Path(os.path.realpath(path))
    return path.with_name(f"{MARK}{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}.{kind}")


# ---- folders ---------------------------------------------------------------------------------------------


def recover(folder: Path) -> None:
    """Repair the state after a killed `place_folder`; under `alone`. The earlier folder is restored or removed."""
    old, real = _beside(folder, "old"), Path(os.path.realpath(folder))
    if old.exists() and (not real.exists() or (real.is_dir() and not any(real.iterdir()))):
        old.rename(real)
    _discard(old, folder)


def replace_folder(option: str, made: Path, folder: Path, without: str) -> None:
    """`place_folder` while nobody else writes there, after what a killed one has left.

    Raises `DataError`, which begins with the option that named the folder, if the disk refuses.
    """
    with alone(folder):
        recover(folder)
        try:
            place_folder(made, folder, without)
        except OSError as error:
            raise DataError(f"{option}: {folder} cannot be written ({error.strerror or error})") from error


def place_folder(made: Path, folder: Path, without: str, *, exchanging: bool = True) -> None:
    """Replace `folder` by a copy of `made` without its files called `without`; under `alone`.

    The replacement is atomic if the disk can exchange two names. Otherwise, and without `exchanging`, `recover`
    restores the earlier folder after a kill. Raises `OSError`, and then nothing has changed.
    """
    new, real = _beside(folder, "new"), Path(os.path.realpath(folder))
    shutil.rmtree(new, ignore_errors=True)
    try:
        shutil.copytree(made, new, ignore=shutil.ignore_patterns(without))
        sync_tree(new)
        sync(new)
        if not real.exists():
            new.rename(real)
        elif not (exchanging and exchange(new, real)):
            pass_by(new, real, _beside(folder, "old"))
        sync(real.parent)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def exchange(first: Path, second: Path) -> bool:
    """Exchange two names atomically; `False` if the system or the disk cannot."""
    function = getattr(ctypes.CDLL(None), "renamex_np" if sys.platform == "darwin" else "renameat2", None)
    if function is None:
        return False
    names = os.fsencode(first), os.fsencode(second)
    arguments = (
        (*names, SWAP)
        if sys.platform == "darwin"
        else (AT_WORKING_FOLDER, names[0], AT_WORKING_FOLDER, names[1], EXCHANGE)
    )
    return bool(function(*arguments) == 0)


def pass_by(new: Path, real: Path, old: Path) -> None:
    """Exchange `new` and `real` in three renames through `old`; afterwards `new` is the earlier folder."""
    real.rename(old)
    try:
        new.rename(real)
    except BaseException:
        old.rename(real)
        raise
    old.rename(new)


def _discard(old: Path, folder: Path) -> None:
    """Remove an earlier folder under a name that `recover` ignores, because a kill may leave it incomplete."""
    new = _beside(folder, "new")
    shutil.rmtree(new, ignore_errors=True)
    if old.exists():
        old.rename(new)
        shutil.rmtree(new, ignore_errors=True)
