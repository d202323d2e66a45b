"""The locks of a store's steps: those of the disk, or leases where the store says so."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from outgrow.graph import lease
from outgrow.graph.file_lock import Refusal, attempt, hold, nothing, share

LEASES = ".leases"
"""The file with the seconds after which a lease is over that nobody renews."""


@dataclass(frozen=True)
class StepLocks:
    """One lock per step, named after its folder."""

    folder: Path
    refusal: Refusal
    """From what prevents a lock to the error that is raised."""

    @property
    def lease_seconds(self) -> float | None:
        """Until a lease is over that nobody renews; `None` where locks are those of the disk."""
        try:
            return float((self.folder / LEASES).read_text())
        except (OSError, ValueError):
            return None

    def become_leases(self, seconds: float) -> None:
        """From now on the locks are leases, for everyone. Raises `OSError`."""
        if self.lease_seconds is None:
            draft = self.folder / f"{LEASES}.{secrets.token_hex(4)}"
            draft.write_text(str(seconds))
            os.replace(draft, self.folder / LEASES)

    @contextmanager
    def hold(self, name: str, on_wait: Callable[[], None]) -> Iterator[Callable[[], None]]:
        """Hold a lock; yields a function that raises `StepFailed` if it is lost."""
        path, seconds = self.folder / name, self.lease_seconds
        if seconds is None:
            with hold(path, on_wait, refusal=self.refusal):
                yield nothing
        else:
            with lease.hold(path, on_wait, seconds=seconds, refusal=self.refusal) as held:
                yield held.confirm

    @contextmanager
    def attempt(self, name: str) -> Iterator[bool]:
        """Hold a lock if it is free; yields whether it is held."""
        path, seconds = self.folder / name, self.lease_seconds
        if seconds is None:
            with attempt(path, refusal=self.refusal) as mine:
                yield mine
        else:
            with lease.attempt(path, seconds=seconds, refusal=self.refusal) as mine:
                yield mine

    @contextmanager
    def share(self, name: str, make: bool) -> Iterator[None]:
        """Share a lock of the disk with others; without a lock where the disk has none, or leases are used."""
        if make:
            with suppress(OSError, ValueError):  # `Store.prepare` reports what is wrong
                self.folder.mkdir(parents=True, exist_ok=True)
        with share(self.folder / name):
            yield

    def is_held(self, name: str) -> bool:
        """Whether another process has a lock."""
        if (seconds := self.lease_seconds) is not None:
            return lease.is_held(self.folder / name, seconds=seconds)
        with self.attempt(name) as mine:
            return not mine
