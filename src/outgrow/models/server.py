"""What all that talks to a server has in common: the connection, the key that nobody sees, and the sentences."""

import os
from collections.abc import Mapping
from typing import Any

import openai

Section = Mapping[str, Any]
"""A `config.endpoint.EndpointSection` as a dictionary."""
TRIES = 3
"""For an answer that is not of the protocol; the first request counted."""
PAUSE = 0.5
"""Seconds before such an answer is asked for again; doubled every time."""
QUOTED = 200
"""Characters of a server's words that a message repeats."""
NO_KEY = "none"
"""Sent where there is no key: the package wants one, local servers do not look."""
PASSING = (408, 409, 429)
"""And everything from 500 on: the same request may succeed later."""


def client_of(section: Section) -> openai.OpenAI:
    """Connections are made when they are needed."""
    return openai.OpenAI(
        api_key=_key(section) or NO_KEY,
        base_url=section["url"],
        timeout=section["timeout"],
        max_retries=section["retries"],
    )


def _key(section: Section) -> str | None:
    """The key itself, from the environment."""
    return None if section["key"] is None else os.environ.get(section["key"])


def called(section: Section) -> str:
    """For messages."""
    return f"`{section['model']}` at {section['url']}"


def is_it_running(section: Section) -> str:
    """The question for somebody whose server was never heard; `place` is where the file speaks of it."""
    place = section.get("place")
    return f"is a server running at `{place}.url`?" if place else "is a server running there?"


def passes(error: openai.APIStatusError) -> bool:
    """Whether the same request may succeed later."""
    return error.status_code in PASSING or error.status_code >= 500


def words(section: Section, said: object) -> str:
    """What a server or a library said, short, on one line, without the key."""
    text = " ".join(str(said).split()) or type(said).__name__
    key = _key(section)
    text = text.replace(key, "…") if key else text
    return text if len(text) <= QUOTED else f"{text[:QUOTED]}…"


def refused(section: Section, error: openai.APIStatusError) -> str:
    """The sentence for a key that is missing or not right."""
    who, key = f"{called(section)}: refused ({error.status_code})", section["key"]
    if key is None:
        return f"{who}; no key was sent: name the environment variable that holds it, such as `key: SERVER_KEY`"
    return f"{who}; the environment variable {key} {'is not right for it' if _key(section) else 'is not set'}"
