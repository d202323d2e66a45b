"""Training examples: what the Trainer's batches are made of, how a model reads them, and their loss.

The trainer deals in row numbers, weights and memory; all else is the examples': `ClassExamples` here, `TextExamples`
in `text_examples.py`, `PairExamples` in `preference_step.py`.

A reading holds all items as token ids and turns the items at some rows into logits. Logits of *classify* come from the
model's head (at the last real token of a decoder). Those of a *choose* item are the log-likelihoods of its options
under the language head, packed into one row where the model allows, or a scalar head's rewards at the options' last
tokens. Only their differences have a meaning, so they are centred: the evidential loss, which takes the logits' level
for evidence, would see none otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from outgrow.data.task import Items
from outgrow.losses.objective import Objective
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


@dataclass(frozen=True)
class RewardInputs:
    """Items of a *choose* task whose options a scalar head scores: each prompt with one option is a row."""

    choices: Choices
    pad_id: int

    @property
    def lengths(self) -> Int[np.ndarray, "item"]:
        """Tokens that each item takes of a batch."""
        return self.choices.lengths(packed=False)

    @property
    def truncated(self) -> int:
        """How many items were too long."""
        return self.choices.truncated

    def logits(self, model: torch.nn.Module, rows: Sequence[int], device: torch.device) -> Float[Tensor, "row class"]:
        """The options' rewards for the items at `rows`, less their mean."""
        some = self.choices.take(np.asarray(rows))
        texts = [prefix + option for prefix, of in zip(some.prefixes, some.options, strict=True) for option in of]
        batch = pad(texts, self.pad_id, device)
        scores: Tensor = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
        rewards = scores.view(len(rows), -1)
        return rewards - rewards.mean(dim=-1, keepdim=True)


Reading = TextInputs | ChoiceInputs | RewardInputs


def read_items(
    items: Items,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    dtype: torch.dtype,
    *,
    rewards: bool = False,
) -> Reading:
    """Tokenize items for a model, as texts or as questions; `dtype` is that of its attention scores.

    With `rewards` the model has a scalar head that scores options.
    """
    longest = usable_length(model, tokenizer, max_length)
    if items.options is None:
        return TextInputs(tokenize(tokenizer, items.prompts, longest), tokenizer.pad_token_id)
    choices = tokenize_choices(tokenizer, items.prompts, items.options, longest)
    if rewards:
        return RewardInputs(choices, tokenizer.pad_token_id)
    return ChoiceInputs(choices, tokenizer.pad_token_id, may_pack(model, tokenizer, choices), dtype)


Scope = Literal["row", "item", "update"]
"""What the loss of a row may depend on: the row alone, all rows of its item, or all rows of its update."""


@runtime_checkable
class TrainingExamples(Protocol):
    """Rows to train on. An item that several sources label may have a row for each of them."""

    @property
    def item(self) -> Int[np.ndarray, "row"]:
        """The number of each row's item; the rows of an item are in the same update."""

    @property
    def weight(self) -> Float[Tensor, "row"]:
        """How much each row counts; any scale."""

    @property
    def lengths(self) -> Int[np.ndarray, "row"]:
        """Tokens that each row takes of a batch."""

    @property
    def scope(self) -> Scope:
        """What the loss of a row depends on."""

    def outputs(
        self, model: torch.nn.Module, rows: Int[Tensor, "row"], device: torch.device
    ) -> Float[Tensor, "out dim"]:
        """The model's outputs for some rows: all that the loss needs of its forward pass."""

    def loss(
        self,
        model: torch.nn.Module,
        outputs: Float[Tensor, "out dim"],
        rows: Int[Tensor, "row"],
        weight: Float[Tensor, "row"],
        progress: float,
    ) -> Float[Tensor, ""]:
        """Σ weight · loss over these rows; `progress` is the share of the training that is done."""


def n_items(examples: TrainingExamples) -> int:
    """The number of different items of the rows."""
    return len(np.unique(examples.item))


@dataclass(frozen=True)
class ClassExamples:
    """Items with a distribution over their classes or options."""

    reading: Reading
    item: Int[np.ndarray, "row"]
    """Which of the reading's items a row speaks of."""
    targets: Float[Tensor, "row class"]
    weight: Float[Tensor, "row"]
    objective: Objective
    prior: Float[Tensor, "class"] | None = None
    """The labels' class shares; by default the weighted mean of the targets."""

    @property
    def lengths(self) -> Int[np.ndarray, "row"]:
        return np.asarray(self.reading.lengths[self.item])

    @property
    def scope(self) -> Scope:
        return "update" if self.objective.compares_examples else "row"

    @cached_property
    def class_shares(self) -> Float[Tensor, "class"]:
        """The labels' class shares, which balanced self-training keeps to."""
        if self.prior is not None:
            return self.prior
        return (self.weight / self.weight.sum()) @ self.targets

    def outputs(
        self, model: torch.nn.Module, rows: Int[Tensor, "row"], device: torch.device
    ) -> Float[Tensor, "row class"]:
        """Logits, in float32."""
        return self.reading.logits(model, self.item[rows.cpu().numpy()].tolist(), device).float()

    def loss(
        self,
        model: torch.nn.Module,
        outputs: Float[Tensor, "row class"],
        rows: Int[Tensor, "row"],
        weight: Float[Tensor, "row"],
        progress: float,
    ) -> Float[Tensor, ""]:
        targets, shares = (tensor.to(outputs.device) for tensor in (self.targets[rows.cpu()], self.class_shares))
        return (self.objective(outputs, targets, progress, shares) * weight).sum()
