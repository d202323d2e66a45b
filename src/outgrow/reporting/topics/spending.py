"""What models behind servers cost in tokens and money, over all cached responses of the study."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from outgrow.endpoints.usage import MILLION, Usage, price_of
from outgrow.graph.step import Step
from outgrow.graph.store import Store
from outgrow.render.table import Column, Line, Table
from outgrow.reporting.evidence.steps import record
from outgrow.reporting.frame import Frame
from outgrow.reporting.results import Results
from outgrow.reporting.topic import TopicRecord, results_table
from outgrow.study.build import Study


@dataclass(frozen=True)
class ServerSpending:
    """The use of a model behind a server in this study."""

    model: str
    url: str
    read: int
    """Tokens of requests."""
    written: int
    """Tokens of responses."""
    trained: int
    """Tokens of fine-tuning."""
    money: float
    """By the study's `prices`; 0 without prices."""


class StepSpending(NamedTuple):
    """The use of one step."""

    usage: Usage
    trained: int
    """Tokens of fine-tuning."""


def find_spending(frame: Frame) -> tuple[ServerSpending, ...]:
    """By model and address, over all finished steps of the study, in the order of their first use."""
    bills: dict[tuple[str, str], list[StepSpending]] = {}
    prices: dict[tuple[str, str], dict[str, float]] = {}
    for step, bill in _bills(frame.study, frame.store):
        model = (step.params["model"]["model"], step.params["model"]["url"])
        bills.setdefault(model, []).append(bill)
        prices[model] = step.hints["endpoint"]["prices"]
    return tuple(_sum(model, of_model, prices[model]) for model, of_model in bills.items())


def _bills(study: Study, store: Store) -> Iterator[tuple[Step, StepSpending]]:
    for step in study.steps:
        if "endpoint" in step.hints and record(store, step) is not None:
            yield step, _bill(store, step)


def _bill(store: Store, step: Step) -> StepSpending:
    name = "chosen.json" if step.name == "student" else "written.json"
    written: dict[str, Any] = json.loads((store.path(step) / name).read_text(encoding="utf-8"))
    usage = Usage(written.get("tokens_read", 0), written.get("tokens_written", 0))
    return StepSpending(usage, written.get("trained_tokens") or 0)


def _sum(model: tuple[str, str], bills: list[StepSpending], prices: dict[str, float]) -> ServerSpending:
    usage = sum((bill.usage for bill in bills), Usage())
    trained = sum(bill.trained for bill in bills)
    cost = price_of(usage, prices) + trained * prices["training"] / MILLION
    return ServerSpending(*model, usage.read, usage.written, trained, cost)


def spending_table(results: Results, found: tuple[ServerSpending, ...]) -> Iterator[Table]:
    """A line per model."""
    columns = [
        Column("model", "model"),
        Column("url", "address"),
        Column("read", "tokens read", digits=0),
        Column("written", "tokens written", digits=0),
        Column("trained", "tokens trained on", digits=0),
        Column("money", "money", digits=4),
    ]
    lines = [
        Line((server.model, server.url, *map(float, (server.read, server.written, server.trained)), server.money))
        for server in found
    ]
    caption = "All responses that this study uses, whenever they were paid for; money by its `prices`."
    yield results_table(results, "spending", "What models behind servers cost", caption, columns, lines)


SPENDING = TopicRecord(
    name="spending",
    summary="Tokens and money of models behind servers",
    heading="What it cost",
    measure=find_spending,
    tables=spending_table,
    open=True,
)
