"""A network whose waits end together: `timeout` is for an answer, however small the pieces in which it comes.

The HTTP library limits every single read and write. A server that sends a byte now and then would hold a question for
as long as it likes, in the headers as well as in the body. Here every wait is for what is left of the whole.
"""

import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import local
from typing import Any

import httpcore2


class Clock(local):
    """When the request of this thread has to be over; every thread has its own."""

    end = float("inf")

    @contextmanager
    def running(self, seconds: float) -> Iterator[None]:
        """What this thread waits for within the block ends after so many seconds."""
        self.end = time.monotonic() + seconds
        try:
            yield
        finally:
            self.end = float("inf")

    def left(self, timeout: float | None) -> float | None:
        """The longest wait for one read or write. Raises `httpcore2.ReadTimeout` if the time is over."""
        rest = self.end - time.monotonic()
        if rest <= 0:
            raise httpcore2.ReadTimeout("the time is over")
        waits = [wait for wait in (timeout, rest) if wait is not None and wait != float("inf")]
        return min(waits, default=None)


class ClockedStream(httpcore2.NetworkStream):
    """A connection under a clock."""

    def __init__(self, stream: httpcore2.NetworkStream, clock: Clock) -> None:
        self._stream, self._clock = stream, clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._clock.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._clock.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        secure = self._stream.start_tls(ssl_context, server_hostname, self._clock.left(timeout))
        return ClockedStream(secure, self._clock)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class ClockedNetwork(httpcore2.NetworkBackend):
    """Opens connections under a clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._network = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        left = self._clock.left(timeout)
        return ClockedStream(self._network.connect_tcp(host, port, left, local_address, socket_options), self._clock)
