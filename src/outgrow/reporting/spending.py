"""What the models behind servers took: tokens and money, whenever their answers were bought."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from outgrow.endpoints.usage import MILLION, Usage, price_of
from outgrow.graph.step import Step
from outgrow.graph.store import Store
from outgrow.reporting.evidence.missing import record
from outgrow.reporting.results import ServerSpending
from outgrow.study.build import Study


class StepSpending(NamedTuple):
    """What one step took."""

    usage: Usage
    trained: int
    """Tokens of fine-tuning."""


def find_spending(study: Study, store: Store) -> tuple[ServerSpending, ...]:
    """By model and address, over all finished steps of the study, in the order in which they are first used."""
    bills: dict[tuple[str, str], list[StepSpending]] = {}
    prices: dict[tuple[str, str], dict[str, float]] = {}
    for step, bill in _bills(study, store):
        who = (step.params["model"]["model"], step.params["model"]["url"])
        bills.setdefault(who, []).append(bill)
        prices[who] = step.hints["endpoint"]["prices"]
    return tuple(_sum(who, found, prices[who]) for who, found in bills.items())


def _bills(study: Study, store: Store) -> Iterator[tuple[Step, StepSpending]]:
    for step in study.steps:
        if "endpoint" in step.hints and record(store, step) is not None:
            yield step, _bill(store, step)


def _bill(store: Store, step: Step) -> StepSpending:
    name = "chosen.json" if step.name == "student" else "written.json"
    told: dict[str, Any] = json.loads((store.path(step) / name).read_text(encoding="utf-8"))
    usage = Usage(told.get("tokens_read", 0), told.get("tokens_written", 0))
    return StepSpending(usage, told.get("trained_tokens") or 0)


def _sum(who: tuple[str, str], bills: list[StepSpending], prices: dict[str, float]) -> ServerSpending:
    usage = sum((bill.usage for bill in bills), Usage())
    trained = sum(bill.trained for bill in bills)
    cost = price_of(usage, prices) + trained * prices["training"] / MILLION
    return ServerSpending(*who, usage.read, usage.written, trained, cost)
