"""`CircuitBreaker`: stops requests to a server that does not answer."""

from threading import Condition


class CircuitBreaker:
    """A circuit breaker for the requests of many threads to one server.

    It opens after `patience` consecutive failures. Until the first reply, at most as many requests are in flight as
    may fail before it opens.
    """

    def __init__(self, patience: int) -> None:
        self.has_reply = False
        """Whether the server has replied to any request."""
        self._patience = patience
        self._failed = self._in_flight = 0
        self._stopped = False
        self._turn = Condition()

    def may_begin(self) -> bool:
        """Wait for a free slot; whether a request may be sent, which is then in flight until `ended`."""
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
        """End a request in flight; `failed`: the server did not answer it."""
        with self._turn:
            self._failed += failed
            self._in_flight -= 1
            self._turn.notify_all()

    def answered(self) -> None:
        """Record an answer, which resets the count of failures."""
        with self._turn:
            self.has_reply, self._failed = True, 0
            self._turn.notify_all()

    def stop(self) -> None:
        """Open the circuit: no further request is allowed."""
        with self._turn:
            self._stopped = True
            self._turn.notify_all()
