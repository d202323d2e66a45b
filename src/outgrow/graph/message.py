"""What the runner and its workers say to each other; pickled over a socket that only the two of them have."""

from typing import NamedTuple

from outgrow.graph.step import Step
from outgrow.graph.store import Store


class Assignment(NamedTuple):
    """Runner to worker: make this step."""

    step: Step
    store: Store


class Progress(NamedTuple):
    """Worker to runner: the step's `job.report`."""

    message: str
    share: float


class Waiting(NamedTuple):
    """Worker to runner: another run has this step's lock."""


class Damage(NamedTuple):
    """Worker to runner: a stored result was bad and has been set aside."""

    sentence: str


class Finished(NamedTuple):
    """Worker to runner: the result is in the store."""

    seconds: float
    reused: bool
    """Another run made it while this one waited."""


class Failed(NamedTuple):
    """Worker to runner: there is no result."""

    sentence: str
    disk_full: bool = False


Message = Progress | Waiting | Damage | Finished | Failed
