"""Replies of chat servers. Every part is checked before it is used.

Parts of the wrong shape are left out. An unreadable answer is empty, with the reason. An impossible count of tokens is
replaced by an estimate.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from outgrow.endpoints.api_key import SHORTEST, ApiKey
from outgrow.endpoints.given_text import FIELD, as_sent, is_scoring, read_prompt
from outgrow.endpoints.usage import Usage
from outgrow.text_format import HALF_CHARACTER

FRAME_TOKENS = 16
"""Tokens of a chat template around a message, at most."""
LONGEST_TOKEN = 12
"""Characters per token, an upper bound on a text's mean in any language, with repeated characters counted once."""
FREE = 24
"""Characters of a text that this bound does not cover."""
MOST_TOKENS = 10_000_000
"""Tokens of a reply, at most."""
BYTES_PER_TOKEN, BYTES_PER_LOGPROB = 256, 1024
"""Generous limits of a reply: bytes per token of text, and per log-probability of an alternative."""
REPLY_FRAME = 2**20
"""Bytes of a reply without its answers, at most."""
UNKNOWN_LENGTH = 100_000
"""Tokens of an answer, at most, if the request sets no limit."""
LONGEST_NAME = 1000

NOT_TEXT, NOT_UNICODE, WITH_KEY = (
    "an answer that is no text",
    "an answer with broken characters",
    "an answer with the key in it",
)


class ResponseChoice(NamedTuple):
    """An answer of the model."""

    text: str
    ended: bool
    """Whether the model ended the answer itself."""
    tokens: tuple[Mapping[str, Any], ...] | None
    """Each with `token`, `bytes`, `logprob` and `top_logprobs`; `None` if the server sends no tokens."""
    trouble: str = ""
    """Why the text is empty, if the server sent an invalid one."""


def parsed(content: bytes) -> dict[str, Any]:
    """Parse a JSON object; bytes that are not UTF-8 become lone surrogates. Raises `ValueError` for other values."""
    try:
        reply = json.loads(content.decode("utf-8", "surrogateescape"))
    except RecursionError as error:
        raise ValueError("JSON that cannot be read") from error
    if not isinstance(reply, dict):
        raise ValueError("not a JSON object")
    return reply


def well_formed(content: bytes) -> dict[str, Any]:
    """A reply with a list of choices. Raises `ValueError` for other replies."""
    reply = parsed(content)
    if not isinstance(reply.get("choices"), list):
        raise ValueError("no `choices` in the reply")
    return reply


def kept(reply: Mapping[str, Any], body: Mapping[str, Any], secret: ApiKey) -> dict[str, Any]:
    """The cached parts of a reply, in the protocol's shape, without the key."""
    usage = read_usage(reply, body)
    choices = [_without_key(choice, secret) for choice in list(read_choices(reply))[: count_of(body, "n") or 1]]
    return {
        "model": served_by(reply, secret),
        "choices": [_as_sent(choice) for choice in choices],
        "usage": {"prompt_tokens": usage.read, "completion_tokens": usage.written},
        **_kept_prompt(reply, body, secret),
    }


def _kept_prompt(reply: Mapping[str, Any], body: Mapping[str, Any], secret: ApiKey) -> dict[str, Any]:
    """The prompt's tokens, if they were asked for and do not reveal the key."""
    prompt = read_prompt(reply) if is_scoring(body) else None
    if prompt is None or secret.is_in("".join(token.text for token in prompt)):
        return {}
    return {FIELD: as_sent(prompt)}


def served_by(reply: Mapping[str, Any], secret: ApiKey) -> str | None:
    """The server's name of its model, on one line, without the key; `None` if it is missing."""
    name = reply.get("model")
    return readable(secret.hidden(name[:LONGEST_NAME])) if isinstance(name, str) and name else None


def readable(text: str) -> str:
    """A server's text with only printable characters."""
    return "".join(character if character.isprintable() else "�" for character in text)


def _without_key(choice: ResponseChoice, secret: ApiKey) -> ResponseChoice:
    """The answer, empty if its text reveals the key, and without tokens if they reveal it."""
    if secret.is_in(choice.text):
        return ResponseChoice("", choice.ended, None, WITH_KEY)
    return choice._replace(tokens=None) if any(map(secret.is_in, _token_texts(choice.tokens or ()))) else choice


def _token_texts(tokens: tuple[Mapping[str, Any], ...]) -> Iterator[str]:
    """All texts of the tokens that may contain a key."""
    yield "".join(token["token"] for token in tokens)
    yield b"".join(bytes(token["bytes"] or ()) for token in tokens).decode("latin-1")
    for token in tokens:
        yield from (
            alternative["token"] for alternative in token["top_logprobs"] if len(alternative["token"]) >= SHORTEST
        )


def _as_sent(choice: ResponseChoice) -> dict[str, Any]:
    """The answer in the server's format, with the reason for an empty one."""
    sent: dict[str, Any] = {"message": {"content": choice.text}, "finish_reason": "stop" if choice.ended else "length"}
    sent |= {} if choice.tokens is None else {"logprobs": {"content": list(choice.tokens)}}
    return sent | ({"trouble": choice.trouble} if choice.trouble else {})


def read_choices(reply: Mapping[str, Any]) -> Iterator[ResponseChoice]:
    """The answers of a reply; a filtered, missing or unreadable one is empty."""
    for choice in reply["choices"]:
        yield _choice(choice if isinstance(choice, dict) else {})


def _choice(sent: Mapping[str, Any]) -> ResponseChoice:
    message, logprobs, ended = sent.get("message"), sent.get("logprobs"), sent.get("finish_reason") != "length"
    content = message.get("content") if isinstance(message, dict) else None
    if sent.get("trouble") in (NOT_TEXT, NOT_UNICODE, WITH_KEY):
        return ResponseChoice("", ended, None, sent["trouble"])
    if content is None:
        return ResponseChoice("", ended, None)
    if not isinstance(content, str):
        return ResponseChoice("", ended, None, NOT_TEXT)
    if not is_unicode(content):
        return ResponseChoice("", ended, None, NOT_UNICODE)
    return ResponseChoice(content, ended, _tokens(logprobs.get("content") if isinstance(logprobs, dict) else None))


def is_unicode(text: str) -> bool:
    """Whether a text has no lone surrogate, which JSON allows but UTF-8 files do not."""
    return not HALF_CHARACTER.search(text)


def _tokens(tokens: object) -> tuple[Mapping[str, Any], ...] | None:
    """The tokens with the fields of the protocol; `None` for invalid tokens."""
    if not isinstance(tokens, list) or not tokens or not all(_is_token(token) for token in tokens):
        return None
    return tuple(
        {
            "token": token["token"],
            "bytes": _bytes(token.get("bytes")),
            "logprob": _logprob(token.get("logprob")),
            "top_logprobs": list(_alternatives(token.get("top_logprobs"))),
        }
        for token in tokens
    )


def _is_token(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("token"), str) and is_unicode(value["token"])


def _alternatives(tokens: object) -> Iterator[dict[str, Any]]:
    for token in tokens if isinstance(tokens, list) else []:
        if _is_token(token) and _logprob(token.get("logprob")) is not None:
            yield {"token": token["token"], "logprob": _logprob(token["logprob"])}


def _bytes(value: object) -> list[int] | None:
    is_bytes = isinstance(value, list) and all(type(byte) is int and 0 <= byte < 256 for byte in value)
    return list(value) if is_bytes and isinstance(value, list) else None


def _logprob(value: object) -> float | None:
    """A finite number, or `None`; rounding can make it slightly positive."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def read_usage(reply: Mapping[str, Any], body: Mapping[str, Any]) -> Usage:
    """The server's counts, or an estimate if they are missing, too small for the texts, or impossibly large."""
    usage = reply.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    written = "".join(_contents(reply))
    return Usage(
        _plausible(usage.get("prompt_tokens"), fewest_tokens(_request_text(body)), expected_usage(body).read),
        _plausible(usage.get("completion_tokens"), fewest_tokens(written), len(_encoded(written)) // 4),
    )


def _contents(reply: Mapping[str, Any]) -> Iterator[str]:
    """The texts of all choices, valid or not."""
    for choice in reply["choices"]:
        message = choice.get("message") if isinstance(choice, dict) else None
        content = message.get("content") if isinstance(message, dict) else None
        yield content if isinstance(content, str) else ""


def _plausible(value: object, least: int, estimate: int) -> int:
    return value if type(value) is int and least <= value <= MOST_TOKENS else estimate


def fewest_tokens(text: str) -> int:
    """A lower bound on the tokens of a text for any tokenizer.

    Texts have three to six characters per token. Tokens are longer for repeated characters, and in rare other cases.
    """
    characters = len(re.sub(r"(.)\1+", r"\1", text, flags=re.DOTALL))
    return max(0, characters - FREE) // LONGEST_TOKEN + bool(text)


def expected_usage(body: Mapping[str, Any]) -> Usage:
    """The largest expected usage: few tokens have less than three bytes, and answers may be as long as allowed."""
    frames = FRAME_TOKENS * len(body["messages"])
    return Usage(len(_encoded(_request_text(body))) // 3 + frames, longest_answer(body) * (count_of(body, "n") or 1))


def longest_answer(body: Mapping[str, Any]) -> int:
    """The limit of tokens in a request; 0 if it sets no limit."""
    return count_of(body, "max_tokens") or count_of(body, "max_completion_tokens")


def largest_reply(body: Mapping[str, Any], size: int) -> int:
    """Bytes of a valid reply, at most. `size` is the size of the request, which a reply may repeat."""
    tokens = (longest_answer(body) or UNKNOWN_LENGTH) * (count_of(body, "n") or 1)
    alternatives = 1 + count_of(body, "top_logprobs") if body.get("logprobs") else 0
    prompt = size * BYTES_PER_LOGPROB if is_scoring(body) else 0  # no token has less than a byte
    return REPLY_FRAME + 64 * size + tokens * (BYTES_PER_TOKEN + alternatives * BYTES_PER_LOGPROB) + prompt


def count_of(body: Mapping[str, Any], field: str) -> int:
    """A positive integer of a request, or 0; a file of settings may set the fields to any value."""
    value = body.get(field)
    return value if type(value) is int and value > 0 else 0


def _request_text(body: Mapping[str, Any]) -> str:
    """All texts of a request, joined."""
    return "".join(message["content"] for message in body["messages"])


def _encoded(text: str) -> bytes:
    return text.encode(errors="replace")
