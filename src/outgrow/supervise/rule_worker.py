"""The process in which rules run: a program of its own, started by `rule_processes.py`.

It imports nothing of outgrow but the few lines by which it dies with its parent.

It reads its rules, then chunks of rows, from standard input, and writes a list of verdicts per rule to standard
output, all of it pickled plain values. A verdict is `None` (abstention), a class number, a list of probabilities, or a
pair (kind of error, message).

Before every call it notes rule, row and time in a few bytes of shared memory, so that its parent knows what it died
of. A call that outlasts its limit ends the whole process: the watchdog is a thread of the interpreter that needs no
lock, so that no pattern, endless loop or extension can hold it up. It is set anew only where half its time has passed,
which keeps fast rules fast: a call is stopped between its limit and twice that.
"""

import contextlib
import faulthandler
import importlib.util
import math
import mmap
import operator
import os
import pickle
import re
import signal
import struct
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from outgrow.graph.lifeline import guard

Verdict = int | list[float] | tuple[str, str] | None
Look = Callable[[Mapping[str, Any]], Verdict]
PLACE = struct.Struct("=qqd")
"""The rule's number, the row's number, and when the call began; rows below 0 are the two states below."""
LOADING, WAITING = -1, -2
LOADING_SECONDS = 60.0
SUM_TOLERANCE = 1e-4
BAD_ANSWER, TOO_SLOW = "bad answer", "too slow"
LONGEST = 200
"""Characters of an exception's message that are kept."""


class BadAnswer(Exception):
    """A function returned something that is no vote."""


class Watchdog:
    """Where the process stands, and the watchdog."""

    def __init__(self, place: Path) -> None:
        with place.open("r+b") as file:
            self.place = mmap.mmap(file.fileno(), PLACE.size)
        self.silence = open(os.devnull, "w")  # noqa: SIM115 - as long as the process
        self.limit = 0.0
        self.since = 0.0

    def enter(self, rule: int, row: int, limit: float) -> float:
        """Note that a call begins; the time at which it does."""
        now = time.monotonic()
        PLACE.pack_into(self.place, 0, rule, row, now)
        if limit != self.limit or now - self.since > limit:
            faulthandler.dump_traceback_later(2 * limit, exit=True, file=self.silence)
            self.limit, self.since = limit, now
        return now

    def rest(self) -> None:
        """Nothing is running any more."""
        faulthandler.cancel_dump_traceback_later()
        PLACE.pack_into(self.place, 0, 0, WAITING, 0.0)
        self.limit = 0.0


def main(place: str, lifeline: str) -> None:
    """Serve until standard input ends."""
    guard(int(lifeline))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # a rule may print to a terminal that stops background jobs for it
    # Input and output of rules must not mix with the questions and answers.
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    watch = Watchdog(Path(place))
    rules, classes = pickle.load(questions)
    try:
        looks = [opened(rule, index, classes, watch) for index, rule in enumerate(rules)]
    except BaseException as error:
        send(answers, failure_of(error))
        return
    watch.rest()
    send(answers, None)
    with contextlib.suppress(EOFError, BrokenPipeError):  # the parent is gone
        while True:
            rows, first, skipped = pickle.load(questions)
            for index in range(first, len(rules)):
                calls = ((index, row, rules[index]["limit"]) for row in range(len(rows)))
                answer = [
                    None if call[:2] in skipped else verdict(looks[index], item, watch, call)
                    for call, item in zip(calls, rows, strict=True)
                ]
                watch.rest()
                send(answers, answer)


def send(answers: Any, value: object) -> None:
    """One answer, at once."""
    pickle.dump(value, answers, pickle.HIGHEST_PROTOCOL)
    answers.flush()


def verdict(look: Look, item: Mapping[str, Any], watch: Watchdog, call: tuple[int, int, float]) -> Verdict:
    """A rule's verdict on an item, within its limit."""
    began, limit = watch.enter(*call), call[2]
    try:
        answer = look(item)
    except BaseException as error:  # SystemExit too: a rule does not end the others
        return failure_of(error)
    return answer if time.monotonic() - began <= limit else (TOO_SLOW, f"took more than {limit:g} s")


def failure_of(error: BaseException) -> tuple[str, str]:
    """An exception as a verdict."""
    kind = BAD_ANSWER if isinstance(error, BadAnswer) else type(error).__name__
    try:
        message = " ".join(str(error).split())
    except Exception:
        message = ""
    return kind, message[:LONGEST]


def opened(rule: Mapping[str, Any], number: int, classes: Sequence[str], watch: Watchdog) -> Look:
    """A rule as a function from an item to its verdict."""
    if "regex" in rule:
        search = re.compile(rule["regex"], re.IGNORECASE if rule["ignore_case"] else 0).search
        column, says = rule["text"], rule["says"]
        return lambda item: says if search(item[column]) else None
    watch.enter(number, LOADING, LOADING_SECONDS)
    function = getattr(module_of(rule["file"]), rule["function"], None)
    if not callable(function):
        raise LookupError(f"there is no function `{rule['function']}` in it")
    places = {name: place for place, name in enumerate(classes)}
    return lambda item: vote_of(function(item), places)


def module_of(file: str) -> ModuleType:
    """The user's file as a module, loaded once; its neighbours can be imported by it."""
    name = f"rules of {file}"
    if name not in sys.modules:
        sys.path.insert(0, str(Path(file).parent))
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def vote_of(answer: object, places: Mapping[str, int]) -> Verdict:
    """The return value of a function as a vote. Raises `BadAnswer`."""
    if answer is None:
        return None
    if isinstance(answer, str):
        return place_of(answer, places)
    if isinstance(answer, Mapping):
        return distribution_of(answer, places)
    try:
        number = operator.index(answer)  # type: ignore[arg-type]
    except TypeError:
        number = -1
    if isinstance(answer, bool) or not 0 <= number < len(places):
        raise BadAnswer(f"returned {answer!r}; return a class, its number from 0 to {len(places) - 1}, or None")
    return number


def place_of(name: object, places: Mapping[str, int]) -> int:
    """The number of a class."""
    if not isinstance(name, str) or name not in places:
        raise BadAnswer(f"returned {name!r}, which is no class; known: {', '.join(places)}")
    return places[name]


def distribution_of(answer: Mapping[Any, Any], places: Mapping[str, int]) -> list[float]:
    """Probabilities by class, absent ones 0, as they are: they must sum to 1."""
    probs = [0.0] * len(places)
    for name, value in answer.items():
        probs[place_of(name, places)] = float(value)
    fit = all(math.isfinite(value) and value >= 0 for value in probs) and abs(sum(probs) - 1) <= SUM_TOLERANCE
    if not fit:
        raise BadAnswer(f"returned {dict(answer)!r}; probabilities are at least 0 and sum to 1")
    return probs


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
