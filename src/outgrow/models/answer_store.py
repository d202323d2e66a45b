"""Answers that servers gave, kept on the disk: what was paid for once is never bought again.

One SQLite file in the folder that `answers:` names, apart from what can be computed again. An answer is in it, and on
the disk, before anybody is told of it; a kill at any moment loses at most the answers that were still under way. The
key is a hash over the server's address and the whole request; no key of an account is part of either.

The file is also the ledger: what a model has cost is the sum over its answers.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from filelock import FileLock

from outgrow.errors import DataError, StepFailed
from outgrow.graph.durable import full_disk

TABLE = """CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, url TEXT, model TEXT, reply TEXT, read INTEGER, written INTEGER
) WITHOUT ROWID"""
RETIRE = "UPDATE answers SET key = key || ' retired ' || hex(randomblob(8)) WHERE key = ?"
NAME = "answers.sqlite"


class Usage(NamedTuple):
    """Tokens that went through a model."""

    read: int = 0
    written: int = 0

    def __add__(self, other: object) -> "Usage":
        """Of both together."""
        if not isinstance(other, Usage):
            return NotImplemented
        return Usage(self.read + other.read, self.written + other.written)

    @property
    def total(self) -> int:
        return self.read + self.written


class AnswerStore:
    """The file; one connection per process, shared by its threads."""

    def __init__(self, path: Path) -> None:
        """Open it or begin it. Raises `DataError` for a file that is something else."""
        self.path = path
        self._lock = Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._file = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=FULL")
            self._file.execute(TABLE)
        except sqlite3.DatabaseError as error:
            raise DataError(f"{path}: is not a readable store of answers ({error}); move it away") from error

    def close(self) -> None:
        self._file.close()

    def get(self, key: str) -> dict[str, Any] | None:
        """The reply under this key, if it was ever given."""
        with self._lock:
            found = self._file.execute("SELECT reply FROM answers WHERE key = ?", (key,)).fetchone()
        return None if found is None else dict(json.loads(found[0]))

    def put(self, key: str, url: str, model: str, reply: Mapping[str, Any], usage: Usage) -> None:
        """Keep a reply; when this returns, it is on the disk. Raises `StepFailed` if the disk is full."""
        row = (key, url, model, json.dumps(reply, ensure_ascii=True), usage.read, usage.written)
        try:
            with self._lock:
                self._file.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)", row)
        except sqlite3.OperationalError as error:
            said = "No space left on device" if "full" in str(error) else str(error)
            sentence = full_disk(OSError(said), self.path.parent)
            raise StepFailed(sentence or f"{self.path}: an answer cannot be kept ({error})") from error

    def retire(self, keys: Iterable[str]) -> None:
        """Give none of these replies again; what they cost stays on the bill."""
        with self._lock:
            self._file.executemany(RETIRE, [(key,) for key in keys])

    def spent(self, url: str, model: str) -> Usage:
        """Everything that one model's answers took."""
        query = "SELECT COALESCE(SUM(read), 0), COALESCE(SUM(written), 0) FROM answers WHERE url = ? AND model = ?"
        with self._lock:
            return Usage(*self._file.execute(query, (url, model)).fetchone())

    def exclusive(self, url: str, model: str) -> FileLock:
        """Held by the one process that talks to a model, so that its limits hold over all steps."""
        digest = hashlib.sha256(f"{url} {model}".encode()).hexdigest()[:16]
        return FileLock(self.path.with_name(f".{self.path.stem}-{digest}.lock"))


def key_of(url: str, request: Mapping[str, Any], place: str) -> str:
    """64 hex digits over everything that a request says; `place` tells requests of equal text apart."""
    content = json.dumps({"url": url, "request": request, "place": place}, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(content.encode()).hexdigest()
