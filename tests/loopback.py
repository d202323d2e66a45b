"""A real HTTP server on this machine that speaks the chat protocol, and misbehaves as it is told."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from raw_server import running

Body = dict[str, Any]
Answer = Callable[[Body], list[dict[str, Any]]]
"""From a request to its choices."""
Fault = Callable[[int, Body], str | None]
"""From a request and how often the same one came before to what goes wrong with it."""


def choice(text: str | None, number: int = 0, **more: Any) -> dict[str, Any]:
    return {"index": number, "message": {"role": "assistant", "content": text}, "finish_reason": "stop", **more}


def echo(body: Body) -> list[dict[str, Any]]:
    """The last words of the question, once per sample."""
    said = body["messages"][-1]["content"]
    start = body.get("seed", 0)
    return [choice(f"{said} ({start + number})", number) for number in range(body.get("n", 1))]


def tokens_read(body: Body) -> int:
    """What this server counts of a request."""
    return max(10, sum(len(message["content"]) for message in body["messages"]) // 4)


class Loopback(ThreadingHTTPServer):
    """Counts what it was asked and what it gave away."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(
        self,
        answer: Answer = echo,
        fault: Fault = lambda count, body: None,
        latency: float = 0.0,
        more: Callable[[Body], dict[str, Any]] = lambda body: {},
    ) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer, self.fault, self.latency, self.more = answer, fault, latency, more
        self.requests: list[Body] = []
        self.headers: list[Mapping[str, str]] = []
        self.given: list[str] = []
        """Requests that were answered to the end, as text."""
        self.lock = threading.Lock()
        self.at_once = self.most_at_once = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class Handler(BaseHTTPRequestHandler):
    server: Loopback
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            count = sum(one == body for one in server.requests)
            server.requests.append(body)
            server.headers.append({name.lower(): value for name, value in self.headers.items()})
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
        try:
            time.sleep(server.latency)
            self.serve(body, server.fault(count, body))
        finally:
            with server.lock:
                server.at_once -= 1

    def serve(self, body: Body, fault: str | None) -> None:
        if fault is not None and fault.isdigit():
            self.send(int(fault), {"error": {"message": f"fault {fault}"}}, {"retry-after-ms": "20"})
            return
        if fault == "not json":
            self.send(200, '{"choices": [{"mess')
            return
        if fault == "slow":
            time.sleep(3)
        choices = self.server.answer(body)
        if fault == "one choice":
            choices = choices[:1]
        if fault == "empty":
            choices = [choice("")]
        model = "somebody-else" if fault == "other name" else body["model"]
        usage = {"prompt_tokens": tokens_read(body), "completion_tokens": 5 * len(choices)}
        reply = {"object": "chat.completion", "model": model, "choices": choices} | self.server.more(body)
        self.send(200, reply if fault == "no usage" else {**reply, "usage": usage}, cut=fault == "cut")
        if fault != "cut":
            with self.server.lock:
                self.server.given.append(json.dumps(body, sort_keys=True))

    def send(self, status: int, content: Any, headers: Mapping[str, str] | None = None, cut: bool = False) -> None:
        data = (content if isinstance(content, str) else json.dumps(content)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if cut:
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
            return
        self.wfile.write(data)


@contextmanager
def serving(
    answer: Answer = echo, fault: Fault = lambda count, body: None, latency: float = 0.0, **more: Any
) -> Iterator[Loopback]:
    """A server on a free port, for as long as the block runs."""
    with running(Loopback(answer, fault, latency, **more)) as server:
        yield server
