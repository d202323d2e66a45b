"""Texts to learn, for the trainer: a probability for each of the student's tokens, and the loss of it (eqs 3 to 7).

A row is one source's text for one item, with the log-probability that the source gave each group of tokens
(`text_tokenizer.py`). At every update the log-probability of a group is shared out over its tokens by the student's
confidence of the moment, C = its largest probability at that step:

    log t_i = softmax_i(−C / temperature) · log P(group)            (paper 1, equation 7; or equal shares)

The loss of a row is the mean over its answer's tokens, the end of the text included; the prompt is not learned. Rows
of one item are the opinions of several sources, each weighed by its λ: naive multi-weak (equation 11) with
cross-entropy, Bayesian multi-weak with the evidential loss. Hidden states become logits a chunk at a time, inside of
the loss (`losses/tokens.py`), so that logits of a batch never exist.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from outgrow.align.targets import split_logprob
from outgrow.extensions import function_of
from outgrow.losses import LOSSES
from outgrow.losses.record import ramp
from outgrow.losses.softmax_losses import CROSS_ENTROPY
from outgrow.training.answer_states import answer_states, confidences, output_layer, output_matrix
from outgrow.training.text_tokenizer import TextRow


@dataclass(frozen=True)
class TextLoss:
    """A loss of tokens with everything that it needs but the model."""

    loss: Mapping[str, Any]
    """The method's `loss` section, with numbers for all options."""
    soft_labels: Mapping[str, Any]
    """`config.method.SoftLabels` as a dictionary."""
    self_training: Mapping[str, Any] | None = None
    """`config.method.SelfTraining` as a dictionary; `None` = without it."""

    def __post_init__(self) -> None:
        if LOSSES.named(self.loss["type"]).token_function is None:
            raise ValueError(f"the loss {self.loss['type']!r} has no `token_function`: it is for classes only")
        if self.self_training is not None and self.self_training["harden"] != "argmax":
            raise ValueError(f"texts harden by argmax only, not by {self.self_training['harden']!r}")

    @property
    def asks_confidence(self) -> bool:
        """Whether targets depend on how confident the student is."""
        return bool(self.soft_labels["split"] == "confidence" and self.soft_labels["rest"] != "onehot")

    def __call__(
        self,
        hidden: Float[Tensor, "token dim"],
        head: torch.nn.Linear,
        label: Int[Tensor, "token"],
        prob: Float[Tensor, "token"],
        token_weight: Float[Tensor, "token"],
        progress: float,
    ) -> Float[Tensor, ""]:
        """Σ token_weight · loss, at a share `progress` of the training."""
        own = self.self_training
        common: dict[str, Any] = {
            "bias": head.bias,
            "rest": self.soft_labels["rest"],
            "token_weight": token_weight,
            "self_training": 0.0 if own is None else own["gamma_max"] * ramp(progress, own["ramp"]),
        }
        record = LOSSES[self.loss["type"]]
        assert record.token_function is not None, "checked when the object was made"
        options = record.token_options_at({key: self.loss[key] for key in self.loss if key != "type"}, progress)
        result = function_of(record.token_function)(
            hidden, output_matrix(head, hidden.dtype), label, prob, **common, **options
        )
        total: Tensor = result.total
        return total


CERTAIN = TextLoss(
    {"type": CROSS_ENTROPY.name}, {"rest": "onehot", "split": "uniform", "temperature": 1.0, "unit": "span"}
)
"""Plain cross-entropy: what gold is learned by, and what held-out texts are judged by."""


@dataclass(frozen=True)
class TextExamples:
    """Texts to learn, for the trainer (`examples.Examples`)."""

    rows: Sequence[TextRow]
    weight: Float[Tensor, "row"]
    pad_id: int
    objective: TextLoss
    compares: bool = False

    @cached_property
    def lengths(self) -> Int[np.ndarray, "row"]:
        return np.asarray([len(row.prompt) + len(row.answer) for row in self.rows], dtype=np.int64)

    def outputs(
        self, model: torch.nn.Module, rows: Int[Tensor, "row"], device: torch.device
    ) -> Float[Tensor, "token dim"]:
        """Hidden states at the positions that predict the answers' tokens, row after row."""
        chosen = [self.rows[row] for row in rows.tolist()]
        return answer_states(model, [(row.prompt, row.answer) for row in chosen], self.pad_id, device)

    def loss(
        self,
        model: torch.nn.Module,
        outputs: Float[Tensor, "token dim"],
        rows: Int[Tensor, "row"],
        weight: Float[Tensor, "row"],
        progress: float,
    ) -> Float[Tensor, ""]:
        """Σ over rows of weight times the mean loss of the row's tokens."""
        chosen = [self.rows[row] for row in rows.tolist()]
        head = output_layer(model)
        label = torch.tensor([token for row in chosen for token in row.answer], device=outputs.device)
        widths = torch.tensor([len(row.answer) for row in chosen], device=outputs.device)
        token_weight = (weight / widths).repeat_interleave(widths)
        prob = label_probabilities(chosen, outputs, head, self.objective)
        return self.objective(outputs, head, label, prob, token_weight, progress)


def label_probabilities(
    rows: Sequence[TextRow], hidden: Float[Tensor, "token dim"], head: torch.nn.Linear, objective: TextLoss
) -> Float[Tensor, "token"]:
    """The probability that the source grants each token of the rows' answers, one row after the other; float64.

    Only tokens that share a group need the student's confidence: a token that is a group has all of it anyway.
    """
    offsets = np.cumsum([0, *(len(row.logprob) for row in rows)])
    group = np.concatenate([row.group + offset for row, offset in zip(rows, offsets, strict=False)])
    logprob = torch.tensor(np.concatenate([row.logprob for row in rows]), dtype=torch.float64)
    shared = torch.from_numpy(np.flatnonzero(np.bincount(group)[group] > 1))
    confidence = None
    if objective.asks_confidence and len(shared):
        confidence = torch.zeros(len(group), dtype=torch.float64)
        confidence[shared] = confidences(hidden[shared.to(hidden.device)], head).double().cpu()
    temperature = objective.soft_labels["temperature"]
    share = split_logprob(torch.from_numpy(group), logprob, confidence, temperature=temperature)
    return share.exp().to(hidden.device)
