"""Removing steps that no kept study uses.

Nothing is removed while a process reads or adds steps: every run, report and training shares a lock of the store
(`Store.in_use`), which is held alone here. A store whose locks are leases has no such lock, and is left alone. A step
first leaves the store by one rename, to the folder of unfinished steps, and is then deleted. So a kill at any time
leaves the step whole or gone; the next run sweeps up the rest.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from outgrow.errors import DataError
from outgrow.graph.store import Store
from outgrow.store_tools.usage import StoredStep, StudySteps, size_of, stored_steps


@dataclass(frozen=True)
class Garbage:
    """What is in a store and used by no kept study."""

    root: Path
    steps: tuple[StoredStep, ...]
    """Their `users` are other studies, which are known from their reports."""
    remains: tuple[Path, ...]
    """Damaged results, checkpoints and logs of steps that no kept study has."""
    size: int
    """Bytes of all of it."""


def find_garbage(root: Path, kept: Sequence[StudySteps], known: Sequence[StudySteps] = ()) -> Garbage:
    """What could be removed, if all steps of `kept` stay; reads only. Raises `DataError` without a store."""
    needed = {folder for study in kept for folder in study.folders}
    steps = tuple(step for step in stored_steps(root, known) if step.folder not in needed)
    scratch = [path for path in root.glob(".scratch/*") if path.name not in needed]
    logs = [path for path in root.glob(".logs/*.log") if path.name.removesuffix(".log") not in needed]
    remains = (*root.glob(".damaged/*"), *scratch, *logs)
    sizes = (size_of(path) if path.is_dir() else path.lstat().st_size for path in remains)
    return Garbage(root, steps, remains, sum(step.size for step in steps) + sum(sizes))


def remove(garbage: Garbage) -> int:
    """Remove it; returns the number of removed steps.

    Raises `DataError` while another process uses the store, or if it cannot be written.
    """
    store = Store(garbage.root)
    if store.locks.lease_seconds is not None:
        raise DataError(
            f"{garbage.root}: its locks are leases of several machines, which do not say who reads it; remove steps by"
            " hand while no run uses it"
        )
    store.prepare()
    with store.unused() as alone:
        if not alone:
            raise DataError(f"{garbage.root}: a run, a report or a training uses this store; wait until it has ended")
        removed = sum(_remove_step(store, step.folder) for step in garbage.steps)
        for path in garbage.remains:
            _remove_remains(store, path)
    return removed


def _remove_step(store: Store, folder: str) -> bool:
    """Whether the step was removed; not if a process of an earlier version of outgrow works on it."""
    with store.try_lock(folder) as held:
        if not held:
            return False
        place, unfinished = store.root / folder, store.root / ".tmp" / folder
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            place.rename(unfinished)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise DataError(f"{place}: cannot be removed ({error.strerror}); correct its permissions") from error
        shutil.rmtree(unfinished, ignore_errors=True)
        return True


def _remove_remains(store: Store, path: Path) -> None:
    """Remove a damaged result, a log, or the checkpoints of a step that no process computes."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
    elif path.parent.name == ".damaged":
        shutil.rmtree(path, ignore_errors=True)
    else:
        with store.try_lock(path.name) as held:
            if held:
                shutil.rmtree(path, ignore_errors=True)
