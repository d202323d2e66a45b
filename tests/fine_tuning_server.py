"""A real HTTP server on this machine that speaks the fine-tuning protocol as well as the chat protocol.

It keeps files and jobs, lets a job advance by one status whenever it is looked at, and can be told to misbehave, or to
stand still at one point of a request until somebody has been killed.
"""

import email
import email.policy
import json
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from loopback import Answer, Body, Handler, Loopback, echo

COURSE = ("validating_files", "queued", "running", "running", "succeeded")
Server = TypeVar("Server", bound="TuningServer")
Trouble = Callable[[str, int], str | None]
"""From `METHOD /path` and how often the same came before to a status to answer with, or `cut`, or `not json`."""


class TuningServer(Loopback):
    """Counts what was uploaded and what was started."""

    def __init__(self, answer: Answer = echo, course: Sequence[str] = COURSE) -> None:
        super().__init__(answer)
        self.RequestHandlerClass = TuningHandler
        self.course = list(course)
        self.error = "the file is not to our taste"
        self.files: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.keys: set[str] = set()
        self.trouble: Trouble = lambda request, count: None
        self.forgets: tuple[str, ...] = ()
        """Fields of a job that this server does not keep."""
        self.with_events = True
        self.halt = ""
        """`METHOD /path before` or `… after` (the work, not the answer): where the next request stands still."""
        self.halted, self.released = threading.Event(), threading.Event()

    @property
    def started(self) -> list[dict[str, Any]]:
        """The bodies of all jobs, oldest first."""
        return [job["body"] for job in self.jobs.values()]

    def stand(self, place: str) -> None:
        if place == self.halt:
            self.halt = ""
            self.halted.set()
            self.released.wait(60)

    def new_file(self, name: str, content: bytes) -> dict[str, Any]:
        number = f"file-{len(self.files)}"
        about = {"id": number, "object": "file", "bytes": len(content), "created_at": len(self.files)}
        about |= {"filename": name, "purpose": "fine-tune", "status": "processed"}
        self.files[number] = {"about": about, "content": content}
        return about

    def new_job(self, body: Body) -> dict[str, Any]:
        number = f"ftjob-{len(self.jobs)}"
        self.jobs[number] = {"body": body, "looks": 0, "cancelled": False, "course": list(self.course)}
        return self.about(number)

    def about(self, number: str, looked: bool = False) -> dict[str, Any]:
        """A job as the server tells of it."""
        job = self.jobs[number]
        job["looks"] += looked
        status = "cancelled" if job["cancelled"] else job["course"][min(job["looks"], len(job["course"]) - 1)]
        body, done = job["body"], status == "succeeded"
        lines = self.files[body["training_file"]]["content"].decode().splitlines()
        chosen = {"n_epochs": 3, "batch_size": 1, "learning_rate_multiplier": 1.8}
        chosen |= {key: value for key, value in body["hyperparameters"].items() if value != "auto"}
        about = {"id": number, "object": "fine_tuning.job", "created_at": int(number[6:]), "model": body["model"]}
        about |= {"status": status, "training_file": body["training_file"], "seed": body["seed"]}
        about |= {"hyperparameters": chosen, "organization_id": "org", "result_files": []}
        about |= {"metadata": body["metadata"], "user_provided_suffix": body["suffix"]}
        about["fine_tuned_model"] = f"ft:{body['model']}:org:{number}" if done else None
        about["trained_tokens"] = 7 * len(lines) if done else None
        about["error"] = {"code": "bad", "message": self.error, "param": None} if status == "failed" else None
        return {key: value for key, value in about.items() if key not in self.forgets}

    def events(self, number: str) -> list[dict[str, Any]]:
        """Newest first, as the protocol has it."""
        steps = self.jobs[number]["looks"]
        numbers = [{"step": step, "total_steps": 4, "train_loss": 1 / step} for step in range(1, steps + 1)]
        told = [("the job was created", {}), *((f"step {one['step']}", one) for one in numbers)]
        return [
            {
                "id": f"event-{number}-{place}",
                "object": "fine_tuning.job.event",
                "created_at": place,
                "level": "info",
                "message": message,
                "data": data,
                "type": "metrics" if data else "message",
            }
            for place, (message, data) in enumerate(told)
        ][::-1]


class TuningHandler(Handler):
    """Routes of the two protocols; a list has pages of two."""

    server: TuningServer
    purpose = "fine-tune"

    def do_GET(self) -> None:
        self.route(b"")

    def do_POST(self) -> None:
        if self.path == "/v1/chat/completions":
            super().do_POST()
            return
        self.route(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def route(self, data: bytes) -> None:
        server = self.server
        url = urllib.parse.urlsplit(self.path)
        request = f"{self.command} {url.path.removeprefix('/v1')}"
        with server.lock:
            count = server.asked.count(request)
            server.asked.append(request)
            server.keys.add(self.headers["Authorization"])
        trouble = server.trouble(request, count)
        if trouble is not None and trouble.isdigit():
            key = self.headers["Authorization"].removeprefix("Bearer ")
            self.send(int(trouble), {"error": {"message": f"trouble with {key}"}}, {"retry-after-ms": "10"})
            return
        server.stand(f"{request} before")
        with server.lock:
            answer = self.work(request, data, dict(urllib.parse.parse_qsl(url.query)))
        server.stand(f"{request} after")
        if answer is None:
            self.send(404, {"error": {"message": "there is no such thing"}})
        else:
            self.send(200, '{"id": "f' if trouble == "not json" else answer, cut=trouble == "cut")

    def work(self, request: str, data: bytes, query: Mapping[str, str]) -> Any:
        server = self.server
        match request.replace("/", " ").split():
            case ["POST", "files"]:
                return server.new_file(*self.uploaded(data))
            case ["GET", "files"]:
                return page([file["about"] for file in server.files.values()][::-1], query)
            case ["GET", "files", number] if number in server.files:
                return server.files[number]["about"]
            case ["POST", "fine_tuning", "jobs"]:
                return server.new_job(json.loads(data))
            case ["GET", "fine_tuning", "jobs"]:
                return page([server.about(number) for number in server.jobs][::-1], query)
            case ["GET", "fine_tuning", "jobs", number] if number in server.jobs:
                return server.about(number, looked=True)
            case ["GET", "fine_tuning", "jobs", number, "events"] if server.with_events:
                return page(server.events(number), query)
            case ["POST", "fine_tuning", "jobs", number, "cancel"]:
                server.jobs[number]["cancelled"] = True
                return server.about(number)
        return None

    def uploaded(self, data: bytes) -> tuple[str, bytes]:
        """The name and the bytes of the one file in a form."""
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        form = email.message_from_bytes(head + data, policy=email.policy.HTTP)
        parts = {part.get_param("name", header="content-disposition"): part for part in form.iter_parts()}
        assert parts["purpose"].get_payload() == self.purpose
        content = parts["file"].get_payload(decode=True)
        return str(parts["file"].get_filename()), bytes(content)


def page(things: list[dict[str, Any]], query: Mapping[str, str]) -> dict[str, Any]:
    """What comes after `after`, two at a time."""
    ids = [one["id"] for one in things]
    start = ids.index(query["after"]) + 1 if "after" in query else 0
    return {"object": "list", "data": things[start : start + 2], "has_more": start + 2 < len(things)}


@contextmanager
def tuning(answer: Answer = echo, course: Sequence[str] = COURSE) -> Iterator[TuningServer]:
    """A server on a free port, for as long as the block runs."""
    with released_at_end(TuningServer(answer, course)) as server:
        yield server


@contextmanager
def released_at_end(server: Server) -> Iterator[Server]:
    """The server for as long as the block runs; a request that stands still goes on at its end."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
