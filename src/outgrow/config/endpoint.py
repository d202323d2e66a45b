"""What a file may say about a model that lives behind a server: where it is, what it costs, how often it is asked."""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from outgrow.config.section import Section

KEY_ITSELF = "key_itself"
"""The kind of a complaint that must not show the value."""


def _name_of_variable(value: str) -> str:
    if not value.isidentifier():
        raise PydanticCustomError(
            KEY_ITSELF, "write the name of the environment variable that holds the key, never the key"
        )
    return value


def _server(value: str) -> str:
    parts = urlsplit(value)
    if parts.username or parts.password:
        raise PydanticCustomError(KEY_ITSELF, "keys belong in an environment variable (`key`), not in the address")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError("write the address up to `/v1`, such as `http://127.0.0.1:8000/v1`")
    return value.rstrip("/")


class Prices(Section):
    """Money per million tokens, in a currency of your choice."""

    input: Annotated[float, Field(ge=0)] = 0.0
    output: Annotated[float, Field(ge=0)] = 0.0
    training: Annotated[float, Field(ge=0)] = 0.0
    """Per million tokens of fine-tuning."""


class Budget(Section):
    """What all studies that share a `store` may spend on one model's answers together; nothing is asked beyond it."""

    tokens: Annotated[int, Field(ge=1)] | None = None
    money: Annotated[float, Field(gt=0)] | None = None
    """In the currency of `prices`."""


class FineTuning(Section):
    """A student that is tuned by its provider, by the fine-tuning protocol of OpenAI."""

    epochs: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    batch_size: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    lr_multiplier: Annotated[float, Field(gt=0)] | Literal["auto"] = "auto"
    poll: Annotated[float, Field(gt=0)] = 20.0
    """Seconds between two looks at a running job."""


class EndpointSection(Section):
    """A model behind an OpenAI-compatible server: vLLM, `transformers serve`, llama.cpp, Ollama, OpenAI."""

    type: Literal["endpoint"]
    model: str
    """What the server calls it."""
    url: Annotated[str, AfterValidator(_server)]
    """The server's address up to `/v1`."""
    key: Annotated[str, AfterValidator(_name_of_variable)] = "OPENAI_API_KEY"
    """The environment variable that holds the key; where it is not set, none is sent."""
    system: str | None = None
    """What the model is told before every question of an item."""
    concurrency: Annotated[int, Field(ge=1, le=512)] = 8
    """Requests under way at a time, over all steps."""
    timeout: Annotated[float, Field(gt=0)] = 120.0
    """Seconds to wait for one answer."""
    retries: Annotated[int, Field(ge=0)] = 12
    """How often a request is sent again after 408, 409, 429, 5xx, a timeout or a cut connection: after the pause that
    the server asks for, else after 0.5 s, 1 s, … 8 s. Twelve outlast a minute."""
    logprobs: bool = False
    """Ask for the log-probabilities of tokens; without, every answer counts as certain."""
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What the server calls the longest answer; newer models of OpenAI want the second."""
    structured: bool = False
    """classify/choose: demand one of the choices by a JSON schema, where the server can."""
    options: dict[str, Any] = {}
    """Further fields of every request, as they are."""
    prices: Prices = Prices()
    budget: Budget = Budget()
    unfit: Literal["skip", "stop"] = "skip"
    """Items that the server refuses (400, 422) or answers with nothing: go on without them, with a note that names
    them, or stop."""
    fine_tuning: FineTuning | None = None
    """student only: how the provider tunes it."""
