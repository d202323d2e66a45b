"""A connection is made within the time of an answer, the look-up of the host's name included."""

import socket
import time
from threading import Event

import httpcore2
import pytest

from outgrow.endpoints.deadline import Clock, ClockedNetwork, within


def test_a_look_up_that_hangs_ends_with_the_time() -> None:
    over = Event()

    def hang() -> httpcore2.NetworkStream:
        over.wait(20)
        raise OSError("no such host")

    began = time.monotonic()
    with pytest.raises(httpcore2.ConnectTimeout):
        within(0.2, hang)
    assert time.monotonic() - began < 5
    over.set()


def test_what_goes_wrong_in_time_is_raised_as_it_is() -> None:
    clock = Clock()
    with clock.running(10.0), pytest.raises(httpcore2.ConnectError):
        ClockedNetwork(clock).connect_tcp("no-such-host.invalid", 80)


def test_a_connection_in_time_is_used() -> None:
    clock = Clock()
    with socket.create_server(("127.0.0.1", 0)) as server, clock.running(10.0):
        stream = ClockedNetwork(clock).connect_tcp("127.0.0.1", server.getsockname()[1])
        other, _ = server.accept()
        other.sendall(b"here")
        assert stream.read(10) == b"here"
        other.close()
        stream.close()
