"""The store of finished steps: one folder per step, which is complete or absent.

    root/NAME-HASH8/       a finished step: its files and done.json
    root/.tmp/FOLDER/      a step being written; removed if no process works on it
    root/.scratch/FOLDER/  checkpoints of an unfinished step; kept after a kill, removed when the step is finished
    root/.locks/FOLDER     locked by the process that works on the step; the kernel releases it when the process ends
    root/.locks/.in-use    shared by the processes that read or add steps; held alone while steps are removed
    root/.logs/FOLDER.log  the output of the step
    root/.damaged/FOLDER.N a damaged result, kept for inspection; it can be deleted
    root/.locks/.leases    if it is there, locks are leases (`lease.py`), which need no locks of the disk

A step writes under `.tmp`. Its files are synced, `done.json` is written last and synced, one rename makes the folder
appear, and the rename is synced. A kill or a power cut at any time leaves the finished step or nothing.

Several runs may share a store. They need file locks: one machine, or a network disk with locks. On a store with leases
they need neither, and everyone writes in a folder of his own, `.tmp/FOLDER.TOKEN`.
"""

import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from outgrow.errors import DataError, OutgrowError, StepFailed
from outgrow.graph.done import Damaged, Done, describe, read_done, verify, write_done
from outgrow.graph.durable import existing, forget_digests, full_disk, sync, sync_tree
from outgrow.graph.file_lock import NoFileLocks, nothing
from outgrow.graph.lease import SECONDS
from outgrow.graph.step import Step
from outgrow.graph.step_locks import StepLocks

RELEASE_SECONDS = 1.0
"""Seconds within which the children of a killed process release its locks."""
MOST_READERS = 4
"""Number of files that are read at the same time."""
IN_USE = ".in-use"
OWN_FOLDERS = (".tmp", ".scratch", ".locks", ".logs", ".damaged")


@dataclass(frozen=True)
class Store:
    """A folder of finished steps. The constructor does not access the disk."""

    root: Path
    set_apart: frozenset[str] = frozenset()
    """Folders of damaged results, which this `Store` treats as absent."""

    def path(self, step: Step) -> Path:
        """The folder of the result of `step`."""
        return self.root / step.folder

    def log(self, step: Step) -> Path:
        """The log file of `step`."""
        return self.root / ".logs" / f"{step.folder}.log"

    # ---- reading -----------------------------------------------------------------------------------------

    def inspect(self, step: Step, *, thorough: bool = True) -> Done | None:
        """The record of `step` if it is finished, `None` if it is absent. Changes nothing.

        Sizes are always checked, contents if `thorough`. Raises `Damaged` for a damaged result, `DataError` if `root`
        is not a folder, or if a different step has the same folder name.
        """
        folder = self.path(step)
        if step.folder in self.set_apart:
            raise Damaged("it is known to be damaged")
        try:
            if not folder.is_dir():
                self._check_root()
                if os.path.lexists(folder):
                    raise Damaged("it is not a folder")
                return None
            done = read_done(folder)
            if done.identity != step.identity:
                raise _other_step_error(folder, done, step)
            verify(done, folder, thorough=thorough)
        except OSError as error:
            raise self._refusal(error) from error
        return done

    def made_by_other_code(self, steps: Iterable[Step]) -> set[str]:
        """The identities of those steps that have a stored result by other code. Changes nothing."""
        missing = list(steps)
        made_by: dict[str, set[str]] = {}
        for done in (record for name in {step.name for step in missing} for record in self._made(name)):
            made_by.setdefault(done.identity_without_code, set()).add(done.identity)
        return {step.identity for step in missing if made_by.get(step.identity_without_code, set()) - {step.identity}}

    def _made(self, name: str) -> Iterator[Done]:
        """The records of all results of that name; unreadable ones are skipped."""
        for folder in self.root.glob(f"{name}-{'[0-9a-f]' * 8}"):
            with suppress(Damaged, OSError):
                yield read_done(folder)

    def whole(self, steps: Sequence[Step]) -> dict[str, Done]:
        """The records of the finished and intact steps, by identity; all contents are read again.

        Raises `DataError` like `inspect`. Changes nothing.
        """
        forget_digests()
        with ThreadPoolExecutor(min(MOST_READERS, os.cpu_count() or 1)) as readers:
            records = readers.map(self._whole, steps)
            return {step.identity: done for step, done in zip(steps, records, strict=True) if done is not None}

    def _whole(self, step: Step) -> Done | None:
        try:
            return self.inspect(step)
        except Damaged:
            return None

    def without(self, steps: Sequence[Step]) -> "Store":
        """The same store, with the results of `steps` treated as absent."""
        return replace(self, set_apart=self.set_apart | {step.folder for step in steps})

    def finished(self, step: Step, warn: Callable[[str], None] = lambda sentence: None) -> Done | None:
        """The record of `step` if it is finished and intact.

        A damaged result is moved to `.damaged`, `warn` gets a sentence about it, and the step counts as unfinished.
        """
        try:
            return self.inspect(step)
        except Damaged:
            with self.try_lock(step.folder) as held:
                # Another process with the lock is computing the step again.
                return self.finished_under_lock(step, warn) if held else None

    def finished_under_lock(self, step: Step, warn: Callable[[str], None]) -> Done | None:
        """`finished`, for the holder of the step's lock."""
        try:
            return self.inspect(step)
        except Damaged as damage:
            moved = self._set_aside(step)
            warn(f"{self.path(step)}: {damage}; moved to {moved}, and computed again")
            return None

    def _set_aside(self, step: Step) -> Path:
        suffix = 1
        while (target := self.root / ".damaged" / f"{step.folder}.{suffix}").exists():
            suffix += 1
        try:
            target.parent.mkdir(exist_ok=True)
            self.path(step).rename(target)
        except OSError as error:
            raise self._refusal(error) from error
        return target

    # ---- writing -----------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make the folders of the store.

        Raises `DataError` if it is a file or has no write permission, `StepFailed` if the disk is full.
        """
        try:
            self._check_root()
            for name in OWN_FOLDERS:
                (self.root / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._refusal(error) from error
        if not os.access(self.root, os.W_OK) or not os.access(self.root / ".tmp", os.W_OK):
            raise DataError(f"store `{self.root}` has no write permission; choose another folder with `store:`")

    def sweep(self) -> None:
        """Remove the remains of killed runs; do nothing in a store without write permission."""
        self._check_root()
        unfinished = (self.root / ".tmp").glob("*")
        # A kill directly after a commit leaves checkpoints of a finished step.
        old_checkpoints = (path for path in (self.root / ".scratch").glob("*") if (self.root / path.name).exists())
        for path in (*unfinished, *old_checkpoints) if os.access(self.root, os.W_OK) else ():
            with self.try_lock(path.name.partition(".")[0]) as held:
                if held:
                    _clear(path)

    def fresh_folder(self, step: Step) -> Path:
        """An empty folder for the result of `step`; the lock must be held."""
        token = "" if self.locks.lease_seconds is None else f".{secrets.token_hex(4)}"
        folder = self.root / ".tmp" / f"{step.folder}{token}"
        _clear(folder)
        folder.mkdir(parents=True)
        return folder

    def scratch_folder(self, step: Step) -> Path:
        """The folder for checkpoints of `step`, with those of an earlier attempt; the lock must be held."""
        folder = self.root / ".scratch" / step.folder
        if not folder.is_dir():
            _clear(folder)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def commit(
        self, step: Step, seconds: float, folder: Path | None = None, confirm: Callable[[], None] = nothing
    ) -> Done:
        """Make the content of the fresh `folder` of `step` its result; the lock must be held, says `confirm`."""
        folder = folder or self.root / ".tmp" / step.folder
        sync_tree(folder)
        done = describe(step, folder, seconds)
        write_done(done, folder)
        sync(folder)  # its list of names, before the rename
        confirm()
        folder.rename(self.path(step))
        sync(self.root)
        shutil.rmtree(self.root / ".scratch" / step.folder, ignore_errors=True)
        return done

    def discard(self, step: Step) -> None:
        """Remove the files of a killed attempt, unless another run computes the step; keep its checkpoints."""
        deadline = time.monotonic() + RELEASE_SECONDS
        while time.monotonic() < deadline:
            with self.try_lock(step.folder) as held:
                if held:
                    for folder in (self.root / ".tmp").glob(f"{step.folder}*"):
                        shutil.rmtree(folder, ignore_errors=True)
                    return
            time.sleep(RELEASE_SECONDS / 20)

    # ---- locking -----------------------------------------------------------------------------------------

    @property
    def locks(self) -> StepLocks:
        """The locks of the steps."""
        return StepLocks(self.root / ".locks", self._refusal)

    def use_leases(self, seconds: float = SECONDS) -> None:
        """From now on the locks are leases, for every run on this store; no other run may work on it just now.

        Raises `DataError` or `StepFailed` like `prepare`.
        """
        self.prepare()
        try:
            self.locks.become_leases(seconds)
        except OSError as error:
            raise self._refusal(error) from error

    @contextmanager
    def lock(self, step: Step, on_wait: Callable[[], None] = nothing) -> Iterator[Callable[[], None]]:
        """Hold the right to work on `step`; calls `on_wait` once and waits while another process has it.

        Yields a function that raises `StepFailed` if the right is lost.
        """
        with self.locks.hold(step.folder, on_wait) as confirm:
            yield confirm

    def is_busy(self, step: Step) -> bool:
        """Whether another process is working on `step`."""
        return self.locks.is_held(step.folder)

    def try_lock(self, folder: str) -> AbstractContextManager[bool]:
        """Hold the right to work on the step of `folder` if no other process has it; yields whether it is held."""
        return self.locks.attempt(folder)

    def in_use(self, *, make: bool = True) -> AbstractContextManager[None]:
        """Keep every step until the end of the block: no process removes any (`store_tools/garbage.py`).

        `make`: make the folder of locks if it is missing. A store that is only readable is used without a lock.
        """
        return self.locks.share(IN_USE, make)

    def unused(self) -> AbstractContextManager[bool]:
        """Hold the store alone if no process reads or adds steps; yields whether it is held."""
        return self.locks.attempt(IN_USE)

    # ---- errors ------------------------------------------------------------------------------------------

    def _check_root(self) -> None:
        if "\0" in str(self.root):
            raise DataError(
                "the store's name has a character that no file name can have; choose another with `store:`"
            )
        if os.path.exists(self.root) and not os.path.isdir(self.root):
            raise DataError(f"store `{self.root}` is a file, not a folder; choose another with `store:`")

    def _refusal(self, error: OSError) -> OutgrowError:
        existing_path = existing(self.root)
        if isinstance(error, NoFileLocks):
            return DataError(
                f"the store's disk has no file locks ({error.strerror}); choose a folder on a local disk with `store:`"
            )
        if isinstance(error, NotADirectoryError):
            return DataError(
                f"store `{self.root}`: `{existing_path}` is a file, not a folder; choose another with `store:`"
            )
        full = full_disk(error, existing_path)
        if full is not None:
            return StepFailed(full)
        return DataError(
            f"store `{self.root}` cannot be used: {error.strerror} ({error.filename});"
            " correct its permissions or choose another folder with `store:`"
        )


def _clear(path: Path) -> None:
    """Remove a file or folder of any kind."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _other_step_error(folder: Path, done: Done, step: Step) -> Exception:
    if done.identity[:8] != step.identity[:8]:
        return Damaged(f"it holds the result of another step, {done.name}-{done.identity[:8]}")
    return DataError(
        f"{folder} holds another step whose hash begins with the same 8 digits ({done.identity}, wanted"
        f" {step.identity}); choose another folder with `store:`, or change any parameter of the step"
    )
