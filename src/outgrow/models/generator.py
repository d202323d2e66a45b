"""Texts that a model writes: beam search or samples, n best, with the exact log-probability of every piece.

Prompts of about equal length share a batch, padded on the left. Batches are the same on every machine, so that what
rounding makes of a padded row in half precision is the same too. A search ends as soon as it has as many finished
texts as it has beams, and ranks them by mean log-probability per token. Samples are drawn item by item, from a
generator seeded by the study's seed and the item's place in the pool.

A search's own scores are not kept: all texts that were drawn are read once more (`teacher_forcing.py`), from the very
tokens that were drawn. So a score of a search, of a sample and of somebody else's text mean the same.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Int
from transformers import GenerationConfig

from outgrow.graph.step import Job
from outgrow.models.batches import Rows, length_sorted_batches
from outgrow.models.ragged_sweep import ragged_sweep
from outgrow.models.sweep import DEFAULT_BATCH_TOKENS
from outgrow.models.teacher_forcing import TokenIds, forced
from outgrow.models.writer import Writer
from outgrow.texts import Candidate

SEARCH_TOKENS = 8192
"""Padded tokens of all beams of a search, answers included. No hint changes it, lest rounding change a text."""


class Written(NamedTuple):
    """What came of some prompts."""

    candidates: list[list[Candidate]]
    """Per prompt, best first; empty where the prompt leaves no room for an answer."""
    cut_off: int
    """Texts that had not ended after `max_new_tokens`."""


def write(
    job: Job,
    writer: Writer,
    prompts: Sequence[str],
    decoding: Mapping[str, Any],
    seed: int,
    places: Int[np.ndarray, "prompt"],
) -> Written:
    """Write `candidates` texts for every prompt. `decoding` is a `config.decoding.Decoding` as a dictionary.

    `places` (with `seed`) seed the samples of each prompt. Finished batches are kept in `job.scratch`.
    """
    ids = writer.prompts(prompts)
    fits = writer.fits(ids, decoding["max_new_tokens"])
    drawn = draw_all(job, writer, ids, np.flatnonzero(fits), decoding, seed, places)
    scores = read_back(job, writer, ids, drawn)
    candidates: list[list[Candidate]] = [[] for _ in prompts]
    for row, texts in drawn.items():
        pairs = zip(texts, scores[row], strict=True)
        candidates[row] = ranked([writer.candidate(tokens, logprobs) for tokens, logprobs in pairs])
    cut_off = sum(tokens[-1:] != [writer.prompter.end_id] for texts in drawn.values() for tokens in texts)
    return Written(candidates, cut_off)


def ranked(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Best first by mean log-probability; of equal texts the more probable spelling is kept."""
    found: dict[str, Candidate] = {}
    for candidate in sorted(candidates, key=lambda one: -one.mean_logprob):
        found.setdefault(candidate.text, candidate)
    return list(found.values())


def draw_all(
    job: Job,
    writer: Writer,
    prompts: Sequence[TokenIds],
    rows: Int[np.ndarray, "row"],
    decoding: Mapping[str, Any],
    seed: int,
    places: Int[np.ndarray, "prompt"],
) -> dict[int, list[TokenIds]]:
    """The tokens of every text, without what follows its end."""
    if decoding["sample"]:
        batches = [np.asarray([row]) for row in rows.tolist()]
    else:
        lengths = np.asarray([len(prompts[row]) for row in rows.tolist()], dtype=np.int64)
        cost = decoding["beams"] * (lengths + decoding["max_new_tokens"])
        batches = [rows[batch] for batch in length_sorted_batches(cost, SEARCH_TOKENS)]
    config = generation_config(writer, decoding)

    def run(batch: Rows) -> list[list[TokenIds]]:
        texts = draw(writer, [prompts[row] for row in batch.tolist()], config, [seed, *places[batch].tolist()])
        share = len(texts) // len(batch)
        whole = [ended(tokens, writer.prompter.end_id) for tokens in texts]
        return [whole[start : start + share] for start in range(0, len(whole), share)]

    return ragged_sweep(job, batches, run, "drawn")


@torch.inference_mode()
def draw(
    writer: Writer, prompts: Sequence[TokenIds], config: GenerationConfig, entropy: Sequence[int]
) -> list[TokenIds]:
    """New tokens of every text, the texts of a prompt next to each other; random numbers from `entropy`."""
    width = max(map(len, prompts))
    pad_id = writer.prompter.tokenizer.pad_token_id
    ids = torch.tensor([[*[pad_id] * (width - len(row)), *row] for row in prompts], device=writer.lm.device)
    mask = torch.arange(width) >= width - torch.tensor([len(row) for row in prompts])[:, None]
    devices = [] if ids.device.type == "cpu" else [ids.device]
    with torch.random.fork_rng(devices=devices):
        if config.do_sample:
            torch.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1))
        texts = writer.lm.generate(input_ids=ids, attention_mask=mask.long().to(ids.device), generation_config=config)
    new: list[TokenIds] = texts[:, width:].tolist()
    return new


def generation_config(writer: Writer, decoding: Mapping[str, Any]) -> GenerationConfig:
    """Everything that decides which tokens are drawn; nothing is left to the model's own defaults."""
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


def ended(tokens: TokenIds, end_id: int) -> TokenIds:
    """The tokens up to the end of the text, which is kept."""
    return tokens[: tokens.index(end_id) + 1] if end_id in tokens else tokens


def read_back(
    job: Job, writer: Writer, prompts: Sequence[TokenIds], drawn: Mapping[int, list[TokenIds]]
) -> dict[int, list[list[float]]]:
    """The log-probability of every drawn token."""
    rows = sorted(drawn)
    if not rows:
        return {}
    choices, run = forced(writer, [prompts[row] for row in rows], [drawn[row] for row in rows])
    budget = int(job.hints.get("batch_tokens", DEFAULT_BATCH_TOKENS))
    found = ragged_sweep(job, length_sorted_batches(choices.lengths(True), budget), run, "read back")
    return {row: found[number] for number, row in enumerate(rows)}
