"""Log-probabilities of given texts by a model in this process.

A text that the model's tokenizer cannot reproduce, or that does not fit behind its prompt, has none; that is logged.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Int

from outgrow.errors import DataError
from outgrow.generation.causal_lm import CausalLM, forced_sweep, load_writer
from outgrow.generation.chat import Prompt
from outgrow.generation.coder import Coder, TokenIds, canonical, pieces_with
from outgrow.generation.text_generator import ScoringRequest, Section
from outgrow.graph.step import Job
from outgrow.models.load_model import pick_device
from outgrow.models.skipped_items import warn_skipped
from outgrow.texts import Candidate


def score_locally(job: Job, section: Section, trained: Path | None, request: ScoringRequest) -> list[list[Candidate]]:
    """By the section's model, or the trained one in a training's folder."""
    writer = load_writer(section, trained, pick_device(job.hints))
    return score(job, writer, request.items, request.conversations, request.texts)


class TokenizedText(NamedTuple):
    """One text as the scorer's tokens, the end of the text included."""

    text: str
    end: Int[np.ndarray, "piece"]
    """Where the text's own pieces end, in bytes."""
    ids: TokenIds


Teacher: TypeAlias = Callable[[Sequence[TokenIds], Sequence[Sequence[TokenIds]]], list[list[list[float]]]]
"""From prompts and each prompt's answers to the log-probabilities of the answers' tokens."""


def score(
    job: Job, writer: CausalLM, items: Sequence[str], prompts: Sequence[Prompt], texts: Sequence[Sequence[str]]
) -> list[list[Candidate]]:
    """Every text of every item with the writer's log-probability of each of its pieces, the end included."""
    return scored_by(partial(forced_sweep, job, writer, what="scored"), writer, items, prompts, texts)


def scored_by(
    teacher: Teacher, coder: Coder, items: Sequence[str], prompts: Sequence[Prompt], texts: Sequence[Sequence[str]]
) -> list[list[Candidate]]:
    """The same with the log-probabilities of any model whose tokens these are."""
    prompt_ids = coder.prompts(prompts)
    ready = [
        _ready(coder, item, len(ids), item_texts)
        for item, ids, item_texts in zip(items, prompt_ids, texts, strict=True)
    ]
    rows = [row for row, tokenized_texts in enumerate(ready) if tokenized_texts]
    results = teacher([prompt_ids[row] for row in rows], [[text.ids for text in ready[row]] for row in rows])
    scored: list[list[Candidate]] = [[] for _ in items]
    for row, logprobs in zip(rows, results, strict=True):
        scored[row] = [_candidate(*pair) for pair in zip(ready[row], logprobs, strict=True)]
    return scored


def _ready(coder: Coder, item: str, prompt_length: int, texts: Sequence[str]) -> list[TokenizedText]:
    ready = []
    for text in texts:
        try:
            end, ids = canonical(coder, text, item)
        except DataError as error:
            warn_skipped(f"not scored: {error}", coder.unfit)
            continue
        if prompt_length + len(ids) > coder.longest:
            warn_skipped(
                f"not scored: item `{item}` and a text are together longer than {coder.longest} tokens", coder.unfit
            )
            continue
        ready.append(TokenizedText(text, end, ids))
    return ready


def _candidate(tokenized: TokenizedText, logprobs: Sequence[float]) -> Candidate:
    table = pieces_with(tokenized.end, logprobs[:-1])
    return Candidate(tokenized.text, table.close(logprobs[-1], len(tokenized.text.encode())))
