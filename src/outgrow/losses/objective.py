"""`Objective`: a method row's loss with its options, as the trainers call it."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from outgrow.errors import ConfigError, OutgrowError
from outgrow.extensions import function_of
from outgrow.losses import LOSSES
from outgrow.losses.loss_record import LossRecord, Options, ramp
from outgrow.losses.self_training import harden_argmax, harden_balanced

LossFunction = Callable[..., Tensor]


@dataclass(frozen=True)
class Objective:
    """A loss with its options, and the weight of self-training."""

    loss: LossRecord
    options: Options
    self_training: Mapping[str, Any] | None = None

    @property
    def linear(self) -> bool:
        """Whether an item's rows may be replaced by their weighted mean without changing anything."""
        return self.loss.is_linear(self.options)

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
        loss = partial(self._checked, **self.loss.options_at(self.options, progress))
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
        """The predictive distribution: the softmax, or what the loss's record declares."""
        return self._log_probs(logits).exp()

    def _log_probs(self, logits: Tensor) -> Tensor:
        options = {name: self.options[name] for name in self.loss.log_probs_options}
        log_probs: Tensor = function_of(self.loss.log_probs)(logits, **options)
        return log_probs

    @cached_property
    def _checked(self) -> LossFunction:
        return checked_at_first(function_of(self.loss.function), self.loss.name)

    def _harden(self, logits: Tensor, shares: Tensor | None) -> Tensor:
        if not self.compares_examples:
            return harden_argmax(logits)
        if shares is None:
            raise ValueError("balanced hardening needs the class shares of the weak targets")
        return harden_balanced(self._log_probs(logits), shares)


def make_objective(loss: Mapping[str, Any], self_training: Mapping[str, Any] | None) -> Objective:
    """From a method row's `loss` and `self_training` sections, as mappings."""
    options = {key: value for key, value in loss.items() if key != "type"}
    return Objective(LOSSES.named(loss["type"]), options, self_training)


def checked_at_first(function: LossFunction, name: str) -> LossFunction:
    """The function, whose first result is checked; all its exceptions become errors that name the loss and its file.

    Exceptions of this package's own losses and of a device without memory are passed on as they are.
    """
    foreign = not str(getattr(function, "__module__", "")).startswith(f"{__package__}.")
    pending = [True]

    def loss(logits: Tensor, target: Tensor, **options: Any) -> Tensor:
        try:
            value = function(logits, target, **options)
        except (OutgrowError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            if not foreign:
                raise
            raise ConfigError(f"{_where(function, name)}: {type(error).__name__}: {error}") from error
        if pending:
            if problem := _problem(value, logits, target):
                raise ConfigError(f"{_where(function, name)}: {problem}")
            pending.clear()
        return value

    return loss


def _problem(value: object, logits: Tensor, target: Tensor) -> str:
    """What is wrong with a loss's result; empty if nothing is."""
    expected = torch.broadcast_shapes(logits.shape, target.shape)[:-1]  # type: ignore[no-untyped-call]
    if not isinstance(value, Tensor):
        return f"the result is of type {type(value).__name__}; return a tensor with one number per example"
    if value.shape != expected:
        return f"the result has shape {list(value.shape)} instead of {list(expected)}; return one number per example"
    if torch.is_grad_enabled() and logits.requires_grad and not value.requires_grad:
        return "the result has no gradient; compute it from the logits by torch operations"
    if logits.isfinite().all() and not value.isfinite().all():
        return "the result has NaN or infinite values at finite logits"
    return ""


def _where(function: LossFunction, name: str) -> str:
    """The loss's name with the file and the line of its function."""
    try:
        file, line = inspect.getsourcefile(function), inspect.getsourcelines(function)[1]
    except (OSError, TypeError):
        return f"loss `{name}`"
    return f"{file}:{line}: loss `{name}`"
