"""`Coder`: from prompts to tokens and from tokens to texts with their pieces, for one model's tokenizer.

The model itself runs in this process (`causal_lm.py`) or in an engine (`engine_model.py`). Both get the same tokens,
so that they write after the same prompts and score the same texts.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool
from transformers import PreTrainedConfig, PreTrainedTokenizerBase

from outgrow.align.pieces import PieceTable
from outgrow.align.spans import encode, spell
from outgrow.align.spelling import Spelling, spelling_of
from outgrow.errors import DataError
from outgrow.generation.chat import Prompt
from outgrow.generation.prompting import Prompter, prompter_of
from outgrow.models.load_model import load_tokenizer
from outgrow.models.skipped_items import Unfit
from outgrow.models.token_batches import longest_text
from outgrow.texts import Candidate

TokenIds = list[int]


@dataclass(frozen=True)
class Coder:
    """A model's tokenizer with its limits; make it with `coder_of`."""

    prompter: Prompter
    spelling: Spelling
    longest: int
    """Tokens of a prompt and its answer together, at most."""
    unfit: Unfit = "skip"
    """`skip`: items that are too long are skipped; `stop`: they stop the step."""

    def prompts(self, texts: Sequence[Prompt]) -> list[TokenIds]:
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


def coder_of(section: Mapping[str, Any], config: PreTrainedConfig) -> Coder:
    """The coder of a model's section; `config` is that of the model. Raises `DataError`."""
    tokenizer = spelling_tokenizer(section)
    longest = longest_text(config, tokenizer, section["max_length"])
    prompter, spelling = prompter_of(tokenizer, section["chat"]), spelling_of(tokenizer.backend_tokenizer)
    return Coder(prompter, spelling, longest, section["unfit"])


def spelling_tokenizer(section: Mapping[str, Any]) -> PreTrainedTokenizerBase:
    """The model's tokenizer. Raises `DataError` if it has no byte offsets of tokens."""
    name, revision, trusted = section["model"], section["revision"], section["trust_remote_code"]
    tokenizer = load_tokenizer(name, revision, trust_remote_code=trusted)
    if not tokenizer.is_fast:
        raise DataError(
            f"model `{name}`: its tokenizer has no fast version, which is needed for byte offsets of tokens"
        )
    return tokenizer


def canonical(coder: Coder, text: str, item: str = "") -> tuple[np.ndarray, TokenIds]:
    """The end of each token of a text, and the tokens followed by the end-of-sequence token.

    Raises `DataError` with the `item` for a text that the tokenizer cannot reproduce.
    """
    if not text:
        return np.zeros(0, dtype=np.int64), [coder.prompter.end_id]
    pieces = encode(coder.spelling, text, item=item)
    if not len(pieces.ids):
        raise DataError(f"item `{item}`: the tokenizer makes no token of the text {text!r}")
    return pieces.end, [*pieces.ids.tolist(), coder.prompter.end_id]
