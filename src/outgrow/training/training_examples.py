"""What the trainer is given: `TrainingExamples`, which know what they are and how to be wrong about them.

The trainer deals in row numbers, weights and memory. What a row is (an item with a class distribution, a prompt with a
text, a pair of texts), how a model reads it and what its loss is, is its examples' affair: `ClassExamples` here,
`TextExamples` in `text_examples.py`, `PairExamples` in `preference_step.py`.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from outgrow.losses.objective import Objective
from outgrow.training.item_inputs import Reading


@runtime_checkable
class TrainingExamples(Protocol):
    """Rows to train on."""

    @property
    def weight(self) -> Float[Tensor, "row"]:
        """How much each row counts; any scale."""

    @property
    def lengths(self) -> Int[np.ndarray, "row"]:
        """Tokens that each row takes of a batch."""

    @property
    def compares(self) -> bool:
        """Whether a row's loss depends on the other rows of its update."""

    def outputs(
        self, model: torch.nn.Module, rows: Int[Tensor, "row"], device: torch.device
    ) -> Float[Tensor, "out dim"]:
        """What the model says of some rows: all that the loss needs of its forward pass."""

    def loss(
        self,
        model: torch.nn.Module,
        outputs: Float[Tensor, "out dim"],
        rows: Int[Tensor, "row"],
        weight: Float[Tensor, "row"],
        progress: float,
    ) -> Float[Tensor, ""]:
        """Σ weight · loss over these rows; `progress` is the share of the training that is done."""


@dataclass(frozen=True)
class ClassExamples:
    """Items with a distribution over their classes or options."""

    reading: Reading
    item: Int[np.ndarray, "row"]
    """Which of the reading's items a row speaks of."""
    targets: Float[Tensor, "row class"]
    weight: Float[Tensor, "row"]
    objective: Objective

    @property
    def lengths(self) -> Int[np.ndarray, "row"]:
        return np.asarray(self.reading.lengths[self.item])

    @property
    def compares(self) -> bool:
        return self.objective.compares_examples

    @cached_property
    def class_shares(self) -> Float[Tensor, "class"]:
        """The weak targets' mean, which balanced self-training keeps to."""
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
        targets, shares = (one.to(outputs.device) for one in (self.targets[rows.cpu()], self.class_shares))
        return (self.objective(outputs, targets, progress, shares) * weight).sum()
