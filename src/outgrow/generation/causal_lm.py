"""`CausalLM`: a causal language model with its tokenizer, for generation and for scoring given texts.

A trained model is read from its step's folder. An adapter is merged into the weights, which makes generation faster.

Scoring (teacher forcing) gives the log-probability of each piece of a text, given the prompt. An item's candidates
share one row with their prompt, without attention to each other (`packing.py`), or have separate rows if the model
does not support that. Temperatures and penalties of a search do not apply.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from peft import PeftModel
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from outgrow.align.pieces import PieceTable
from outgrow.align.spans import encode, spell
from outgrow.align.spelling import Spelling, spelling_of
from outgrow.errors import DataError
from outgrow.generation.chat import Prompt
from outgrow.generation.prompting import Prompter, prompter_of
from outgrow.generation.token_ensemble import MEMBERS, load_members
from outgrow.models.choices import Choices
from outgrow.models.load_model import load_causal_lm, load_tokenizer
from outgrow.models.packing import may_pack, pack_batch, token_logprobs
from outgrow.models.silence_transformers import silence_transformers
from outgrow.models.skipped_items import Unfit
from outgrow.models.token_batches import Rows, usable_length
from outgrow.texts import Candidate


@dataclass(frozen=True)
class CausalLM:
    """A model with its tokenizer; make it with `load_writer`."""

    lm: PreTrainedModel
    prompter: Prompter
    spelling: Spelling
    longest: int
    """Tokens of a prompt and its answer together, at most."""
    unfit: Unfit = "skip"
    """`skip`: items that are too long are skipped; `stop`: they stop the step."""

    def prompts(self, texts: Sequence[Prompt]) -> list[list[int]]:
        """Token ids of prompts, of any length."""
        return [self.prompter.ids(text) for text in texts]

    def fits(self, prompts: Sequence[Sequence[int]], new_tokens: int) -> Bool[np.ndarray, "prompt"]:
        """Whether each prompt leaves room for an answer of `new_tokens` tokens."""
        return np.asarray([len(ids) + new_tokens <= self.longest for ids in prompts], dtype=bool)

    def candidate(self, ids: Sequence[int], logprobs: Sequence[float], stops: Sequence[str] = ()) -> Candidate:
        """The text of generated tokens, without white space around it, and the log-probabilities of its pieces.

        The text ends at the end-of-sequence token or at one of `stops`; the pieces from there on are the end.
        `logprobs` has one number per token.
        """
        ended = len(ids) > 0 and ids[-1] == self.prompter.end_id
        text, pieces = spell(self.spelling, ids[:-1] if ended else ids)
        stop = stop_in(text, stops)
        inner = text[:stop].strip()
        start = len(text[: len(text) - len(text.lstrip())].encode()) if inner else 0
        n_bytes = len(inner.encode())
        last = len(pieces.end) if stop is None else int((pieces.start < len(text[:stop].encode())).sum())
        table = pieces_with(pieces.end[:last], logprobs[:last]).trim(start, start + n_bytes)
        closed = ended or stop is not None
        return Candidate(inner, table.close(math.fsum(logprobs[last:]), n_bytes) if closed else table)

    def has_stopped(self, ids: Sequence[int], stops: Sequence[str]) -> bool:
        """Whether tokens spell one of `stops`."""
        return stop_in(b"".join(self.spelling.spell(list(ids))).decode(errors="ignore"), stops) is not None


def stop_in(text: str, stops: Sequence[str]) -> int | None:
    """The start of the first stop in a text, or None; leading white space is no stop."""
    inner = text.lstrip()
    positions = [inner.index(stop) for stop in stops if stop in inner]
    return min(positions) + len(text) - len(inner) if positions else None


def pieces_with(end: np.ndarray, logprob: Sequence[float]) -> PieceTable:
    """A table of generated pieces."""
    return PieceTable(end, np.asarray(logprob, dtype=np.float64))


def load_writer(section: Mapping[str, Any], folder: Path | None, device: torch.device | str) -> CausalLM:
    """The model of `section`, or the model in the `folder` of its training.

    `section` has the keys of `text_experiment.READING`. Raises `DataError`.
    """
    name, revision, trusted = section["model"], section["revision"], section["trust_remote_code"]
    tokenizer = spelling_tokenizer(section)
    if folder is None:
        lm = load_causal_lm(name, revision, dtype=section["dtype"], device=device, trust_remote_code=trusted)
    else:
        lm = load_trained(section, folder, device)
    # A model's own defaults (temperature, repetition penalty) would affect every search.
    lm.generation_config = GenerationConfig()
    # A slice of a bfloat16 batch takes torch's slowest path on a CPU: 50 s for 24 prompts and 262,144 tokens.
    lm.get_output_embeddings().register_forward_pre_hook(lambda _, states: (states[0].contiguous(),))
    longest = usable_length(lm, tokenizer, section["max_length"])
    prompter, spelling = prompter_of(tokenizer, section["chat"]), spelling_of(tokenizer.backend_tokenizer)
    return CausalLM(lm, prompter, spelling, longest, section["unfit"])


def spelling_tokenizer(section: Mapping[str, Any]) -> PreTrainedTokenizerBase:
    """The model's tokenizer. Raises `DataError` if it has no byte offsets of tokens."""
    name, revision, trusted = section["model"], section["revision"], section["trust_remote_code"]
    tokenizer = load_tokenizer(name, revision, trust_remote_code=trusted)
    if not tokenizer.is_fast:
        raise DataError(
            f"model `{name}`: its tokenizer has no fast version, which is needed for byte offsets of tokens"
        )
    return tokenizer


def load_trained(section: Mapping[str, Any], folder: Path, device: torch.device | str) -> PreTrainedModel:
    """A causal language model from a training's folder: whole weights, an adapter merged into its base, or several
    models that write together."""
    if (folder / MEMBERS).is_file():
        return load_members(folder, lambda member: load_trained(section, member, device))
    options = {"dtype": section["dtype"], "device": device, "trust_remote_code": section["trust_remote_code"]}
    if not (folder / "adapter_config.json").is_file():
        return load_causal_lm(str(folder), None, **options)
    return merged(load_causal_lm(section["model"], section["revision"], **options), folder)


def merged(base: PreTrainedModel, adapter: Path) -> PreTrainedModel:
    """A model with a merged adapter, in evaluation mode."""
    with silence_transformers():
        adapted: PreTrainedModel = PeftModel.from_pretrained(base, adapter).merge_and_unload()
    return adapted.eval()


TokenIds = list[int]


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


def canonical(writer: CausalLM, text: str, item: str = "") -> tuple[np.ndarray, TokenIds]:
    """The end of each token of a text, and the tokens followed by the end-of-sequence token.

    Raises `DataError` with the `item` for a text that the tokenizer cannot reproduce.
    """
    if not text:
        return np.zeros(0, dtype=np.int64), [writer.prompter.end_id]
    pieces = encode(writer.spelling, text, item=item)
    if not len(pieces.ids):
        raise DataError(f"item `{item}`: the tokenizer makes no token of the text {text!r}")
    return pieces.end, [*pieces.ids.tolist(), writer.prompter.end_id]
