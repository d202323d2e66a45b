"""A server on this machine that sends any bytes, at any pace, in reply to a request of HTTP."""

import socketserver
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

Send = Callable[[bytes], None]


@dataclass(frozen=True)
class Request:
    line: str
    headers: dict[str, str]
    """By name in lower case."""
    content: bytes


Talk = Callable[[Request, Send], bool]
"""Replies to a request; whether the connection goes on."""


def plain(status: int, body: bytes, *headers: str) -> bytes:
    """A reply."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class RawServer(socketserver.ThreadingTCPServer):
    """Keeps what it was asked."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, talk: Talk) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.talk = talk
        self.requests: list[Request] = []
        self.strange: list[str] = []
        """What went wrong here, which is the test's own fault."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):
            self.strange.append("".join(traceback.format_exception(error)))


class Conversation(socketserver.StreamRequestHandler):
    """One connection."""

    server: RawServer
    disable_nagle_algorithm = True

    def handle(self) -> None:
        while request := self.read():
            self.server.requests.append(request)
            if not self.server.talk(request, self.request.sendall):
                return

    def read(self) -> Request | None:
        line = self.rfile.readline()
        headers = {}
        while (told := self.rfile.readline().decode().strip()) != "":
            name, _, value = told.partition(":")
            headers[name.lower()] = value.strip()
        content = self.rfile.read(int(headers.get("content-length", 0)))
        return Request(line.decode().strip(), headers, content) if line else None


Server = TypeVar("Server", bound=socketserver.BaseServer)


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """The server, for as long as the block runs."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
