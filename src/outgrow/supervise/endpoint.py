"""The step `supervisor` for a model behind a server: it is asked to choose, and learns nothing.

Every item becomes a question with lettered choices. Where the server tells log-probabilities, the vote is the chance
of each letter among the first token's alternatives; else the letter that the answer names has all of it. An answer
that names none is an abstention. As it has seen no gold, its answers to half A are what it is judged by.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from outgrow.config.endpoint import CHOICE_TOKENS
from outgrow.data.known import letters
from outgrow.data.task import Split, Task
from outgrow.errors import DataError
from outgrow.graph.step import Job, Json
from outgrow.labels import WeakLabels
from outgrow.models.answer_store import AnswerStore
from outgrow.models.endpoint import Endpoint, Question, Refusal, Reply
from outgrow.models.reply import Choice
from outgrow.models.server import called
from outgrow.models.talk import asked
from outgrow.models.unfit import named, tell_unfit

ALTERNATIVES = 20
"""Most that the protocol tells of one token."""
BY_LETTER = "Answer with the letter of your choice alone."


def ask_supervisor(job: Job, *, model: dict[str, Json], source: str) -> None:
    """Inputs `pool` and `split`; writes `weak.parquet`, `strong.parquet`, `test.parquet` and `written.json`.

    Args:
        model: the endpoint's section, as far as its answers depend on it.
        source: under which name its votes are known.
    """
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    endpoint = Endpoint({**model, **job.hints["endpoint"]}, AnswerStore(Path(job.hints["answers"])))
    rows = np.concatenate([split.weak, split.strong, split.test])
    questions = [question_of(task, row, endpoint.section) for row in rows.tolist()]
    found = endpoint.ask(questions, job.report)
    probs = np.stack([vote(answer, task.n_classes) for answer in found.answers])
    tell_silent(endpoint, questions, found.answers, probs)
    parts = np.split(np.arange(len(rows)), np.cumsum([len(split.weak), len(split.strong)]))
    for part, numbers in zip(("weak", "strong", "test"), parts, strict=True):
        ids = [task.items.ids[row] for row in rows[numbers].tolist()]
        WeakLabels(ids, (source,), probs[numbers, None]).save(job.out / f"{part}.parquet")
    about = {"tokens_read": found.usage.read, "tokens_written": found.usage.written, "served": list(found.served)}
    (job.out / "written.json").write_text(json.dumps(about, indent=1))


def question_of(task: Task, row: int, section: Mapping[str, Any]) -> Question:
    """The item with its choices in lines `A. …`."""
    options = list(task.classes) if task.items.options is None else task.items.options[row]
    names = letters(len(options))
    lines = [f"{name}. {option}" for name, option in zip(names, options, strict=True)]
    text = "\n".join([task.items.prompts[row], *lines, BY_LETTER])
    fields: dict[str, Any] = {"temperature": 0.0, section["limit"]: CHOICE_TOKENS}
    if section["logprobs"]:
        fields |= {"logprobs": True, "top_logprobs": ALTERNATIVES}
    if section["structured"]:
        fields["response_format"] = one_of(names)
    return Question(task.items.ids[row], asked(text, section["system"]), fields)


def one_of(names: Sequence[str]) -> dict[str, Any]:
    """The schema of an object whose `choice` is one of the letters."""
    schema = {
        "type": "object",
        "properties": {"choice": {"type": "string", "enum": list(names)}},
        "required": ["choice"],
        "additionalProperties": False,
    }
    return {"type": "json_schema", "json_schema": {"name": "choice", "strict": True, "schema": schema}}


def vote(answer: Reply | Refusal, n_classes: int) -> Float[np.ndarray, "class"]:
    """The distribution over the choices; zeros for an abstention."""
    if isinstance(answer, Refusal):
        return np.zeros(n_classes)
    names, choice = letters(n_classes), answer.choices[0]
    probs = _by_logprobs(choice, names)
    return probs if probs.any() else _by_text(choice.text, names)


def _by_logprobs(choice: Choice, names: Sequence[str]) -> Float[np.ndarray, "class"]:
    """The chances of the letters, among each other, in the first place where one of them may stand."""
    for token in choice.tokens or ():
        mass = np.zeros(len(names))
        for other in token.get("top_logprobs") or ():
            name, logprob = str(other.get("token", "")).strip(' "'), other.get("logprob")
            if name in names and isinstance(logprob, int | float) and math.isfinite(logprob):
                mass[list(names).index(name)] += math.exp(min(logprob, 0.0))
        if mass.any():
            return np.asarray(mass / mass.sum())
    return np.zeros(len(names))


def _by_text(text: str, names: Sequence[str]) -> Float[np.ndarray, "class"]:
    """All of it for the letter that the text names: in an object with a `choice`, alone, or first."""
    probs = np.zeros(len(names))
    told = re.search(r'"choice"\s*:\s*"([^"]+)"', text)
    pattern = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    found = re.search(rf"(?<!\w)({pattern})(?!\w)", told[1] if told else text)
    if found:
        probs[list(names).index(found[1])] = 1.0
    return probs


def tell_silent(
    endpoint: Endpoint,
    questions: Sequence[Question],
    answers: Sequence[Reply | Refusal],
    probs: Float[np.ndarray, "item class"],
) -> None:
    """Name the items without a vote, or raise `DataError`: always if there is no vote at all."""
    silent = np.flatnonzero(~probs.any(axis=1)).tolist()
    if not silent:
        return
    section, first = endpoint.section, answers[silent[0]]
    why = first.reason if isinstance(first, Refusal) else _no_choice(first, section)
    who = named([questions[number].item for number in silent])
    sentence = f"{called(section)}: {len(silent)} of {len(questions)} items get no vote ({who}): {why}"
    with endpoint.asking_anew([questions[number] for number in silent]):
        if len(silent) == len(questions):
            raise DataError(sentence)
        tell_unfit(sentence, section["unfit"])


def _no_choice(answer: Reply, section: Mapping[str, Any]) -> str:
    fix = "change `system`" if section["structured"] else "change `system`, or set `structured: true`"
    return f"{answer.choices[0].text[:60]!r} names no choice; {fix}"
