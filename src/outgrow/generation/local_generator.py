"""`LocalGenerator`: text generation in this process, by beam search or samples, with exact log-probabilities.

Prompts of similar length share a batch, padded on the left. Batches are the same on every machine, so the rounding of
a padded row in half precision is the same, too. A search ends when it has as many finished texts as beams, and ranks
them by mean log-probability per token. Samples are drawn item by item, from a generator seeded by the study's seed and
the item's position in the pool.

Scores of a search are not used. All generated texts are scored again from their tokens (`causal_lm.forced`), so scores
of a search, a sample and a given text are comparable.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

from outgrow.generation.causal_lm import CausalLM, forced_sweep, load_writer
from outgrow.generation.chat import Prompt
from outgrow.generation.coder import Coder, TokenIds
from outgrow.generation.text_generator import GenerationRequest, GenerationResult, Section
from outgrow.graph.step import Job
from outgrow.models.load_model import pick_device
from outgrow.models.resumable_inference import ragged_sweep
from outgrow.models.skipped_items import named, warn_skipped
from outgrow.models.token_batches import Rows, length_sorted_batches
from outgrow.texts import Candidate, ranked


@dataclass(frozen=True)
class LocalGenerator:
    """Generates texts with a `CausalLM`."""

    writer: CausalLM

    def write(self, job: Job, request: GenerationRequest) -> GenerationResult:
        """Generate texts. A prompt that is too long gets no answer, or stops the step with `unfit: stop`."""
        warn_too_long(self.writer, request)
        return GenerationResult(
            write(
                job,
                self.writer,
                request.conversations,
                request.decoding,
                request.seed,
                request.places,
                distinct=request.distinct,
            )
        )


def warn_too_long(coder: Coder, request: GenerationRequest) -> None:
    """Log the items whose prompts are too long; with `unfit: stop` raise `DataError`."""
    new_tokens = request.decoding["max_new_tokens"]
    fits = coder.fits(coder.prompts(request.conversations), new_tokens).tolist()
    too_long = [item for item, fit in zip(request.items, fits, strict=True) if not fit]
    if too_long:
        room = f"{new_tokens} new tokens within {coder.longest} (`max_length`, or the model's context)"
        warn_skipped(
            f"{len(too_long)} prompts leave no room for {room} and get no answer ({named(too_long)})", coder.unfit
        )


def open_local(job: Job, section: Section, trained: Path | None) -> LocalGenerator:
    """The generator of the pretrained model, or of the trained one in a training's folder."""
    return LocalGenerator(load_writer(section, trained, pick_device(job.hints)))


SEARCH_TOKENS = 8192
"""Padded tokens of all beams and their answers. No hint changes it, because rounding can change a text."""


def write(
    job: Job,
    writer: CausalLM,
    prompts: Sequence[Prompt],
    decoding: Mapping[str, Any],
    seed: int,
    places: Int[np.ndarray, "prompt"],
    *,
    distinct: bool = True,
) -> list[list[Candidate]]:
    """Generate `candidates` texts per prompt. `decoding` is a `config.decoding.Decoding` as a dictionary.

    Per prompt, the texts are ordered best first (with `distinct` equal texts once); the list is empty if the prompt
    leaves no room for an answer. `seed` and `places` seed the samples of each prompt. Finished batches are kept in
    `job.scratch`.
    """
    ids = writer.prompts(prompts)
    fits = writer.fits(ids, decoding["max_new_tokens"])
    drawn = draw_all(job, writer, ids, np.flatnonzero(fits), decoding, seed, places)
    scores = read_back(job, writer, ids, drawn)
    candidates: list[list[Candidate]] = [[] for _ in prompts]
    for row, texts in drawn.items():
        pairs = zip(texts, scores[row], strict=True)
        answers = [writer.candidate(*pair, decoding["stop"]) for pair in pairs]
        candidates[row] = ranked(answers, distinct)
    return candidates


def draw_all(
    job: Job,
    writer: CausalLM,
    prompts: Sequence[TokenIds],
    rows: Int[np.ndarray, "row"],
    decoding: Mapping[str, Any],
    seed: int,
    places: Int[np.ndarray, "prompt"],
) -> dict[int, list[TokenIds]]:
    """The tokens of every text up to its end, by row."""
    if decoding["sample"]:
        batches = [np.asarray([row]) for row in rows.tolist()]
    else:
        lengths = np.asarray([len(prompts[row]) for row in rows.tolist()], dtype=np.int64)
        cost = decoding["beams"] * (lengths + decoding["max_new_tokens"])
        batches = [rows[batch] for batch in length_sorted_batches(cost, SEARCH_TOKENS)]
    config, stops = generation_config(writer, decoding), decoding["stop"]

    def run(batch: Rows) -> list[list[TokenIds]]:
        batch_prompts = [prompts[row] for row in batch.tolist()]
        texts = draw(writer, batch_prompts, config, [seed, *places[batch].tolist()], stops)
        n_per_prompt = len(texts) // len(batch)
        complete = [without_rest(writer, ended(tokens, writer.prompter.end_id), stops) for tokens in texts]
        return [complete[start : start + n_per_prompt] for start in range(0, len(complete), n_per_prompt)]

    return ragged_sweep(job, batches, run, "drawn")


@torch.inference_mode()
def draw(
    writer: CausalLM,
    prompts: Sequence[TokenIds],
    config: GenerationConfig,
    entropy: Sequence[int],
    stops: Sequence[str] = (),
) -> list[TokenIds]:
    """The new tokens of every text, grouped by prompt; `entropy` seeds the random numbers."""
    width = max(map(len, prompts))
    pad_id = writer.prompter.tokenizer.pad_token_id
    ids = torch.tensor([[*[pad_id] * (width - len(row)), *row] for row in prompts], device=writer.lm.device)
    mask = torch.arange(width) >= width - torch.tensor([len(row) for row in prompts])[:, None]
    devices = [] if ids.device.type == "cpu" else [ids.device]
    with torch.random.fork_rng(devices=devices):
        if config.do_sample:
            torch.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1))
        texts = writer.lm.generate(
            input_ids=ids,
            attention_mask=mask.long().to(ids.device),
            generation_config=config,
            stopping_criteria=StoppingCriteriaList([AtStop(writer, width, stops)] if stops else []),
        )
    new: list[TokenIds] = texts[:, width:].tolist()
    return new


def generation_config(writer: CausalLM, decoding: Mapping[str, Any]) -> GenerationConfig:
    """The generation settings, without the model's own defaults."""
    common = {
        "max_new_tokens": decoding["max_new_tokens"],
        "num_return_sequences": decoding["candidates"],
        "eos_token_id": writer.prompter.end_id,
        "pad_token_id": writer.prompter.tokenizer.pad_token_id,
        "use_cache": True,
    }
    if decoding["sample"]:
        drawn = {"do_sample": True, "temperature": decoding["temperature"], "top_p": decoding["top_p"], "top_k": 0}
        return GenerationConfig(**common, **drawn)
    searched = {"early_stopping": True, "length_penalty": 1.0} if decoding["beams"] > 1 else {}
    return GenerationConfig(**common, do_sample=False, num_beams=decoding["beams"], **searched)


class AtStop(StoppingCriteria):  # type: ignore[misc]
    """Ends a text at a stop, to save the time for text that is cut off."""

    def __init__(self, writer: CausalLM, width: int, stops: Sequence[str]) -> None:
        self.writer, self.width, self.stops = writer, width, stops

    def __call__(self, input_ids: torch.Tensor, scores: Any, **more: Any) -> torch.Tensor:
        rows = input_ids[:, self.width :].tolist()
        has_stopped = [self.writer.has_stopped(ended(row, self.writer.prompter.end_id), self.stops) for row in rows]
        return torch.tensor(has_stopped, device=input_ids.device)


def without_rest(coder: Coder, tokens: TokenIds, stops: Sequence[str]) -> TokenIds:
    """The tokens up to and including the one that completes a stop."""
    if not stops or not coder.has_stopped(tokens, stops):
        return tokens
    return next(tokens[:length] for length in range(1, len(tokens) + 1) if coder.has_stopped(tokens[:length], stops))


def ended(tokens: TokenIds, end_id: int) -> TokenIds:
    """The tokens up to and including the end-of-sequence token."""
    return tokens[: tokens.index(end_id) + 1] if end_id in tokens else tokens


def read_back(
    job: Job, writer: CausalLM, prompts: Sequence[TokenIds], drawn: Mapping[int, list[TokenIds]]
) -> dict[int, list[list[float]]]:
    """The log-probability of every generated token, by row."""
    rows = sorted(drawn)
    logprobs = forced_sweep(job, writer, [prompts[row] for row in rows], [drawn[row] for row in rows], "read back")
    return dict(zip(rows, logprobs, strict=True))
