"""`Endpoint`: a model behind an OpenAI-compatible server, with many requests at a time.

The `openai` package repeats a request after 408, 409, 429, 5xx, timeouts and cut connections, honouring Retry-After.
Responses are cached before they are used (`response_cache.py`): a repeated run requests only what is missing.

Failures of one item (refused, or an empty answer) are a `Refusal`. Failures of the server are listed at the end, and
sent again by the same command. Failures of the account (no key, no such model, no money left) stop all requests.
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
    """Of samples; further requests for missing ones count on from it."""


class ChatResponse(NamedTuple):
    """All samples of a request."""

    choices: tuple[ResponseChoice, ...]
    usage: Usage


class Refusal(NamedTuple):
    """Why an item has no answer, for good."""

    reason: str


class Unreachable(Exception):
    """A failure of the server: the same request may succeed later."""


@dataclass(frozen=True)
class ChatResponses:
    """The responses to many requests."""

    answers: list[ChatResponse | Refusal]
    served: tuple[str, ...]
    """Names under which the server answered that are not the model's."""

    @property
    def usage(self) -> Usage:
        """Tokens of these answers, cached ones included; one that several requests share counts once."""
        different = {id(answer): answer.usage for answer in self.answers if isinstance(answer, ChatResponse)}
        return sum(different.values(), Usage())


def place_of(have: int, blank: int) -> str:
    """Distinguishes the requests for one item: by the samples received before, and by the empty replies."""
    return f"sample {have}, try {blank}"


@dataclass
class Endpoint:
    """A server's model as `config.endpoint.EndpointSection` describes it."""

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
        """The response to every request, in order; equal requests share one.

        Raises `StepFailed` if some failed because of the server or the account; all others are cached.
        """
        keys = [key_of(self.url, self.body(request, 0), f"all {request.samples}") for request in requests]
        different = dict(zip(keys, requests, strict=True))
        with self.store.exclusive(self.url, self.model):
            results = self._ask_all(different, report)
        failures = {index: str(results[key]) for index, key in enumerate(keys) if isinstance(results[key], str)}
        if failures:
            raise StepFailed(self._failure_message(requests, failures))
        self._warn_served()
        answers = [answer for answer in (results[key] for key in keys) if not isinstance(answer, str)]
        return ChatResponses(answers, tuple(self._served))

    def _ask_all(
        self, requests: Mapping[str, ChatRequest], report: Callable[[str, float], None]
    ) -> dict[str, ChatResponse | Refusal | str]:
        """By key, the result of each request."""
        report(f"asking {self.url}", 0.0)
        self._circuit = CircuitBreaker(self.section["concurrency"])
        # Read again, as other processes may have spent from the same budget.
        self._budget = TokenBudget(self.section, self.store.spent(self.url, self.model))
        results: dict[str, ChatResponse | Refusal | str] = {}
        with (
            closing(client_of(self.section)) as self._client,
            ThreadPoolExecutor(self.section["concurrency"]) as pool,
        ):
            futures = {pool.submit(self._one, request): key for key, request in requests.items()}
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

    def _one(self, request: ChatRequest) -> ChatResponse | Refusal | str:
        """The answer, or why the server failed; empty if the request was not sent."""
        if not self._circuit.may_begin():
            return ""
        failure = ""
        try:
            return self._answer(request)
        except Unreachable as error:
            failure = str(error)
            return failure
        except BaseException:
            # At once: the thread that collects the answers may be late.
            self._circuit.stop()
            raise
        finally:
            self._circuit.ended(failed=bool(failure))

    def _answer(self, request: ChatRequest) -> ChatResponse | Refusal:
        """As many samples as were requested, by as many requests as that takes."""
        choices: list[ResponseChoice] = []
        usage, blank = Usage(), 0
        while len(choices) < request.samples:
            body = self.body(request, len(choices))
            try:
                reply = self._cached_or_send(body, place_of(len(choices), blank))
            except openai.APIStatusError as error:
                return Refusal(f"HTTP {error.status_code}: {words(self.section, error)}")
            choices_now = list(read_choices(reply))
            new = [choice for choice in choices_now if choice.text.strip()]
            choices += new[: request.samples - len(choices)]
            usage += read_usage(reply, body)
            blank += not new
            if blank == TRIES:
                why = next((choice.trouble for choice in choices_now if choice.trouble), "an empty answer")
                return Refusal(f"{why}, {TRIES} times")
        return ChatResponse(tuple(choices), usage)

    def body(self, request: ChatRequest, have: int) -> dict[str, Any]:
        """The request for the samples that are still missing."""
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
        """After a `DataError` from within these answers are requested again the next time.

        Otherwise a repaired server could not help; the cost of the old answers stays in the ledger.
        """
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
        """The reply from the cache, or from the server, and then cached."""
        key = key_of(self.url, body, place)
        reply = self.store.get(key) or self._send_and_cache(key, body)
        served = served_by(reply, self.secret) or self.model
        # `gpt-4o` is answered by a dated version, `org/name` perhaps by `name`.
        if not (served.startswith(self.model) or self.model.endswith(served)):
            self._served[served] = None
        return reply

    def _send_and_cache(self, key: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The server's reply, cached when this returns."""
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
        """The server's reply, well-formed."""
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
                raise Unreachable(f"HTTP {error.status_code} to the end: {words(self.section, error)}") from None
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
            name, why = endpoint_name(self.section), words(self.section, error)
            return f"{name}: the server knows no such model or address (404: {why})"
        return refused(self.section, error)

    def _failure_message(self, requests: Sequence[ChatRequest], failures: Mapping[int, str]) -> str:
        items = named([requests[index].item for index in sorted(failures)])
        reasons = "; ".join(list(dict.fromkeys(reason for reason in failures.values() if reason))[:3])
        return (
            f"{endpoint_name(self.section)}: {len(failures)} of {len(requests)} questions got no answer ({items}):"
            f" {reasons}{'' if reasons.endswith('?') else '.'} All answers are kept: run the same command again to ask"
            " only these"
        )

    def _warn_served(self) -> None:
        if self._served:
            log.warning("asked for `%s`, answered by %s", self.model, listed(list(self._served)))
