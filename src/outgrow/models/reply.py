"""What a server of the chat protocol sends: read defensively, as every server has its own idea of it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from outgrow.models.answer_store import Usage

FRAME_TOKENS = 16
"""At most so many tokens does a chat template put around a message."""


class Choice(NamedTuple):
    """One answer."""

    text: str
    ended: bool
    """Whether the model came to an end by itself."""
    tokens: tuple[Mapping[str, Any], ...] | None
    """With `token`, `bytes`, `logprob` and perhaps `top_logprobs` each; `None` if the server does not tell."""


def well_formed(text: str) -> dict[str, Any]:
    """A reply with choices that have a message each. Raises `ValueError` for anything else."""
    try:
        reply = json.loads(text)
    except RecursionError as error:
        raise ValueError("JSON that cannot be read") from error
    if not isinstance(reply, dict) or not isinstance(reply.get("choices"), list):
        raise ValueError("no `choices` in it")
    if not all(isinstance(one, dict) and isinstance(one.get("message"), dict) for one in reply["choices"]):
        raise ValueError("a choice without a message")
    return reply


def read_choices(reply: Mapping[str, Any]) -> Iterator[Choice]:
    """The answers of a reply; one that was filtered or never written is empty."""
    for one in reply["choices"]:
        told = (one.get("logprobs") or {}).get("content")
        tokens = tuple(told) if isinstance(told, list) and told else None
        content = one["message"].get("content")
        yield Choice(content if isinstance(content, str) else "", one.get("finish_reason") != "length", tokens)


def read_usage(reply: Mapping[str, Any], body: Mapping[str, Any]) -> Usage:
    """What the server counted; what is to be expected where it does not tell."""
    told = reply.get("usage") or {}
    read, written = told.get("prompt_tokens"), told.get("completion_tokens")
    if isinstance(read, int) and isinstance(written, int):
        return Usage(read, written)
    texts = sum(len(choice.text) for choice in read_choices(reply))
    return Usage(expected_usage(body).read, texts // 4)


def expected_usage(body: Mapping[str, Any]) -> Usage:
    """At most so much: a token has seldom less than three bytes; answers may be as long as allowed."""
    read = sum(len(one["content"].encode(errors="replace")) // 3 + FRAME_TOKENS for one in body["messages"])
    longest = body.get("max_tokens") or body.get("max_completion_tokens") or 0
    return Usage(read, int(longest) * int(body.get("n", 1)))
