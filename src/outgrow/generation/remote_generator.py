"""`RemoteGenerator`: text generation by a model behind a server."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from outgrow.align.pieces import PieceTable
from outgrow.endpoints.chat_request import ChatRequest, Refusal
from outgrow.endpoints.client import Endpoint
from outgrow.endpoints.response import ResponseChoice
from outgrow.endpoints.response_cache import ResponseCache
from outgrow.endpoints.usage import endpoint_name
from outgrow.errors import DataError
from outgrow.generation.text_generator import GenerationRequest, GenerationResult, Section
from outgrow.graph.step import Job
from outgrow.models.skipped_items import named, warn_skipped
from outgrow.texts import Candidate, certain, ranked

TUNED = "tuned.json"
"""The file in a training's folder with the provider's name of the tuned model."""
LARGEST_SEED = 2**31 - 1


@dataclass(frozen=True)
class RemoteGenerator:
    """Generates texts by requests to an `Endpoint`."""

    endpoint: Endpoint

    def write(self, job: Job, request: GenerationRequest) -> GenerationResult:
        """Generate texts. A refused item gets no answer, or stops the step if the section has `unfit: stop`."""
        requests = list(self.requests(request))
        responses = self.endpoint.ask(requests, job.report)
        refused = {
            item: answer.reason
            for item, answer in zip(request.items, responses.answers, strict=True)
            if isinstance(answer, Refusal)
        }
        with self.endpoint.retry_on_error([sent for sent in requests if sent.item in refused]):
            self.warn_refused(refused, len(request.items))
        candidates = [
            [] if isinstance(answer, Refusal) else ranked(map(candidate_of, answer.choices), request.distinct)
            for answer in responses.answers
        ]
        return GenerationResult(candidates, responses.usage, refused, responses.served)

    def requests(self, request: GenerationRequest) -> Iterator[ChatRequest]:
        """The requests for all items: greedy decoding, as servers have no beam search, or seeded samples."""
        section, decoding = self.endpoint.section, request.decoding
        fields: dict[str, Any] = {section["limit"]: decoding["max_new_tokens"], "temperature": 0.0}
        if decoding["sample"]:
            fields |= {"temperature": decoding["temperature"], "top_p": decoding["top_p"]}
        fields |= {"stop": decoding["stop"]} if decoding["stop"] else {}
        fields |= {"logprobs": True} if section["logprobs"] is True or (section["logprobs"] and request.scored) else {}
        samples = decoding["candidates"] if decoding["sample"] else 1
        for item, conversation, place in zip(
            request.items, request.conversations, request.places.tolist(), strict=True
        ):
            seed = seed_of(request.seed, place) if decoding["sample"] else None
            yield ChatRequest(item, conversation, fields, samples, seed)

    def warn_refused(self, refused: dict[str, str], n_items: int) -> None:
        """Log the refused items. Raises `DataError` with `unfit: stop`, and if all items are refused."""
        if not refused:
            return
        where = endpoint_name(self.endpoint.section)
        reasons = "; ".join(list(dict.fromkeys(refused.values()))[:3])
        sentence = f"{where}: {len(refused)} of {n_items} items get no answer ({named(list(refused))}): {reasons}"
        if len(refused) == n_items:
            raise DataError(sentence)
        warn_skipped(sentence, self.endpoint.section["unfit"])


def open_remote(job: Job, section: Section, trained: Path | None) -> RemoteGenerator:
    """The generator of the section's model, or of the tuned one in a training's folder."""
    return RemoteGenerator(endpoint_of(job, section, trained))


def endpoint_of(job: Job, section: Section, trained: Path | None) -> Endpoint:
    """The section's model, or the tuned one in a training's folder."""
    full_section = {**section, **job.hints["endpoint"]}
    if trained is not None:
        full_section["model"] = json.loads((trained / TUNED).read_text())["model"]
    return Endpoint(full_section, ResponseCache(Path(job.hints["answers"])))


def seed_of(seed: int, place: int) -> int:
    """A seed in the range of servers, from the study's seed and the item's position."""
    return int(np.random.SeedSequence([seed, place]).generate_state(1, np.uint64)[0] % LARGEST_SEED)


def candidate_of(choice: ResponseChoice) -> Candidate:
    """The answer without white space around it; without log-probabilities its pieces count as certain."""
    text = choice.text.strip()
    spelled = None if choice.tokens is None else _spelled(choice, text)
    if spelled is None:
        certain_pieces = certain(text)
        return Candidate(
            text, certain_pieces if choice.ended else PieceTable(certain_pieces.end[:-1], certain_pieces.logprob[:-1])
        )
    table, end = spelled
    return Candidate(text, table.close(end, len(text.encode())) if choice.ended else table)


def _spelled(choice: ResponseChoice, text: str) -> tuple[PieceTable, float] | None:
    """The server's pieces and the log-probability of the end; None if they do not spell the text.

    vLLM sends the token that ended the text, too, such as `<|im_end|>` or a stop. The protocol has none: the end then
    counts as certain.
    """
    tokens = choice.tokens or ()
    pieces, logprobs = [_bytes(token) for token in tokens], [token.get("logprob") for token in tokens]
    whole, sent = choice.text.encode(), b"".join(pieces)
    if not (sent.startswith(whole) if choice.ended else sent == whole) or not all(map(_is_logprob, logprobs)):
        return None
    first = len(choice.text[: len(choice.text) - len(choice.text.lstrip())].encode())
    end = np.cumsum([len(piece) for piece in pieces], dtype=np.int64)
    scores = np.minimum(np.asarray(logprobs, dtype=np.float64), 0.0)
    n_own = int(np.searchsorted(end, len(whole))) + 1 if whole else 0
    table = PieceTable(end[:n_own], scores[:n_own]).trim(first, first + len(text.encode()))
    return table, float(scores[n_own]) if n_own < len(scores) else 0.0


def _bytes(token: Any) -> bytes:
    sent_bytes = token.get("bytes")
    return bytes(sent_bytes) if isinstance(sent_bytes, list) else str(token.get("token", "")).encode(errors="replace")


def _is_logprob(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value < 1e-4
