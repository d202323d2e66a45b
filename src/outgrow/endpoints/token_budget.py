"""`TokenBudget`: a budget in tokens and money that many threads spend from."""

from collections.abc import Mapping
from threading import Lock
from typing import Any

from outgrow.endpoints.response_cache import Usage
from outgrow.errors import StepFailed

MILLION = 1_000_000


def money(usage: Usage, prices: Mapping[str, float]) -> float:
    """What tokens cost; `prices` are per million."""
    return (usage.read * prices["input"] + usage.written * prices["output"]) / MILLION


class TokenBudget:
    """Before a request its highest price is taken out; after it, what it did cost stays away."""

    def __init__(self, section: Mapping[str, Any], spent: Usage) -> None:
        """`section` is an endpoint's, with `prices` and `budget`; `spent` is what earlier answers took."""
        self.section = section
        self.spent = spent
        self._reserved = Usage()
        self._lock = Lock()

    def take(self, expected: Usage) -> None:
        """Reserve. Raises `StepFailed` where the budget does not allow it."""
        with self._lock:
            after = self.spent + self._reserved + expected
            limit = self.section["budget"]
            if limit["tokens"] is not None and after.total > limit["tokens"]:
                raise StepFailed(self._empty(f"{self.spent.total} tokens", "tokens", limit["tokens"]))
            if limit["money"] is not None and money(after, self.section["prices"]) > limit["money"]:
                cost = money(self.spent, self.section["prices"])
                raise StepFailed(self._empty(f"{cost:.4f} of money", "money", limit["money"]))
            self._reserved += expected

    def give_back(self, expected: Usage) -> None:
        """Undo `take`."""
        with self._lock:
            self._reserved += Usage(-expected.read, -expected.written)

    def pay(self, usage: Usage) -> None:
        """It was bought."""
        with self._lock:
            self.spent += usage

    def _empty(self, spent: str, key: str, limit: int | float) -> str:
        from outgrow.endpoints.server import called  # imports the client's library, which plans have no use for

        return (
            f"{called(self.section)}: {spent} spent, and the next answer could exceed"
            f" `budget.{key}: {limit:g}`. All answers are kept: raise the budget and run the same command again"
        )
