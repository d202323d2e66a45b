"""`logprobs: auto`: requested, and where a server refuses them its answers are certain, with a note."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import outgrow
from loopback import Body, choice, serving
from outgrow.config.endpoint import EndpointSection
from outgrow.endpoints.chat_request import ChatRequest, Refusal
from outgrow.endpoints.client import Endpoint
from outgrow.endpoints.response_cache import ResponseCache
from outgrow.errors import DataError, StepFailed
from outgrow.generation.chat import single_turn
from raw_server import RawServer, Request, Send, plain, running

SENT = {"content": [{"token": "A", "logprob": -0.1, "top_logprobs": [{"token": "A", "logprob": -0.1}]}]}
CERTAIN = "sends no log-probabilities (`logprobs`): each answer counts as certain"


def endpoint(folder: Path, url: str, **changes: Any) -> Endpoint:
    named = {"type": "endpoint", "model": "tiny", "url": url, "timeout": 2.0, "retries": 0, **changes}
    section = EndpointSection.model_validate(named).model_dump(mode="json")
    return Endpoint(section, ResponseCache(folder / "answers.sqlite"))


def questions(n: int = 5) -> list[ChatRequest]:
    fields = {"max_tokens": 4, "logprobs": True, "top_logprobs": 20}
    return [ChatRequest(f"q{number}", single_turn(f"what is {number}?"), fields) for number in range(n)]


def without(status: int, reason: str = "logprobs are not supported by this model") -> Any:
    """A server that refuses requests for log-probabilities."""

    def talk(request: Request, send: Send) -> bool:
        refused = b"logprobs" in request.content
        reply = {"error": {"message": reason}} if refused else {"choices": [choice("A")]}
        send(plain(status if refused else 200, json.dumps(reply).encode(), "Content-Type: application/json"))
        return True

    return talk


def test_a_server_that_sends_them_is_asked_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with serving(lambda body: [choice("A", logprobs=SENT)]) as server:
        answers = endpoint(tmp_path, server.url).ask(questions()).answers
        assert len(server.requests) == 5
        assert all(body["logprobs"] for body in server.requests)
    assert not any(isinstance(answer, Refusal) or answer.choices[0].tokens is None for answer in answers)
    assert not caplog.records


@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_a_server_that_refuses_them_is_asked_without(
    tmp_path: Path, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with running(RawServer(without(status))) as server, caplog.at_level(logging.WARNING):
        far = endpoint(tmp_path, server.url, concurrency=1)
        answers = far.ask(questions()).answers
        assert [answer.choices[0].text for answer in answers] == ["A"] * 5
        assert len(server.requests) == 6, "the first refusal counts for all"
        again = endpoint(tmp_path, server.url).ask(questions()).answers
        assert [answer.choices[0].text for answer in again] == ["A"] * 5
        assert len(server.requests) == 6, "a repeated run asks nothing"
    assert CERTAIN in caplog.text


def test_who_insists_on_them_is_refused(tmp_path: Path) -> None:
    with running(RawServer(without(400))) as server:
        answers = endpoint(tmp_path, server.url, logprobs=True).ask(questions()).answers
        assert all(isinstance(answer, Refusal) and "not supported" in answer.reason for answer in answers)
    with running(RawServer(without(403))) as server, pytest.raises(StepFailed, match="403"):
        endpoint(tmp_path / "other", server.url, logprobs=True).ask(questions())


def test_a_refusal_for_another_reason_stays_one(tmp_path: Path) -> None:
    with running(RawServer(without(400, "the text is too long"))) as server:
        answers = endpoint(tmp_path, server.url).ask(questions()).answers
        assert all(isinstance(answer, Refusal) and "too long" in answer.reason for answer in answers)


def test_after_an_error_both_kinds_of_request_are_sent_again(tmp_path: Path) -> None:
    with running(RawServer(without(400))) as server:
        far = endpoint(tmp_path, server.url, concurrency=1)
        far.ask(questions(2))
        with pytest.raises(DataError), far.retry_on_error(questions(2)):
            raise DataError("no vote")
        asked = len(server.requests)
        far.ask(questions(2))
        assert len(server.requests) == asked + 2


def test_samples_replace_them_in_ask(tmp_path: Path) -> None:
    """Of a server without log-probabilities several samples are the vote; one request finds out."""
    texts = ["A", "B", "A", "A"]

    def answer(body: Body) -> list[dict[str, Any]]:
        return [choice(texts[number], number) for number in range(body.get("n", 1))]

    by = {
        "supervisors": {"far": {"type": "endpoint", "model": "tiny", "retries": 0}},
        "samples": 4,
        "store": str(tmp_path / "steps"),
        "answers": str(tmp_path / "answers"),
    }
    items = [{"id": "a", "text": "first"}, {"id": "b", "text": "second"}]
    with serving(answer) as server:
        by["supervisors"]["far"]["url"] = server.url
        votes = outgrow.ask(items, by, classes=["no", "yes"])
        assert sorted(body.get("n", 1) for body in server.requests) == [1, 4, 4]
    np.testing.assert_allclose(votes.probs, [[3 / 4, 1 / 4]] * 2)
