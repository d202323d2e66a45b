"""Messages between the runner and its workers, pickled over a private socket pair."""

from typing import NamedTuple

from outgrow.graph.step import Step
from outgrow.graph.store import Store


class Assignment(NamedTuple):
    """Runner to worker: compute this step."""

    step: Step
    store: Store


class Progress(NamedTuple):
    """Worker to runner: the step's `job.report`."""

    message: str
    share: float


class Waiting(NamedTuple):
    """Worker to runner: another run holds this step's lock."""


class Damage(NamedTuple):
    """Worker to runner: a stored result was damaged and was moved to `.damaged`."""

    sentence: str


class Finished(NamedTuple):
    """Worker to runner: the result is in the store."""

    seconds: float
    reused: bool
    """Whether another run computed it while this one waited."""


class Failed(NamedTuple):
    """Worker to runner: there is no result."""

    sentence: str
    disk_full: bool = False


Message = Progress | Waiting | Damage | Finished | Failed
