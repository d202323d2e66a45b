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
        api_key=os.environ.get(section["key"]) or NO_KEY,
        base_url=section["url"],
        timeout=section["timeout"],
        max_retries=section["retries"],
    )


def called(section: Section) -> str:
    """For messages."""
    return f"`{section['model']}` at {section['url']}"


def passes(error: openai.APIStatusError) -> bool:
    """Whether the same request may succeed later."""
    return error.status_code in PASSING or error.status_code >= 500


def words(section: Section, said: object) -> str:
    """What a server or a library said, short, on one line, without the key."""
    text = " ".join(str(said).split()) or type(said).__name__
    key = os.environ.get(section["key"])
    text = text.replace(key, "…") if key else text
    return text if len(text) <= QUOTED else f"{text[:QUOTED]}…"


def refused(section: Section, error: openai.APIStatusError) -> str:
    """The sentence for a key that is missing or not right."""
    key = section["key"]
    state = "is not right for it" if os.environ.get(key) else "is not set"
    return f"{called(section)}: refused ({error.status_code}); the environment variable {key} {state}"
