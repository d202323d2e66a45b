"""`Pulse`: whether it is worth asking a server on, as the threads that ask it see it.

Nobody there: as long as the server said nothing at all, a thread whose question failed waits for the rest of the first
wave; if all of it failed, nothing further is asked. Too much for it: the same after many failures in a row.
"""

from threading import Condition


class Pulse:
    """Of one server, for one round of questions."""

    def __init__(self, patience: int) -> None:
        """So many failures in a row are enough."""
        self.heard = False
        """Whether the server said anything yet."""
        self._patience = patience
        self._failed = self._under_way = 0
        self._stopped = False
        self._turn = Condition()

    def may_begin(self) -> bool:
        """Whether a further question may be asked; if so, it is under way until `ended`."""
        with self._turn:
            self._turn.wait_for(lambda: self.heard or self._stopped or not self._failed or not self._under_way)
            if self._failed >= (self._patience if self.heard else 1):
                self._stopped = True
            self._under_way += not self._stopped
            return not self._stopped

    def ended(self, failed: bool) -> None:
        """A question is not under way any more; `failed`: the server did not answer it."""
        with self._turn:
            self._failed += failed
            self._under_way -= 1
            self._turn.notify_all()

    def answered(self) -> None:
        """The server did what it is there for."""
        with self._turn:
            self.heard, self._failed = True, 0
            self._turn.notify_all()

    def stop(self) -> None:
        """Nothing further is asked."""
        with self._turn:
            self._stopped = True
            self._turn.notify_all()
