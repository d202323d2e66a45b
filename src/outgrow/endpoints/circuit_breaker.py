"""`CircuitBreaker`: stops requests to a server that does not answer."""

from threading import Condition


class CircuitBreaker:
    """For the requests of many threads to one server, in one round.

    It opens after `patience` failures in a row. Until the first reply, no more requests are in flight than may fail
    before it opens.
    """

    def __init__(self, patience: int) -> None:
        self.has_reply = False
        """Whether the server has replied at all."""
        self._patience = patience
        self._failed = self._in_flight = 0
        self._stopped = False
        self._turn = Condition()

    def may_begin(self) -> bool:
        """Whether a further request may be sent; if so, it is in flight until `ended`."""
        with self._turn:
            self._turn.wait_for(
                lambda: self.has_reply or self._failed + self._in_flight < self._patience or self._is_open()
            )
            self._stopped = self._is_open()
            self._in_flight += not self._stopped
            return not self._stopped

    def _is_open(self) -> bool:
        return self._stopped or self._failed >= self._patience

    def ended(self, failed: bool) -> None:
        """A request is no longer in flight; `failed`: the server did not answer it."""
        with self._turn:
            self._failed += failed
            self._in_flight -= 1
            self._turn.notify_all()

    def answered(self) -> None:
        """The server answered: earlier failures do not count."""
        with self._turn:
            self.has_reply, self._failed = True, 0
            self._turn.notify_all()

    def stop(self) -> None:
        """Allow no further request."""
        with self._turn:
            self._stopped = True
            self._turn.notify_all()
