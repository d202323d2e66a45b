"""A network whose waits end together: `timeout` is for a whole answer, however small the pieces in which it comes.

The HTTP library limits every single read and write. A server that sends a byte now and then would hold a request for
as long as it likes. Here every wait is for what is left of the whole time, the look-up of the host's name included.
"""

import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from queue import Empty, Queue
from threading import Thread, local
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
        connect = partial(self._network.connect_tcp, host, port, left, local_address, socket_options)
        return ClockedStream(connect() if left is None else within(left, connect), self._clock)


def within(seconds: float, connect: Callable[[], httpcore2.NetworkStream]) -> httpcore2.NetworkStream:
    """The connection, or `ConnectTimeout` after so many seconds.

    The system limits the time of a connection, but not that of looking up the host's name. So both run in a thread
    that is left alone when the time is over.
    """
    result: Queue[httpcore2.NetworkStream | Exception] = Queue(1)

    def run() -> None:
        try:
            result.put(connect())
        except Exception as error:
            result.put(error)

    Thread(target=run, daemon=True).start()
    try:
        found = result.get(timeout=seconds)
    except Empty:
        raise httpcore2.ConnectTimeout("the time is over") from None
    if isinstance(found, Exception):
        raise found
    return found
