"""`LossRecord`: all that is known of one loss."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from outgrow.config.section import Section
from outgrow.extensions import Function, Record

Options = Mapping[str, Any]
"""A loss's options by name, every default filled in, without its `type`."""


class LossSection(Section):
    """Options of a loss."""

    type: str


def ramp(progress: float, over: float = 1.0) -> float:
    """Linear from 0 at progress 0 to 1 at progress `over`, then 1."""
    return min(1.0, progress / over)


def unchanged(options: Options, progress: float) -> Options:
    """No option depends on the progress of the training."""
    return options


@dataclass(frozen=True, kw_only=True)
class LossRecord(Record):
    """One loss: a pure function of logits and targets, one number per example, no reduction."""

    function: Function
    """`function(logits, target, **options)`: classes in the last dimension, any leading shape, one number per example.
    """
    linear_in_target: bool | Callable[[Options], bool] = False
    """Whether the loss of a weighted mean of targets is the weighted mean of their losses. Only then is a mean trained
    on instead of an item's rows."""
    stops_gradient: bool = False
    """Whether the value depends on the logits in a part that is treated as a constant."""
    log_probs: Function = "outgrow.losses.softmax_losses:log_softmax"
    """`log_probs(logits, **options)`: the logarithm of the predictive distribution. `log_probs_options` are passed."""
    log_probs_options: tuple[str, ...] = ()
    options_at: Callable[[Options, float], Options] = unchanged
    """The function's arguments at a share of the training, 0 … 1: where an option is annealed."""
    token_function: Function | None = None
    """*generate*: the loss of tokens, with the arguments of `tokens.soft_label_loss`."""
    item_function: Function | None = None
    """*generate*: the loss of items that compares the texts of an item, with the arguments of
    `token_marginal.marginal_token_loss`. With neither function the loss is for classes only."""
    token_options_at: Callable[[Options, float], Options] = unchanged
    """The further arguments of `token_function` or `item_function` at a share of the training."""
    class_defaults: Options = field(default_factory=dict)
    """*classify*, *choose*: values of options that are `None`."""
    text_defaults: Options = field(default_factory=dict)
    """*generate*: the same."""
    class_only: tuple[str, ...] = ()
    """Options that *generate* does not have; there they keep their defaults."""
    text_only: tuple[str, ...] = ()
    """Options that only *generate* has."""
    for_providers: bool = False
    """Whether it is the loss that providers of fine-tuning train by."""
    version: int = 1
    """Raise it when results change although neither the options nor the code of this package's mathematics did."""

    @property
    def of_texts(self) -> bool:
        """Whether a student of texts can learn by it."""
        return self.token_function is not None or self.item_function is not None

    def params(self, section: Section, *, of_texts: bool) -> dict[str, Any]:
        """The options with the defaults of the task's kind, and `type`: parameters of a step."""
        without = self.class_only if of_texts else self.text_only
        options = section.model_dump(mode="json", exclude=set(without))
        defaults = self.text_defaults if of_texts else self.class_defaults
        return {**options, **{key: value for key, value in defaults.items() if options.get(key) is None}}

    def is_linear(self, options: Options) -> bool:
        """`linear_in_target` for these options."""
        return self.linear_in_target(options) if callable(self.linear_in_target) else self.linear_in_target
