"""`BatchClient`: requests that a provider answers within a day at a lower price, by the batch protocol of OpenAI.

The requests without a cached response are one file of JSON lines, and a batch on the server. Its replies go to the
response cache, under the keys of the single requests; what a batch leaves without a reply is then requested singly.

A batch costs money and takes hours, so its id is recorded on the disk at once, and after a kill the same command
follows it. Without a record the server's list decides whether a new one is created: the hash of all requests is in the
batch's metadata and in the name of its file.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import Any, Literal

from openai.types import Batch, FileObject

from outgrow.endpoints.object_server import NotFound, ObjectServer, is_name, listed, whole
from outgrow.endpoints.optional_logprobs import REFUSED, is_optional, names_logprobs
from outgrow.endpoints.response import expected_usage, kept, read_usage, well_formed
from outgrow.endpoints.response_cache import ResponseCache
from outgrow.endpoints.usage import TokenBudget, Usage
from outgrow.errors import StepFailed
from outgrow.graph.durable import sync

MOST_REQUESTS, MOST_BYTES = 10_000, 150 * 2**20
"""Of one batch. OpenAI allows 50,000 requests and 200 MB; log-probabilities of as many replies would be a file of a
gigabyte."""
ENDED = ("completed", "expired", "failed", "cancelled")
WINDOW: Literal["24h"] = "24h"
SHORT = 16
"""Hash digits in names."""
MARK = "requests"
"""The key of the hash in a batch's metadata."""
ANSWERS: Literal["/v1/chat/completions"] = "/v1/chat/completions"

Body = Mapping[str, Any]
Report = Callable[[str, float], None]


def answer_in_batches(
    section: Mapping[str, Any], cache: ResponseCache, budget: TokenBudget, bodies: Mapping[str, Body], report: Report
) -> None:
    """Cache replies to requests, given by their cache keys.

    Raises `StepFailed` for a batch that fails, or that costs more than the budget; replies that came are cached.
    """
    server = ObjectServer(section, section["batch"]["poll"], "batch")
    with closing(server):
        for part in parts_of(bodies):
            expected = sum(map(expected_usage, part.values()), Usage())
            budget.reserve(expected)
            try:
                BatchClient(server, cache, budget).answer(part, report)
            finally:
                budget.release(expected)


def parts_of(bodies: Mapping[str, Body]) -> Iterator[dict[str, Body]]:
    """The requests in batches that the provider accepts, in order."""
    part: dict[str, Body] = {}
    size = 0
    for key, body in bodies.items():
        length = len(_line(key, body))
        if part and (len(part) == MOST_REQUESTS or size + length > MOST_BYTES):
            yield part
            part, size = {}, 0
        part[key] = body
        size += length
    if part:
        yield part


def _line(key: str, body: Body) -> bytes:
    request = {"custom_id": key, "method": "POST", "url": ANSWERS, "body": body}
    return json.dumps(request, ensure_ascii=True).encode() + b"\n"


@dataclass(frozen=True)
class BatchClient:
    """A server with batches, and the cache that their replies go to. Records lie beside the cache."""

    server: ObjectServer
    cache: ResponseCache
    budget: TokenBudget

    def answer(self, bodies: Mapping[str, Body], report: Report) -> None:
        """Cache the replies of one batch, an earlier one if it was not finished."""
        content = b"".join(_line(key, body) for key, body in bodies.items())
        digest = hashlib.sha256(self.server.section["url"].encode() + content).hexdigest()
        record = self.cache.path.with_name(f".batch-{digest[:SHORT]}.json")
        batch = self._follow(self._started(record, digest, content), report)
        for file in filter(is_name, (batch.output_file_id, batch.error_file_id)):
            self._cache_replies(str(file), bodies)
        record.unlink(missing_ok=True)
        if batch.status != "completed":
            raise StepFailed(self._incomplete(batch))

    def _started(self, record: Path, digest: str, content: bytes) -> Batch:
        """The recorded batch, or one on the server, or a new one."""
        known = record.exists()
        if known:
            with suppress(NotFound, ValueError, KeyError, TypeError):
                return self._retrieve(json.loads(record.read_text())["batch"])
        batch = self.server.make(lambda: self._find(digest), lambda: self._create(digest, content), doubtful=known)
        draft = record.with_suffix(".draft")
        draft.write_text(json.dumps({"batch": batch.id}))
        sync(draft)
        draft.replace(record)
        sync(record.parent)
        return batch

    def _find(self, digest: str) -> Batch | None:
        """A batch on the server with the same requests that is at work; a finished one has no further replies."""
        batches = self.server.client.batches
        every = self.server.ask(lambda: list(listed(batches.list(limit=100), Batch)))
        same = (batch for batch in every if isinstance(batch.metadata, dict) and batch.metadata.get(MARK) == digest)
        return next((batch for batch in same if batch.status not in ("expired", "failed", "cancelled")), None)

    def _create(self, digest: str, content: bytes) -> Batch:
        once = self.server.once
        name = f"outgrow-{digest[:SHORT]}.jsonl"
        file = whole(once.files.create(file=(name, content), purpose="batch"), FileObject)
        created = once.batches.create(
            input_file_id=file.id, endpoint=ANSWERS, completion_window=WINDOW, metadata={MARK: digest}
        )
        return whole(created, Batch)

    def _retrieve(self, batch: str) -> Batch:
        return self.server.ask(lambda: whole(self.server.client.batches.retrieve(batch), Batch))

    def _follow(self, batch: Batch, report: Report) -> Batch:
        """Wait until the batch has ended."""
        while batch.status not in ENDED:
            counts = batch.request_counts
            done, total = (counts.completed, counts.total) if counts is not None else (0, 0)
            report(f"batch {batch.id}: {batch.status}, {done} of {total}", done / total if total else 0.0)
            sleep(self.server.pause)
            batch = self._retrieve(batch.id)
        return batch

    def _cache_replies(self, file: str, bodies: Mapping[str, Body]) -> None:
        """Cache what a file of the server has; lines of other requests and failures are left out."""
        content = self.server.ask(lambda: self.server.client.files.content(file).content)
        for line in content.splitlines():
            with suppress(ValueError, KeyError, TypeError):
                self._cache_reply(json.loads(line), bodies)

    def _cache_reply(self, line: Mapping[str, Any], bodies: Mapping[str, Body]) -> None:
        key, response = line["custom_id"], line["response"]
        body, section = bodies[key], self.server.section
        if self.cache.get(key) is not None:
            return
        sent = json.dumps(response["body"]).encode()
        if response["status_code"] == 200:
            reply = kept(well_formed(sent), body, self.server.secret)
            usage = read_usage(reply, body)
            self.cache.put(key, section["url"], section["model"], reply, usage)
            self.budget.pay(usage)
        elif is_optional(section, body) and names_logprobs(response["status_code"], sent.decode()):
            self.cache.put(key, section["url"], section["model"], REFUSED, Usage())

    def _incomplete(self, batch: Batch) -> str:
        errors = batch.errors.data if batch.errors is not None else None
        reasons = [self.server.words(error.message) for error in errors or [] if error.message]
        why = f" ({'; '.join(reasons[:3])})" if reasons else ""
        return (
            f"{self.server.name}: the batch {batch.id} {_outcome(batch.status)}{why}; its answers are cached: the same"
            " command starts a new batch with the other requests"
        )


def _outcome(status: str) -> str:
    return {"failed": "failed", "expired": "was not finished in time"}.get(status, "was cancelled")
