"""Connections to a server, the account's key, and messages."""

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai

from outgrow.config.endpoint import OPENAI_HOST
from outgrow.endpoints.api_key import ApiKey, header_trouble
from outgrow.endpoints.response import readable
from outgrow.endpoints.transport import BoundedTransport
from outgrow.endpoints.usage import endpoint_name
from outgrow.errors import StepFailed

Section = Mapping[str, Any]
"""A `config.endpoint.EndpointSection` as a dictionary."""
TRIES = 3
"""Requests for an answer that is not of the protocol, including the first one."""
PAUSE = 0.5
"""Seconds before such a request is repeated; doubled each time."""
MOST_READ, QUOTED = 2000, 200
"""Characters of a server's message that are read, and that our messages quote."""
NO_KEY = "none"
"""Sent instead of a missing key: the package requires one, local servers ignore it."""
PASSING = (408, 409, 429)
"""Statuses, besides 500 and higher, after which the same request may succeed later."""


def client_of(section: Section) -> openai.OpenAI:
    """A client of the server; it connects at the first request. Raises `StepFailed` for a key that cannot be sent."""
    key = _key(section)
    return openai.OpenAI(
        api_key=key or NO_KEY,
        base_url=section["url"],
        timeout=section["timeout"],
        max_retries=section["retries"],
        http_client=httpx2.Client(
            transport=BoundedTransport(section, endpoint_name(section), secret_of(section)),
            timeout=section["timeout"],
            follow_redirects=False,
            trust_env=False,
        ),
        **_from_environment(section, key or NO_KEY),
    )


def _key(section: Section) -> str | None:
    """The key from the environment. Raises `StepFailed` for an invalid header value."""
    key = None if section["key"] is None else os.environ.get(section["key"])
    return _sendable(section, section["key"], key) if key else None


def _sendable(section: Section, variable: str, value: str) -> str:
    """The value. Raises `StepFailed` without the value if it cannot be sent in a header."""
    trouble = header_trouble(value)
    if trouble is not None:
        raise StepFailed(
            f"{endpoint_name(section)}: nothing is sent: the value of the environment variable {variable} {trouble};"
            " set it again, without blanks or line ends around it"
        )
    return value


def _from_environment(section: Section, key: str) -> dict[str, Any]:
    """Client options that keep OpenAI's variables of the environment from other hosts than OpenAI's."""
    lines = [line.partition(":") for line in os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")]
    custom = {name.strip(): value.strip() for name, colon, value in lines if colon}
    variables = [(name, os.environ[name]) for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID") if os.environ.get(name)]
    if urlsplit(section["url"]).hostname == OPENAI_HOST:
        for variable, value in [*variables, *(("OPENAI_CUSTOM_HEADERS", text) for text in custom.values() if text)]:
            _sendable(section, variable, value)
        return {}
    left_out = dict.fromkeys([*custom, "OpenAI-Organization", "OpenAI-Project"], openai.Omit())
    return {"organization": "", "project": "", "default_headers": {**left_out, "Authorization": f"Bearer {key}"}}


def secret_of(section: Section) -> ApiKey:
    """The key, to be hidden in messages."""
    return ApiKey(None if section["key"] is None else os.environ.get(section["key"]))


def is_it_running(section: Section) -> str:
    """A hint for a server without any reply; `place` is its key in the file of settings."""
    place = section.get("place")
    return f"is a server running at `{place}.url`?" if place else "is a server running there?"


def passes(error: openai.APIStatusError) -> bool:
    """Whether the same request may succeed later."""
    return error.status_code in PASSING or error.status_code >= 500


def words(section: Section, message: object) -> str:
    """A message of a server or a library, shortened, on one line, without the key."""
    text = readable(" ".join(secret_of(section).hidden(str(message)[:MOST_READ]).split())) or type(message).__name__
    return text if len(text) <= QUOTED else f"{text[:QUOTED]}…"


def refused(section: Section, error: openai.APIStatusError) -> str:
    """The message for a missing or wrong key."""
    refusal, key = f"{endpoint_name(section)}: refused ({error.status_code})", section["key"]
    if key is None:
        return f"{refusal}; no key was sent: name the environment variable with the key, such as `key: SERVER_KEY`"
    return f"{refusal}; the environment variable {key} {'has a wrong key' if os.environ.get(key) else 'is not set'}"
