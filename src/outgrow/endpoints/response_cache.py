"""`ResponseCache`: responses of servers on the disk. Each is cached before it is used, and requested once.

It is one SQLite file in the folder `answers:`, separate from results that can be computed again; only its owner can
read it. A kill loses at most the requests in flight, which may be billed again. The cache key is a hash over the
server's address and the whole request, without the account's key. The file is also the ledger: a model's usage is the
sum over its responses.
"""

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any

from outgrow.endpoints.usage import Usage, price_of
from outgrow.errors import DataError, StepFailed
from outgrow.graph.durable import full_disk
from outgrow.graph.file_lock import hold

TABLE = """CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, url TEXT, model TEXT, reply TEXT, read INTEGER, written INTEGER
) WITHOUT ROWID"""
LARGEST = 10_000_000
"""Upper limit of the tokens of a response in the ledger, also for a damaged row."""
SPENT = f"""SELECT COALESCE(SUM(MIN(MAX(CAST(read AS INTEGER), 0), {LARGEST})), 0),
    COALESCE(SUM(MIN(MAX(CAST(written AS INTEGER), 0), {LARGEST})), 0) FROM answers WHERE url = ? AND model = ?"""
PATIENCE, PAUSE = 60.0, 0.05
"""Seconds of waiting for another process with the file, in total and per attempt."""
CREATION = Lock()
"""Held while the file is created, so that no thread connects before the handle of another is closed."""
RETIRE = "UPDATE answers SET key = key || ' retired ' || hex(randomblob(8)) WHERE key = ?"


class ResponseCache:
    """The cache file; one connection per process, shared by its threads."""

    def __init__(self, path: Path) -> None:
        """Open or create the file. Raises `DataError` for a file of another kind."""
        self.path = path
        self._lock = Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._as_sentence():
            owned(path)
            self._file = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
            self._begin_log()
            self._file.execute("PRAGMA synchronous=FULL")
            self._file.execute(TABLE)

    def close(self) -> None:
        self._file.close()

    def get(self, key: str) -> dict[str, Any] | None:
        """The reply under this key; None if it is missing or unreadable."""
        with self._as_sentence():
            row = self._file.execute("SELECT reply FROM answers WHERE key = ?", (key,)).fetchone()
        try:
            reply = None if row is None else json.loads(row[0])
        except (ValueError, TypeError, RecursionError):
            return None
        return reply if isinstance(reply, dict) and isinstance(reply.get("choices"), list) else None

    def put(self, key: str, url: str, model: str, reply: Mapping[str, Any], usage: Usage) -> None:
        """Write a reply to the disk. Raises `StepFailed` if the disk is full."""
        row = (key, url, model, json.dumps(reply, ensure_ascii=True), usage.read, usage.written)
        with self._as_sentence():
            # An unreadable response under this key stays in the ledger.
            self._file.execute(RETIRE, (key,))
            self._file.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)", row)

    def retire(self, keys: Iterable[str]) -> None:
        """Exclude these replies from `get`; their cost stays in the ledger."""
        with self._as_sentence():
            self._file.executemany(RETIRE, [(key,) for key in keys])

    def spent(self, url: str, model: str) -> Usage:
        """The usage of all responses of a model."""
        with self._as_sentence():
            return Usage(*self._file.execute(SPENT, (url, model)).fetchone())

    def money_spent(self, models: Iterable[Mapping[str, Any]]) -> float:
        """The price of all responses of several models; each has `url`, `model` and `prices`."""
        return sum(price_of(self.spent(one["url"], one["model"]), one["prices"]) for one in models)

    def _begin_log(self) -> None:
        """Switch to write-ahead logging. SQLite does not wait here for another process, so this retries."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self._file.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(PAUSE)

    @contextmanager
    def _as_sentence(self) -> Iterator[None]:
        """Run one thread at a time, and turn failures of the file into sentences."""
        try:
            with self._lock:
                yield
        except OSError as error:
            raise DataError(f"{self.path}: cannot be opened ({error.strerror})") from error
        except sqlite3.OperationalError as error:
            reason = "No space left on device" if "full" in str(error) else str(error)
            sentence = full_disk(OSError(reason), self.path.parent)
            raise StepFailed(sentence or f"{self.path}: a response cannot be written or read ({error})") from error
        except sqlite3.DatabaseError as error:
            raise DataError(f"{self.path}: is not a readable cache of responses ({error}); move it away") from error

    def exclusive(self, url: str, model: str) -> AbstractContextManager[None]:
        """The lock of the one process that requests a model, so that its limits hold over all steps."""
        digest = hashlib.sha256(f"{url} {model}".encode()).hexdigest()[:16]
        return hold(self.path.with_name(f".{self.path.stem}-{digest}.lock"), refusal=self._lockless)

    def _lockless(self, error: OSError) -> DataError:
        return DataError(
            f"{self.path}: cannot be locked ({error.strerror}); choose a folder on a local disk with `answers:`"
        )


def owned(path: Path) -> None:
    """Create the file, readable only by its owner.

    A file that exists is not opened: closing any handle of a file drops all POSIX locks that the process has on it, so
    SQLite would lose those of another connection.
    """
    with CREATION, suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    for file in (path, *(path.with_name(f"{path.name}-{part}") for part in ("wal", "shm"))):
        # The mode of another user's file is unchanged.
        with suppress(FileNotFoundError, PermissionError):
            file.chmod(0o600)


def key_of(url: str, request: Mapping[str, Any], place: str) -> str:
    """64 hex digits over a request; `place` distinguishes requests with equal text."""
    content = json.dumps({"url": url, "request": request, "place": place}, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(content.encode()).hexdigest()
