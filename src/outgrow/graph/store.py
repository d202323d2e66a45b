"""Where finished steps live: one folder each, that is either whole or not there.

    root/NAME-HASH8/       a finished step: its files, and done.json
    root/.tmp/FOLDER/      being written; swept away when nobody works on it
    root/.scratch/FOLDER/  checkpoints of an unfinished step; survives a kill, goes when the step is finished
    root/.locks/FOLDER     locked by whoever works on the step; the kernel lets go when that process dies
    root/.logs/FOLDER.log  what the step printed
    root/.damaged/FOLDER.N a result that was found damaged, kept for a look; delete it at will

A step writes under `.tmp`. Its files are synced, `done.json` is written last and synced, one rename makes the folder
appear, and the rename is synced. A kill at any instant, or a power cut, leaves the finished step or nothing.

Several runs may share a store. They need working file locks, that is, one machine or a network disk that has them.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from outgrow.errors import DataError, OutgrowError, StepFailed
from outgrow.graph.done import Damaged, Done, describe, read_done, verify, write_done
from outgrow.graph.durable import existing, forget_digests, full_disk, sync, sync_tree
from outgrow.graph.file_lock import NoFileLocks, attempt, hold
from outgrow.graph.step import Step

DYING = 1.0
"""Seconds that the children of a killed process may take to let go of its locks."""
MOST_READERS = 4
"""Files whose contents are looked at at the same time."""
OWN_FOLDERS = (".tmp", ".scratch", ".locks", ".logs", ".damaged")


@dataclass(frozen=True)
class Store:
    """A folder of finished steps. Making a `Store` touches nothing on the disk."""

    root: Path
    set_apart: frozenset[str] = frozenset()
    """Folders of results that are known to be damaged: for this `Store` they are not there."""

    def path(self, step: Step) -> Path:
        """Where the result of `step` is, or will be."""
        return self.root / step.folder

    def log(self, step: Step) -> Path:
        """Where the output of `step` goes while it runs."""
        return self.root / ".logs" / f"{step.folder}.log"

    # ---- looking -----------------------------------------------------------------------------------------

    def inspect(self, step: Step, *, thorough: bool = True) -> Done | None:
        """The record of `step` if it is finished, `None` if it is not there. Changes nothing.

        Sizes are always checked, contents if `thorough`. Raises `Damaged` for a result that is not whole, `DataError`
        if `root` is no folder, or if a different step has the same folder name.
        """
        folder = self.path(step)
        if step.folder in self.set_apart:
            raise Damaged("it was found damaged")
        try:
            if not folder.is_dir():
                self._check_root()
                if os.path.lexists(folder):
                    raise Damaged("it is no folder")
                return None
            done = read_done(folder)
            if done.identity != step.identity:
                raise _mistaken(folder, done, step)
            verify(done, folder, thorough=thorough)
        except OSError as error:
            raise self._refusal(error) from error
        return done

    def made_by_other_code(self, steps: Iterable[Step]) -> set[str]:
        """The identities of those steps of which there is a result that differs in the code alone. Changes nothing."""
        unmade = list(steps)
        made: dict[str, set[str]] = {}
        for done in (found for name in {step.name for step in unmade} for found in self._made(name)):
            made.setdefault(done.identity_without_code, set()).add(done.identity)
        return {step.identity for step in unmade if made.get(step.identity_without_code, set()) - {step.identity}}

    def _made(self, name: str) -> Iterator[Done]:
        """The record of every result of that name; one that cannot be read is passed over."""
        for folder in self.root.glob(f"{name}-{'[0-9a-f]' * 8}"):
            with suppress(Damaged, OSError):
                yield read_done(folder)

    def whole(self, steps: Sequence[Step]) -> dict[str, Done]:
        """By identity, the records of those of `steps` that are finished and whole; all contents are read anew.

        Raises `DataError` as `inspect` does. Changes nothing.
        """
        forget_digests()
        with ThreadPoolExecutor(min(MOST_READERS, os.cpu_count() or 1)) as readers:
            found = readers.map(self._whole, steps)
            return {step.identity: done for step, done in zip(steps, found, strict=True) if done is not None}

    def _whole(self, step: Step) -> Done | None:
        try:
            return self.inspect(step)
        except Damaged:
            return None

    def without(self, steps: Sequence[Step]) -> "Store":
        """The same store for whom the results of `steps` are not there."""
        return replace(self, set_apart=self.set_apart | {step.folder for step in steps})

    def finished(self, step: Step, warn: Callable[[str], None] = lambda sentence: None) -> Done | None:
        """The record of `step` if it is finished and whole.

        A damaged result is moved to `.damaged`, `warn` is told so in one sentence, and the step counts as unfinished.
        """
        try:
            return self.inspect(step)
        except Damaged:
            with self.try_lock(step.folder) as mine:
                # Whoever holds the lock is just making the step again.
                return self.finished_under_lock(step, warn) if mine else None

    def finished_under_lock(self, step: Step, warn: Callable[[str], None]) -> Done | None:
        """`finished`, for who holds the step's lock."""
        try:
            return self.inspect(step)
        except Damaged as damage:
            aside = self._set_aside(step)
            warn(f"{self.path(step)}: {damage}; moved to {aside}, and computed again")
            return None

    def _set_aside(self, step: Step) -> Path:
        number = 1
        while (aside := self.root / ".damaged" / f"{step.folder}.{number}").exists():
            number += 1
        try:
            aside.parent.mkdir(exist_ok=True)
            self.path(step).rename(aside)
        except OSError as error:
            raise self._refusal(error) from error
        return aside

    # ---- working -----------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make the store ready to be written to.

        Raises `DataError` if it is a file or may not be written, `StepFailed` if the disk is full.
        """
        try:
            self._check_root()
            for name in OWN_FOLDERS:
                (self.root / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._refusal(error) from error
        if not os.access(self.root, os.W_OK) or not os.access(self.root / ".tmp", os.W_OK):
            raise DataError(f"store `{self.root}` may not be written to; choose another folder with `store:`")

    def sweep(self) -> None:
        """Remove what killed runs left and nobody works on; leave a store alone that may not be written to."""
        self._check_root()
        unfinished = (self.root / ".tmp").glob("*")
        # A kill right after a commit leaves checkpoints that nobody needs any more.
        outlived = (path for path in (self.root / ".scratch").glob("*") if (self.root / path.name).exists())
        for path in (*unfinished, *outlived) if os.access(self.root, os.W_OK) else ():
            with self.try_lock(path.name) as mine:
                if mine:
                    _clear(path)

    def fresh_folder(self, step: Step) -> Path:
        """An empty folder for the result of `step`; the lock must be held."""
        folder = self.root / ".tmp" / step.folder
        _clear(folder)
        folder.mkdir(parents=True)
        return folder

    def scratch_folder(self, step: Step) -> Path:
        """The folder for checkpoints of `step`, with all that an earlier attempt left; the lock must be held."""
        folder = self.root / ".scratch" / step.folder
        if not folder.is_dir():
            _clear(folder)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def commit(self, step: Step, seconds: float) -> Done:
        """Turn what lies in the fresh folder of `step` into its result; the lock must be held."""
        folder = self.root / ".tmp" / step.folder
        sync_tree(folder)
        done = describe(step, folder, seconds)
        write_done(done, folder)
        sync(folder)  # its list of names, before it is known under its own
        folder.rename(self.path(step))
        sync(self.root)
        shutil.rmtree(self.root / ".scratch" / step.folder, ignore_errors=True)
        return done

    def discard(self, step: Step) -> None:
        """Remove an attempt whose process was killed, unless another run makes a new one; keep its checkpoints."""
        until = time.monotonic() + DYING
        while time.monotonic() < until:
            with self.try_lock(step.folder) as mine:
                if mine:
                    return shutil.rmtree(self.root / ".tmp" / step.folder, ignore_errors=True)
            time.sleep(DYING / 20)
        return None

    # ---- locking -----------------------------------------------------------------------------------------

    @contextmanager
    def lock(self, step: Step, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold the right to work on `step`; calls `on_wait` once and waits while another process has it."""
        with hold(self._lock_file(step.folder), on_wait, refusal=self._refusal):
            yield

    def is_busy(self, step: Step) -> bool:
        """Whether another process works on `step` at this moment."""
        with self.try_lock(step.folder) as mine:
            return not mine

    @contextmanager
    def try_lock(self, folder: str) -> Iterator[bool]:
        """Hold the right to work on the step of `folder` if nobody else has it; yields whether it is held."""
        with attempt(self._lock_file(folder), refusal=self._refusal) as mine:
            yield mine

    def _lock_file(self, folder: str) -> Path:
        return self.root / ".locks" / folder

    # ---- saying no ---------------------------------------------------------------------------------------

    def _check_root(self) -> None:
        if "\0" in str(self.root):
            raise DataError("the store's name has a character that no file name has; choose another with `store:`")
        if os.path.exists(self.root) and not os.path.isdir(self.root):
            raise DataError(f"store `{self.root}` is a file, not a folder; choose another with `store:`")

    def _refusal(self, error: OSError) -> OutgrowError:
        here = existing(self.root)
        if isinstance(error, NoFileLocks):
            return DataError(
                f"the store's disk has no file locks ({error.strerror}); choose a folder on a local disk with `store:`"
            )
        if isinstance(error, NotADirectoryError):
            return DataError(f"store `{self.root}`: `{here}` is a file, not a folder; choose another with `store:`")
        sentence = full_disk(error, here)
        if sentence is not None:
            return StepFailed(sentence)
        return DataError(
            f"store `{self.root}` cannot be used: {error.strerror} ({error.filename});"
            " mend its permissions or choose another folder with `store:`"
        )


def _clear(path: Path) -> None:
    """Remove whatever stands where a folder is wanted."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _mistaken(folder: Path, done: Done, step: Step) -> Exception:
    if done.identity[:8] != step.identity[:8]:
        return Damaged(f"it holds the result of another step, {done.name}-{done.identity[:8]}")
    return DataError(
        f"{folder} holds another step whose hash begins with the same 8 digits ({done.identity}, wanted"
        f" {step.identity}); choose another folder with `store:`, or change any parameter of the step"
    )
