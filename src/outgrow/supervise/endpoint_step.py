"""The step `supervisor` for a model behind a server: it is asked to choose, and learns nothing.

Every item becomes a question with lettered choices, and the answer is read by the grammar of
`metrics.stated_choice`. If the server sends log-probabilities, the vote is the chance of each letter among the
alternatives of the token that states the choice; else the stated choice has all of it. An answer that states none is
an abstention, counted and named. It has seen no gold, so it is judged by its answers to half A.
"""

import json
import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from outgrow.config.endpoint import CHOICE_TOKENS
from outgrow.data.task import Split, Task
from outgrow.endpoints.chat_request import ChatRequest, ChatResponse, Refusal
from outgrow.endpoints.client import Endpoint
from outgrow.endpoints.response import ResponseChoice
from outgrow.endpoints.response_cache import ResponseCache
from outgrow.endpoints.usage import endpoint_name
from outgrow.errors import DataError
from outgrow.generation.chat import single_turn
from outgrow.graph.step import Job, Json
from outgrow.labels import ANSWER_FILES, WeakLabels
from outgrow.metrics.stated_choice import StatedChoice, stated_choice
from outgrow.models.skipped_items import named, warn_skipped
from outgrow.supervise.answer_form import AnswerForm, by_letter

ALTERNATIVES = 20
"""Alternatives of one token, at most, in the protocol."""


def ask_supervisor(job: Job, *, model: dict[str, Json], source: str) -> None:
    """Inputs `pool` and `split`; writes `anchors.parquet`, `half_b.parquet`, `test.parquet` and `written.json`.

    Args:
        model: the endpoint's section, as far as its answers depend on it.
        source: under which name its votes are known.
    """
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    endpoint = Endpoint({**model, **job.hints["endpoint"]}, ResponseCache(Path(job.hints["answers"])))
    rows = np.concatenate([split.half_a, split.half_b, split.test])
    questions = [question_of(task, row, endpoint.section) for row in rows.tolist()]
    responses = endpoint.ask(questions, job.report)
    pairs = zip(responses.answers, rows.tolist(), strict=True)
    probs = np.stack([vote(answer, options_of(task, row)) for answer, row in pairs])
    report_abstentions(endpoint, questions, responses.answers, probs)
    parts = np.split(np.arange(len(rows)), np.cumsum([len(split.half_a), len(split.half_b)]))
    for file, numbers in zip(ANSWER_FILES.values(), parts, strict=True):
        ids = [task.items.ids[row] for row in rows[numbers].tolist()]
        WeakLabels(ids, (source,), probs[numbers, None]).save(job.out / file)
    about = {
        "tokens_read": responses.usage.read,
        "tokens_written": responses.usage.written,
        "served": list(responses.served),
    }
    (job.out / "written.json").write_text(json.dumps(about, indent=1))


def question_of(task: Task, row: int, section: Mapping[str, Any]) -> ChatRequest:
    """The item with its choices in lines `A. …`."""
    form = by_letter(options_of(task, row))
    return choice_request(task.items.ids[row], form.listed(task.items.prompts[row]), form, section)


def choice_request(
    item: str, text: str, form: AnswerForm, section: Mapping[str, Any], *, samples: int = 1, temperature: float = 0.0
) -> ChatRequest:
    """The request for the answer to a question; `text` lists the choices."""
    fields: dict[str, Any] = {"temperature": temperature, section["limit"]: CHOICE_TOKENS}
    if section["logprobs"]:
        fields |= {"logprobs": True, "top_logprobs": ALTERNATIVES}
    if section["structured"]:
        fields["response_format"] = one_of(form.names)
    return ChatRequest(item, single_turn(text, section["system"]), fields, samples)


def options_of(task: Task, row: int) -> list[str]:
    """The item's options, or the task's classes."""
    return list(task.classes) if task.items.options is None else task.items.options[row]


def one_of(names: Sequence[str]) -> dict[str, Any]:
    """The schema of an object whose `choice` is one of the letters."""
    schema = {
        "type": "object",
        "properties": {"choice": {"type": "string", "enum": list(names)}},
        "required": ["choice"],
        "additionalProperties": False,
    }
    return {"type": "json_schema", "json_schema": {"name": "choice", "strict": True, "schema": schema}}


def vote(answer: ChatResponse | Refusal, options: Sequence[str]) -> Float[np.ndarray, "class"]:
    """The distribution over the options; zeros for an abstention."""
    return vote_in_form(answer, by_letter(options))


def vote_in_form(answer: ChatResponse | Refusal, form: AnswerForm) -> Float[np.ndarray, "class"]:
    """The mean over the samples that state a choice; zeros if none does."""
    choices = () if isinstance(answer, Refusal) else answer.choices
    votes = np.asarray([_vote_of(choice, form) for choice in choices]).reshape(-1, len(form.names))
    stated = votes[votes.any(axis=1)]
    return np.asarray(stated.mean(axis=0)) if len(stated) else np.zeros(len(form.names))


def _vote_of(choice: ResponseChoice, form: AnswerForm) -> Float[np.ndarray, "class"]:
    stated = stated_choice(form.readable(choice.text), form.names, form.options)
    probs = _by_logprobs(choice, form.names, stated) if form.by_first_token else np.zeros(len(form.names))
    if stated is not None and not probs.any():
        probs[stated.number] = 1.0
    return probs


def _by_logprobs(
    choice: ResponseChoice, names: Sequence[str], stated: StatedChoice | None
) -> Float[np.ndarray, "class"]:
    """The chances of the letters, among each other, where the text states its choice.

    Where it states none, as when it was cut off, the first place counts at which the letters together are at least as
    likely as what was written there; a letter that was written is then a word (`A good question`), and `I` always is.
    """
    tokens = choice.tokens or ()
    if stated is not None:
        place = _token_at(choice, names, stated)
        return np.zeros(len(names)) if place is None else _shares(_masses(tokens[place], names))
    for token in tokens:
        mass = _masses(token, names)
        mass[[index for index, name in enumerate(names) if name == "I"]] = 0.0
        written = _chance(token.get("logprob"))
        if _named(token) not in names and mass.any() and mass.sum() >= written:
            return _shares(mass)
    return np.zeros(len(names))


def _token_at(choice: ResponseChoice, names: Sequence[str], stated: StatedChoice) -> int | None:
    """The number of the token that is the stated letter; `None` where a text was stated, or the tokens do not fit."""
    name = names[stated.number]
    written = [str(token.get("token", "")) for token in choice.tokens or ()]
    ends = list(accumulate(map(len, written)))
    if "".join(written) == choice.text and ends:
        places = [next(place for place, end in enumerate(ends) if end > stated.start)]
    else:
        places = list(reversed(range(len(written))))
    return next((place for place in places if _bare(written[place]).casefold() == name.casefold()), None)


def _masses(token: Mapping[str, Any], names: Sequence[str]) -> Float[np.ndarray, "class"]:
    """How likely each letter was in a token's place."""
    mass = np.zeros(len(names))
    for alternative in token.get("top_logprobs") or ():
        name = _named(alternative)
        if name in names:
            mass[list(names).index(name)] += _chance(alternative.get("logprob"))
    return mass


def _shares(mass: Float[np.ndarray, "class"]) -> Float[np.ndarray, "class"]:
    return np.asarray(mass / mass.sum()) if mass.any() else mass


def _chance(logprob: Any) -> float:
    is_finite = isinstance(logprob, int | float) and math.isfinite(logprob)
    return math.exp(min(logprob, 0.0)) if is_finite else 0.0


def _named(token: Mapping[str, Any]) -> str:
    return _bare(str(token.get("token", "")))


def _bare(token: str) -> str:
    """A token without what may stand around a letter in it."""
    return token.strip(" \"'([{*_`)]}.:,\n")


def report_abstentions(
    endpoint: Endpoint,
    questions: Sequence[ChatRequest],
    answers: Sequence[ChatResponse | Refusal],
    probs: Float[np.ndarray, "item class"],
) -> None:
    """Name the items without a vote, or raise `DataError`: always if there is no vote at all."""
    silent = np.flatnonzero(~probs.any(axis=1)).tolist()
    if not silent:
        return
    section, first = endpoint.section, answers[silent[0]]
    why = first.reason if isinstance(first, Refusal) else _no_choice(first, section)
    who = named([questions[index].item for index in silent])
    sentence = f"{endpoint_name(section)}: {len(silent)} of {len(questions)} items get no vote ({who}): {why}"
    with endpoint.retry_on_error([questions[index] for index in silent]):
        if len(silent) == len(questions):
            raise DataError(sentence)
        warn_skipped(sentence, section["unfit"])


def _no_choice(answer: ChatResponse, section: Mapping[str, Any]) -> str:
    fix = "change `system`" if section["structured"] else "change `system`, or set `structured: true`"
    return f"{answer.choices[0].text[:60]!r} names no choice; {fix}"
