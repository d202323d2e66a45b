"""What goes out to a server and what of its replies comes in, over real sockets."""

import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest

from outgrow.config.endpoint import EndpointSection
from outgrow.endpoints.chat_request import ChatRequest, ChatResponse, Refusal
from outgrow.endpoints.client import Endpoint
from outgrow.endpoints.response_cache import ResponseCache
from outgrow.endpoints.transport import in_utf8, message_of, proxy_of
from outgrow.errors import DataError, StepFailed
from outgrow.generation.chat import single_turn
from raw_server import RawServer, Request, Send, Talk, plain, running

KEY = "sk-very/secret+0123456789"
GOOD = json.dumps({"choices": [{"message": {"content": "café"}}]}, ensure_ascii=False)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)


def endpoint(folder: Path, url: str, **changes: Any) -> Endpoint:
    named = {"type": "endpoint", "model": "tiny", "url": url, "key": "SOME_KEY", "timeout": 1.0, "retries": 0}
    section = EndpointSection.model_validate({**named, **changes}).model_dump(mode="json")
    return Endpoint(section, ResponseCache(folder / "answers.sqlite"))


def ask(folder: Path, talk: Talk, **changes: Any) -> ChatResponse | Refusal:
    """One question to a server that talks so."""
    with running(RawServer(talk)) as server:
        far = endpoint(folder, server.url, **changes)
        (answer,) = far.ask([ChatRequest("q0", single_turn("what is it?"), {"max_tokens": 16})]).answers
    assert server.strange == []
    return answer


def sending(*pieces: bytes, pause: float = 0.0) -> Talk:
    def talk(request: Request, send: Send) -> bool:
        for piece in pieces:
            send(piece)
            time.sleep(pause)
        return False

    return talk


def bytewise(data: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in data]


@pytest.mark.parametrize(
    "pieces", [bytewise(plain(200, GOOD.encode())), [plain(200, b"x" * 99)[:-99], *bytewise(b"x" * 99)]]
)
def test_a_server_that_drips_is_left_when_the_time_is_over(tmp_path: Path, pieces: list[bytes]) -> None:
    """In the headers as in the body."""
    began = time.monotonic()
    with pytest.raises(StepFailed, match="no answer within 1 s"):
        ask(tmp_path, sending(*pieces, pause=0.2))
    assert 0.9 < time.monotonic() - began < 10  # all of it takes twenty


def test_a_slow_answer_within_the_time_is_one(tmp_path: Path) -> None:
    data = plain(200, GOOD.encode())
    answer = ask(tmp_path, sending(data[:20], data[20:50], data[50:], pause=0.2), timeout=5.0)
    assert isinstance(answer, ChatResponse)
    assert answer.choices[0].text == "café"


@pytest.mark.parametrize("times", [0, 1, 2])
def test_a_reply_that_grows_is_left_at_the_size_of_an_answer(tmp_path: Path, times: int) -> None:
    """Also compressed, once or twice; without the cap 200 MB were read three times."""
    body = b" " * 200_000_000 if times else b" " * 20_000_000
    for _ in range(times):
        body = gzip.compress(body, 6)
    began = time.process_time()
    with pytest.raises(StepFailed, match=r"no valid answer \(more than 1\d{6} bytes, the limit"):
        ask(tmp_path, sending(plain(200, body, f"Content-Encoding: {', '.join(['gzip'] * times)}")), timeout=20.0)
    assert time.process_time() - began < 8


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_no_redirection_is_followed(tmp_path: Path, status: int) -> None:
    with running(RawServer(sending(plain(200, GOOD.encode())))) as other:
        place = f"{other.url}/chat/completions"
        with pytest.raises(StepFailed, match=rf"redirects requests \(HTTP {status}, to `{place}`\)"):
            ask(tmp_path, sending(plain(status, b"", f"Location: {place}")), retries=3)
        assert other.requests == []


def test_where_it_would_go_is_told_without_the_key_and_on_one_line(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match=r"\(HTTP 307, to `http://x/\?…&�\[31m`\)") as told:
        ask(tmp_path, sending(plain(307, b"", f"Location: http://x/?{KEY}&\x1b[31m")))
    assert KEY[:8] not in str(told.value)


FOREIGN = ("x-team", "openai-organization", "openai-project", "cookie")


def test_what_the_environment_says_for_openai_goes_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin-1234")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai-1234")
    monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", "whsec-1234")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Team: é\nAuthorization: Bearer sk-other-1234\nopenai-project: p")
    with running(RawServer(sending(plain(200, GOOD.encode(), "Set-Cookie: a=b")))) as server:
        for _ in range(2):
            endpoint(tmp_path, server.url).ask([ChatRequest("q0", single_turn("what is it?"), {})])
            (tmp_path / "answers.sqlite").unlink()
    assert len(server.requests) == 2
    for request in server.requests:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert not set(FOREIGN) & set(request.headers)
        assert not any(secret in str(request) for secret in ("org-1", "proj-1", "-1234"))


@pytest.mark.parametrize("variable", ["OPENAI_ORG_ID", "OPENAI_CUSTOM_HEADERS", "SOME_KEY"])
def test_a_value_that_no_header_can_carry_is_not_sent_to_openai(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "X-Team: a\x01secret-0123" if "CUSTOM" in variable else "secret\x01-0123")
    with pytest.raises(
        StepFailed, match=f"nothing is sent: the value of the environment variable {variable} has a"
    ) as told:
        endpoint(tmp_path, "https://api.openai.com/v1").ask([ChatRequest("q0", single_turn("what is it?"), {})])
    assert "0123" not in str(told.value)


@pytest.mark.parametrize(
    ("value", "trouble"),
    [
        (f"{KEY}\r", "ends with a carriage return"),
        (f"{KEY}\n", "ends with a line feed"),
        (f"\t{KEY}", "begins with a tab"),
    ],
)
def test_a_key_from_a_file_with_other_line_ends_is_refused_unsent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, trouble: str
) -> None:
    monkeypatch.setenv("SOME_KEY", value)
    with running(RawServer(sending(plain(200, GOOD.encode())))) as server:
        with pytest.raises(StepFailed, match=f"environment variable SOME_KEY {trouble}; set it again") as told:
            endpoint(tmp_path, server.url).ask([ChatRequest("q0", single_turn("what is it?"), {})])
        assert server.requests == []
    assert KEY[:8] not in str(told.value)


def test_an_error_is_told_without_the_key_and_without_what_steers_a_terminal(tmp_path: Path) -> None:
    body = json.dumps({"error": {"message": f"no \x1b[31m{KEY}\n for {KEY[5:15]}", "code": [KEY]}})
    answer = ask(tmp_path, sending(plain(400, body.encode(), f"x-request-id: {KEY}")))
    assert answer == Refusal("HTTP 400: Error code: 400 - no �[31m… for …")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": {"message": "a"}}', "a"),
        (b'{"object": "error", "message": "b"}', "b"),
        (b'{"error": "c"}', "c"),
        (b'{"detail": "d"}', "d"),
        (b'{"error": {"message": ["e"]}}', ""),
        (b"[" * 100_000, ""),
        (b"<html>", ""),
        (b"\xff", ""),
    ],
)
def test_the_message_of_an_error(body: bytes, said: str) -> None:
    assert message_of(body) == said


@pytest.mark.parametrize("charset", ["rot13", "no-such", "latin-1", "utf-16", "hex", "undefined", "utf-8"])
def test_json_is_utf8_whatever_it_is_called(tmp_path: Path, charset: str) -> None:
    answer = ask(tmp_path, sending(plain(200, GOOD.encode(), f"Content-Type: application/json; charset={charset}")))
    assert isinstance(answer, ChatResponse)
    assert answer.choices[0].text == "café"


def test_what_is_no_utf8_is_what_it_is_called_or_stays() -> None:
    for name in ("latin-1", "utf-16", "cp1252"):
        assert in_utf8(GOOD.encode(name), name) == GOOD.encode()
    assert in_utf8(GOOD.encode("utf-8-sig"), None) == GOOD.encode()
    for name in (None, "rot13", "no-such", "utf-8", "ascii", "undefined", "\0"):
        assert in_utf8(b"\xff{}", name) == b"\xff{}"


def test_an_answer_that_is_no_text_in_any_writing_is_refused_and_paid_for(tmp_path: Path) -> None:
    """It is asked for again like an empty one, and kept: the same command does not buy it anew."""
    talk = sending(plain(200, GOOD.encode("latin-1")))
    with running(RawServer(talk)) as server:
        for _ in range(2):
            far = endpoint(tmp_path, server.url)
            (answer,) = far.ask([ChatRequest("q0", single_turn("what is it?"), {})]).answers
            assert answer == Refusal("an answer with broken characters, 3 times")
        assert len(server.requests) == 3
        assert far.store.spent(far.url, far.model).written > 0


def test_what_is_compressed_wrongly_is_asked_for_three_times(tmp_path: Path) -> None:
    with running(RawServer(sending(plain(200, GOOD.encode(), "Content-Encoding: gzip")))) as server:
        with pytest.raises(StepFailed, match=r"no valid answer \(wrong compression"):
            endpoint(tmp_path, server.url, retries=9).ask([ChatRequest("q0", single_turn("what is it?"), {})])
        assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, "https://far/v1", None),
        ({"https_proxy": "http://me:pass@near:3128"}, "https://far/v1", b"near"),
        ({"https_proxy": "near:3128"}, "https://far/v1", b"near"),
        ({"https_proxy": "http://near:3128"}, "http://far/v1", None),
        ({"all_proxy": "http://near:3128"}, "http://far/v1", b"near"),
        ({"all_proxy": "http://near:3128", "no_proxy": "other,far"}, "http://far/v1", None),
        ({"all_proxy": "http://near:3128", "no_proxy": "*"}, "http://far/v1", None),
        ({"all_proxy": "http://near:3128", "no_proxy": "x, 10.0.0.0/8"}, "http://10.1.2.3/v1", None),
        ({"all_proxy": "http://near:3128", "no_proxy": "x, 10.0.0.0/8"}, "http://11.1.2.3/v1", b"near"),
    ],
)
def test_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], url: str, proxy: bytes | None
) -> None:
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_proxy".upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = proxy_of(url)
    assert (None if found is None else found.url.host) == proxy


@pytest.mark.parametrize(
    "value", ["ftp://me:secret-0123@near", "http://near:port-secret-0123", "socks5://me:secret-0123@near"]
)
def test_a_proxy_that_cannot_be_is_named_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", value)
    with pytest.raises(DataError, match="the environment's proxy for http") as told:
        endpoint(tmp_path, "http://far/v1").ask([ChatRequest("q0", single_turn("what is it?"), {})])
    assert "secret-0123" not in str(told.value)


def test_requests_go_through_the_proxy_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(RawServer(sending(plain(200, GOOD.encode())))) as proxy:
        address = proxy.url.removeprefix("http://").removesuffix("/v1")
        monkeypatch.setenv("http_proxy", f"http://me:word@{address}")
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv("NO_PROXY", "")
        endpoint(tmp_path, "http://far.example/v1").ask([ChatRequest("q0", single_turn("what is it?"), {})])
    (request,) = proxy.requests
    assert request.line == "POST http://far.example/v1/chat/completions HTTP/1.1"
    assert request.headers["proxy-authorization"].startswith("Basic ")
