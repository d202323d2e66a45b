"""Files and folders that somebody asked for, outside the store: each whole or not there, with one writer at a time.

    .outgrow-RANDOM.unfinished   a file being written; its writer has it locked, and the next one removes those that
                                 nobody has locked any more
    .outgrow-NAME.lock           held from the reading to the writing of what is changed, NAME being a digest
    .outgrow-NAME.new            a folder being written, or no longer wanted
    .outgrow-NAME.old            the earlier folder while the new one takes its place

Locks are those of the kernel (`flock`): they end with the process that holds them, however it ends. On a disk that has
none, files are written all the same and nothing is swept, and what must be locked is refused.
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
"""Seconds after which somebody who waits for a lock is told so."""
HERE, EXCHANGE, SWAP = -100, 2, 2
"""Linux: paths are as they are; both calls: exchange two names."""


# ---- files -----------------------------------------------------------------------------------------------


@contextmanager
def whole_file(path: Path, *, lasting: bool = True) -> Iterator[Path]:
    """A place to write to; at the end of the block it takes the name of `path`, unless the block raised.

    Folders above it are made, a link is written through. `lasting`: on the disk when the block ends, which takes
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
    """Remove the unfinished files of writers that are no more."""
    for path in folder.glob(f"{MARK}*{UNFINISHED}"):
        with suppress(OSError):
            handle = os.open(path, os.O_RDWR)
            try:
                if try_lock(handle):
                    path.unlink()
            finally:
                os.close(handle)


def _claimed(folder: Path) -> tuple[Path, int]:
    """A new file, and the handle by which it is locked."""
    while True:
        path = folder / f"{MARK}{secrets.token_hex(8)}{UNFINISHED}"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            locked = try_lock(handle)
        except NoFileLocks:
            locked = True  # on such a disk nothing is swept
        if locked and is_still(path, handle):  # nobody has swept it before it was locked
            return path, handle
        os.close(handle)


# ---- locks -----------------------------------------------------------------------------------------------


@contextmanager
def alone(path: Path, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the right to change a file or folder, which need not exist; waits for whoever has it.

    `on_wait` is called once, after a while; without it nobody is waited for. Raises `DataError` for a disk without
    locks, a folder that may not be written to, and where nobody is waited for; `StepFailed` for a full disk.
    """
    lock, refusal = _beside(path, "lock"), partial(_refusal, path)
    if on_wait is not None:
        with hold(lock, on_wait, patience=PATIENCE, removed=True, refusal=refusal):
            yield
        return
    with attempt(lock, removed=True, refusal=refusal) as mine:
        if not mine:
            raise DataError(
                f"{path}: another process is writing it at this moment; wait until that has ended, or choose another"
                " place"
            )
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
    """Our own name for something beside a path; the same through every link."""
    path = Path(os.path.realpath(path))
    return path.with_name(f"{MARK}{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}.{kind}")


# ---- folders ---------------------------------------------------------------------------------------------


def recover(folder: Path) -> None:
    """Put right what a killed `place_folder` left; under `alone`. An earlier folder is back, or is removed."""
    old, real = _beside(folder, "old"), Path(os.path.realpath(folder))
    if old.exists() and (not real.exists() or (real.is_dir() and not any(real.iterdir()))):
        old.rename(real)
    _discard(old, folder)


def place_folder(made: Path, folder: Path, without: str, *, exchanging: bool = True) -> None:
    """Copy the folder `made`, but not its files called `without`, to the place of `folder`; under `alone`.

    At every instant the place has the earlier folder or the new one, where the disk can exchange two names; elsewhere,
    and without `exchanging`, `recover` puts the earlier one back. Raises `OSError`, and then nothing has changed.
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


def exchange(one: Path, other: Path) -> bool:
    """Let two names change places in one instant; `False` where system or disk cannot."""
    call = getattr(ctypes.CDLL(None), "renamex_np" if sys.platform == "darwin" else "renameat2", None)
    if call is None:
        return False
    names = os.fsencode(one), os.fsencode(other)
    arguments = (*names, SWAP) if sys.platform == "darwin" else (HERE, names[0], HERE, names[1], EXCHANGE)
    return bool(call(*arguments) == 0)


def pass_by(new: Path, real: Path, old: Path) -> None:
    """The same in three steps; afterwards `new` is the earlier folder."""
    real.rename(old)
    try:
        new.rename(real)
    except BaseException:
        old.rename(real)
        raise
    old.rename(new)


def _discard(old: Path, folder: Path) -> None:
    """Remove what is no longer wanted, under a name that is never put back: it may be killed half-way."""
    new = _beside(folder, "new")
    shutil.rmtree(new, ignore_errors=True)
    if old.exists():
        old.rename(new)
        shutil.rmtree(new, ignore_errors=True)
