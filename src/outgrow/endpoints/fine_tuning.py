"""`FineTuningClient`: a server that tunes its own models, by the fine-tuning protocol of OpenAI.

A tuning is paid for, and a kill may fall between the server's work and our note of it. So what was made is noted on
the disk at once, and where there is no note, the server's lists decide whether anything is made. A job is known by
its `JobSpec`, everything that it depends on, whose hash stands in the job's metadata, in its suffix and in the name
of its training file: not every server keeps all three.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import sleep
from typing import Any, NamedTuple

import openai
from openai.types import FileObject
from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent
from openai.types.fine_tuning.job_create_params import Hyperparameters

from outgrow.endpoints.fine_tuning_server import FineTuningServer, NotFound, is_name, listed, number, when, whole
from outgrow.errors import StepFailed
from outgrow.graph.durable import sync

FILE, JOB = "file.json", "job.json"
"""Notes in the scratch folder: the training file and the job."""
LOST = ("failed", "cancelled")
ENDED = ("succeeded", *LOST)
SHORT = 16
"""Digits of a hash in names."""
MARK = "purchase"
"""Under which a job's metadata hold the hash."""


@dataclass(frozen=True)
class JobSpec:
    """All that a job depends on. The same one is paid for once, whichever step wants it."""

    content: bytes
    """The training file."""
    model: str
    hyperparameters: Hyperparameters
    seed: int

    @cached_property
    def content_digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def digest(self) -> str:
        """64 hex digits over everything."""
        about = [self.content_digest, self.model, self.hyperparameters, self.seed]
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()

    @property
    def file_name(self) -> str:
        return f"outgrow-{self.content_digest[:SHORT]}-{self.digest[:SHORT]}.jsonl"

    @property
    def metadata(self) -> dict[str, str]:
        return {"content": self.content_digest, MARK: self.digest}


class ServerObject(NamedTuple):
    """Something that was made at the server."""

    id: str
    """What the server calls it."""
    purchase: str
    """The hash of the purchase it was made for."""


@dataclass(frozen=True)
class FineTuningClient:
    """A tuning server, and the folder in which is noted what was begun there."""

    server: FineTuningServer
    scratch: Path

    # ---- from a purchase to a tuned model -------------------------------------------------------------------

    def start(self, purchase: JobSpec) -> FineTuningJob:
        """The job: the one that was noted, else one that the server has, else a new one."""
        noted = self.noted(JOB, purchase.digest)
        if noted is not None:
            return self.look(noted.id)
        resumed = self.noted(FILE, purchase.digest) is not None
        file = self.upload(purchase)
        job = self.server.make(
            lambda: self.find_job(ServerObject(file, purchase.digest)),
            lambda: whole(
                self.server.once.fine_tuning.jobs.create(
                    model=purchase.model,
                    training_file=file,
                    hyperparameters=purchase.hyperparameters,
                    seed=purchase.seed,
                    suffix=purchase.digest[:SHORT],
                    metadata=purchase.metadata,
                ),
                FineTuningJob,
            ),
            # The last thing that a killed run did may have been to ask for the job.
            doubtful=resumed,
        )
        self._note(JOB, ServerObject(job.id, purchase.digest))
        return job

    def upload(self, purchase: JobSpec) -> str:
        """What the server calls the training file, which is there afterwards."""
        noted = self.noted(FILE, purchase.digest)
        if noted is not None and self._has_file(noted.id):
            return noted.id
        name, files = purchase.file_name, self.server.once.files
        file = self.server.make(
            lambda: self._find_file(name),
            lambda: whole(files.create(file=(name, purchase.content), purpose="fine-tune"), FileObject),
        )
        self._note(FILE, ServerObject(file.id, purchase.digest))
        return file.id

    def follow(self, job: FineTuningJob, report: Callable[[str, float], None]) -> FineTuningJob:
        """The job once it has succeeded. Raises `StepFailed` if it comes to nothing; its note is gone then."""
        while job.status not in ENDED:
            report(*self._progress(job))
            sleep(self.server.pause)
            job = self.look(job.id)
        about = f"{self.server.name}: the fine-tuning job {job.id}"
        if job.status in LOST:
            (self.scratch / JOB).unlink(missing_ok=True)
            said = getattr(job.error, "message", job.error)
            why = f": {self.server.words(said)}" if said else ""
            how = "failed" if job.status == "failed" else "was cancelled"
            raise StepFailed(f"{about} {how}{why}; the same command starts a new one, which costs anew")
        if not is_name(job.fine_tuned_model):
            raise StepFailed(f"{about} succeeded, but the server does not say what the tuned model is called")
        return job

    def look(self, job: str) -> FineTuningJob:
        """How a job stands."""
        try:
            return self.server.ask(lambda: whole(self.server.client.fine_tuning.jobs.retrieve(job), FineTuningJob))
        except NotFound:
            raise StepFailed(
                f"{self.server.name}: the server knows nothing of the fine-tuning job {job} that was started there;"
                f" if it was removed on purpose, delete {self.scratch / JOB} and run the same command again"
            ) from None

    def metrics(self, job: str) -> list[dict[str, int | float]]:
        """The numbers of every event, in order; none from a server that tells no events."""
        jobs = self.server.client.fine_tuning.jobs
        try:
            events = self.server.ask(lambda: list(listed(jobs.list_events(job, limit=100), FineTuningJobEvent)))
        except NotFound:
            return []
        rows = [self._numbers(event) for event in sorted(events, key=when)]
        return sorted(filter(None, rows), key=lambda row: row.get("step", 0.0))

    def cancel(self) -> str | None:
        """Stop what was begun, noted or not; its status then, or `None` if there is nothing."""
        job = self._begun()
        if job is None:
            return None
        if job.status not in ENDED:
            begun = job.id
            job = self.server.ask(lambda: whole(self.server.client.fine_tuning.jobs.cancel(begun), FineTuningJob))
        if job.status in LOST:
            (self.scratch / JOB).unlink(missing_ok=True)
        return job.status

    # ---- what the server has --------------------------------------------------------------------------------

    def find_job(self, file: ServerObject) -> FineTuningJob | None:
        """The server's job for the same purchase that has not come to nothing; a finished one before others."""
        jobs = self.server.client.fine_tuning.jobs
        there = self.server.ask(lambda: list(listed(jobs.list(limit=100), FineTuningJob)))
        same = [job for job in there if job.status not in LOST and _is_for(job, file)]
        return min(same, key=lambda job: (job.status != "succeeded", when(job)), default=None)

    def _find_file(self, name: str) -> FileObject | None:
        files = self.server.client.files
        there = self.server.ask(lambda: list(listed(files.list(purpose="fine-tune"), FileObject)))
        return next((file for file in there if file.filename == name and file.status != "error"), None)

    def _has_file(self, file: str) -> bool:
        files = self.server.client.files
        try:
            return self.server.ask(lambda: whole(files.retrieve(file), FileObject)).status != "error"
        except NotFound:
            return False

    def _begun(self) -> FineTuningJob | None:
        job, file = self.noted(JOB), self.noted(FILE)
        if job is not None:
            return self.look(job.id)
        return None if file is None else self.find_job(file)

    def _progress(self, job: FineTuningJob) -> tuple[str, float]:
        """The last event and the share of steps done, or the status; trouble with events does not matter."""
        jobs = self.server.once.fine_tuning.jobs
        try:
            event = next(listed(jobs.list_events(job.id, limit=1), FineTuningJobEvent), None)
        except (openai.OpenAIError, ValueError):
            event = None
        if event is None or not event.message:
            return job.status, 0.0
        told = self._numbers(event)
        share = told.get("step", 0.0) / told["total_steps"] if told.get("total_steps") else 0.0
        return f"{job.status}: {self.server.words(event.message)}", min(1.0, max(0.0, share))

    def _numbers(self, event: FineTuningJobEvent) -> dict[str, int | float]:
        """What an event measures."""
        data: Mapping[str, Any] = event.data if isinstance(event.data, dict) else {}
        names = {key: self.server.words(key) for key, value in data.items() if number(value) is not None}
        return {name: data[key] for key, name in names.items()}

    # ---- notes ----------------------------------------------------------------------------------------------

    def noted(self, name: str, purchase: str | None = None) -> ServerObject | None:
        """A note, if there is one (for this purchase)."""
        path = self.scratch / name
        if not path.exists():
            return None
        note = ServerObject(**json.loads(path.read_text()))
        return note if purchase in (None, note.purchase) else None

    def _note(self, name: str, note: ServerObject) -> None:
        """When this returns, the note is on the disk."""
        path = self.scratch / name
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(note._asdict()))
        sync(draft)
        draft.replace(path)
        sync(self.scratch)


def _is_for(job: FineTuningJob, file: ServerObject) -> bool:
    """Whether a job was made for the purchase of this training file."""
    told = job.metadata.get(MARK) if isinstance(job.metadata, dict) else None
    if told is not None:
        return told == file.purchase
    extra = job.model_extra or {}
    names = [extra.get("suffix"), extra.get("user_provided_suffix"), job.fine_tuned_model]
    return job.training_file == file.id or any(file.purchase[:SHORT] in str(name) for name in names)
