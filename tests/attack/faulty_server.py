"""A server on this machine that answers every question as its course says."""

import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bad_replies import KEY, REFUSED, RIGHT, broken_bytes, written

from raw_server import RawServer, Request, Send, plain


@dataclass
class Course:
    """What happens to one question."""

    passing: Callable[[Send, bytes], None] | None
    odd: Callable[[dict[str, Any], random.Random], str] | None
    draws: str
    """Seed of what is random in its replies."""


class FaultyServer(RawServer):
    """Answers a question as its course says; mended, it answers all of them well."""

    def __init__(self, courses: list[Course], answer: Callable[[int], str]) -> None:
        super().__init__(self.serve)
        self.courses, self.answer, self.mended = courses, answer, False
        self.lock = threading.Lock()
        self.asked: Counter[int] = Counter()
        self.sold: Counter[int] = Counter()
        self.expected: dict[int, str] = {}

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

    def serve(self, request: Request, send: Send) -> bool:
        number = int(json.loads(request.content)["messages"][-1]["content"].split()[2])
        good = json.dumps(self.good(number)).encode()
        with self.lock:
            count = self.asked[number]
            self.asked[number] += 1
            if request.headers.get("authorization") != f"Bearer {KEY}" or not request.line.startswith(
                "POST /v1/chat/"
            ):
                self.strange.append(str(request))
            reply = plain(200, good) if self.mended else self.reply(number)
        passing = self.courses[number].passing
        if passing is not None and count == 0:
            passing(send, good)
            return False
        with self.lock:
            self.sold[number] += 1
        send(reply)
        return True


def broken_text(reply: dict[str, Any], draw: random.Random) -> str:
    """A name for `broken_bytes` among the odd replies."""
    raise NotImplementedError
