"""AdaptConf on tokens: `adaptconf.py` over a whole vocabulary, in chunks (`token_chunks`).

With c the label token, z the logits, p the student's distribution, `soft` the loss of soft labels (`token_targets`),

    beta = sigmoid((ln p_c - ln max p) / T)
    loss = (1 - beta) soft + beta (-ln max p)

ln p_c - ln max p is z_c minus the largest logit, so that beta needs no normalisation and keeps its digits however sure
the student is. beta has no gradient: the slope is the same mixture of the two slopes.
"""

from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from outgrow.losses.token_chunks import TokenLoss, chunked_loss
from outgrow.losses.token_targets import LabelSplit, Rest, check_target, soft_rows, split_label


def adaptconf_token_loss(
    hidden: Float[Tensor, "token dim"],
    weight: Float[Tensor, "vocab dim"],
    label: Int[Tensor, "token"],
    prob: Float[Tensor, "token"],
    *,
    bias: Float[Tensor, "vocab"] | None = None,
    rest: Rest = "student",
    temperature: float = 0.5,
    token_weight: Float[Tensor, "token"] | None = None,
    self_training: float = 0.0,
    chunk: int | None = None,
) -> TokenLoss:
    """(1 - beta) times the loss of soft labels plus beta times -ln max p of each token, in nats.

    `temperature` > 0 divides the two cross-entropies that beta compares. `self_training` γ moves a further share γ of
    what is left to the student's own most probable token. Other arguments, and errors, as in `tokens.soft_label_loss`;
    ValueError also for a temperature that is not positive.
    """
    check_target(rest, self_training)
    if not temperature > 0:
        raise ValueError(f"temperature is above 0, not {temperature}")
    rows = partial(_rows, rest=rest, temperature=temperature, self_training=self_training)
    return chunked_loss(rows, hidden, weight, label, prob, bias=bias, token_weight=token_weight, chunk=chunk)


def _rows(
    logits: Float[Tensor, "row vocab"],
    label: Int[Tensor, "row"],
    prob: Float[Tensor, "row"],
    *,
    rest: Rest,
    temperature: float,
    self_training: float,
) -> Float[Tensor, "row"]:
    """The loss of each row; `logits` become its gradient."""
    split = split_label(logits, label)
    own = _beta(split, temperature)
    return soft_rows(split, label, prob, rest, own + self_training * (1 - own))


def _beta(split: LabelSplit, temperature: float) -> Float[Tensor, "row 1"]:
    """The weight of the student's own prediction, 0 … 1/2."""
    lead = (split.top_other - split.label_logit).clamp_min(0)
    return torch.sigmoid(-lead / temperature)
