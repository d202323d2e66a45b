"""`Endpoint`: a model behind an OpenAI-compatible server, with concurrent requests.

The `openai` package repeats a request after 408, 409, 429, 5xx, timeouts and lost connections, and follows
Retry-After. Responses are cached before they are used (`response_cache.py`), so a repeated run requests only missing
ones.

A failure of one item (refused, or an empty answer) is a `Refusal`. Failures of the server are listed at the end; the
same command requests them again. Failures of the account (no key, unknown model, no credit) stop all requests.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import httpx2
import openai

from outgrow.endpoints.api_key import ApiKey
from outgrow.endpoints.circuit_breaker import CircuitBreaker
from outgrow.endpoints.response import (
    ResponseChoice,
    expected_usage,
    kept,
    read_choices,
    read_usage,
    served_by,
    well_formed,
)
from outgrow.endpoints.response_cache import ResponseCache, key_of
from outgrow.endpoints.server import PAUSE, TRIES, client_of, is_it_running, passes, refused, secret_of, words
from outgrow.endpoints.usage import TokenBudget, Usage, endpoint_name
from outgrow.errors import DataError, StepFailed
from outgrow.generation.chat import Conversation, messages
from outgrow.models.skipped_items import named
from outgrow.text_format import listed

OF_ACCOUNT = (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ChatRequest:
    """The request for one item."""

    item: str
    conversation: Conversation
    fields: Mapping[str, Any]
    """Fields of the body: `temperature`, `stop`, …"""
    samples: int = 1
    seed: int | None = None
    """Seed of the samples; a request for missing samples uses the next seeds."""


class ChatResponse(NamedTuple):
    """All samples of a request."""

    choices: tuple[ResponseChoice, ...]
    usage: Usage


class Refusal(NamedTuple):
    """The permanent reason why an item has no answer."""

    reason: str


class Unreachable(Exception):
    """A failure of the server; the same request may succeed later."""


@dataclass(frozen=True)
class ChatResponses:
    """The responses to many requests."""

    answers: list[ChatResponse | Refusal]
    served: tuple[str, ...]
    """Other names of the model in the server's replies."""

    @property
    def usage(self) -> Usage:
        """Tokens of these answers, including cached ones; a shared answer counts once."""
        usage_of = {id(answer): answer.usage for answer in self.answers if isinstance(answer, ChatResponse)}
        return sum(usage_of.values(), Usage())


def place_of(have: int, blank: int) -> str:
    """Distinguishes the requests for one item by the number of earlier samples and of empty replies."""
    return f"sample {have}, try {blank}"


@dataclass
class Endpoint:
    """A server's model, described by a `config.endpoint.EndpointSection`."""

    section: Mapping[str, Any]
    store: ResponseCache
    _served: dict[str, None] = field(default_factory=dict)
    _budget: TokenBudget = field(init=False)
    _circuit: CircuitBreaker = field(init=False)
    _client: openai.OpenAI = field(init=False)

    @property
    def model(self) -> str:
        return str(self.section["model"])

    @property
    def url(self) -> str:
        return str(self.section["url"])

    @cached_property
    def secret(self) -> ApiKey:
        return secret_of(self.section)

    def ask(
        self, requests: Sequence[ChatRequest], report: Callable[[str, float], None] = lambda message, share: None
    ) -> ChatResponses:
        """The responses to the requests, in order; equal requests share a response.

        Raises `StepFailed` if requests fail because of the server or the account; all other responses are cached.
        """
        keys = [key_of(self.url, self.body(request, 0), f"all {request.samples}") for request in requests]
        request_of = dict(zip(keys, requests, strict=True))
        with self.store.exclusive(self.url, self.model):
            results = self._ask_all(request_of, report)
        failures = {index: str(results[key]) for index, key in enumerate(keys) if isinstance(results[key], str)}
        if failures:
            raise StepFailed(self._failure_message(requests, failures))
        self._warn_served()
        answers = [answer for answer in (results[key] for key in keys) if not isinstance(answer, str)]
        return ChatResponses(answers, tuple(self._served))

    def _ask_all(
        self, requests: Mapping[str, ChatRequest], report: Callable[[str, float], None]
    ) -> dict[str, ChatResponse | Refusal | str]:
        """The result of each request, by key."""
        report(f"asking {self.url}", 0.0)
        self._circuit = CircuitBreaker(self.section["concurrency"])
        # Read again, because other processes may have used the same budget.
        self._budget = TokenBudget(self.section, self.store.spent(self.url, self.model))
        results: dict[str, ChatResponse | Refusal | str] = {}
        with (
            closing(client_of(self.section)) as self._client,
            ThreadPoolExecutor(self.section["concurrency"]) as pool,
        ):
            futures = {pool.submit(self._answer_or_failure, request): key for key, request in requests.items()}
            try:
                answers = 0
                for future in as_completed(futures):
                    results[futures[future]] = future.result()
                    answers += not isinstance(future.result(), str)
                    report(f"answer {answers} of {len(requests)}", answers / len(requests))
            except BaseException:
                self._circuit.stop()
                raise
        return results

    def _answer_or_failure(self, request: ChatRequest) -> ChatResponse | Refusal | str:
        """The answer, or the failure of the server as text, which is empty if the request was not sent."""
        if not self._circuit.may_begin():
            return ""
        failure = ""
        try:
            return self._answer(request)
        except Unreachable as error:
            failure = str(error)
            return failure
        except BaseException:
            # Stop here, because the collecting thread may be late.
            self._circuit.stop()
            raise
        finally:
            self._circuit.ended(failed=bool(failure))

    def _answer(self, request: ChatRequest) -> ChatResponse | Refusal:
        """The requested number of samples, by as many requests as necessary."""
        choices: list[ResponseChoice] = []
        usage, n_blank = Usage(), 0
        while len(choices) < request.samples:
            body = self.body(request, len(choices))
            try:
                reply = self._cached_or_send(body, place_of(len(choices), n_blank))
            except openai.APIStatusError as error:
                return Refusal(f"HTTP {error.status_code}: {words(self.section, error)}")
            choices_now = list(read_choices(reply))
            new = [choice for choice in choices_now if choice.text.strip()]
            choices += new[: request.samples - len(choices)]
            usage += read_usage(reply, body)
            n_blank += not new
            if n_blank == TRIES:
                reason = next((choice.trouble for choice in choices_now if choice.trouble), "an empty answer")
                return Refusal(f"{reason}, {TRIES} times")
        return ChatResponse(tuple(choices), usage)

    def body(self, request: ChatRequest, have: int) -> dict[str, Any]:
        """The body of a request for the missing samples."""
        missing = request.samples - have
        return {
            "model": self.model,
            "messages": messages(request.conversation),
            **request.fields,
            **({"n": missing} if missing > 1 else {}),
            **({} if request.seed is None else {"seed": request.seed + have}),
            **self.section["options"],
        }

    @contextmanager
    def retry_on_error(self, requests: Sequence[ChatRequest]) -> Iterator[None]:
        """After a `DataError` in this block the next run requests the responses again; their cost stays counted."""
        try:
            yield
        except DataError:
            self.store.retire(
                key_of(self.url, self.body(request, have), place_of(have, blank))
                for request in requests
                for have in range(request.samples)
                for blank in range(TRIES)
            )
            raise

    def _cached_or_send(self, body: Mapping[str, Any], place: str) -> dict[str, Any]:
        """The reply from the cache, or from the server, which is then cached."""
        key = key_of(self.url, body, place)
        reply = self.store.get(key) or self._send_and_cache(key, body)
        served = served_by(reply, self.secret) or self.model
        # A reply for `gpt-4o` names a dated version, one for `org/name` perhaps `name`.
        if not (served.startswith(self.model) or self.model.endswith(served)):
            self._served[served] = None
        return reply

    def _send_and_cache(self, key: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Request a reply and cache it before it is returned."""
        expected = expected_usage(body)
        self._budget.reserve(expected)
        try:
            reply = kept(self._send(body), body, self.secret)
            self._circuit.answered()
            usage = read_usage(reply, body)
            self.store.put(key, self.url, self.model, reply, usage)
            self._budget.pay(usage)
        finally:
            self._budget.release(expected)
        return reply

    def _send(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The server's well-formed reply."""
        reason = ""
        for attempt in range(TRIES):
            time.sleep(PAUSE * 2 ** (attempt - 1) if attempt else 0)
            try:
                return well_formed(self._posted(body))
            except ValueError as error:
                reason = f"no valid answer ({words(self.section, error)})"
        raise Unreachable(reason)

    def _posted(self, body: Mapping[str, Any]) -> bytes:
        try:
            content = self._client.post("/chat/completions", cast_to=httpx2.Response, body=dict(body)).content
            self._circuit.has_reply = True
            return content
        except OF_ACCOUNT as error:
            raise StepFailed(self._account_message(error)) from None
        except openai.APIStatusError as error:
            if passes(error):
                raise Unreachable(
                    f"HTTP {error.status_code} after all retries: {words(self.section, error)}"
                ) from None
            self._circuit.answered()
            raise
        except openai.APITimeoutError:
            raise Unreachable(f"no answer within {self.section['timeout']:g} s") from None
        except openai.APIConnectionError as error:
            hint = "" if self._circuit.has_reply else f"; {is_it_running(self.section)}"
            reason = words(self.section, error.__cause__ or error)
            raise Unreachable(f"the connection failed ({reason}){hint}") from None

    def _account_message(self, error: openai.APIStatusError) -> str:
        if isinstance(error, openai.NotFoundError):
            name, reason = endpoint_name(self.section), words(self.section, error)
            return f"{name}: the server does not have this model or address (404: {reason})"
        return refused(self.section, error)

    def _failure_message(self, requests: Sequence[ChatRequest], failures: Mapping[int, str]) -> str:
        items = named([requests[index].item for index in sorted(failures)])
        reasons = "; ".join(list(dict.fromkeys(reason for reason in failures.values() if reason))[:3])
        return (
            f"{endpoint_name(self.section)}: {len(failures)} of {len(requests)} requests have no answer ({items}):"
            f" {reasons}{'' if reasons.endswith('?') else '.'} All answers are cached: run the same command again to"
            " request only these"
        )

    def _warn_served(self) -> None:
        if self._served:
            log.warning("requested model `%s`, the server names %s", self.model, listed(list(self._served)))
