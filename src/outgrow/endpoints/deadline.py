"""Network connections with a deadline: `timeout` limits a whole answer, with any number of pieces.

The HTTP library limits single reads and writes, so a server that sends single bytes could extend a request without
limit. Here every wait, including the look-up of the host's name, is limited by the remaining time.
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
    """The deadline of the current request, per thread."""

    end = float("inf")

    @contextmanager
    def running(self, seconds: float) -> Iterator[None]:
        """Limit the waits of this thread in the block to a total of `seconds`."""
        self.end = time.monotonic() + seconds
        try:
            yield
        finally:
            self.end = float("inf")

    def left(self, timeout: float | None) -> float | None:
        """The remaining time for one read or write. Raises `httpcore2.ReadTimeout` after the deadline."""
        remaining = self.end - time.monotonic()
        if remaining <= 0:
            raise httpcore2.ReadTimeout("the time is over")
        waits = [wait for wait in (timeout, remaining) if wait is not None and wait != float("inf")]
        return min(waits, default=None)


class ClockedStream(httpcore2.NetworkStream):
    """A connection with a deadline."""

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
    """Opens connections with a deadline."""

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
        remaining = self._clock.left(timeout)
        connect = partial(self._network.connect_tcp, host, port, remaining, local_address, socket_options)
        return ClockedStream(connect() if remaining is None else within(remaining, connect), self._clock)


def within(seconds: float, connect: Callable[[], httpcore2.NetworkStream]) -> httpcore2.NetworkStream:
    """The connection. Raises `ConnectTimeout` after `seconds`.

    The system limits the time of a connection, but not that of the look-up of the host's name. So both run in a daemon
    thread that is abandoned after the time limit.
    """
    result: Queue[httpcore2.NetworkStream | Exception] = Queue(1)

    def run() -> None:
        try:
            result.put(connect())
        except Exception as error:
            result.put(error)

    Thread(target=run, daemon=True).start()
    try:
        outcome = result.get(timeout=seconds)
    except Empty:
        raise httpcore2.ConnectTimeout("the time is over") from None
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
