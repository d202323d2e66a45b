"""What is left of a process that was started in a session of its own: whatever it started is in that session, too."""

import os
import time
from contextlib import suppress

import psutil


def alive_in(session: int) -> list[int]:
    """The living processes of a session, by number."""
    found = []
    for number in psutil.pids():
        with suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            if os.getsid(number) == session and psutil.Process(number).status() != psutil.STATUS_ZOMBIE:
                found.append(number)
    return found


def left_after(session: int, seconds: float) -> list[str]:
    """What still lives in that many seconds, as command lines, and is killed; waits no longer than needed."""
    until = time.monotonic() + seconds
    while alive := alive_in(session):
        if time.monotonic() > until:
            break
        time.sleep(0.01)
    told = []
    for number in alive:
        with suppress(psutil.NoSuchProcess):
            orphan = psutil.Process(number)
            told.append(" ".join(orphan.cmdline()))
            orphan.kill()
    return told
