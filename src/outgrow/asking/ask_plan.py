"""What `outgrow ask` would ask: requests, tokens and price of every source. Nothing is asked, and nothing written.

Tokens are counted as the budget counts a request before it is sent: few tokens have less than three bytes, and answers
count at their longest. So the price is about the most that is paid. Equal questions are asked once.
"""

from dataclasses import dataclass
from pathlib import Path

from outgrow.asking.ask import AskedSource, asked_sources, require_askable, shared_budget
from outgrow.asking.questions_step import questions
from outgrow.config.ask import AskSettings
from outgrow.config.messages import FileLocation
from outgrow.config.model import remote_model
from outgrow.data.task import Task
from outgrow.endpoints.response import expected_usage
from outgrow.endpoints.response_cache import ResponseCache, key_of
from outgrow.endpoints.usage import CACHE_NAME, Usage, endpoint_name, price_of
from outgrow.graph.done import Damaged
from outgrow.graph.store import Store
from outgrow.readers.open_table import read_table
from outgrow.supervise.answer_form import AnswerForm


@dataclass(frozen=True)
class PlannedSource:
    """One source of the file of votes."""

    name: str
    where: str
    """The model, and its server."""
    questions: int
    """Items, in both orders for pairs."""
    requests: int
    """New requests to a server, or new answers of a model of this machine."""
    tokens_read: int
    tokens_written: int
    """At most."""
    price: float
    key: str | None = None
    """The environment variable whose content a server is sent."""


@dataclass(frozen=True)
class AskPlan:
    """All sources, what was spent before, and the budget."""

    sources: tuple[PlannedSource, ...]
    spent: float
    budget: float | None

    @property
    def price(self) -> float:
        """Of all new requests."""
        return sum(source.price for source in self.sources)


def plan_ask(settings: AskSettings, place: FileLocation, items: Path) -> AskPlan:
    """The plan. Raises `ConfigError` and `DataError` as `ask_judges` does before its first request."""
    require_askable(settings, place)
    table, store = read_table(items), Store(settings.store)
    sources = [
        _planned(one, questions(table, one.step.inputs["pool"].params["question"]), settings, store)
        for one in asked_sources(settings, items)
    ]
    return AskPlan(tuple(sources), _spent(settings), settings.budget)


def _planned(asked: AskedSource, task: Task, settings: AskSettings, store: Store) -> PlannedSource:
    section, n_items = remote_model(asked.section), len(task.items)
    finished = _is_finished(store, asked)
    if section is None:
        return PlannedSource(asked.name, asked.section.model, n_items, 0 if finished else n_items, 0, 0, 0.0)
    where = endpoint_name(section.model_dump())
    usages = [] if finished else _new_usages(asked, task, settings)
    usage = sum(usages, Usage())
    price = price_of(usage, section.prices.model_dump())
    return PlannedSource(asked.name, where, n_items, len(usages), usage.read, usage.written, price, section.key)


def _new_usages(asked: AskedSource, task: Task, settings: AskSettings) -> list[Usage]:
    """The largest expected usage of every request without a cached response."""
    from outgrow.endpoints.chat_request import body_of, place_of  # the client's library takes a second
    from outgrow.supervise.ask_step import judge_requests

    params = asked.step.params
    section = {**params["model"], **asked.step.hints["endpoint"]}
    sampling = {key: params[key] for key in ("samples", "temperature", "seed")}
    requests = judge_requests(task.items, section, AnswerForm.from_json(params["form"]), **sampling)
    bodies = {
        key_of(section["url"], body, place_of(0, 0)): body
        for body in (body_of(section, request, 0) for request in requests)
    }
    cache = _cache(settings)
    return [expected_usage(body) for key, body in bodies.items() if cache is None or cache.get(key) is None]


def _spent(settings: AskSettings) -> float:
    """What earlier answers of these models have cost."""
    cache = _cache(settings)
    return 0.0 if cache is None else cache.money_spent(shared_budget(settings)["models"])


def _cache(settings: AskSettings) -> ResponseCache | None:
    path = settings.answers / CACHE_NAME
    return ResponseCache(path) if path.is_file() else None


def _is_finished(store: Store, asked: AskedSource) -> bool:
    try:
        return store.inspect(asked.step, thorough=False) is not None
    except Damaged:
        return False
