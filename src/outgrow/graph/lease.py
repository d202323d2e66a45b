"""Locks for a store on a disk of several machines, which need no `flock`: leases that their holders renew.

    path.lease/7        the lease of its holder, who changes its content again and again
    path.lease/7.free   the holder has ended its work

The lease with the highest number counts. It is over if it is free, if its content has not changed for a while, or if
its holder was a process of this machine that has ended. Then whoever first creates the next number has the lock:
creating a file that must not exist is atomic, on network disks too. Numbers never become smaller, so that a process
that looked long ago cannot take a lock that somebody has taken since.

Nobody compares clocks of two machines: whoever waits measures by its own clock how long a content stays the same. A
holder that stood still for too long has lost its lock, and `Held.confirm` says so.
"""

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import Event, Lock, Thread

from outgrow.errors import StepFailed
from outgrow.graph.file_lock import Refusal, as_it_is, nothing

SECONDS = 60.0
"""Until a lease that nobody renews is over."""
RENEWALS = 12
"""Within that time."""
LOOK_EVERY = 0.1
FREE = ".free"


@dataclass
class Held:
    """A lock that this process has."""

    folder: Path
    number: int
    seconds: float
    content: str
    beats: int = 0
    lost: bool = False
    ended: Event = field(default_factory=Event)

    def confirm(self) -> None:
        """Raises `StepFailed` if the lock is lost."""
        self._look()
        if self.lost:
            raise StepFailed(
                f"this process stood still for more than {self.seconds:g} s, and another one has taken over its step;"
                " run the same command again"
            )

    def _renew(self) -> None:
        """Renew the lease until its end; a disk that fails for a moment is tried again."""
        while not self.ended.wait(self.seconds / RENEWALS):
            with suppress(OSError):
                self._look()
                if self.lost:
                    return
                self.beats += 1
                (self.folder / str(self.number)).write_text(f"{self.content}{self.beats}")

    def _look(self) -> None:
        numbers = _numbers(self.folder)
        self.lost = self.lost or self.number not in numbers or max(numbers) > self.number

    def release(self) -> None:
        """Let go of the lock."""
        self.ended.set()
        with suppress(OSError):
            (self.folder / f"{self.number}{FREE}").touch()


@contextmanager
def hold(
    path: Path,
    on_wait: Callable[[], None] = nothing,
    *,
    seconds: float = SECONDS,
    refusal: Refusal = as_it_is,
) -> Iterator[Held]:
    """Hold the lock of that name; wait while another process has it, and call `on_wait` once."""
    waits = False
    while (held := _taken(path, seconds, refusal)) is None:
        if not waits:
            on_wait()
            waits = True
        time.sleep(LOOK_EVERY)
    try:
        yield held
    finally:
        held.release()


@contextmanager
def attempt(path: Path, *, seconds: float = SECONDS, refusal: Refusal = as_it_is) -> Iterator[bool]:
    """Hold the lock if it is free; yields whether it is held."""
    held = _taken(path, seconds, refusal)
    try:
        yield held is not None
    finally:
        if held is not None:
            held.release()


def is_held(path: Path, *, seconds: float = SECONDS) -> bool:
    """Whether somebody has the lock; changes nothing."""
    return not _is_over(_folder(path), seconds)


def _taken(path: Path, seconds: float, refusal: Refusal) -> Held | None:
    folder = _folder(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not _is_over(folder, seconds):
            return None
        number = max(_numbers(folder), default=0) + 1
        content = f"{_owner()} {secrets.token_hex(8)} "
        return _take(folder, number, content, seconds)
    except OSError as error:
        raise refusal(error) from error


def _take(folder: Path, number: int, content: str, seconds: float) -> Held | None:
    mine = folder / str(number)
    try:
        handle = os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return None
    with os.fdopen(handle, "w") as file:
        file.write(content)
    # Others may have taken and released locks since the numbers were read.
    names = os.listdir(folder)
    if max(map(_number, names)) > number or f"{number}{FREE}" in names:
        mine.unlink(missing_ok=True)
        return None
    for name in names:
        if _number(name) < number:
            (folder / name).unlink(missing_ok=True)
    held = Held(folder, number, seconds, content)
    Thread(target=held._renew, daemon=True).start()
    return held


# ---- looking at others ----------------------------------------------------------------------------------


_seen: dict[Path, tuple[str, float]] = {}
"""By lease, the content that was found last, and since when it is the same, by this machine's clock."""
_looking = Lock()


def _is_over(folder: Path, seconds: float) -> bool:
    """Whether the lock is free, as far as this process can know by now."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return True
    top = max(map(_number, names), default=0)
    if not top or f"{top}{FREE}" in names:
        return True
    lease = folder / str(top)
    try:
        content = lease.read_text()
    except FileNotFoundError:  # replaced at this moment
        return False
    if _has_ended(content):
        return True
    now = time.monotonic()
    with _looking:
        found, since = _seen.get(lease, ("", now))
        if found != content:
            since = now
        _seen[lease] = content, since
        if now - since <= seconds:
            return False
        del _seen[lease]
    return True


def _has_ended(content: str) -> bool:
    """Whether the holder was a process of this machine that has ended."""
    try:
        owner = json.loads(content[: content.index("}") + 1])
    except ValueError:  # half written
        return False
    here = _machine()
    return bool(here) and owner["machine"] == here and _started(owner["process"]) != owner["started"]


def _owner() -> str:
    process = os.getpid()
    return json.dumps({"machine": _machine(), "process": process, "started": _started(process)})


@cache
def _machine() -> str:
    """This machine since its start, and the container in it; empty where the system does not say it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{os.uname().nodename} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _started(process: int) -> str:
    """When a process was started, empty if it does not live: numbers of processes are used again."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _folder(path: Path) -> Path:
    return path.with_name(f"{path.name}.lease")


def _number(name: str) -> int:
    number = name.removesuffix(FREE)
    return int(number) if number.isdecimal() else 0


def _numbers(folder: Path) -> set[int]:
    return {_number(name) for name in os.listdir(folder)}
