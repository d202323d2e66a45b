"""A model behind a server: everything that a server can do wrong, and what was paid for."""

import json
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from loopback import Body, choice, echo, serving
from outgrow.config.endpoint import EndpointSection
from outgrow.endpoints.chat_request import ChatRequest, ChatResponse, Refusal
from outgrow.endpoints.client import Endpoint
from outgrow.endpoints.response import fewest_tokens
from outgrow.endpoints.response_cache import ResponseCache
from outgrow.endpoints.server import words
from outgrow.endpoints.usage import Usage
from outgrow.errors import DataError, StepFailed
from outgrow.generation.chat import single_turn
from raw_server import RawServer, Request, Send, plain, running


def section(url: str, **changes: Any) -> dict[str, Any]:
    named = {"type": "endpoint", "model": "tiny", "url": url, "timeout": 2.0, "retries": 6, **changes}
    return EndpointSection.model_validate(named).model_dump(mode="json")


def endpoint(folder: Path, url: str, **changes: Any) -> Endpoint:
    return Endpoint(section(url, **changes), ResponseCache(folder / "answers.sqlite"))


def questions(n: int, **changes: Any) -> list[ChatRequest]:
    fields = {"temperature": 0.0, "max_tokens": 16}
    return [ChatRequest(f"q{number}", single_turn(f"what is {number}?"), fields, **changes) for number in range(n)]


def texts(answers: list[ChatResponse | Refusal]) -> list[list[str]]:
    return [[one.text for one in answer.choices] if isinstance(answer, ChatResponse) else [] for answer in answers]


def test_every_question_is_answered_in_order_and_bought_once(tmp_path: Path) -> None:
    with serving() as server:
        first = endpoint(tmp_path, server.url).ask(questions(40))
        again = endpoint(tmp_path, server.url).ask(questions(40))
        assert len(server.requests) == 40
        assert server.most_at_once <= 8
    assert texts(first.answers) == texts(again.answers) == [[f"what is {number}? (0)"] for number in range(40)]
    assert first.usage == again.usage == Usage(400, 200)


@pytest.mark.parametrize("fault", ["429", "500", "503", "408", "cut", "not json", "slow"])
def test_a_fault_that_passes_is_outlasted(tmp_path: Path, fault: str) -> None:
    def passing(count: int, body: Body) -> str | None:
        return fault if count == 0 and int(body["messages"][-1]["content"][8:-1]) % 2 else None

    with serving(fault=passing) as server:
        found = endpoint(tmp_path, server.url, timeout=1.0).ask(questions(6))
        assert len(server.requests) == 9
    assert texts(found.answers) == [[f"what is {number}? (0)"] for number in range(6)]


@pytest.mark.parametrize("fault", ["500", "not json"])
def test_what_stays_broken_is_named_and_only_that_is_asked_again(tmp_path: Path, fault: str) -> None:
    broken = {"what is 2?", "what is 5?"}
    with serving(fault=lambda count, body: fault if body["messages"][-1]["content"] in broken else None) as server:
        with pytest.raises(StepFailed, match=r"2 of 8 requests have no answer \(items q2, q5\).*same command") as told:
            endpoint(tmp_path, server.url, retries=1).ask(questions(8))
        assert "\n" not in str(told.value)
        assert len(server.given) == 6
        broken.clear()
        before = len(server.requests)
        found = endpoint(tmp_path, server.url).ask(questions(8))
        assert len(server.requests) == before + 2
    assert len([text for text in texts(found.answers) if text]) == 8


def test_a_server_that_is_down_is_left_alone_soon(tmp_path: Path) -> None:
    with serving() as server:
        url = server.url
    said: list[tuple[str, float]] = []
    started = time.monotonic()
    far = endpoint(tmp_path, url, retries=1, concurrency=4)
    far.section = {**far.section, "place": "supervisors.host"}
    with pytest.raises(
        StepFailed,
        match=r"50 of 50 requests have no answer .*the connection failed .*; is a server running at"
        r" `supervisors\.host\.url`\? All answers are cached",
    ):
        far.ask(questions(50), lambda message, share: said.append((message, share)))
    assert time.monotonic() - started < 10
    assert said[0] == (f"asking {url}", 0.0)
    assert set(said[1:]) == {("answer 0 of 50", 0.0)}


@pytest.mark.parametrize("concurrency", [1, 3, 8])
@pytest.mark.parametrize("known", [0, 5])
def test_a_server_that_never_says_anything_is_asked_the_first_wave_alone(
    tmp_path: Path, concurrency: int, known: int
) -> None:
    """Also where some answers lie on the disk, which is no sign of life."""
    broken = threading.Event()
    with serving(fault=lambda count, body: "503" if broken.is_set() else None) as server:
        endpoint(tmp_path, server.url).ask(questions(known))
        broken.set()
        with pytest.raises(StepFailed, match=f"{60 - known} of 60 requests have no answer"):
            endpoint(tmp_path, server.url, retries=1, concurrency=concurrency).ask(questions(60))
        assert len(server.requests) == known + 2 * concurrency


def test_one_broken_question_at_the_head_does_not_end_the_others(tmp_path: Path) -> None:
    """It fails at once, before anybody else is answered."""

    def slow(body: Body) -> list[dict[str, Any]]:
        time.sleep(0.2)
        return echo(body)

    def fault(count: int, body: Body) -> str | None:
        return "500" if body["messages"][-1]["content"] == "what is 0?" else None

    with serving(slow, fault) as server:
        with pytest.raises(StepFailed, match=r"1 of 12 requests have no answer \(items q0\)"):
            endpoint(tmp_path, server.url, retries=0, concurrency=3).ask(questions(12))
        assert len(server.given) == 11


def test_a_server_that_ignores_n_is_asked_for_the_rest(tmp_path: Path) -> None:
    with serving(fault=lambda count, body: "one choice") as server:
        found = endpoint(tmp_path, server.url).ask(questions(2, samples=3, seed=11))
        assert Counter(body.get("n", 1) for body in server.requests) == {3: 2, 2: 2, 1: 2}
    assert texts(found.answers)[1] == [f"what is 1? ({seed})" for seed in (11, 12, 13)]


def test_an_empty_answer_is_asked_for_again_and_then_refused(tmp_path: Path) -> None:
    def empty(count: int, body: Body) -> str | None:
        said = body["messages"][-1]["content"]
        return "empty" if said == "what is 1?" or (said == "what is 0?" and count == 0) else None

    with serving(fault=empty) as server:
        for _ in range(2):
            found = endpoint(tmp_path, server.url).ask(questions(3))
            assert texts(found.answers) == [["what is 0? (0)"], [], ["what is 2? (0)"]]
            assert isinstance(found.answers[1], Refusal)
            assert "empty" in found.answers[1].reason
        assert len(server.requests) == 2 + 3 + 1, "what was paid for is not bought again, be it empty"


def test_a_request_that_is_refused_is_that_items_own_trouble(tmp_path: Path) -> None:
    with serving(fault=lambda count, body: "400" if "1" in body["messages"][-1]["content"] else None) as server:
        found = endpoint(tmp_path, server.url).ask(questions(3))
    refusal = found.answers[1]
    assert isinstance(refusal, Refusal)
    assert "HTTP 400" in refusal.reason
    assert "fault 400" in refusal.reason
    assert [bool(text) for text in texts(found.answers)] == [True, False, True]


@pytest.mark.parametrize(("status", "words"), [("401", "SOME_KEY has a wrong key"), ("404", "404")])
def test_trouble_with_the_account_stops_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str, words: str
) -> None:
    monkeypatch.setenv("SOME_KEY", "sk-very-secret")
    with (
        serving(fault=lambda count, body: status) as server,
        pytest.raises(StepFailed, match=words),
    ):
        endpoint(tmp_path, server.url, key="SOME_KEY", concurrency=2).ask(questions(200))
    assert len(server.requests) <= 2


def test_a_missing_key_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_KEY", raising=False)
    with (
        serving(fault=lambda count, body: "401") as server,
        pytest.raises(StepFailed, match="SOME_KEY is not set"),
    ):
        endpoint(tmp_path, server.url, key="SOME_KEY").ask(questions(1))


def test_the_key_is_sent_and_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "sk-very-secret-0123456789"
    monkeypatch.setenv("SOME_KEY", secret)

    def tell_all(body: Body) -> list[dict[str, Any]]:
        return [choice("fine")]

    with serving(tell_all) as server:
        endpoint(tmp_path, server.url, key="SOME_KEY").ask(questions(3))
        assert {headers["authorization"] for headers in server.headers} == {f"Bearer {secret}"}
    for path in tmp_path.iterdir():
        assert secret.encode() not in path.read_bytes(), path

    assert secret not in words({"key": "SOME_KEY"}, ValueError(f"you sent {secret}"))


def test_equal_questions_are_asked_once_and_answered_all(tmp_path: Path) -> None:
    with serving(latency=0.05) as server:
        found = endpoint(tmp_path, server.url).ask([*questions(3), *questions(4)])
        assert len(server.requests) == 4
    assert texts(found.answers) == [[f"what is {number}? (0)"] for number in (0, 1, 2, 0, 1, 2, 3)]
    assert found.usage == Usage(40, 20)


def test_answers_of_no_use_are_bought_again_and_stay_on_the_bill(tmp_path: Path) -> None:
    with serving() as server:
        far, asked = endpoint(tmp_path, server.url), questions(4, samples=2, seed=3)
        far.ask(asked)
        with far.retry_on_error(asked):
            """Nothing is wrong with them."""
        far.ask(asked)
        assert len(server.requests) == 4
        for times in (1, 2):
            with pytest.raises(DataError, match="of no use"), far.retry_on_error(asked[:1]):
                raise DataError("of no use")
            assert far.store.spent(far.url, far.model).total == (3 + times) * 20
            assert texts(far.ask(asked).answers)[0] == ["what is 0? (3)", "what is 0? (4)"]
            assert len(server.requests) == 4 + times
        assert far.store.spent(far.url, far.model).total == 6 * 20


def test_without_a_key_none_is_sent_and_a_refusal_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    with serving(fault=lambda count, body: "401") as server:
        with pytest.raises(StepFailed, match=r"no key was sent: name the environment variable .* `key: SERVER_KEY`"):
            endpoint(tmp_path, server.url).ask(questions(1))
        assert not any("sk-very-secret" in str(headers) for headers in server.headers)


def test_another_models_name_is_told_also_of_answers_that_were_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(fault=lambda count, body: "other name") as server:
        for _ in range(2):
            caplog.clear()
            found = endpoint(tmp_path, server.url).ask(questions(2))
            assert found.served == ("somebody-else",)
            assert "`somebody-else`" in caplog.text
        assert len(server.requests) == 2


def test_a_budget_is_never_exceeded_and_a_larger_one_goes_on(tmp_path: Path) -> None:
    with serving() as server:
        with pytest.raises(StepFailed, match=r"budget.tokens: 100.*raise the budget"):
            endpoint(tmp_path, server.url, budget={"tokens": 100}).ask(questions(20))
        spent = len(server.given) * 15
        assert 0 < spent <= 100
        prices = {"input": 1e6, "output": 1e6}
        with pytest.raises(StepFailed, match=r"budget.money"):
            endpoint(tmp_path, server.url, budget={"money": 150}, prices=prices).ask(questions(20))
        assert len(server.given) * 15 <= 150
        found = endpoint(tmp_path, server.url, budget={"tokens": 1000}).ask(questions(20))
        assert len(server.given) == 20
    assert found.usage.total == 300


def test_usage_that_is_not_told_is_estimated(tmp_path: Path) -> None:
    with serving(fault=lambda count, body: "no usage") as server:
        found = endpoint(tmp_path, server.url).ask(questions(1))
    assert found.usage.read > 0
    assert found.usage.written == len("what is 0? (0)") // 4


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "answers.sqlite").write_text("these are no answers, but something else altogether")
    with pytest.raises(DataError, match=r"answers\.sqlite.*move it away"):
        ResponseCache(tmp_path / "answers.sqlite")


def _ask_forever(folder: Path, url: str) -> None:
    endpoint(folder, url, concurrency=4).ask(questions(400))


def test_killed_at_any_moment_nothing_kept_is_bought_twice(tmp_path: Path) -> None:
    """After SIGKILL only requests that were under way are sent a second time."""
    with serving(latency=0.01) as server:
        for _ in range(3):
            child = multiprocessing.get_context("spawn").Process(target=_ask_forever, args=(tmp_path, server.url))
            child.start()
            before = len(server.given)
            deadline = time.monotonic() + 60
            while len(server.given) < before + 40 and child.is_alive() and time.monotonic() < deadline:
                time.sleep(0.01)
            assert child.pid is not None
            os.kill(child.pid, signal.SIGKILL)
            child.join()
        found = endpoint(tmp_path, server.url).ask(questions(400))
        twice = sum(count - 1 for count in Counter(server.given).values())
    assert texts(found.answers) == [[f"what is {number}? (0)"] for number in range(400)]
    assert twice <= 3 * 4


def test_two_processes_share_what_they_bought_and_the_limit(tmp_path: Path) -> None:
    with serving(latency=0.01) as server:
        asking = [
            threading.Thread(target=lambda: endpoint(tmp_path, server.url, concurrency=3).ask(questions(60)))
            for _ in range(2)
        ]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
        assert len(server.given) == 60
        assert server.most_at_once <= 3


@pytest.mark.slow
def test_a_thousand_questions_to_a_faulty_server(tmp_path: Path) -> None:
    """Every answer once, and not much longer than the server's own latency asks for."""
    latency, concurrency = 0.5, 32
    faults = ["429", "500", "cut", "not json"]

    def fault(count: int, body: Body) -> str | None:
        number = int(body["messages"][-1]["content"][8:-1])
        return faults[number // 50 % 4] if number % 50 == 7 and count == 0 else None

    with serving(echo, fault, latency) as server:
        started = time.monotonic()
        found = endpoint(tmp_path, server.url, concurrency=concurrency, timeout=30.0).ask(questions(1000))
        took = time.monotonic() - started
        assert len(server.requests) == 1020
        assert set(Counter(server.given).values()) == {1}
    assert texts(found.answers) == [[f"what is {number}? (0)"] for number in range(1000)]
    assert took < 1.3 * 1020 * latency / concurrency + 1


def test_the_file_of_answers_is_its_owners_alone(tmp_path: Path) -> None:
    """Also the log beside it, and a file that was begun when others could read it."""
    path = tmp_path / "answers.sqlite"
    path.touch(0o644)
    store = ResponseCache(path)
    store.put("a", "url", "model", {"choices": []}, Usage(1, 1))
    modes = {one.name: one.stat().st_mode & 0o777 for one in tmp_path.iterdir()}
    assert modes == dict.fromkeys(["answers.sqlite", "answers.sqlite-wal", "answers.sqlite-shm"], 0o600)
    store.close()


def test_many_may_begin_the_file_at_once(tmp_path: Path) -> None:
    for number in range(40):
        path = tmp_path / str(number) / "answers.sqlite"
        with ThreadPoolExecutor(4) as pool:
            for store in pool.map(ResponseCache, [path] * 4):
                store.close()


def test_a_second_connection_keeps_the_locks_of_the_first(tmp_path: Path) -> None:
    """Without its locks, another process that closes the file would remove the log that is still written to."""
    path = tmp_path / "answers.sqlite"
    first, second = ResponseCache(path), ResponseCache(path)
    first.put("a", "url", "model", {"choices": []}, Usage(1, 1))
    ask = f"from outgrow.endpoints.response_cache import ResponseCache as R, Path as P; c = R(P({str(path)!r})); {{}}"
    for key in "bc":
        subprocess.run([sys.executable, "-c", ask.format(f"assert c.get({key!r}) is None; c.close()")], check=True)
        first.put(key, "url", "model", {"choices": []}, Usage(1, 1))
        assert (tmp_path / "answers.sqlite-wal").exists()
    subprocess.run([sys.executable, "-c", ask.format("assert all(map(c.get, 'abc'))")], check=True)
    first.close()
    second.close()


@pytest.mark.parametrize("reply", ["", "{", "[]", "null", '{"choices": 5}', "[" * 100_000, None, b"\xff"])
def test_a_row_that_cannot_be_read_is_bought_again_and_stays_on_the_bill(tmp_path: Path, reply: Any) -> None:
    with serving() as server:
        endpoint(tmp_path, server.url).ask(questions(2))
        with sqlite3.connect(tmp_path / "answers.sqlite") as file:
            file.execute("UPDATE answers SET reply = ?", (reply,))
        file.close()
        found = endpoint(tmp_path, server.url).ask(questions(2))
        assert texts(found.answers) == [["what is 0? (0)"], ["what is 1? (0)"]]
        assert len(server.requests) == 4
        far = endpoint(tmp_path, server.url)
        assert far.store.spent(far.url, far.model) == Usage(40, 20)


def test_what_stands_on_the_bill_is_what_can_be(tmp_path: Path) -> None:
    """A ledger of an earlier version may hold negative counts, and such that no sum has room for."""
    store = ResponseCache(tmp_path / "answers.sqlite")
    for key, read, written in (("a", -(10**9), 5), ("b", 2**63 - 1, 2**63 - 1), ("c", 3, -4)):
        store.put(key, "url", "model", {"choices": []}, Usage(read, written))
    assert store.spent("url", "model") == Usage(10_000_003, 10_000_005)
    assert store.spent("url", "other") == Usage(0, 0)
    store.close()


@pytest.mark.parametrize("lie", [-1000, 0, None, "0", True, 0.5, []])
def test_a_server_that_counts_too_little_sells_no_more_than_the_budget(tmp_path: Path, lie: Any) -> None:
    body = json.dumps({"choices": [choice("this is the answer. " * 3)], "usage": dict.fromkeys(COUNTS, lie)}).encode()

    def talk(request: Request, send: Send) -> bool:
        send(plain(200, body))
        return True

    with running(RawServer(talk)) as server:
        far = endpoint(tmp_path, server.url, budget={"tokens": 1000})
        with pytest.raises(StepFailed, match=r"budget.tokens: 1000"):
            far.ask(questions(300))
        assert len(server.requests) * fewest_tokens("this is the answer. " * 3) <= 1000
        assert 900 < far.store.spent(far.url, far.model).total <= 1000


COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")


def test_a_server_that_repeats_the_key_gets_it_stored_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)

    def telling(body: Body) -> list[dict[str, Any]]:
        said = body["messages"][-1]["content"]
        return [choice(f"you are {KEY[2:14]}" if "1" in said else "fine", logprobs={"content": [{"token": KEY}]})]

    def talk(request: Request, send: Send) -> bool:
        found = {"id": KEY, "model": f"of-{KEY}", "choices": telling(json.loads(request.content))}
        send(plain(200, json.dumps(found).encode(), f"x-request-id: {KEY}", f"Set-Cookie: key={KEY}"))
        return True

    with running(RawServer(talk)) as server:
        for _ in range(2):
            found = endpoint(tmp_path, server.url, key="SOME_KEY").ask(questions(3))
            assert texts(found.answers) == [["fine"], [], ["fine"]]
            assert found.answers[1] == Refusal("an answer with the key in it, 3 times")
            assert found.served == ("of-…",)
        assert len(server.requests) == 5
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for text in (kept.decode("latin-1"), caplog.text, str(found)):
        assert not any(KEY[at : at + 8] in text for at in range(len(KEY) - 7))


KEY = "sk-Very/secret+0123456789"
