"""The step `judge`: a model behind a server answers one prompt about every item, for `outgrow ask`.

The input `pool` has the questions with their choices. A refused item, and an answer that states no choice, is an
abstention.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from outgrow.data.task import Items, Task
from outgrow.endpoints.chat_request import ChatRequest, ChatResponse
from outgrow.endpoints.client import Endpoint
from outgrow.endpoints.response_cache import ResponseCache
from outgrow.generation.remote_generator import seed_of
from outgrow.graph.step import Job, Json
from outgrow.labels import WeakLabels
from outgrow.supervise.answer_form import AnswerForm
from outgrow.supervise.endpoint_step import choice_request, report_abstentions, vote_in_form


def ask_judge(
    job: Job,
    *,
    model: dict[str, Json],
    form: dict[str, Json],
    samples: int,
    temperature: float,
    seed: int,
    source: str,
) -> None:
    """Input `pool`; writes `answers.parquet` (`WeakLabels` of one source) and `written.json`.

    Args:
        model: the endpoint's section, as far as its answers depend on it.
        form: the possible answers, an `AnswerForm`.
        samples: answers per question, unless the server sends log-probabilities.
        temperature: of several samples.
        seed: of the samples.
        source: under which name its votes are known.
    """
    items = Task.load(job.inputs["pool"]).items
    store = ResponseCache(Path(job.hints["answers"]))
    section = within_budget({**model, **job.hints["endpoint"]}, job.hints.get("shared_budget"), store)
    endpoint, answer_form = Endpoint(section, store), AnswerForm.from_json(form)
    if samples > 1 and section["logprobs"] == "auto":
        first = choice_request(items.ids[0], items.prompts[0], answer_form, section)
        section = {**section, "logprobs": sends_logprobs(endpoint, first)}
    questions = judge_requests(items, section, answer_form, samples=samples, temperature=temperature, seed=seed)
    responses = endpoint.ask(questions, job.report)
    probs = np.stack([vote_in_form(answer, answer_form) for answer in responses.answers])
    report_abstentions(endpoint, questions, responses.answers, probs)
    WeakLabels(items.ids, (source,), probs[:, None]).save(job.out / "answers.parquet")
    about = {"tokens_read": responses.usage.read, "tokens_written": responses.usage.written}
    (job.out / "written.json").write_text(json.dumps({**about, "served": list(responses.served)}, indent=1))


def judge_requests(
    items: Items, section: Mapping[str, Any], form: AnswerForm, *, samples: int, temperature: float, seed: int
) -> list[ChatRequest]:
    """The requests for all items: several seeded samples only of a server without log-probabilities."""
    if samples == 1 or section["logprobs"] is True:
        return [choice_request(item, text, form, section) for item, text in zip(items.ids, items.prompts, strict=True)]
    requests = (
        choice_request(item, text, form, section, samples=samples, temperature=temperature)
        for item, text in zip(items.ids, items.prompts, strict=True)
    )
    return [
        ChatRequest(one.item, one.conversation, one.fields, one.samples, seed_of(seed, place))
        for place, one in enumerate(requests)
    ]


def sends_logprobs(endpoint: Endpoint, request: ChatRequest) -> bool:
    """Whether the answer to this request has log-probabilities; the answer is cached."""
    (answer,) = endpoint.ask([request]).answers
    return isinstance(answer, ChatResponse) and any(choice.tokens for choice in answer.choices)


def within_budget(section: dict[str, Any], shared: Mapping[str, Any] | None, store: ResponseCache) -> dict[str, Any]:
    """The section with what the budget of all judges leaves for this one; its own budget counts, too.

    `shared` has the `money` and the `models` of all judges (`url`, `model`, `prices`).
    """
    if shared is None:
        return section
    others = [one for one in shared["models"] if (one["url"], one["model"]) != (section["url"], section["model"])]
    left = shared["money"] - store.money_spent(others)
    own = section["budget"]["money"]
    return {**section, "budget": {**section["budget"], "money": left if own is None else min(own, left)}}
