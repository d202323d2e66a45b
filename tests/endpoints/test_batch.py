"""Requests in batches: what is sent, what is paid once, what is resumed, and what is then requested singly."""

import json
from pathlib import Path
from typing import Any

import pytest

from batch_server import BatchServer, batching
from loopback import Body, choice, echo
from outgrow.config.endpoint import EndpointSection
from outgrow.endpoints.batch import parts_of
from outgrow.endpoints.chat_request import ChatRequest, ChatResponse, Refusal
from outgrow.endpoints.client import Endpoint
from outgrow.endpoints.response_cache import ResponseCache
from outgrow.errors import StepFailed
from outgrow.generation.chat import single_turn

SENT = {"content": [{"token": "A", "logprob": -0.1, "top_logprobs": []}]}


def endpoint(folder: Path, url: str, **changes: Any) -> Endpoint:
    named = {"type": "endpoint", "model": "tiny", "url": url, "timeout": 5.0, "retries": 0, "batch": {"poll": 0.01}}
    section = EndpointSection.model_validate({**named, **changes}).model_dump(mode="json")
    return Endpoint(section, ResponseCache(folder / "answers.sqlite"))


def questions(n: int = 6, **fields: Any) -> list[ChatRequest]:
    fields = {"max_tokens": 4, **fields}
    return [ChatRequest(f"q{number}", single_turn(f"what is {number}?"), fields) for number in range(n)]


def texts(answers: list[ChatResponse | Refusal]) -> list[str]:
    return [answer.reason if isinstance(answer, Refusal) else answer.choices[0].text for answer in answers]


def test_true_is_a_section_with_defaults() -> None:
    named = {"type": "endpoint", "model": "tiny", "url": "http://127.0.0.1:1/v1"}
    read = [
        EndpointSection.model_validate({**named, "batch": value}).batch for value in (True, {}, {"poll": 3}, False)
    ]
    assert [section and section.poll for section in read] == [20.0, 20.0, 3.0, None]


def test_all_requests_are_one_batch_and_are_bought_once(tmp_path: Path) -> None:
    said: list[str] = []
    with batching(echo) as server:
        first = endpoint(tmp_path, server.url).ask(questions(), lambda message, share: said.append(message))
        again = endpoint(tmp_path, server.url).ask(questions())
        more = endpoint(tmp_path, server.url).ask(questions(8))
        assert [len(uploaded(server, number)) for number in (0, 1)] == [6, 2], "only what is missing"
        assert server.requests == []
    assert texts(first.answers) == texts(again.answers) == [f"what is {number}? (0)" for number in range(6)]
    assert texts(more.answers)[6:] == ["what is 6? (0)", "what is 7? (0)"]
    assert "batch batch-0: in_progress, 1 of 6" in said
    assert not list(tmp_path.glob(".batch-*"))


def uploaded(server: BatchServer, number: int) -> list[bytes]:
    return server.files[server.batches[f"batch-{number}"]["body"]["input_file_id"]]["content"].splitlines()


def test_a_stopped_run_follows_its_batch(tmp_path: Path) -> None:
    """With its record, and without it, as if it was killed before the record was written."""
    with batching() as server:
        for number in range(2):
            folder = tmp_path / str(number)

            def stop(message: str, share: float) -> None:
                if "in_progress" in message:
                    raise KeyboardInterrupt

            with pytest.raises(KeyboardInterrupt):
                endpoint(folder, server.url, model=f"tiny{number}").ask(questions(), stop)
            records = list(folder.glob(".batch-*"))
            assert [json.loads(record.read_text()) for record in records] == [{"batch": f"batch-{number}"}]
            if number:
                records[0].unlink()
            found = endpoint(folder, server.url, model=f"tiny{number}").ask(questions())
            assert texts(found.answers) == ["A"] * 6
            assert len(server.batches) == number + 1


def test_what_a_batch_leaves_out_is_requested_singly(tmp_path: Path) -> None:
    with batching(echo) as server:
        server.lost = {2}
        server.refused = lambda body: "not this one" if "what is 4?" in str(body) else None
        found = endpoint(tmp_path, server.url).ask(questions())
        asked = sorted(str(body["messages"][-1]["content"]) for body in server.requests)
    assert asked == ["what is 2?", "what is 4?"]
    assert texts(found.answers) == [f"what is {number}? (0)" for number in range(6)]


@pytest.mark.parametrize("status", ["failed", "cancelled", "expired"])
def test_an_incomplete_batch_is_told_and_its_answers_are_kept(tmp_path: Path, status: str) -> None:
    told = {"failed": r"batch-0 failed \(the quota", "cancelled": "was cancelled", "expired": "not finished in time"}
    with batching(echo, ("validating", status)) as server:
        with pytest.raises(StepFailed, match=f"{told[status]}.*the same command"):
            endpoint(tmp_path, server.url).ask(questions())
        server.course = ["completed"]
        found = endpoint(tmp_path, server.url).ask(questions())
        assert len(uploaded(server, 1)) == (3 if status == "expired" else 6)
    assert texts(found.answers) == [f"what is {number}? (0)" for number in range(6)]


def test_a_batch_beyond_the_budget_is_not_sent(tmp_path: Path) -> None:
    with batching() as server:
        with pytest.raises(StepFailed, match=r"budget\.tokens: 50"):
            endpoint(tmp_path, server.url, budget={"tokens": 50}).ask(questions())
        assert not server.batches
        assert not server.files


def test_where_log_probabilities_are_refused_a_second_batch_is_sent_without(tmp_path: Path) -> None:
    def answer(body: Body) -> list[dict[str, Any]]:
        return [choice("A", logprobs=SENT) if "logprobs" in body else choice("A")]

    with batching(answer) as server:
        server.refused = lambda body: "logprobs are not supported" if "logprobs" in body else None
        found = endpoint(tmp_path, server.url).ask(questions(logprobs=True))
        assert [len(uploaded(server, number)) for number in (0, 1)] == [6, 6]
        assert server.requests == []
    assert texts(found.answers) == ["A"] * 6


def test_a_server_without_batches_is_told_in_one_sentence(tmp_path: Path) -> None:
    with batching() as server:
        server.trouble = lambda request, count: "404" if "batches" in request else None
        with pytest.raises(StepFailed, match="batch: HTTP 404") as told:
            endpoint(tmp_path, server.url).ask(questions())
    assert "\n" not in str(told.value)


def test_parts_are_within_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    bodies = {str(number): {"messages": ["x" * 50]} for number in range(7)}
    monkeypatch.setattr("outgrow.endpoints.batch.MOST_REQUESTS", 3)
    assert [list(part) for part in parts_of(bodies)] == [["0", "1", "2"], ["3", "4", "5"], ["6"]]
    monkeypatch.setattr("outgrow.endpoints.batch.MOST_BYTES", 300)
    parts = list(parts_of(bodies))
    assert {key: body for part in parts for key, body in part.items()} == bodies
    assert all(len(part) < 3 for part in parts)
