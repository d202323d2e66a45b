"""A process group that ends with its parent process, for any reason of that end.

    parent ── writing end of a pipe            child, first of its process group
                    ▲                            └─ guard: reads the other end, and does nothing else
                    └─ closed by the kernel ───────────► kills the group, itself included

The child forks the guard first. The guard shares no lock with the child, so a loop, a pattern or an extension of the
child cannot block it. If the parent ends before the fork, the guard's first read returns. While the guard lives, the
group's id is not reused. A process that leaves the group (`setsid`) is not killed.
"""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from threading import Lock
from typing import Any

IGNORED_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""Signals that the guard ignores; they may be sent to the whole group."""


class ProcessGroup:
    """The parent's side: a started program with all its processes.

    The program must call `guard` with its last argument before anything else.
    """

    def __init__(self, program: Sequence[str], handles: Sequence[int] = (), **options: Any) -> None:
        """`handles` are passed on, `options` go to `subprocess.Popen`. Raises `OSError`."""
        child_end, self._lifeline = os.pipe()
        self._lock, self._ended = Lock(), False
        try:
            self.process: subprocess.Popen[bytes] = subprocess.Popen(
                [*program, str(child_end)],
                pass_fds=[*handles, child_end],
                process_group=0,  # the terminal's Ctrl-C does not reach the group
                **options,
            )
        except BaseException:
            os.close(self._lifeline)
            raise
        finally:
            os.close(child_end)

    def kill(self) -> None:
        """Kill the group; later calls do nothing."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            os.close(self._lifeline)


def guard(lifeline: int, *handles: int) -> None:
    """The child's side. The guard closes `handles` and the standard streams."""
    if os.fork():
        os.close(lifeline)
        return
    try:
        for ignored in IGNORED_SIGNALS:
            signal.signal(ignored, signal.SIG_IGN)
        for handle in (0, 1, 2, *handles):
            with suppress(OSError):
                os.close(handle)
        os.read(lifeline, 1)
    finally:
        os.killpg(os.getpgrp(), signal.SIGKILL)
