"""`ObjectServer`: requests to a server for files, fine-tuning jobs and batches, which cost money.

Reading requests may be repeated: the `openai` package repeats them after 408, 409, 429, 5xx, timeouts and lost
connections. A creating request may not, because it may have succeeded although the reply was lost. It is sent once,
and before a second one the server's own list is read. All failures become one sentence without the key.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import openai
from openai.pagination import SyncCursorPage
from openai.types import Batch, FileObject
from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent

from outgrow.endpoints.api_key import ApiKey
from outgrow.endpoints.server import PAUSE, TRIES, client_of, passes, refused, secret_of, words
from outgrow.endpoints.usage import endpoint_name
from outgrow.errors import StepFailed

ABSENT = (404, 405, 501)
LONGEST_NAME, MOST_PAGES = 500, 1000
LARGEST_NUMBER = 2.0**63

Thing = TypeVar("Thing", FileObject, FineTuningJob, FineTuningJobEvent, Batch)
T = TypeVar("T")


class NotFound(StepFailed):
    """The server does not have the object or the list."""


@dataclass(frozen=True)
class ObjectServer:
    """The server of an endpoint's section."""

    section: Mapping[str, Any]
    pause: float = 1.0
    """Seconds before the server's list is read again after an unconfirmed creation."""
    protocol: str = "fine-tuning"
    """Its name in messages."""

    @cached_property
    def client(self) -> openai.OpenAI:
        """The client for reading requests."""
        return client_of(self.section)

    @cached_property
    def once(self) -> openai.OpenAI:
        """The client for creating requests, which are not repeated."""
        return self.client.with_options(max_retries=0)

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def ask(self, request: Callable[[], T]) -> T:
        """The reply. Raises `StepFailed` for a failure of the server, `NotFound` for a missing object."""
        failure = ""
        for attempt in range(TRIES):
            time.sleep(PAUSE * 2 ** (attempt - 1) if attempt else 0)
            try:
                return self._without_key(request())
            except ValueError as error:
                failure = self.sentence(error)
            except (openai.APIConnectionError, openai.APIStatusError) as error:
                absent = isinstance(error, openai.APIStatusError) and error.status_code in ABSENT
                raise (NotFound if absent else StepFailed)(self.sentence(error)) from None
        raise StepFailed(failure)

    def make(self, find: Callable[[], T | None], create: Callable[[], T], doubtful: bool = False) -> T:
        """The object that `find` returns, or else a created one. Raises `StepFailed`.

        `doubtful`: an earlier creation may be in progress, so wait before the first creation.
        """
        failure = ""
        if doubtful and find() is None:
            time.sleep(self.pause)
        for attempt in range(self.section["retries"] + 1):
            time.sleep(self.pause if attempt else 0)
            existing = find()
            if existing is not None:
                return existing
            try:
                return self._without_key(create())
            except (openai.APIConnectionError, openai.APIStatusError, ValueError) as error:
                failure = self.sentence(error)
                if isinstance(error, openai.APIStatusError) and not passes(error):
                    break
        raise StepFailed(failure)

    def _without_key(self, reply: T) -> T:
        """The reply, one object or several. Raises `ValueError` if a name that is recorded contains the key."""
        for created in reply if isinstance(reply, list) else [reply]:
            names = (getattr(created, "id", None), getattr(created, "fine_tuned_model", None))
            if any(isinstance(name, str) and self.secret.is_in(name) for name in names):
                raise ValueError("a name that contains the key")
        return reply

    @cached_property
    def secret(self) -> ApiKey:
        """The key, to be hidden in messages."""
        return secret_of(self.section)

    @property
    def name(self) -> str:
        """The name of the endpoint in messages."""
        return endpoint_name(self.section)

    def words(self, message: object) -> str:
        """A message of a server or a library, shortened, on one line, without the key."""
        return words(self.section, message)

    def sentence(self, error: Exception) -> str:
        """The message for an error, with advice on repeating the command."""
        advice = "jobs on the server continue: run the same command again"
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            return refused(self.section, error)
        if isinstance(error, openai.APIStatusError):
            sentence = f"{self.name}: {self.protocol}: HTTP {error.status_code}: {self.words(error)}"
            return f"{sentence}; {advice}" if passes(error) else sentence
        if isinstance(error, openai.APITimeoutError):
            return f"{self.name}: no answer within {self.section['timeout']:g} s; {advice}"
        if isinstance(error, openai.APIConnectionError):
            return f"{self.name}: the connection failed ({self.words(error.__cause__ or error)}); {advice}"
        return f"{self.name}: an answer that is not of the {self.protocol} protocol ({self.words(error)}); {advice}"


def whole(reply: object, kind: type[Thing]) -> Thing:
    """The reply if it has the right type. Raises `ValueError`; the package does not check replies."""
    if not isinstance(reply, kind) or not is_name(reply.id):
        raise ValueError(f"no {kind.__name__} in the reply")
    if isinstance(reply, FineTuningJob | Batch) and not is_name(reply.status):
        raise ValueError(f"no status of {reply.id} in the reply")
    return reply


def is_name(value: object) -> bool:
    """Whether a value is a valid name: one printable line of at most `LONGEST_NAME` characters."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and value.isprintable()


def when(thing: FineTuningJob | FineTuningJobEvent) -> float:
    """The time of creation by the server's clock; 0 if it is unknown."""
    return number(thing.created_at) or 0.0


def number(value: object) -> float | None:
    """A value as a finite number; `None` for other values."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LARGEST_NUMBER:
        return None
    return float(value)


def listed(first: object, kind: type[Thing]) -> Iterator[Thing]:
    """All objects on the pages of a list, until the end or until a server without paging repeats itself.

    Raises `ValueError` if it is not a list, or has no end.
    """
    if not isinstance(first, SyncCursorPage):
        raise ValueError("no list in the reply")
    seen: set[str] = set()
    for page_number, page in enumerate(first.iter_pages()):
        if page_number == MOST_PAGES:
            raise ValueError(f"a list of more than {MOST_PAGES} pages")
        if not isinstance(page.data, list):
            raise ValueError("no list in the reply")
        for entry in page.data:
            if whole(entry, kind).id in seen:
                return
            seen.add(entry.id)
            yield entry
