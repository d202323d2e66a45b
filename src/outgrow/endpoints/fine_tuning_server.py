"""`FineTuningServer`: requests to a server at which things are made that cost money.

Reading requests may be repeated: the `openai` package repeats them after 408, 409, 429, 5xx, timeouts and cut
connections. A request that creates something may not, as it may have succeeded although the reply was lost: it is sent
once, and before the next one the server's own list is read. All failures become one sentence, which never holds the
key.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import openai
from openai.pagination import SyncCursorPage
from openai.types import FileObject
from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent

from outgrow.endpoints.api_key import ApiKey
from outgrow.endpoints.server import PAUSE, TRIES, client_of, passes, refused, secret_of, words
from outgrow.endpoints.usage import endpoint_name
from outgrow.errors import StepFailed

ABSENT = (404, 405, 501)
LONGEST_NAME, MOST_PAGES = 500, 1000
LARGEST_NUMBER = 2.0**63

Thing = TypeVar("Thing", FileObject, FineTuningJob, FineTuningJobEvent)
T = TypeVar("T")


class NotFound(StepFailed):
    """The server has no such thing, or no such list."""


@dataclass(frozen=True)
class FineTuningServer:
    """The server of an endpoint's section."""

    section: Mapping[str, Any]
    pause: float = 1.0
    """Seconds before the server is looked at again for something whose making was not confirmed."""

    @cached_property
    def client(self) -> openai.OpenAI:
        """For questions."""
        return client_of(self.section)

    @cached_property
    def once(self) -> openai.OpenAI:
        """For requests that go out once."""
        return self.client.with_options(max_retries=0)

    def close(self) -> None:
        """End the connections."""
        self.client.close()

    def ask(self, request: Callable[[], T]) -> T:
        """The answer. Raises `StepFailed` for a failure of the server, `NotFound` for what it does not have."""
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
        """What `find` finds or else `create` makes; `doubtful` if it may be in the making. Raises `StepFailed`."""
        failure = ""
        if doubtful and find() is None:
            time.sleep(self.pause)
        for attempt in range(self.section["retries"] + 1):
            time.sleep(self.pause if attempt else 0)
            found = find()
            if found is not None:
                return found
            try:
                return self._without_key(create())
            except (openai.APIConnectionError, openai.APIStatusError, ValueError) as error:
                failure = self.sentence(error)
                if isinstance(error, openai.APIStatusError) and not passes(error):
                    break
        raise StepFailed(failure)

    def _without_key(self, reply: T) -> T:
        """What a server made, or several things; a `ValueError` if a name that has to be kept holds the key."""
        for made in reply if isinstance(reply, list) else [reply]:
            names = (getattr(made, "id", None), getattr(made, "fine_tuned_model", None))
            if any(isinstance(name, str) and self.secret.is_in(name) for name in names):
                raise ValueError("a name with the key in it")
        return reply

    @cached_property
    def secret(self) -> ApiKey:
        """The key, for what is kept of a server's messages."""
        return secret_of(self.section)

    @property
    def name(self) -> str:
        """For messages."""
        return endpoint_name(self.section)

    def words(self, message: object) -> str:
        """The message of a server or a library, short, on one line, without the key."""
        return words(self.section, message)

    def sentence(self, error: Exception) -> str:
        """What went wrong, and whether trying again helps."""
        again = "what was begun there goes on: run the same command again"
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            return refused(self.section, error)
        if isinstance(error, openai.APIStatusError):
            sentence = f"{self.name}: fine-tuning: HTTP {error.status_code}: {self.words(error)}"
            return f"{sentence}; {again}" if passes(error) else sentence
        if isinstance(error, openai.APITimeoutError):
            return f"{self.name}: no answer within {self.section['timeout']:g} s; {again}"
        if isinstance(error, openai.APIConnectionError):
            return f"{self.name}: the connection failed ({self.words(error.__cause__ or error)}); {again}"
        return f"{self.name}: an answer that is not of the fine-tuning protocol ({self.words(error)}); {again}"


def whole(reply: object, kind: type[Thing]) -> Thing:
    """The reply if it is what it should be, else a `ValueError`: the package passes on whatever a server sends."""
    if not isinstance(reply, kind) or not is_name(reply.id):
        raise ValueError(f"no {kind.__name__} in it")
    if isinstance(reply, FineTuningJob) and not is_name(reply.status):
        raise ValueError(f"no status of the job {reply.id} in it")
    return reply


def is_name(value: object) -> bool:
    """Whether it can be a server's name of something: text on a line, not too long."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and value.isprintable()


def when(thing: FineTuningJob | FineTuningJobEvent) -> float:
    """When it was made, in the server's time; 0 if that is unknown."""
    return number(thing.created_at) or 0.0


def number(value: object) -> float | None:
    """A finite number; `None` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LARGEST_NUMBER:
        return None
    return float(value)


def listed(first: object, kind: type[Thing]) -> Iterator[Thing]:
    """Everything on a list's pages, to their end or until a server that cannot turn pages repeats itself.

    Raises `ValueError` for what is no list, or has no end.
    """
    if not isinstance(first, SyncCursorPage):
        raise ValueError("no list in it")
    seen: set[str] = set()
    for turned, page in enumerate(first.iter_pages()):
        if turned == MOST_PAGES:
            raise ValueError(f"a list of more than {MOST_PAGES} pages")
        if not isinstance(page.data, list):
            raise ValueError("no list in it")
        for thing in page.data:
            if whole(thing, kind).id in seen:
                return
            seen.add(thing.id)
            yield thing
