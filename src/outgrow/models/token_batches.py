"""Texts to token ids, and token ids to batches of about equal cost.

Items are sorted by length, so that a batch pads little, and a batch holds as many as fit into a budget of *padded*
tokens. Longest first: what does not fit into memory shows at once, and is then halved.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from outgrow.errors import StepFailed

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Rows = Int[np.ndarray, "_"]
"""Row numbers; batches of one sweep differ in length."""

NO_MEMORY = ("out of memory", "not enough memory", "defaultcpuallocator")


class Tokens(NamedTuple):
    """Texts as token ids of one tokenizer, each at most `max_length` long."""

    ids: list[list[int]]
    truncated: int
    """How many texts lost their beginning."""

    @property
    def lengths(self) -> Int[np.ndarray, "item"]:
        return np.asarray([len(row) for row in self.ids], dtype=np.int64)


class Padded(NamedTuple):
    """A right-padded batch; what the mask marks is real, whatever the ids say."""

    input_ids: Int[Tensor, "row token"]
    attention_mask: Int[Tensor, "row token"]


def tokenize(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], max_length: int) -> Tokens:
    """Token ids with the tokenizer's special tokens; of a longer text the END is kept, where the question stands.

    A text without any token becomes one pad token, so that every row has something to be read.
    """
    ids: list[list[int]] = list(tokenizer(list(texts), verbose=False)["input_ids"]) if texts else []
    long = [row for row, tokens in enumerate(ids) if len(tokens) > max_length]
    if long:
        shorter = tokenizer([texts[row] for row in long], truncation=True, max_length=max_length)["input_ids"]
        for row, tokens in zip(long, shorter, strict=True):
            ids[row] = tokens
    return Tokens([tokens or [tokenizer.pad_token_id] for tokens in ids], len(long))


def usable_length(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, max_length: int) -> int:
    """`max_length`, or as many tokens as the model has positions for."""
    return longest_text(model.config, tokenizer, max_length)


def longest_text(config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase, max_length: int) -> int:
    """The same for a model of this configuration."""
    positions = config.get_text_config().to_dict().get("max_position_embeddings") or max_length
    return int(min(max_length, positions, tokenizer.model_max_length))


def pad(rows: Sequence[Sequence[int]], pad_id: int, device: torch.device | str = "cpu") -> Padded:
    """Rows of token ids as one rectangle, padded on the right."""
    width = max(map(len, rows))
    input_ids = torch.tensor([[*row, *[pad_id] * (width - len(row))] for row in rows])
    mask = torch.arange(width) < torch.tensor([len(row) for row in rows])[:, None]
    return Padded(input_ids.to(device), mask.long().to(device))


def length_sorted_batches(lengths: Int[np.ndarray, "item"], batch_tokens: int) -> list[Rows]:
    """Row numbers of each batch, longest items first; ties keep their order.

    A batch of n items whose longest has t tokens satisfies n t <= `batch_tokens`; an item longer than the budget is
    a batch of its own.
    """
    order = np.lexsort((np.arange(len(lengths)), -lengths))
    batches, start = [], 0
    while start < len(order):
        size = max(1, batch_tokens // max(1, int(lengths[order[start]])))
        batches.append(order[start : start + size])
        start += size
    return batches


def with_smaller_batches(run: Callable[[Rows], Result], batches: Sequence[Rows]) -> Iterator[tuple[Rows, Result]]:
    """Run every batch; one that does not fit into memory is run as two halves, which is logged.

    Yields (rows, result) in order. Raises `StepFailed` when a single item does not fit.
    """
    waiting = list(reversed(batches))
    while waiting:
        rows = waiting.pop()
        try:
            result = run(rows)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            if len(rows) == 1:
                raise StepFailed(
                    f"not enough memory for a single item ({error}); use a smaller `max_length` or another `dtype`"
                ) from error
        else:
            yield rows, result
            continue
        # Outside of `except`: the error's traceback would keep the failed batch's tensors alive.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        half = (len(rows) + 1) // 2
        log.warning("out of memory: a batch of %d items is run as %d and %d", len(rows), half, len(rows) - half)
        waiting += [rows[half:], rows[:half]]


def out_of_memory(error: BaseException) -> bool:
    """Did torch run out of memory, on a GPU or on the CPU?"""
    return isinstance(error, torch.OutOfMemoryError) or any(sign in str(error).lower() for sign in NO_MEMORY)
