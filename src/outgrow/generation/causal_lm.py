"""`CausalLM`: a causal language model with its tokenizer, for generation and for scoring given texts in this process.

A trained model is read from its step's folder. An adapter is merged into the weights, which makes generation faster.

Scoring (teacher forcing) gives the log-probability of each piece of a text, given the prompt. An item's candidates
share one row with their prompt, without attention to each other (`packing.py`), or have separate rows if the model
does not support that. Temperatures and penalties of a search do not apply.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import GenerationConfig, PreTrainedModel

from outgrow.generation.coder import Coder, TokenIds, coder_of
from outgrow.generation.token_ensemble import MEMBERS, load_members
from outgrow.graph.step import Job
from outgrow.models.choices import Choices
from outgrow.models.load_model import load_causal_lm
from outgrow.models.packing import may_pack, pack_batch, token_logprobs
from outgrow.models.resumable_inference import DEFAULT_BATCH_TOKENS, ragged_sweep
from outgrow.models.silence_transformers import silence_transformers
from outgrow.models.token_batches import Rows, length_sorted_batches

ADAPTER = "adapter_config.json"
"""The file by which peft knows the folder of an adapter."""


@dataclass(frozen=True)
class CausalLM(Coder):
    """A model with its tokenizer; make it with `load_writer`."""

    lm: PreTrainedModel = field(kw_only=True)


def load_writer(section: Mapping[str, Any], folder: Path | None, device: torch.device | str) -> CausalLM:
    """The model of `section`, or the model in the `folder` of its training.

    `section` has the keys of `step_params.READING`. Raises `DataError`.
    """
    lm = load_trained(section, folder, device)
    # A model's own defaults (temperature, repetition penalty) would affect every search.
    lm.generation_config = GenerationConfig()
    # A slice of a bfloat16 batch takes torch's slowest path on a CPU: 50 s for 24 prompts and 262,144 tokens.
    lm.get_output_embeddings().register_forward_pre_hook(lambda _, states: (states[0].contiguous(),))
    coder = coder_of(section, lm.config)
    return CausalLM(coder.prompter, coder.spelling, coder.longest, coder.unfit, lm=lm)


def load_trained(section: Mapping[str, Any], folder: Path | None, device: torch.device | str) -> PreTrainedModel:
    """The causal language model of a section, or that of a training's folder: whole weights, an adapter merged into
    its base, or several models that write together."""
    options = {"dtype": section["dtype"], "device": device, "trust_remote_code": section["trust_remote_code"]}
    if folder is not None and (folder / MEMBERS).is_file():
        return load_members(folder, lambda member: load_trained(section, member, device))
    if folder is not None and not (folder / ADAPTER).is_file():
        return load_causal_lm(str(folder), None, **options)
    base = load_causal_lm(section["model"], section["revision"], **options)
    return base if folder is None else merged(base, folder)


def merged(base: PreTrainedModel, adapter: Path) -> PreTrainedModel:
    """A model with a merged adapter, in evaluation mode."""
    with silence_transformers():
        adapted: PreTrainedModel = PeftModel.from_pretrained(base, adapter).merge_and_unload()
    return adapted.eval()


def forced(
    writer: CausalLM, prompts: Sequence[TokenIds], answers: Sequence[Sequence[TokenIds]]
) -> tuple[Choices, Callable[[Rows], list[list[list[float]]]]]:
    """The items' tokens, and a function from row numbers to [row][answer][token] log-probabilities.

    Every answer has at least one token; every item at least one answer.
    """
    choices = Choices(list(prompts), [list(texts) for texts in answers])
    packed = may_pack(writer.lm, writer.prompter.tokenizer, choices)

    @torch.inference_mode()
    def run(rows: Rows) -> list[list[list[float]]]:
        chosen = choices.take(rows)
        batch = pack_batch(chosen, writer.prompter.tokenizer.pad_token_id, packed=packed, dtype=writer.lm.dtype)
        flat = iter(token_logprobs(writer.lm, batch.to(writer.lm.device)).double().cpu().tolist())
        return [[[next(flat) for _ in ids] for ids in texts] for texts in chosen.options]

    return choices, run


def forced_sweep(
    job: Job, writer: CausalLM, prompts: Sequence[TokenIds], answers: Sequence[Sequence[TokenIds]], what: str
) -> list[list[list[float]]]:
    """The log-probability of every token of every answer, [prompt][answer][token]; finished batches are kept."""
    if not prompts:
        return []
    choices, run = forced(writer, prompts, answers)
    budget = int(job.hints.get("batch_tokens", DEFAULT_BATCH_TOKENS))
    logprobs = ragged_sweep(job, length_sorted_batches(choices.lengths(True), budget), run, what)
    return [logprobs[row] for row in range(len(prompts))]
