"""`logprobs: auto`: log-probabilities are requested, and a server that refuses the field is asked without it.

A refusal is cached under the request's key, so that a repeated run does not ask again.
"""

from collections.abc import Mapping
from typing import Any

import openai

FIELDS = ("logprobs", "top_logprobs")
REFUSED: Mapping[str, Any] = {"choices": [], "refused": "logprobs"}
"""Cached instead of a reply with log-probabilities."""


class LogprobsRefused(Exception):
    """The server refuses requests for log-probabilities."""


def is_optional(section: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Whether this request may be repeated without log-probabilities."""
    return section["logprobs"] == "auto" and "logprobs" in body


def without_logprobs(body: Mapping[str, Any]) -> dict[str, Any]:
    """The same request, which wants no log-probabilities."""
    return {name: value for name, value in body.items() if name not in FIELDS}


def refuses_logprobs(error: openai.APIStatusError) -> bool:
    """Whether an error is the refusal of log-probabilities."""
    return names_logprobs(error.status_code, str(error))


def names_logprobs(status: int, message: str) -> bool:
    """Whether a refusal names the field. OpenAI answers 403 for some models, other servers 400 or 422."""
    return status in (400, 403, 404, 422) and "logprob" in message.casefold()
