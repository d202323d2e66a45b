"""A process that ends when its parent does, however the parent ends, together with all that it has started.

    parent ── writing end of a pipe            child, first of its process group
                    ▲                            └─ guard: reads the other end, and does nothing else
                    └─ closed by the kernel ───────────► kills the group, itself included

The guard is forked as the first thing that the child does. It shares no lock with the child, so no endless loop, no
pattern and no extension holds it up; and where the parent died before it was there, its first look tells. As long as
it lives the group's number is nobody else's. What leaves the group on purpose (`setsid`) is not reached.
"""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from threading import Lock
from typing import Any

DEAF_TO = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""What others may send to the whole group, and the guard survives."""


class ProcessGroup:
    """The parent's side: a started program, and all that it starts.

    The program must call `guard` with its last argument before anything else.
    """

    def __init__(self, program: Sequence[str], handles: Sequence[int] = (), **options: Any) -> None:
        """`handles` are passed on, `options` go to `subprocess.Popen`. Raises `OSError`."""
        far, self._lifeline = os.pipe()
        self._lock, self._ended = Lock(), False
        try:
            self.process: subprocess.Popen[bytes] = subprocess.Popen(
                [*program, str(far)],
                pass_fds=[*handles, far],
                process_group=0,  # the terminal's Ctrl-C does not reach it
                **options,
            )
        except BaseException:
            os.close(self._lifeline)
            raise
        finally:
            os.close(far)

    def kill(self) -> None:
        """Kill the group; nothing happens the second time."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            os.close(self._lifeline)


def guard(lifeline: int, *handles: int) -> None:
    """The child's side. `handles` are those that the guard must not keep open, beside the standard streams."""
    if os.fork():
        os.close(lifeline)
        return
    try:
        for number in DEAF_TO:
            signal.signal(number, signal.SIG_IGN)
        for handle in (0, 1, 2, *handles):
            with suppress(OSError):
                os.close(handle)
        os.read(lifeline, 1)
    finally:
        os.killpg(os.getpgrp(), signal.SIGKILL)
