"""Log-probabilities of given texts by a model behind a server that returns those of a prompt (`given_text.py`).

A text that the server refuses, or that its tokens do not spell, has none; that is logged.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from outgrow.endpoints.chat_request import ChatRequest, ChatResponse, Refusal
from outgrow.endpoints.given_text import FIELD, SCORING, pieces_of
from outgrow.endpoints.usage import endpoint_name
from outgrow.errors import DataError
from outgrow.generation.chat import Message
from outgrow.generation.remote_generator import endpoint_of
from outgrow.generation.text_generator import ScoringRequest, Section
from outgrow.graph.step import Job
from outgrow.models.skipped_items import named, warn_skipped
from outgrow.text_format import many
from outgrow.texts import Candidate


def score_remotely(job: Job, section: Section, trained: Path | None, request: ScoringRequest) -> list[list[Candidate]]:
    """By the section's model, one request for each text. Raises `DataError` if the server returns none for any."""
    endpoint = endpoint_of(job, section, trained)
    requests = list(requests_of(request, section["limit"]))
    responses = endpoint.ask(requests, job.report)
    name = endpoint_name(endpoint.section)
    answered = [answer for answer in responses.answers if isinstance(answer, ChatResponse)]
    if answered and not any(answer.prompt for answer in answered):
        with endpoint.retry_on_error(requests):
            raise DataError(
                f"{name}: the server sends no log-probabilities of given texts (`{FIELD}`, as vLLM does); set"
                " `scores: false`, or leave the supervisor out by `sources`"
            )
    answers, without = iter(responses.answers), []
    scored: list[list[Candidate]] = [[] for _ in request.items]
    for item, texts, candidates in zip(request.items, request.texts, scored, strict=True):
        for text in texts:
            candidate = _candidate(text, next(answers))
            if isinstance(candidate, Candidate):
                candidates.append(candidate)
            else:
                without.append((item, candidate))
    _warn(name, without, section)
    return scored


def requests_of(request: ScoringRequest, limit: str) -> Iterator[ChatRequest]:
    """One for each text; the server has to write a token, which is not looked at."""
    for item, conversation, texts in zip(request.items, request.conversations, request.texts, strict=True):
        for text in texts:
            yield ChatRequest(item, (*conversation, Message("assistant", text)), {**SCORING, limit: 1})


def _candidate(text: str, answer: ChatResponse | Refusal) -> Candidate | str:
    """The text with its pieces, or why it has none."""
    if isinstance(answer, Refusal):
        return answer.reason
    table = None if answer.prompt is None else pieces_of(text, answer.prompt)
    return "the tokens of the reply do not spell the text" if table is None else Candidate(text, table)


def _warn(name: str, without: Sequence[tuple[str, str]], section: Section) -> None:
    """Log, or raise with `unfit: stop`, which items have texts without a score, and why."""
    if without:
        items, reasons = (list(dict.fromkeys(column)) for column in zip(*without, strict=True))
        sentence = f"{name}: not scored: {many(len(without), 'text')} of {named(items)}: {'; '.join(reasons[:3])}"
        warn_skipped(sentence, section["unfit"])
