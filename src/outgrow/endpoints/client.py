"""`Endpoint`: a model behind an OpenAI-compatible server, asked many questions at a time.

The `openai` package sends a request again after 408, 409, 429, 5xx, timeouts and cut connections, honouring
Retry-After. What it takes for an answer is looked at here: a server may send something that is no JSON, nothing at
all, fewer samples than were asked for, or the name of another model. Every answer is kept before it counts
(`endpoints/response_cache.py`), so that asking again costs only what is missing.

Three kinds of trouble. One item's (the server refuses it, or answers with nothing): its answer is a `Refusal`. The
server's (down, too busy, confused): the questions that got no answer are named at the end, and asked when the same
command runs again. The account's (no key, no such model, no money left): nothing further is asked.
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
from outgrow.endpoints.response_cache import ResponseCache, Usage, key_of
from outgrow.endpoints.server import PAUSE, TRIES, called, client_of, is_it_running, passes, refused, secret_of, words
from outgrow.endpoints.token_budget import TokenBudget
from outgrow.errors import DataError, StepFailed
from outgrow.generation.chat import Conversation, messages
from outgrow.models.skipped_items import named
from outgrow.text_format import listed

OF_ACCOUNT = (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ChatRequest:
    """What one item is asked, and how it is to be answered."""

    item: str
    conversation: Conversation
    fields: Mapping[str, Any]
    """Of the request: `temperature`, `stop`, …"""
    samples: int = 1
    seed: int | None = None
    """Of samples; further requests for missing ones count on from it."""


class ChatResponse(NamedTuple):
    """All samples of a question."""

    choices: tuple[ResponseChoice, ...]
    usage: Usage


class Refusal(NamedTuple):
    """Why an item has no answer, and never will have."""

    reason: str


class Unreachable(Exception):
    """The server's trouble: the same question may be answered later."""


@dataclass(frozen=True)
class ChatResponses:
    """What came of many questions."""

    answers: list[ChatResponse | Refusal]
    served: tuple[str, ...]
    """Names under which the server answered that are not the model's."""

    @property
    def usage(self) -> Usage:
        """What these answers took, whenever they were bought; one that several questions share counts once."""
        different = {id(one): one.usage for one in self.answers if isinstance(one, ChatResponse)}
        return sum(different.values(), Usage())


def place_of(have: int, blank: int) -> str:
    """Tells requests of one question apart: how many samples were there, how many replies were empty."""
    return f"sample {have}, try {blank}"


@dataclass
class Endpoint:
    """A server's model as `config.endpoint.EndpointSection` describes it."""

    section: Mapping[str, Any]
    store: ResponseCache
    _served: dict[str, None] = field(default_factory=dict)
    _purse: TokenBudget = field(init=False)
    """What is left of the budget."""
    _pulse: CircuitBreaker = field(init=False)
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
        self, questions: Sequence[ChatRequest], report: Callable[[str, float], None] = lambda message, share: None
    ) -> ChatResponses:
        """An answer to every question, in order; equal questions share theirs.

        Raises `StepFailed` if some got none because of the server or the account; all others are kept.
        """
        keys = [key_of(self.url, self.body(question, 0), f"all {question.samples}") for question in questions]
        different = dict(zip(keys, questions, strict=True))
        with self.store.exclusive(self.url, self.model):
            found = self._ask_all(different, report)
        troubles = {number: str(found[key]) for number, key in enumerate(keys) if isinstance(found[key], str)}
        if troubles:
            raise StepFailed(self._left_over(questions, troubles))
        self._tell_served()
        answers = [answer for answer in (found[key] for key in keys) if not isinstance(answer, str)]
        return ChatResponses(answers, tuple(self._served))

    def _ask_all(
        self, questions: Mapping[str, ChatRequest], report: Callable[[str, float], None]
    ) -> dict[str, ChatResponse | Refusal | str]:
        """By key, what came of each question."""
        report(f"asking {self.url}", 0.0)
        self._pulse = CircuitBreaker(self.section["concurrency"])
        # Read anew, as others may have spent from the same budget since.
        self._purse = TokenBudget(self.section, self.store.spent(self.url, self.model))
        found: dict[str, ChatResponse | Refusal | str] = {}
        with (
            closing(client_of(self.section)) as self._client,
            ThreadPoolExecutor(self.section["concurrency"]) as pool,
        ):
            futures = {pool.submit(self._one, question): key for key, question in questions.items()}
            try:
                answers = 0
                for future in as_completed(futures):
                    found[futures[future]] = future.result()
                    answers += not isinstance(future.result(), str)
                    report(f"answer {answers} of {len(questions)}", answers / len(questions))
            except BaseException:
                self._pulse.stop()
                raise
        return found

    def _one(self, question: ChatRequest) -> ChatResponse | Refusal | str:
        """The answer, or the server's trouble in words; empty if it was not asked at all."""
        if not self._pulse.may_begin():
            return ""
        trouble = ""
        try:
            return self._answer(question)
        except Unreachable as error:
            trouble = str(error)
            return trouble
        except BaseException:
            # At once: the thread that collects the answers may be late.
            self._pulse.stop()
            raise
        finally:
            self._pulse.ended(failed=bool(trouble))

    def _answer(self, question: ChatRequest) -> ChatResponse | Refusal:
        """As many samples as were asked for, by as many requests as that takes."""
        choices: list[ResponseChoice] = []
        usage, blank = Usage(), 0
        while len(choices) < question.samples:
            body = self.body(question, len(choices))
            try:
                reply = self._bought(body, place_of(len(choices), blank))
            except openai.APIStatusError as error:
                return Refusal(f"HTTP {error.status_code}: {words(self.section, error)}")
            told = list(read_choices(reply))
            new = [choice for choice in told if choice.text.strip()]
            choices += new[: question.samples - len(choices)]
            usage += read_usage(reply, body)
            blank += not new
            if blank == TRIES:
                why = next((choice.trouble for choice in told if choice.trouble), "an empty answer")
                return Refusal(f"{why}, {TRIES} times")
        return ChatResponse(tuple(choices), usage)

    def body(self, question: ChatRequest, have: int) -> dict[str, Any]:
        """The request for the samples that are still missing."""
        missing = question.samples - have
        return {
            "model": self.model,
            "messages": messages(question.conversation),
            **question.fields,
            **({"n": missing} if missing > 1 else {}),
            **({} if question.seed is None else {"seed": question.seed + have}),
            **self.section["options"],
        }

    @contextmanager
    def asking_anew(self, questions: Sequence[ChatRequest]) -> Iterator[None]:
        """A `DataError` from within says that these answers are of no use: the next time they are bought again.

        Else a server that was mended could not help; the old answers stay on the bill.
        """
        try:
            yield
        except DataError:
            self.store.retire(
                key_of(self.url, self.body(question, have), place_of(have, blank))
                for question in questions
                for have in range(question.samples)
                for blank in range(TRIES)
            )
            raise

    # ---- one request ----------------------------------------------------------------------------------------

    def _bought(self, body: Mapping[str, Any], place: str) -> dict[str, Any]:
        """The reply from the disk, or from the server and then kept."""
        key = key_of(self.url, body, place)
        reply = self.store.get(key) or self._buy(key, body)
        served = served_by(reply, self.secret) or self.model
        # `gpt-4o` is answered by a dated version, `org/name` perhaps by `name`.
        if not (served.startswith(self.model) or self.model.endswith(served)):
            self._served[served] = None
        return reply

    def _buy(self, key: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The server's reply, on the disk when this returns."""
        expected = expected_usage(body)
        self._purse.take(expected)
        try:
            reply = kept(self._sent(body), body, self.secret)
            self._pulse.answered()
            usage = read_usage(reply, body)
            self.store.put(key, self.url, self.model, reply, usage)
            self._purse.pay(usage)
        finally:
            self._purse.give_back(expected)
        return reply

    def _sent(self, body: Mapping[str, Any]) -> dict[str, Any]:
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
            self._pulse.heard = True
            return content
        except OF_ACCOUNT as error:
            raise StepFailed(self._account(error)) from None
        except openai.APIStatusError as error:
            if passes(error):
                raise Unreachable(f"HTTP {error.status_code} to the end: {words(self.section, error)}") from None
            self._pulse.answered()
            raise
        except openai.APITimeoutError:
            raise Unreachable(f"no answer within {self.section['timeout']:g} s") from None
        except openai.APIConnectionError as error:
            doubt = "" if self._pulse.heard else f"; {is_it_running(self.section)}"
            reason = words(self.section, error.__cause__ or error)
            raise Unreachable(f"the connection failed ({reason}){doubt}") from None

    # ---- sentences ------------------------------------------------------------------------------------------

    def _account(self, error: openai.APIStatusError) -> str:
        if isinstance(error, openai.NotFoundError):
            said = words(self.section, error)
            return f"{called(self.section)}: the server knows no such model or address (404: {said})"
        return refused(self.section, error)

    def _left_over(self, questions: Sequence[ChatRequest], troubles: Mapping[int, str]) -> str:
        items = named([questions[number].item for number in sorted(troubles)])
        reasons = "; ".join(list(dict.fromkeys(reason for reason in troubles.values() if reason))[:3])
        return (
            f"{called(self.section)}: {len(troubles)} of {len(questions)} questions got no answer ({items}):"
            f" {reasons}{'' if reasons.endswith('?') else '.'} All answers are kept: run the same command again to ask"
            " only these"
        )

    def _tell_served(self) -> None:
        if self._served:
            log.warning("asked for `%s`, answered by %s", self.model, listed(list(self._served)))
