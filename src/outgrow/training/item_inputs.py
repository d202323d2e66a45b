"""How a whole model reads items: a text to classify, or a prompt with options to choose from.

Both kinds of reading hold all items as token ids, know how long each is, and turn the items at some rows into logits.
Classification logits come from the model's head (at the last real token of a decoder); the logits of a *choose* item
are the log-likelihoods of its options under the language head, the options packed into one row where the model allows.
Only their differences mean anything, so they are centred: a loss that takes the logits' level for evidence, as the
evidential one does, would otherwise see none at all (log-likelihoods of whole options lie at −20, say).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from outgrow.data.task import Items
from outgrow.models.choices import Choices, tokenize_choices
from outgrow.models.packing import may_pack, pack_batch, packed_option_logits
from outgrow.models.token_batches import Tokens, pad, tokenize, usable_length


@dataclass(frozen=True)
class TextInputs:
    """Items of a *classify* task."""

    tokens: Tokens
    pad_id: int

    @property
    def lengths(self) -> Int[np.ndarray, "item"]:
        """Tokens of each item."""
        return self.tokens.lengths

    @property
    def truncated(self) -> int:
        """How many items were too long."""
        return self.tokens.truncated

    def logits(self, model: torch.nn.Module, rows: Sequence[int], device: torch.device) -> Float[Tensor, "row class"]:
        """The head's logits for the items at `rows`."""
        batch = pad([self.tokens.ids[row] for row in rows], self.pad_id, device)
        logits: Tensor = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
        return logits


@dataclass(frozen=True)
class ChoiceInputs:
    """Items of a *choose* task."""

    choices: Choices
    pad_id: int
    packed: bool
    dtype: torch.dtype
    """Of the attention scores."""

    @property
    def lengths(self) -> Int[np.ndarray, "item"]:
        """Tokens that each item takes of a batch."""
        return self.choices.lengths(self.packed)

    @property
    def truncated(self) -> int:
        """How many items were too long."""
        return self.choices.truncated

    def logits(self, model: torch.nn.Module, rows: Sequence[int], device: torch.device) -> Float[Tensor, "row class"]:
        """The options' log-likelihoods for the items at `rows`, less their mean."""
        chosen = self.choices.take(np.asarray(rows))
        batch = pack_batch(chosen, self.pad_id, packed=self.packed, dtype=self.dtype)
        logits = packed_option_logits(model, batch.to(device))
        return logits - logits.mean(dim=-1, keepdim=True)


Reading = TextInputs | ChoiceInputs


def read_items(
    items: Items, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, max_length: int, dtype: torch.dtype
) -> Reading:
    """Tokenize items for a model, as texts or as questions; `dtype` is that of its attention scores."""
    longest = usable_length(model, tokenizer, max_length)
    if items.options is None:
        return TextInputs(tokenize(tokenizer, items.prompts, longest), tokenizer.pad_token_id)
    choices = tokenize_choices(tokenizer, items.prompts, items.options, longest)
    return ChoiceInputs(choices, tokenizer.pad_token_id, may_pack(model, tokenizer, choices), dtype)
