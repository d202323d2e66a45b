"""`Endpoint`: a model behind an OpenAI-compatible server, with concurrent requests.

The `openai` package repeats a request after 408, 409, 429, 5xx, timeouts and lost connections, and follows
Retry-After. Responses are cached before they are used (`response_cache.py`), so a repeated run requests only missing
ones.

A failure of one item (refused, or an empty answer) is a `Refusal`. Failures of the server are listed at the end; the
same command requests them again. Failures of the account (no key, unknown model, no credit) stop all requests.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import httpx2
import openai

from outgrow.endpoints.api_key import ApiKey
from outgrow.endpoints.batch import answer_in_batches
from outgrow.endpoints.chat_request import ChatRequest, ChatResponse, ChatResponses, Refusal, body_of, place_of
from outgrow.endpoints.circuit_breaker import CircuitBreaker
from outgrow.endpoints.given_text import is_scoring, read_prompt
from outgrow.endpoints.optional_logprobs import (
    REFUSED,
    LogprobsRefused,
    is_optional,
    refuses_logprobs,
    without_logprobs,
)
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
from outgrow.models.skipped_items import named
from outgrow.text_format import listed

OF_ACCOUNT = (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError)

log = logging.getLogger(__name__)


class Unreachable(Exception):
    """A failure of the server; the same request may succeed later."""


@dataclass
class Endpoint:
    """A server's model, described by a `config.endpoint.EndpointSection`."""

    section: Mapping[str, Any]
    store: ResponseCache
    _served: dict[str, None] = field(default_factory=dict)
    _no_logprobs: bool = False
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
        self._warn_certain(requests, answers)
        return ChatResponses(answers, tuple(self._served))

    def _ask_all(
        self, requests: Mapping[str, ChatRequest], report: Callable[[str, float], None]
    ) -> dict[str, ChatResponse | Refusal | str]:
        """The result of each request, by key."""
        report(f"asking {self.url}", 0.0)
        self._circuit = CircuitBreaker(self.section["concurrency"])
        # Read again, because other processes may have used the same budget.
        self._budget = TokenBudget(self.section, self.store.spent(self.url, self.model))
        if self.section["batch"]:
            self._answer_in_batches(requests.values(), report)
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

    def _answer_in_batches(self, requests: Collection[ChatRequest], report: Callable[[str, float], None]) -> None:
        """Cache replies by batches: a second one without log-probabilities, where they are refused."""
        sent: dict[str, dict[str, Any]] = {}
        for _ in range(2):
            missing = dict(filter(None, map(self._missing, requests)))
            new = {key: body for key, body in missing.items() if key not in sent}
            sent |= new
            if new:
                answer_in_batches(self.section, self.store, self._budget, new, report)

    def _missing(self, request: ChatRequest) -> tuple[str, dict[str, Any]] | None:
        """The key and the body of a first request without a cached reply."""
        for body in self._bodies(request, 0):
            key = key_of(self.url, body, place_of(0, 0))
            reply = self.store.get(key)
            if reply is None:
                return key, body
            if reply != REFUSED:
                break
        return None

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
            # What is written after a given text is not looked at, and may be empty.
            new = [choice for choice in choices_now if choice.text.strip() or is_scoring(body)]
            choices += new[: request.samples - len(choices)]
            usage += read_usage(reply, body)
            n_blank += not new
            if n_blank == TRIES:
                reason = next((choice.trouble for choice in choices_now if choice.trouble), "an empty answer")
                return Refusal(f"{reason}, {TRIES} times")
        return ChatResponse(tuple(choices), usage, read_prompt(reply))

    def body(self, request: ChatRequest, have: int) -> dict[str, Any]:
        """The body of a request for the missing samples."""
        return body_of(self.section, request, have)

    def _bodies(self, request: ChatRequest, have: int) -> Iterator[dict[str, Any]]:
        """All bodies that may have been sent for the missing samples."""
        body = self.body(request, have)
        yield body
        if is_optional(self.section, body):
            yield without_logprobs(body)

    @contextmanager
    def retry_on_error(self, requests: Sequence[ChatRequest]) -> Iterator[None]:
        """After a `DataError` in this block the next run requests the responses again; their cost stays counted."""
        try:
            yield
        except DataError:
            self.store.retire(
                key_of(self.url, body, place_of(have, blank))
                for request in requests
                for have in range(request.samples)
                for body in self._bodies(request, have)
                for blank in range(TRIES)
            )
            raise

    def _cached_or_send(self, body: Mapping[str, Any], place: str) -> dict[str, Any]:
        """The reply from the cache, or from the server, which is then cached."""
        key = key_of(self.url, body, place)
        reply = self.store.get(key)
        if reply is None:
            reply = self._without_if_refused(key, body)
        if reply == REFUSED:
            return self._cached_or_send(without_logprobs(body), place)
        served = served_by(reply, self.secret) or self.model
        # A reply for `gpt-4o` names a dated version, one for `org/name` perhaps `name`.
        if not (served.startswith(self.model) or self.model.endswith(served)):
            self._served[served] = None
        return reply

    def _without_if_refused(self, key: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The server's reply, or `REFUSED`; both are cached."""
        if not (self._no_logprobs and is_optional(self.section, body)):
            try:
                return self._send_and_cache(key, body)
            except LogprobsRefused:
                self._no_logprobs = True
        self.store.put(key, self.url, self.model, REFUSED, Usage())
        return dict(REFUSED)

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
        except openai.APIStatusError as error:
            if is_optional(self.section, body) and refuses_logprobs(error):
                self._circuit.answered()
                raise LogprobsRefused from None
            if isinstance(error, OF_ACCOUNT):
                raise StepFailed(self._account_message(error)) from None
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

    def _warn_certain(self, requests: Sequence[ChatRequest], answers: Sequence[ChatResponse | Refusal]) -> None:
        """A note if log-probabilities were requested and none was sent."""
        sent = [choice.tokens for answer in answers if isinstance(answer, ChatResponse) for choice in answer.choices]
        if sent and not any(sent) and any("logprobs" in request.fields for request in requests):
            name = endpoint_name(self.section)
            log.warning("%s sends no log-probabilities (`logprobs`): each answer counts as certain", name)

    def _warn_served(self) -> None:
        if self._served:
            log.warning("requested model `%s`, the server names %s", self.model, listed(list(self._served)))
