"""The section of a model behind a server: its address, its prices, its limits."""

import json
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from outgrow.config.section import Section, complaint

OPENAI_HOST, OPENAI_KEY = "api.openai.com", "OPENAI_API_KEY"
CHOICE_TOKENS = 16
"""Longest response of a supervisor that chooses: a letter, or an object with one."""


def _name_of_variable(value: str | None) -> str | None:
    if value is not None and not value.isidentifier():
        raise complaint("write the name of the environment variable that holds the key, never the key")
    return value


def _server(value: str) -> str:
    example = "write the address up to `/v1`, such as `http://127.0.0.1:8000/v1`"
    try:
        parts = urlsplit(value)
    except ValueError:
        raise ValueError(example) from None
    if parts.username or parts.password:
        raise complaint("keys belong in an environment variable (`key`), not in the address")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError(example)
    path = parts.path.rstrip("/")
    if not path or path.endswith("/completions"):
        raise ValueError(example)
    return value.rstrip("/")


def _beside_ours(value: dict[str, Any]) -> dict[str, Any]:
    own = next((name for name in ("messages", "model", "stream") if name in value), None)
    if own is not None:
        raise complaint(f"`{own}` is set by outgrow in every request; leave it out")
    try:
        json.dumps(value, allow_nan=False, default=str)
    except ValueError:
        raise complaint("numbers in JSON are finite") from None
    return value


def _switch(value: Any) -> Any:
    """`true` as a section without keys, `false` as none."""
    return ({} if value else None) if isinstance(value, bool) else value


def _host(url: object) -> str | None:
    try:
        return urlsplit(str(url)).hostname
    except ValueError:  # no address at all, which `_server` says
        return None


class Prices(Section):
    """Money per million tokens, in a currency of your choice."""

    input: Annotated[float, Field(ge=0)] = 0.0
    """Per million tokens of prompts."""
    output: Annotated[float, Field(ge=0)] = 0.0
    """Per million tokens of responses."""
    training: Annotated[float, Field(ge=0)] = 0.0
    """Per million tokens of fine-tuning."""


class Budget(Section):
    """Limit of what all studies with the same `answers` folder spend on one model; no request is sent beyond it."""

    tokens: Annotated[int, Field(ge=1)] | None = None
    """Tokens of prompts and responses."""
    money: Annotated[float, Field(gt=0)] | None = None
    """In the currency of `prices`, which must be given."""


class FineTuning(Section):
    """A student that its provider tunes, by OpenAI's fine-tuning protocol."""

    epochs: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Passes over the training data."""
    batch_size: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Examples per update."""
    lr_multiplier: Annotated[float, Field(gt=0)] | Literal["auto"] = "auto"
    """Factor of the provider's learning rate."""
    poll: Annotated[float, Field(gt=0)] = 20.0
    """Seconds between two requests for the status of a running job."""


class BatchSettings(Section):
    """Requests in batches, which a provider answers within a day at a lower price."""

    poll: Annotated[float, Field(gt=0)] = 20.0
    """Seconds between two requests for the status of a batch."""


class EndpointSection(Section):
    """A model behind an OpenAI-compatible server: vLLM, `transformers serve`, llama.cpp, Ollama, OpenAI."""

    type: Literal["endpoint"]
    model: str
    """The model's name on the server."""
    url: Annotated[str, AfterValidator(_server)]
    """The server's address up to `/v1`."""
    key: Annotated[str | None, AfterValidator(_name_of_variable)] = None
    """The environment variable with the API key. Default: `OPENAI_API_KEY` for `api.openai.com`, no key for other
    servers."""
    system: str | None = None
    """The system prompt of every request about an item."""
    concurrency: Annotated[int, Field(ge=1, le=512)] = 8
    """Requests in flight at the same time, over all steps."""
    timeout: Annotated[float, Field(gt=0)] = 120.0
    """Seconds for one response, from the request to its last byte."""
    retries: Annotated[int, Field(ge=0)] = 12
    """How often a request is repeated after 408, 409, 429, 5xx, a timeout or a lost connection. The pause is the one
    in the response, else 0.5 s, 1 s, … 8 s. Twelve retries last more than a minute."""
    logprobs: bool | Literal["auto"] = "auto"
    """Request log-probabilities of tokens, which tell how certain votes and texts are. Without them, every answer has
    confidence 1. `auto`: request them where they are used; a server that refuses the field is asked without it, and a
    note says so."""
    scores: bool = False
    """*generate*: the server returns the log-probabilities of a given text (`prompt_logprobs`, as vLLM does), so that
    this supervisor may score the texts of others: in joint decoding, preferences and `outgrow`."""
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """The request's field for the maximum number of tokens; newer models of OpenAI need the second."""
    structured: bool = False
    """*classify*, *choose*: restrict the response to the choices by a JSON schema, if the server supports it."""
    options: Annotated[dict[str, Any], AfterValidator(_beside_ours)] = {}
    """Further fields of every request, sent unchanged."""
    prices: Prices = Prices()
    """The server's prices, for the cost in plan and report."""
    budget: Budget = Budget()
    """Limits of tokens and money."""
    unfit: Literal["skip", "stop"] = "skip"
    """Items that the server refuses (400, 422) or whose response is empty: skip them, with a note that names them, or
    stop."""
    batch: Annotated[BatchSettings | None, BeforeValidator(_switch)] = None
    """`true`: send the requests as batches of OpenAI's batch protocol, which cost less and take up to a day; `prices`
    are then those of batches. A stopped run follows its batch when it is started again."""
    fine_tuning: FineTuning | None = None
    """For the student only: its provider tunes it, with these settings."""

    @model_validator(mode="before")
    @classmethod
    def _openais_own_key(cls, section: Any) -> Any:
        # Without a `key`, only OpenAI's own host is sent OpenAI's key.
        if isinstance(section, dict) and section.get("key") is None and _host(section.get("url")) == OPENAI_HOST:
            return {**section, "key": OPENAI_KEY}
        return section

    @model_validator(mode="after")
    def _money_has_prices(self) -> "EndpointSection":
        if self.budget.money is not None and not (self.prices.input or self.prices.output):
            raise complaint("budget.money: needs `prices`, such as `prices: {input: 0.15, output: 0.6}`")
        return self
