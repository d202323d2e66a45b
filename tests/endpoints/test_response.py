"""Replies of any shape: what of them is an answer, what is kept, and what they cost."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.endpoints.api_key import ApiKey
from outgrow.endpoints.response import (
    NOT_TEXT,
    NOT_UNICODE,
    WITH_KEY,
    ResponseChoice,
    expected_usage,
    fewest_tokens,
    kept,
    largest_reply,
    read_choices,
    read_usage,
    well_formed,
)
from outgrow.endpoints.usage import Usage
from outgrow.models.load_model import load_tokenizer

KEY = "sk-very-secret-0123456789"
BODY = {"model": "tiny", "messages": [{"role": "user", "content": "what is it? " * 20}], "max_tokens": 16}
TOKENS = [
    {"token": "it", "bytes": [105, 116], "logprob": -0.5, "top_logprobs": [{"token": "it", "logprob": -0.5}]},
    {"token": " is", "bytes": None, "logprob": -0.1, "top_logprobs": []},
]


def reply(content: Any = "it is", **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content}
    return {"model": "tiny", "choices": [{"message": message, "finish_reason": "stop", **more}]}


def only(found: dict[str, Any]) -> ResponseChoice:
    (choice,) = read_choices(found)
    return choice


@given(st.binary())
def test_no_bytes_break_the_reader(content: bytes) -> None:
    try:
        found = well_formed(content)
    except ValueError:
        return
    assert list(read_choices(found)) is not None


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([KEY, "\ud800", 2**70]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["token", "bytes", "logprob", "top_logprobs", "content", "x"]), inner)
    ),
)


@given(ANYTHING, ANYTHING, ANYTHING, ANYTHING, ANYTHING)
def test_of_any_reply_is_kept_what_can_be_read_again(
    content: Any, logprobs: Any, usage: Any, model: Any, ended: Any
) -> None:
    """What is kept says the same as what was sent, fits every file, costs something and holds no key."""
    sent = {**reply(content, logprobs=logprobs, finish_reason=ended), "usage": usage, "model": model}
    found = kept(sent, BODY, ApiKey(KEY))
    again = json.loads(json.dumps(found, allow_nan=False))
    assert KEY not in json.dumps(found)
    assert list(read_choices(again)) == list(read_choices(found))
    assert read_usage(again, BODY) == read_usage(sent, BODY)
    assert min(read_usage(again, BODY)) >= 0
    assert kept(again, BODY, ApiKey(KEY)) == found
    only(found).text.encode()
    if isinstance(content, str) and content.isascii() and KEY[:8] not in content:
        assert only(found).text == content


def test_what_is_told_of_tokens_is_kept_as_it_is() -> None:
    found = kept(reply(logprobs={"content": TOKENS}), BODY, ApiKey(KEY))
    assert only(found).tokens == tuple(TOKENS)


@pytest.mark.parametrize(
    "told",
    [
        None,
        "x",
        [],
        {},
        {"content": "x"},
        {"content": []},
        {"content": [TOKENS[0], 3]},
        {"content": [{"token": None}]},
    ],
)
def test_what_is_not_of_the_protocol_is_told_of_no_token(told: Any) -> None:
    assert only(reply(logprobs=told)) == ResponseChoice("it is", True, None)


def test_odd_parts_of_a_token_are_left_out() -> None:
    odd = {"token": "it", "bytes": [256], "logprob": True, "top_logprobs": {"it": -1.0}}
    others = [None, {"token": "a", "logprob": math.inf}, {"token": "b", "logprob": "x"}, {"token": "c", "logprob": -1}]
    (first, second) = only(reply(logprobs={"content": [odd, {"token": " is", "top_logprobs": others}]})).tokens or ()
    assert first == {"token": "it", "bytes": None, "logprob": None, "top_logprobs": []}
    assert second["top_logprobs"] == [{"token": "c", "logprob": -1.0}]


@pytest.mark.parametrize(
    ("content", "trouble"),
    [
        (None, ""),
        ("", ""),
        ("half a smile \ud83d", NOT_UNICODE),
        (["it is"], NOT_TEXT),
        (5, NOT_TEXT),
        (f"my key is {KEY}", WITH_KEY),
        (f"a part of it is {KEY[4:12]}", WITH_KEY),
    ],
)
def test_what_cannot_be_an_answer_says_why(content: Any, trouble: str) -> None:
    assert only(kept(reply(content), BODY, ApiKey(KEY))) == ResponseChoice("", True, None, trouble)


def test_bytes_that_are_no_utf8_are_no_answer() -> None:
    content = json.dumps(reply("caf@"), ensure_ascii=False).encode().replace(b"@", b"\xc3")
    assert only(kept(well_formed(content), BODY, ApiKey(None))).trouble == NOT_UNICODE


def test_a_key_that_the_tokens_spell_is_not_kept() -> None:
    spelled = [{"token": KEY[at : at + 4]} for at in range(0, len(KEY), 4)]
    as_bytes = [{"token": "?", "bytes": list(KEY[at : at + 4].encode())} for at in range(0, len(KEY), 4)]
    beside = [{"token": "it", "top_logprobs": [{"token": KEY, "logprob": -1.0}]}]
    for tokens in (spelled, as_bytes, beside):
        assert only(kept(reply(logprobs={"content": tokens}), BODY, ApiKey(KEY))) == ResponseChoice(
            "it is", True, None
        )


def test_nothing_that_is_not_read_is_kept() -> None:
    sent = {**reply(), "id": KEY, "system_fingerprint": KEY, "usage": {"prompt_tokens": 90, "total_tokens": KEY}}
    assert set(kept(sent, BODY, ApiKey(None))) == {"model", "choices", "usage"}
    assert KEY not in str(kept(sent, BODY, ApiKey(None)))


def test_no_more_choices_than_were_asked_for_are_kept() -> None:
    sent = {"choices": reply()["choices"] * 5}
    assert [len(kept(sent, {**BODY, **more}, ApiKey(None))["choices"]) for more in ({}, {"n": 3})] == [1, 3]


@pytest.mark.parametrize("told", [None, [], "90", 90.0, True, False, -1, -(2**70), 2**63, 10**40, 3, {"a": 1}])
def test_a_count_that_cannot_be_is_replaced_by_our_own(told: Any) -> None:
    """The question has 240 characters and needs 19 tokens at the least, the answer 19; 3 are not believed."""
    answer = "this is an answer. " * 13
    own = Usage(expected_usage(BODY).read, len(answer) // 4)
    usage = {"prompt_tokens": told, "completion_tokens": told}
    assert read_usage({**reply(answer), "usage": usage}, BODY) == own
    assert read_usage({**reply(answer), "usage": told}, BODY) == own
    assert read_usage({**reply(answer), "usage": {**usage, "prompt_tokens": 90}}, BODY) == Usage(90, own.written)
    honest = {"prompt_tokens": 63, "completion_tokens": 65}
    assert read_usage({**reply(answer), "usage": honest}, BODY) == Usage(63, 65)


def test_an_answer_that_is_not_taken_was_paid_for() -> None:
    assert read_usage(kept(reply("\ud800" * 400), BODY, ApiKey(None)), BODY).written == 100


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("A", 1),
        (" internationalization", 1),  # one token of several vocabularies
        ("=" * 5000 + "\n" + " " * 5000, 1),  # tokens of a hundred equal characters exist
        ("The quick brown fox jumps over the lazy dog. " * 10, 36),
    ],
)
def test_the_fewest_tokens_of_a_text(text: str, tokens: int) -> None:
    assert fewest_tokens(text) == tokens


@pytest.mark.parametrize("model", ["bundled:smollm2-135m@3", "bundled:minilm-l6"])
def test_no_real_tokenizer_needs_fewer_tokens_than_the_fewest(model: str) -> None:
    tokenizer = load_tokenizer(model)
    lines = [
        "def f(x):\n        return x\n",
        "Donaudampfschifffahrtsgesellschaft. ",
        "什么是它？",
        "of international ",
    ]
    for text in (line * 40 for line in lines):
        assert fewest_tokens(text) <= len(tokenizer.encode(text, add_special_tokens=False))


def test_a_reply_may_be_as_long_as_its_tokens_need() -> None:
    """Of the longest answer, with everything told of every token."""
    body = {**BODY, "max_tokens": 512, "n": 2, "logprobs": True, "top_logprobs": 20}
    top = [{"token": "\\u0000" * 4, "bytes": [100] * 24, "logprob": -12.345678901234567} for _ in range(20)]
    token = {"token": "\\u0000" * 4, "bytes": [100] * 24, "logprob": -12.345678901234567, "top_logprobs": top}
    one = {"message": {"content": "\\u0000" * 4 * 512}, "logprobs": {"content": [token] * 512}}
    assert len(json.dumps({"choices": [one] * 2}, indent=1)) < largest_reply(body, 1000)
    assert largest_reply(BODY, 1000) < 2 * 2**20
    assert largest_reply({"max_tokens": "x", "n": -1, "top_logprobs": None}, 0) > largest_reply(BODY, 0)
