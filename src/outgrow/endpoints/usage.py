"""Token usage of a server's model, its price, and `TokenBudget`. Imports no client: plans use it."""

from collections.abc import Mapping
from threading import Lock
from typing import Any, NamedTuple

from outgrow.errors import StepFailed

MILLION = 1_000_000
CACHE_NAME = "answers.sqlite"
"""The file of the response cache."""


class Usage(NamedTuple):
    """Tokens that a model has read and written."""

    read: int = 0
    written: int = 0

    def __add__(self, other: object) -> "Usage":
        """The sum of two usages."""
        if not isinstance(other, Usage):
            return NotImplemented
        return Usage(self.read + other.read, self.written + other.written)

    @property
    def total(self) -> int:
        return self.read + self.written


def price_of(usage: Usage, prices: Mapping[str, float]) -> float:
    """The price of tokens; `prices` are per million."""
    return (usage.read * prices["input"] + usage.written * prices["output"]) / MILLION


def endpoint_name(section: Mapping[str, Any]) -> str:
    """The name of an endpoint in messages."""
    return f"`{section['model']}` at {section['url']}"


class TokenBudget:
    """A budget in tokens and money for many threads. A request reserves its maximal usage, then pays its usage."""

    def __init__(self, section: Mapping[str, Any], spent: Usage) -> None:
        """`section` is an endpoint's, with `prices` and `budget`; `spent` is the usage of earlier answers."""
        self.section = section
        self.spent = spent
        self._reserved = Usage()
        self._lock = Lock()

    def reserve(self, expected: Usage) -> None:
        """Reserve the maximal usage of a request. Raises `StepFailed` if the budget does not allow it."""
        with self._lock:
            total = self.spent + self._reserved + expected
            limit = self.section["budget"]
            if limit["tokens"] is not None and total.total > limit["tokens"]:
                raise StepFailed(self._exceeded(f"{self.spent.total} tokens", "tokens", limit["tokens"]))
            if limit["money"] is not None and price_of(total, self.section["prices"]) > limit["money"]:
                cost = price_of(self.spent, self.section["prices"])
                raise StepFailed(self._exceeded(f"{cost:.4f} of money", "money", limit["money"]))
            self._reserved += expected

    def release(self, expected: Usage) -> None:
        """Undo `reserve`."""
        with self._lock:
            self._reserved += Usage(-expected.read, -expected.written)

    def pay(self, usage: Usage) -> None:
        """Add the usage of an answer."""
        with self._lock:
            self.spent += usage

    def _exceeded(self, spent: str, key: str, limit: int | float) -> str:
        return (
            f"{endpoint_name(self.section)}: {spent} spent, and the next answer could exceed"
            f" `budget.{key}: {limit:g}`. All answers are cached: raise the budget and run the same command again"
        )
