"""`Objective`: a method row's loss as the one thing that a trainer calls."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from outgrow.losses.cross_entropy import cross_entropy
from outgrow.losses.dirichlet import log_dirichlet_mean
from outgrow.losses.evidential import evidential, evidential_is_linear
from outgrow.losses.generalized_cross_entropy import generalized_cross_entropy
from outgrow.losses.log_softmax import log_softmax
from outgrow.losses.product import product
from outgrow.losses.self_training import harden_argmax, harden_balanced, ramp

Loss = Callable[..., Tensor]

LOSSES: Mapping[str, Loss] = {
    "cross_entropy": cross_entropy,
    "evidential": evidential,
    "generalized_cross_entropy": generalized_cross_entropy,
    "product": product,
}

Options = Mapping[str, Any]

LINEAR_IN_TARGET: Mapping[str, Callable[[Options], bool]] = {
    "cross_entropy": lambda options: True,
    "evidential": evidential_is_linear,
    "generalized_cross_entropy": lambda options: True,
}
"""By the loss's options: whether the loss of a weighted mean of targets is the weighted mean of their losses.

A loss without an entry is not linear, so that its rows are never replaced by their mean.
"""


@dataclass(frozen=True)
class Objective:
    """A loss with its options, and how far the student trusts itself."""

    kind: str
    options: Options
    self_training: Mapping[str, Any] | None = None

    @property
    def linear(self) -> bool:
        """Whether an item's rows may be replaced by their weighted mean without changing anything."""
        declared = LINEAR_IN_TARGET.get(self.kind)
        return declared is not None and declared(self.options)

    @property
    def compares_examples(self) -> bool:
        """Whether an example's label depends on the other examples of its batch."""
        return self.self_training is not None and self.self_training["harden"] == "balanced"

    def __call__(
        self,
        logits: Float[Tensor, "*batch class"],
        target: Float[Tensor, "*#batch class"],
        progress: float,
        shares: Float[Tensor, "class"] | None = None,
    ) -> Float[Tensor, "*batch"]:
        """Loss per example. `progress`: share of training done, 0 … 1; `shares`: class shares of all weak targets."""
        loss = self._loss(progress)
        if self.self_training is None:
            return loss(logits, target)
        gamma = self.self_training["gamma_max"] * ramp(progress, self.self_training["ramp"])
        if gamma == 0:
            return loss(logits, target)
        own = self._harden(logits, shares)
        if self.linear:  # the mixture of the two losses is the loss of the mixed target, at half the cost
            return loss(logits, torch.lerp(target.expand_as(own), own, gamma))
        return torch.lerp(loss(logits, target), loss(logits, own), gamma)

    def probs(self, logits: Float[Tensor, "*batch class"]) -> Float[Tensor, "*batch class"]:
        """The predictive distribution: softmax, or the Dirichlet's mean for the evidential loss."""
        return self._log_probs(logits).exp()

    def _log_probs(self, logits: Tensor) -> Tensor:
        if self.kind == "evidential":
            return log_dirichlet_mean(logits, self.options["evidence"])
        return log_softmax(logits)

    def _loss(self, progress: float) -> Loss:
        options = dict(self.options)
        if options.pop("kl_anneal", False):
            options["kl_weight"] *= ramp(progress)
        return partial(LOSSES[self.kind], **options)

    def _harden(self, logits: Tensor, shares: Tensor | None) -> Tensor:
        if not self.compares_examples:
            return harden_argmax(logits)
        if shares is None:
            raise ValueError("balanced hardening needs the class shares of the weak targets")
        return harden_balanced(self._log_probs(logits), shares)


def make_objective(loss: Mapping[str, Any], self_training: Mapping[str, Any] | None) -> Objective:
    """From a method row's `loss` and `self_training` sections, as mappings."""
    return Objective(loss["type"], {key: value for key, value in loss.items() if key != "type"}, self_training)
