"""Requests about items and the responses to them, with the body of a request in the chat protocol."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from outgrow.endpoints.given_text import PromptToken
from outgrow.endpoints.response import ResponseChoice
from outgrow.endpoints.usage import Usage
from outgrow.generation.chat import Conversation, messages


@dataclass(frozen=True)
class ChatRequest:
    """The request for one item."""

    item: str
    conversation: Conversation
    fields: Mapping[str, Any]
    """Fields of the body: `temperature`, `stop`, …"""
    samples: int = 1
    seed: int | None = None
    """Seed of the samples; a request for missing samples uses the next seeds."""


class ChatResponse(NamedTuple):
    """All samples of a request."""

    choices: tuple[ResponseChoice, ...]
    usage: Usage
    prompt: tuple[PromptToken, ...] | None = None
    """The prompt's tokens, where they were asked for and sent."""


class Refusal(NamedTuple):
    """The permanent reason why an item has no answer."""

    reason: str


@dataclass(frozen=True)
class ChatResponses:
    """The responses to many requests."""

    answers: list[ChatResponse | Refusal]
    served: tuple[str, ...]
    """Other names of the model in the server's replies."""

    @property
    def usage(self) -> Usage:
        """Tokens of these answers, including cached ones; a shared answer counts once."""
        usage_of = {id(answer): answer.usage for answer in self.answers if isinstance(answer, ChatResponse)}
        return sum(usage_of.values(), Usage())


def place_of(have: int, blank: int) -> str:
    """Distinguishes the requests for one item by the number of earlier samples and of empty replies."""
    return f"sample {have}, try {blank}"


def body_of(section: Mapping[str, Any], request: ChatRequest, have: int) -> dict[str, Any]:
    """The body of a request to an endpoint for the missing samples."""
    missing = request.samples - have
    return {
        "model": section["model"],
        "messages": messages(request.conversation),
        **request.fields,
        **({"n": missing} if missing > 1 else {}),
        **({} if request.seed is None else {"seed": request.seed + have}),
        **section["options"],
    }
