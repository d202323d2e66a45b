"""Replies of servers of the chat protocol, read defensively: every part is checked before it is used.

What has the wrong shape is left out; an answer that cannot be read is empty, with the reason; an impossible count of
tokens is replaced by an estimate.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from outgrow.endpoints.api_key import SHORTEST, ApiKey
from outgrow.endpoints.usage import Usage
from outgrow.text_format import HALF_CHARACTER

FRAME_TOKENS = 16
"""At most so many tokens does a chat template put around a message."""
LONGEST_TOKEN = 12
"""Characters: no language has more per token on average over a text, runs of one character counted as one."""
FREE = 24
"""Characters of a text that may be a token by exception."""
MOST_TOKENS = 10_000_000
"""No reply takes more."""
BYTES_PER_TOKEN, BYTES_PER_LOGPROB = 256, 1024
"""Of a reply, far more than any server needs: for a token's text, for the log-probability of one alternative."""
REPLY_FRAME = 2**20
"""Bytes of a reply around its answers."""
UNKNOWN_LENGTH = 100_000
"""Tokens that an answer may have where the request sets no limit."""
LONGEST_NAME = 1000

NOT_TEXT, NOT_UNICODE, WITH_KEY = (
    "an answer that is no text",
    "an answer with broken characters",
    "an answer with the key in it",
)


class ResponseChoice(NamedTuple):
    """One answer."""

    text: str
    ended: bool
    """Whether the model came to an end by itself."""
    tokens: tuple[Mapping[str, Any], ...] | None
    """With `token`, `bytes`, `logprob` and perhaps `top_logprobs` each; `None` if the server sends none."""
    trouble: str = ""
    """Why there is no text, if something was sent that is none."""


def parsed(content: bytes) -> dict[str, Any]:
    """An object of JSON. Raises `ValueError` for anything else; bytes that are no UTF-8 become lone surrogates."""
    try:
        reply = json.loads(content.decode("utf-8", "surrogateescape"))
    except RecursionError as error:
        raise ValueError("JSON that cannot be read") from error
    if not isinstance(reply, dict):
        raise ValueError("no object of JSON")
    return reply


def well_formed(content: bytes) -> dict[str, Any]:
    """A reply with a list of choices. Raises `ValueError` for anything else."""
    reply = parsed(content)
    if not isinstance(reply.get("choices"), list):
        raise ValueError("no `choices` in it")
    return reply


def kept(reply: Mapping[str, Any], body: Mapping[str, Any], secret: ApiKey) -> dict[str, Any]:
    """What of a reply is kept: the parts that are read, in the protocol's shape, without the key."""
    usage = read_usage(reply, body)
    choices = [_without_key(choice, secret) for choice in list(read_choices(reply))[: count_of(body, "n") or 1]]
    return {
        "model": served_by(reply, secret),
        "choices": [_as_sent(choice) for choice in choices],
        "usage": {"prompt_tokens": usage.read, "completion_tokens": usage.written},
    }


def served_by(reply: Mapping[str, Any], secret: ApiKey) -> str | None:
    """The server's name of its model, on one line, without the key; `None` if it sends none."""
    name = reply.get("model")
    return readable(secret.hidden(name[:LONGEST_NAME])) if isinstance(name, str) and name else None


def readable(text: str) -> str:
    """A server's words as a terminal can show them."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def _without_key(choice: ResponseChoice, secret: ApiKey) -> ResponseChoice:
    """The answer, empty if it gives the key away; without its tokens if they do."""
    if secret.is_in(choice.text):
        return ResponseChoice("", choice.ended, None, WITH_KEY)
    return choice._replace(tokens=None) if any(map(secret.is_in, _spelled(choice.tokens or ()))) else choice


def _spelled(tokens: tuple[Mapping[str, Any], ...]) -> Iterator[str]:
    """Everything in which tokens may spell a key."""
    yield "".join(token["token"] for token in tokens)
    yield b"".join(bytes(token["bytes"] or ()) for token in tokens).decode("latin-1")
    for token in tokens:
        yield from (other["token"] for other in token["top_logprobs"] if len(other["token"]) >= SHORTEST)


def _as_sent(choice: ResponseChoice) -> dict[str, Any]:
    """The answer as a server would send it, and why there is none."""
    sent: dict[str, Any] = {"message": {"content": choice.text}, "finish_reason": "stop" if choice.ended else "length"}
    sent |= {} if choice.tokens is None else {"logprobs": {"content": list(choice.tokens)}}
    return sent | ({"trouble": choice.trouble} if choice.trouble else {})


def read_choices(reply: Mapping[str, Any]) -> Iterator[ResponseChoice]:
    """The answers of a reply; one that was filtered, never written or cannot be read is empty."""
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
    """Whether a text has no lone surrogate, which JSON can hold and a file cannot."""
    return not HALF_CHARACTER.search(text)


def _tokens(tokens: object) -> tuple[Mapping[str, Any], ...] | None:
    """The tokens with the fields of the protocol; `None` if they are not of the protocol."""
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
    fits = isinstance(value, list) and all(type(byte) is int and 0 <= byte < 256 for byte in value)
    return list(value) if fits and isinstance(value, list) else None


def _logprob(value: object) -> float | None:
    """A finite number; a sum of rounded chances may be a little above zero."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def read_usage(reply: Mapping[str, Any], body: Mapping[str, Any]) -> Usage:
    """The server's counts; an estimate where they are missing, less than the texts need, or impossibly large."""
    usage = reply.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    written = "".join(_contents(reply))
    return Usage(
        _plausible(usage.get("prompt_tokens"), fewest_tokens(_asked(body)), expected_usage(body).read),
        _plausible(usage.get("completion_tokens"), fewest_tokens(written), len(_encoded(written)) // 4),
    )


def _contents(reply: Mapping[str, Any]) -> Iterator[str]:
    """Everything that was written, also what is no answer."""
    for choice in reply["choices"]:
        message = choice.get("message") if isinstance(choice, dict) else None
        content = message.get("content") if isinstance(message, dict) else None
        yield content if isinstance(content, str) else ""


def _plausible(value: object, least: int, own: int) -> int:
    return value if type(value) is int and least <= value <= MOST_TOKENS else own


def fewest_tokens(text: str) -> int:
    """A lower bound on the tokens of a text, whatever the tokenizer.

    Texts have three to six characters per token. Tokens are longer where one character is repeated, and now and then
    elsewhere.
    """
    characters = len(re.sub(r"(.)\1+", r"\1", text, flags=re.DOTALL))
    return max(0, characters - FREE) // LONGEST_TOKEN + bool(text)


def expected_usage(body: Mapping[str, Any]) -> Usage:
    """At most so much: a token has seldom less than three bytes; answers may be as long as allowed."""
    frames = FRAME_TOKENS * len(body["messages"])
    return Usage(len(_encoded(_asked(body))) // 3 + frames, longest_answer(body) * (count_of(body, "n") or 1))


def longest_answer(body: Mapping[str, Any]) -> int:
    """The tokens that a request allows; 0 if it sets no limit."""
    return count_of(body, "max_tokens") or count_of(body, "max_completion_tokens")


def largest_reply(body: Mapping[str, Any], size: int) -> int:
    """Bytes that an honest reply may have, with room: `size` is the request's, which a reply may repeat."""
    tokens = (longest_answer(body) or UNKNOWN_LENGTH) * (count_of(body, "n") or 1)
    alternatives = 1 + count_of(body, "top_logprobs") if body.get("logprobs") else 0
    return REPLY_FRAME + 64 * size + tokens * (BYTES_PER_TOKEN + alternatives * BYTES_PER_LOGPROB)


def count_of(body: Mapping[str, Any], field: str) -> int:
    """A whole number of a request, whose fields a file may set to anything; 0 for what is none."""
    value = body.get(field)
    return value if type(value) is int and value > 0 else 0


def _asked(body: Mapping[str, Any]) -> str:
    """All texts of a request."""
    return "".join(message["content"] for message in body["messages"])


def _encoded(text: str) -> bytes:
    return text.encode(errors="replace")
