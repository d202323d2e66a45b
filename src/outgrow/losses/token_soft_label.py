"""The soft label's loss of a few rows over a whole vocabulary, and its gradient, for `token_chunks`.

A supervisor grants the label token c the probability t; the other tokens' target is proportional to the student's own
probabilities (`token_targets`). Then a distribution over the vocabulary is not needed: with p the student's
probability of the label, in value and in gradient,

    KL(target || student) = t ln(t/p) + (1-t) ln((1-t)/(1-p)).

Seen as "the label or one of the others", p = sigmoid(d) with d = z_c - ln Σ_{k≠c} exp(z_k). So neither ln p nor
ln(1-p) is ever a difference of nearly equal numbers, whatever the student's confidence, and t may be 0 or 1. With q
the others' softmax, dd/dz = onehot_c - q, so that

    student, onehot (t = 1)     dloss/dz = (p - t) (onehot_c - q)
    target_only                 loss = t ln(t/p),   dloss/dz = -t (1-p) (onehot_c - q)
    self-training               loss = ln Σ_k exp(z_k) - z_top,   dloss/dz = p onehot_c + (1-p) q - onehot_top

Everything that is a number per row is computed in float64: it costs nothing beside [row, vocab].
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import logsigmoid
from torch.special import xlogy

from outgrow.losses.token_targets import LabelSplit, Rest, label_probability, split_label


def soft_label_rows(
    logits: Float[Tensor, "row vocab"],
    label: Int[Tensor, "row"],
    prob: Float[Tensor, "row"],
    *,
    rest: Rest,
    self_training: float,
) -> Float[Tensor, "row"]:
    """The loss of each row; `logits` become its gradient. Options as in `tokens.soft_label_loss`."""
    dtype, at = logits.dtype, label[:, None]
    split = split_label(logits, label)
    margin = split.label_logit - split.others
    loss, slope = _label_or_other(margin, label_probability(prob, rest), rest)
    if not self_training:
        split.share.mul_(-slope.to(dtype)).scatter_(1, at, slope.to(dtype))
        return loss.squeeze(1).to(dtype)
    agrees = split.label_logit >= split.top_other
    loss = torch.lerp(loss, _to_itself(split, agrees), self_training)
    at_label = torch.lerp(slope, torch.sigmoid(margin) - agrees.double(), self_training)
    elsewhere = torch.lerp(-slope, torch.sigmoid(-margin), self_training)
    top_other = split.share.argmax(1, keepdim=True)
    split.share.mul_(elsewhere.to(dtype)).scatter_add_(1, top_other, (~agrees).to(dtype) * -self_training)
    split.share.scatter_(1, at, at_label.to(dtype))
    return loss.squeeze(1).to(dtype)


def _label_or_other(
    margin: Float[Tensor, "row 1"], t: Float[Tensor, "row 1"], rest: Rest
) -> tuple[Float[Tensor, "row 1"], Float[Tensor, "row 1"]]:
    """The loss and its derivative by the margin d."""
    at_label = xlogy(t, t) - t * logsigmoid(margin)
    if rest == "target_only":
        return at_label, -t * torch.sigmoid(-margin)
    return at_label + xlogy(1 - t, 1 - t) - (1 - t) * logsigmoid(-margin), torch.sigmoid(margin) - t


def _to_itself(split: LabelSplit, agrees: Tensor) -> Float[Tensor, "row 1"]:
    """-ln of the student's largest probability; `agrees` where that is the label's."""
    margin = split.label_logit - split.others
    return torch.where(agrees, -logsigmoid(margin), split.others - split.top_other - logsigmoid(-margin))
