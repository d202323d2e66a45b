"""A real HTTP server on this machine that speaks the batch protocol beside the chat protocol.

A batch advances by one status whenever it is looked at; its answers are those of the chat protocol.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from fine_tuning_server import TuningHandler, TuningServer, page, released_at_end
from loopback import Answer, Body, choice

COURSE = ("validating", "in_progress", "completed")
Refused = Callable[[Body], str | None]
"""From a request in a batch to the reason for which it is refused with the status 400."""


class BatchServer(TuningServer):
    """Counts files, batches, and requests outside of them (`requests`)."""

    def __init__(self, answer: Answer, course: Sequence[str] = COURSE) -> None:
        super().__init__(answer, course)
        self.RequestHandlerClass = BatchHandler
        self.batches: dict[str, dict[str, Any]] = {}
        self.refused: Refused = lambda body: None
        self.lost: set[int] = set()
        """Numbers of the requests that a batch leaves without a reply."""

    def new_batch(self, body: Body) -> dict[str, Any]:
        number = f"batch-{len(self.batches)}"
        self.batches[number] = {"body": body, "looks": 0, "course": list(self.course)}
        return self.about_batch(number)

    def about_batch(self, number: str, looked: bool = False) -> dict[str, Any]:
        batch = self.batches[number]
        batch["looks"] += looked
        status, body = batch["course"][min(batch["looks"], len(batch["course"]) - 1)], batch["body"]
        lines = self.files[body["input_file_id"]]["content"].splitlines()
        about = {"id": number, "object": "batch", "created_at": 0, "status": status, **body}
        about["request_counts"] = {"total": len(lines), "completed": batch["looks"], "failed": 0}
        if status in ("completed", "expired"):
            done, failed = self.results(lines if status == "completed" else lines[: len(lines) // 2])
            about |= {"output_file_id": self.file_of(done), "error_file_id": self.file_of(failed)}
        if status == "failed":
            about["errors"] = {"object": "list", "data": [{"code": "bad", "message": "the quota is used up"}]}
        return about

    def file_of(self, lines: list[dict[str, Any]]) -> str | None:
        content = "\n".join(map(json.dumps, lines)).encode()
        return self.new_file("results.jsonl", content)["id"] if lines else None

    def results(self, lines: list[bytes]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The lines of the output file, in another order, and of the error file."""
        done, failed = [], []
        for number, line in enumerate(map(json.loads, lines)):
            assert (line["method"], line["url"]) == ("POST", "/v1/chat/completions")
            if number in self.lost:
                continue
            why = self.refused(line["body"])
            reply = {"error": {"message": why}} if why else self.reply(line["body"])
            told = {"custom_id": line["custom_id"], "response": {"status_code": 400 if why else 200, "body": reply}}
            (failed if why else done).append(told)
        return done[::-1], failed

    def reply(self, body: Body) -> dict[str, Any]:
        return {"model": body["model"], "choices": self.answer(body), "usage": {}}


class BatchHandler(TuningHandler):
    """The routes of batches."""

    server: BatchServer
    purpose = "batch"

    def work(self, request: str, data: bytes, query: Mapping[str, str]) -> Any:
        server = self.server
        match request.replace("/", " ").split():
            case ["POST", "batches"]:
                return server.new_batch(json.loads(data))
            case ["GET", "batches"]:
                return page([server.about_batch(number) for number in server.batches][::-1], query)
            case ["GET", "batches", number] if number in server.batches:
                return server.about_batch(number, looked=True)
            case ["GET", "files", number, "content"] if number in server.files:
                return server.files[number]["content"].decode()
        return super().work(request, data, query)


@contextmanager
def batching(answer: Answer = lambda body: [choice("A")], course: Sequence[str] = COURSE) -> Iterator[BatchServer]:
    """A server on a free port, for as long as the block runs."""
    with released_at_end(BatchServer(answer, course)) as server:
        yield server
