"""Log-probabilities of given texts by a model in this process.

A text that the model's tokenizer cannot reproduce, or that does not fit behind its prompt, has none; that is logged.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from outgrow.errors import DataError
from outgrow.generation.causal_lm import CausalLM, TokenIds, canonical, forced, load_writer, pieces_with
from outgrow.generation.chat import Prompt
from outgrow.generation.text_generator import ScoringRequest, Section
from outgrow.graph.step import Job
from outgrow.models.load_model import pick_device
from outgrow.models.resumable_inference import DEFAULT_BATCH_TOKENS, ragged_sweep
from outgrow.models.skipped_items import warn_skipped
from outgrow.models.token_batches import length_sorted_batches
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


def score(
    job: Job, writer: CausalLM, items: Sequence[str], prompts: Sequence[Prompt], texts: Sequence[Sequence[str]]
) -> list[list[Candidate]]:
    """Every text of every item with the writer's log-probability of each of its pieces, the end included."""
    prompt_ids = writer.prompts(prompts)
    ready = [
        _ready(writer, item, len(ids), item_texts)
        for item, ids, item_texts in zip(items, prompt_ids, texts, strict=True)
    ]
    rows = [row for row, tokenized_texts in enumerate(ready) if tokenized_texts]
    if not rows:
        return [[] for _ in items]
    choices, run = forced(
        writer, [prompt_ids[row] for row in rows], [[text.ids for text in ready[row]] for row in rows]
    )
    budget = int(job.hints.get("batch_tokens", DEFAULT_BATCH_TOKENS))
    results = ragged_sweep(job, length_sorted_batches(choices.lengths(True), budget), run, "scored")
    scored: list[list[Candidate]] = [[] for _ in items]
    for index, row in enumerate(rows):
        scored[row] = [_candidate(text, logprobs) for text, logprobs in zip(ready[row], results[index], strict=True)]
    return scored


def _ready(writer: CausalLM, item: str, prompt_length: int, texts: Sequence[str]) -> list[TokenizedText]:
    ready = []
    for text in texts:
        try:
            end, ids = canonical(writer, text, item)
        except DataError as error:
            warn_skipped(f"not scored: {error}", writer.unfit)
            continue
        if prompt_length + len(ids) > writer.longest:
            warn_skipped(
                f"not scored: item `{item}` and a text are together longer than {writer.longest} tokens", writer.unfit
            )
            continue
        ready.append(TokenizedText(text, end, ids))
    return ready


def _candidate(tokenized: TokenizedText, logprobs: Sequence[float]) -> Candidate:
    table = pieces_with(tokenized.end, logprobs[:-1])
    return Candidate(tokenized.text, table.close(logprobs[-1], len(tokenized.text.encode())))
