"""Where steps run: the interface between the runner and its launchers.

    runner ── start(step) ─►  launcher ─► processes of this machine, or tasks of a cluster
           ◄── hear() ──────

The runner decides which steps may start, and in what order. A launcher says whether there is room, starts them, and
passes on their messages. A step's process does the work, holds the step's lock and writes to the store, so that all
launchers give the same results.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from outgrow.graph.message import Message
from outgrow.graph.step import Step
from outgrow.graph.store import Store


class Launcher(ABC):
    """Runs steps of one run; used once."""

    @abstractmethod
    def begin(self, steps: Sequence[Step], store: Store) -> None:
        """Get ready to run `steps`. Raises `ConfigError` for a step that can never run here."""

    @property
    @abstractmethod
    def is_full(self) -> bool:
        """Whether no further step can start now, whatever it needs."""

    @abstractmethod
    def fits(self, step: Step) -> bool:
        """Whether `step` can start now. If not, room may be kept for it."""

    @abstractmethod
    def start(self, step: Step) -> None:
        """Start a step that `fits`."""

    @abstractmethod
    def hear(self) -> Iterator[tuple[Step, Message]]:
        """Wait a short time for messages of running steps; `Finished` or `Failed` is the last one of a step."""

    @abstractmethod
    def end(self) -> None:
        """End all steps that are still running, with all their processes, and remove what they have begun."""
