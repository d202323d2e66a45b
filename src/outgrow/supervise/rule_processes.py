"""Rules applied to rows by several processes at a time, none of which can be held up for good.

A thread per process hands it chunks of rows. If a process dies (of a call that outlasted its limit, or of a crash),
the bytes that it shares (`rule_worker.py`) name the running call: that call is an error, the process is replaced, and
the chunk goes on without the call. So a verdict depends on its rule and its row alone, not on the number
of processes or on the order of rows.

Processes are plain subprocesses: a script needs no `if __name__ == "__main__"`. They end when their parent does, with
all that a rule has started (`graph/lifeline.py`), also while a rule hangs.
"""

import contextlib
import mmap
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from threading import Lock
from typing import Any

from outgrow.errors import DataError
from outgrow.graph.lifeline import ProcessGroup
from outgrow.supervise import rule_worker
from outgrow.supervise.rule_worker import LOADING, LOADING_SECONDS, PLACE, TOO_SLOW, WAITING, Verdict

Row = Mapping[str, Any]
LARGEST_CHUNK = 1000
CHUNKS_EACH = 4
"""At least so many per process, so that none waits long for the last."""
DIED = "died"
MOST_STOPPED = 50
"""Calls of one rule that may outlast their limit or crash before it is given up: each costs a process."""


class RuleProcess:
    """A process that applies all rules, and its successors."""

    def __init__(
        self, rules: Sequence[Row], classes: Sequence[str], place: Path, stopped: Counter[int], most: int
    ) -> None:
        place.write_bytes(bytes(PLACE.size))
        with place.open("r+b") as file:
            self.place = mmap.mmap(file.fileno(), PLACE.size)
        self.rules, self.classes, self.path = list(rules), list(classes), place
        self.stopped, self.most = stopped, most
        """By rule, the calls that any worker had to be stopped in, and from how many on the rule is given up."""
        self.group: ProcessGroup | None = None
        self.dismissed, self.lock = False, Lock()

    def apply(self, rows: Sequence[Row]) -> list[list[Verdict]]:
        """[rule][row]. Raises `DataError` for a file that cannot be loaded, or a rule that is stopped too often."""
        done: list[list[Verdict]] = []
        stopped: dict[tuple[int, int], tuple[str, str]] = {}
        while len(done) < len(self.rules):
            try:
                self._ask(rows, len(done), set(stopped))
                while len(done) < len(self.rules):
                    done.append(self._answer())
            except (EOFError, OSError, pickle.UnpicklingError):
                call, error = self._what_it_died_of()
                stopped[call] = error
                self.stopped[call[0]] += 1
                _refuse_hopeless(self.rules[call[0]], self.stopped[call[0]], error, self.most)
        for (rule, row), error in stopped.items():
            done[rule][row] = error
        return done

    def leave(self) -> None:
        """The end of the process, as its thread reports it."""
        if self.group is not None:
            _end(self.group)
            self.group = None
        self.place.close()

    def dismiss(self) -> None:
        """End the process at any time, without a successor. Its thread sees this as any other death."""
        with self.lock:
            self.dismissed = True
            if self.group is not None:
                self.group.kill()

    def _ask(self, rows: Sequence[Row], first: int, skipped: set[tuple[int, int]]) -> None:
        if self.group is None:
            self._start()
        self._send((rows, first, skipped))

    def _start(self) -> None:
        with self.lock:
            if self.dismissed:
                raise DataError("rules: the work was given up")
            # Functions may import whatever this process could.
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
            program = [sys.executable, "-P", rule_worker.__file__, str(self.path)]
            pipe = subprocess.PIPE
            self.group = ProcessGroup(program, stdin=pipe, stdout=pipe, env=environment)
        self._send((self.rules, self.classes))
        error = self._answer()
        if error is not None:
            kind, message = error
            rule = self.rules[PLACE.unpack_from(self.place)[0]]
            raise DataError(f"rule `{rule['name']}`: {rule['file']} cannot be used: {kind}: {message}")

    def _send(self, value: object) -> None:
        assert self.group is not None
        assert self.group.process.stdin is not None
        pickle.dump(value, self.group.process.stdin, pickle.HIGHEST_PROTOCOL)
        self.group.process.stdin.flush()

    def _answer(self) -> Any:
        assert self.group is not None
        assert self.group.process.stdout is not None
        return pickle.load(self.group.process.stdout)

    def _what_it_died_of(self) -> tuple[tuple[int, int], tuple[str, str]]:
        """The call that was running, as an error; afterwards there is no process."""
        assert self.group is not None
        code = _end(self.group)
        self.group = None
        index, row, began = PLACE.unpack_from(self.place)
        if self.dismissed or row == WAITING:
            raise DataError(f"rules: the process that applies them ended between two calls, with code {code}")
        rule, seconds = self.rules[index], time.monotonic() - began
        if row == LOADING:
            late = f"takes more than {LOADING_SECONDS:g} s" if seconds > LOADING_SECONDS else f"ends with code {code}"
            raise DataError(f"rule `{rule['name']}`: to load {rule['file']} {late}; mend it")
        if seconds > rule["limit"]:
            return (index, row), (TOO_SLOW, f"took more than {rule['limit']:g} s")
        return (index, row), (DIED, f"ended its process with code {code}")


def run_rules(
    rules: Sequence[Row],
    classes: Sequence[str],
    rows: Sequence[Row],
    jobs: int = 1,
    most_stopped: int = MOST_STOPPED,
) -> list[list[Verdict]]:
    """The verdict of every rule on every row: [rule][row].

    Rules are plain values: `name`, `limit`, and either `regex`, `ignore_case`, `text` (a column), `says` (a class
    number), or `file`, `function`. Raises `DataError` as `RuleProcess.apply` does; whatever is raised, no process is
    left.
    """
    size = max(1, min(LARGEST_CHUNK, -(-len(rows) // (CHUNKS_EACH * jobs))))
    starts = list(range(0, len(rows), size))
    chunks: dict[int, list[list[Verdict]]] = {}
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as threads:
        stopped: Counter[int] = Counter()
        places = [Path(folder) / str(index) for index in range(min(jobs, len(starts)))]
        workers = [RuleProcess(rules, classes, place, stopped, most_stopped) for place in places]
        todo = iter(starts)  # a list's iterator, which several threads may share
        try:
            for future in as_completed(
                [threads.submit(_drain, worker, rows, size, todo, chunks) for worker in workers]
            ):
                future.result()
        finally:
            for worker in workers:
                worker.dismiss()
    verdicts = [[answers for start in starts for answers in chunks[start][index]] for index in range(len(rules))]
    for rule, answers in zip(rules, verdicts, strict=True):
        ended = [answer for answer in answers if isinstance(answer, tuple) and answer[0] in (TOO_SLOW, DIED)]
        if ended:
            _refuse_hopeless(rule, len(ended), ended[0], most_stopped)
    return verdicts


def _drain(
    worker: RuleProcess, rows: Sequence[Row], size: int, todo: Iterator[int], chunks: dict[int, list[list[Verdict]]]
) -> None:
    try:
        for start in todo:
            chunks[start] = worker.apply(rows[start : start + size])
    finally:
        worker.leave()


def _refuse_hopeless(rule: Row, count: int, error: tuple[str, str], most: int) -> None:
    if count >= most:
        raise DataError(
            f"rule `{rule['name']}` had to be stopped on {count} items ({error[1]}); mend it, raise its `limit`, or"
            " leave it out"
        )


def _end(group: ProcessGroup) -> int:
    """End a process with all processes that rules have started; returns its exit code."""
    process = group.process
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(OSError):  # a question is still on the way to a process that is dead
        process.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=0.5)  # it has ended by itself, or does so now that there is nothing more to read
    group.kill()
    code = process.wait()
    process.stdout.close()
    return code
