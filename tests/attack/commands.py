"""Commands that start within milliseconds: forks of a process that has imported what they import in the end.

A kill while Python imports finds nothing on the disk, so that most kills of a fresh interpreter try nothing. All else
is as on the command line: the same `main`, in a session of its own, with its own working directory and streams.
"""

import os
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

from orphans import left_after
from small_study import ENVIRONMENT

FORKS = get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        *(
            "outgrow.cli.verbs",
            "outgrow.api",
            "outgrow.api_votes",
            "outgrow.study.build",
            "outgrow.reporting.collect",
        ),
        *("outgrow.supervise.rules_step", "outgrow.cli.progress", "outgrow.cli.votes_text", "pandas"),
    ]
)
SOON = 5.0
"""Seconds after which nothing of a killed command may be alive."""


class Command:
    """One command, running."""

    def __init__(self, folder: Path, *words: str) -> None:
        os.environ.update(ENVIRONMENT)
        self.words, self.output = words, folder.parent / f".{folder.name}-{time.monotonic_ns()}.txt"
        self.process = FORKS.Process(target=_command, args=(str(folder), words, str(self.output)))
        self.process.start()
        assert self.process.pid is not None
        self.pid = self.process.pid

    @property
    def code(self) -> int | None:
        """Its exit code; `None` while it runs."""
        return self.process.exitcode

    def wait_until(self, reached: Callable[[], bool]) -> None:
        """Until something is the case, or the command has ended."""
        while self.code is None and not reached():
            time.sleep(0.002)

    def kill(self) -> list[str]:
        """What was wrong: something of it is left, or it had failed by itself."""
        self.process.kill()
        self.process.join()
        wrong = [] if self.code in (0, -9) else [f"ended before it was killed: {self._told()}"]
        orphans = left_after(self.pid, SOON)
        return [*wrong, f"still alive after {SOON:g} s: {orphans}"] if orphans else wrong

    def end(self, seconds: float = 120.0) -> list[str]:
        """What was wrong: it did not end well, or not in time."""
        self.process.join(seconds)
        if self.code is None:
            return [*self.kill(), f"`{' '.join(self.words)}` did not end within {seconds:g} s"]
        return [] if self.code == 0 else [self._told()]

    def _told(self) -> str:
        return f"`{' '.join(self.words)}` ended with {self.code}: {self.output.read_text(errors='replace')[-400:]}"


def _command(folder: str, words: tuple[str, ...], said: str) -> None:
    os.setsid()
    os.chdir(folder)
    stream = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number in (1, 2):
        os.dup2(stream, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = ["outgrow", *words]
    from outgrow.cli import main

    main()
