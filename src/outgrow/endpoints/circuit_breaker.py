"""`CircuitBreaker`: whether it is worth asking a server on, as the threads that ask it see it.

After many failures in a row nothing further is asked. As long as the server said nothing at all, no more questions are
under way than could fail before that.
"""

from threading import Condition


class CircuitBreaker:
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
            self._turn.wait_for(
                lambda: self.heard or self._failed + self._under_way < self._patience or self._is_over()
            )
            self._stopped = self._is_over()
            self._under_way += not self._stopped
            return not self._stopped

    def _is_over(self) -> bool:
        return self._stopped or self._failed >= self._patience

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
