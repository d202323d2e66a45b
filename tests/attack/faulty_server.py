"""A server on this machine that answers every question as its course says."""

import json
import random
import socketserver
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bad_replies import KEY, REFUSED, RIGHT, broken_bytes, plain, written


@dataclass
class Course:
    """What happens to one question."""

    passing: Callable[..., None] | None
    odd: Callable[..., str] | None
    draws: str
    """Seed of what is random in its replies."""


class FaultyServer(socketserver.ThreadingTCPServer):
    """Answers a question as its course says; mended, it answers all of them well."""

    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(self, courses: list[Course], answer: Callable[[int], str]) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.courses, self.answer, self.mended = courses, answer, False
        self.lock = threading.Lock()
        self.asked: Counter[int] = Counter()
        self.sold: Counter[int] = Counter()
        self.expected: dict[int, str] = {}
        self.strange: list[str] = []
        """What no client of this server should have sent."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def good(self, number: int) -> dict[str, Any]:
        message = {"role": "assistant", "content": self.answer(number)}
        choices = [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}]
        usage = {"prompt_tokens": 12, "completion_tokens": 4, "total_tokens": 16}
        return {"id": f"chat-{number}", "model": "tiny", "choices": choices, "usage": usage}

    def reply(self, number: int) -> bytes:
        """The reply that stays: odd or good."""
        course, reply = self.courses[number], self.good(number)
        draw = random.Random(course.draws)
        if course.odd is broken_text:
            self.expected[number] = REFUSED
            return broken_bytes(reply)
        self.expected[number] = RIGHT if course.odd is None else course.odd(reply, draw)
        return written(reply, draw)

    def foreseen(self) -> Iterator[tuple[int, str]]:
        """What becomes of every question, known before it is asked."""
        for number in range(len(self.courses)):
            self.reply(number)
            yield number, self.expected[number]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; what else goes wrong here is."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            self.strange.append("".join(traceback.format_exception(error)))


def broken_text(reply: dict[str, Any], draw: random.Random) -> str:
    """A name for `broken_bytes` among the odd replies."""
    raise NotImplementedError


class Conversation(socketserver.StreamRequestHandler):
    """One connection."""

    server: FaultyServer
    disable_nagle_algorithm = True

    def handle(self) -> None:
        while self.answer():
            pass

    def answer(self) -> bool:
        """Read a request and reply; whether the connection goes on."""
        line = self.rfile.readline()
        if not line:
            return False
        headers = {}
        while (told := self.rfile.readline().decode().strip()) != "":
            name, _, value = told.partition(":")
            headers[name.lower()] = value.strip()
        content = self.rfile.read(int(headers.get("content-length", 0)))
        return self.serve(line.decode(), headers, json.loads(content))

    def serve(self, line: str, headers: dict[str, str], body: dict[str, Any]) -> bool:
        server, number = self.server, int(body["messages"][-1]["content"].split()[2].rstrip("?"))
        with server.lock:
            count = server.asked[number]
            server.asked[number] += 1
            if headers.get("authorization") != f"Bearer {KEY}" or not line.startswith("POST /v1/chat/completions "):
                server.strange.append(f"{line.strip()} {headers}")
            good = plain(200, json.dumps(server.good(number)).encode())
            reply = good if server.mended else server.reply(number)
        passing = server.courses[number].passing
        if passing is not None and count == 0:
            passing(self.send, json.dumps(server.good(number)).encode())
            return False
        with server.lock:
            server.sold[number] += 1
        self.send(reply)
        return True

    def send(self, data: bytes) -> None:
        self.request.sendall(data)


@contextmanager
def running(server: FaultyServer) -> Iterator[FaultyServer]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
