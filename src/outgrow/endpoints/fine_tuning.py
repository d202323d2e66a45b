"""`FineTuningClient`: fine-tuning of a server's models by the fine-tuning protocol of OpenAI.

A job costs money, and a kill may happen between the server's work and its record. So each object is recorded on the
disk at once. Without a record the server's lists decide whether a new job is created. A job is identified by its
`JobSpec`, everything that it depends on. The hash of the spec is in the job's metadata, in its suffix and in the name
of its training file, because not every server keeps all three.
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

from outgrow.endpoints.object_server import NotFound, ObjectServer, is_name, listed, number, when, whole
from outgrow.errors import StepFailed
from outgrow.graph.durable import sync

FILE, JOB = "file.json", "job.json"
"""Records in the scratch folder: the training file and the job."""
LOST = ("failed", "cancelled")
ENDED = ("succeeded", *LOST)
SHORT = 16
"""Hash digits in names."""
MARK = "purchase"
"""The key of the hash in a job's metadata."""


@dataclass(frozen=True)
class JobSpec:
    """Everything that a job depends on. Steps with equal specs share one paid job."""

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
        """64 hex digits over all fields."""
        about = [self.content_digest, self.model, self.hyperparameters, self.seed]
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()

    @property
    def file_name(self) -> str:
        return f"outgrow-{self.content_digest[:SHORT]}-{self.digest[:SHORT]}.jsonl"

    @property
    def metadata(self) -> dict[str, str]:
        return {"content": self.content_digest, MARK: self.digest}


class ServerObject(NamedTuple):
    """An object on the server."""

    id: str
    """Its id on the server."""
    spec: str
    """The hash of its `JobSpec`."""


@dataclass(frozen=True)
class FineTuningClient:
    """A fine-tuning server, and the folder of records of its objects."""

    server: ObjectServer
    scratch: Path

    def start(self, spec: JobSpec) -> FineTuningJob:
        """The recorded job, or one on the server, or a new one."""
        noted = self.noted(JOB, spec.digest)
        if noted is not None:
            return self.retrieve(noted.id)
        resumed = self.noted(FILE, spec.digest) is not None
        file = self.upload(spec)
        job = self.server.make(
            lambda: self.find_job(ServerObject(file, spec.digest)),
            lambda: whole(
                self.server.once.fine_tuning.jobs.create(
                    model=spec.model,
                    training_file=file,
                    hyperparameters=spec.hyperparameters,
                    seed=spec.seed,
                    suffix=spec.digest[:SHORT],
                    metadata=spec.metadata,
                ),
                FineTuningJob,
            ),
            # A killed run may have created the job just before the kill.
            doubtful=resumed,
        )
        self._note(JOB, ServerObject(job.id, spec.digest))
        return job

    def upload(self, spec: JobSpec) -> str:
        """Upload the training file if it is not on the server; returns its id."""
        noted = self.noted(FILE, spec.digest)
        if noted is not None and self._has_file(noted.id):
            return noted.id
        name, files = spec.file_name, self.server.once.files
        file = self.server.make(
            lambda: self._find_file(name),
            lambda: whole(files.create(file=(name, spec.content), purpose="fine-tune"), FileObject),
        )
        self._note(FILE, ServerObject(file.id, spec.digest))
        return file.id

    def follow(self, job: FineTuningJob, report: Callable[[str, float], None]) -> FineTuningJob:
        """Wait until the job has succeeded. If it fails, its record is removed and `StepFailed` raised."""
        while job.status not in ENDED:
            report(*self._progress(job))
            sleep(self.server.pause)
            job = self.retrieve(job.id)
        about = f"{self.server.name}: the fine-tuning job {job.id}"
        if job.status in LOST:
            (self.scratch / JOB).unlink(missing_ok=True)
            message = getattr(job.error, "message", job.error)
            reason = f": {self.server.words(message)}" if message else ""
            outcome = "failed" if job.status == "failed" else "was cancelled"
            raise StepFailed(f"{about} {outcome}{reason}; the same command starts a new one, which costs money again")
        if not is_name(job.fine_tuned_model):
            raise StepFailed(f"{about} succeeded, but the server does not name the tuned model")
        return job

    def retrieve(self, job: str) -> FineTuningJob:
        """A job with its status."""
        try:
            return self.server.ask(lambda: whole(self.server.client.fine_tuning.jobs.retrieve(job), FineTuningJob))
        except NotFound:
            raise StepFailed(
                f"{self.server.name}: the server does not have the fine-tuning job {job} any more;"
                f" if it was removed on purpose, delete {self.scratch / JOB} and run the same command again"
            ) from None

    def metrics(self, job: str) -> list[dict[str, int | float]]:
        """The numbers of each event, in order; empty for a server without events."""
        jobs = self.server.client.fine_tuning.jobs
        try:
            events = self.server.ask(lambda: list(listed(jobs.list_events(job, limit=100), FineTuningJobEvent)))
        except NotFound:
            return []
        rows = [self._numbers(event) for event in sorted(events, key=when)]
        return sorted(filter(None, rows), key=lambda row: row.get("step", 0.0))

    def cancel(self) -> str | None:
        """Cancel the job, recorded or not; returns its status, or `None` without a job."""
        job = self._started()
        if job is None:
            return None
        if job.status not in ENDED:
            job_id = job.id
            job = self.server.ask(lambda: whole(self.server.client.fine_tuning.jobs.cancel(job_id), FineTuningJob))
        if job.status in LOST:
            (self.scratch / JOB).unlink(missing_ok=True)
        return job.status

    def find_job(self, file: ServerObject) -> FineTuningJob | None:
        """A job on the server with the same spec that has not failed, preferably a finished one."""
        jobs = self.server.client.fine_tuning.jobs
        all_jobs = self.server.ask(lambda: list(listed(jobs.list(limit=100), FineTuningJob)))
        same = [job for job in all_jobs if job.status not in LOST and _is_for(job, file)]
        return min(same, key=lambda job: (job.status != "succeeded", when(job)), default=None)

    def _find_file(self, name: str) -> FileObject | None:
        files = self.server.client.files
        all_files = self.server.ask(lambda: list(listed(files.list(purpose="fine-tune"), FileObject)))
        return next((file for file in all_files if file.filename == name and file.status != "error"), None)

    def _has_file(self, file: str) -> bool:
        files = self.server.client.files
        try:
            return self.server.ask(lambda: whole(files.retrieve(file), FileObject)).status != "error"
        except NotFound:
            return False

    def _started(self) -> FineTuningJob | None:
        job, file = self.noted(JOB), self.noted(FILE)
        if job is not None:
            return self.retrieve(job.id)
        return None if file is None else self.find_job(file)

    def _progress(self, job: FineTuningJob) -> tuple[str, float]:
        """The last event and the share of steps, or the status; errors of events are ignored."""
        jobs = self.server.once.fine_tuning.jobs
        try:
            event = next(listed(jobs.list_events(job.id, limit=1), FineTuningJobEvent), None)
        except (openai.OpenAIError, ValueError):
            event = None
        if event is None or not event.message:
            return job.status, 0.0
        numbers = self._numbers(event)
        share = numbers.get("step", 0.0) / numbers["total_steps"] if numbers.get("total_steps") else 0.0
        return f"{job.status}: {self.server.words(event.message)}", min(1.0, max(0.0, share))

    def _numbers(self, event: FineTuningJobEvent) -> dict[str, int | float]:
        """The numbers in an event."""
        data: Mapping[str, Any] = event.data if isinstance(event.data, dict) else {}
        names = {key: self.server.words(key) for key, value in data.items() if number(value) is not None}
        return {name: data[key] for key, name in names.items()}

    def noted(self, name: str, spec: str | None = None) -> ServerObject | None:
        """A record, if there is one (for this spec)."""
        path = self.scratch / name
        if not path.exists():
            return None
        note = ServerObject(**json.loads(path.read_text()))
        return note if spec in (None, note.spec) else None

    def _note(self, name: str, note: ServerObject) -> None:
        """Write a record and sync it to the disk."""
        path = self.scratch / name
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(note._asdict()))
        sync(draft)
        draft.replace(path)
        sync(self.scratch)


def _is_for(job: FineTuningJob, file: ServerObject) -> bool:
    """Whether a job has the spec of this training file."""
    digest = job.metadata.get(MARK) if isinstance(job.metadata, dict) else None
    if digest is not None:
        return digest == file.spec
    extra = job.model_extra or {}
    names = [extra.get("suffix"), extra.get("user_provided_suffix"), job.fine_tuned_model]
    return job.training_file == file.id or any(file.spec[:SHORT] in str(name) for name in names)
