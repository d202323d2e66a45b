"""What a student is to believe at one token: the label with probability t, and something about the other tokens.

A supervisor's text gives, for each of the student's tokens, the label token c and the probability t that the
supervisor grants it (equations 6 and 7 of Bayesian WeakS-to-Strong, Cui et al. 2024, arXiv 2406.03199). It says
nothing about the other tokens. Three readings, the rows of the paper's table 8:

    student       y_c = t,   y_k = p_k (1-t) / (1-p_c)   the student's own distribution p, detached, rescaled to fit
    target_only   y_c = t,   y_k = 0                     (sums to t only)
    onehot        y_c = 1,   y_k = 0                     t is ignored

**Self-training** (equation 5) moves a share γ of the target to the student's own most probable token; for a loss that
is linear in its target this is the same as (1-γ) loss(y) + γ loss(argmax).

There is no division by 1 - p_c, which would overflow when the student is sure: the other tokens' share
q_k = p_k / (1-p_c) is their own softmax. A dense target exists for a block of a few rows at a time only.

**The soft label's loss** of a few rows, and its gradient, for `token_chunks`.

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

from typing import Literal, NamedTuple, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import logsigmoid
from torch.special import xlogy

Rest = Literal["student", "target_only", "onehot"]
"""What the target says about the tokens that are not the label."""


class LabelSplit(NamedTuple):
    """A row of logits seen as "the label or one of the others"; the numbers per row are float64."""

    label_logit: Float[Tensor, "row 1"]
    others: Float[Tensor, "row 1"]
    """ln Σ_{k≠c} exp(z_k)."""
    top_other: Float[Tensor, "row 1"]
    """The largest logit that is not the label's."""
    share: Float[Tensor, "row vocab"]
    """q: the others' softmax; 0 at the label."""


class BlockTarget(NamedTuple):
    """Target distributions y of a block of rows; the numbers per row are float64."""

    dense: Float[Tensor, "row vocab"]
    at_label: Float[Tensor, "row 1"]
    """The label's entries of `dense`."""
    mass: Float[Tensor, "row 1"]
    """Row sums: 1, but for `target_only`."""
    heavy: Int[Tensor, "row 2"]
    """The label and the most probable other token: where y may be so near to 1 that 1-y has lost its digits."""
    left: Float[Tensor, "row 2"]
    """1-y at `heavy`, exactly."""


def check_target(rest: Rest, self_training: float) -> None:
    """ValueError for a reading that does not exist or a share outside 0 … 1."""
    if rest not in get_args(Rest):
        raise ValueError(f"rest is one of {', '.join(get_args(Rest))}, not {rest!r}")
    if not 0 <= self_training <= 1:
        raise ValueError(f"self_training is a share within 0 … 1, not {self_training}")


def split_label(logits: Float[Tensor, "row vocab"], label: Int[Tensor, "row"]) -> LabelSplit:
    """Take each row apart; overwrites `logits` with the shares."""
    at = label[:, None]
    label_logit = logits.gather(1, at).double()
    share = logits.scatter_(1, at, -torch.inf)
    top_other = share.amax(1, keepdim=True)
    total = row_sum(share.sub_(top_other).exp_())
    share.div_(total.to(share.dtype))
    return LabelSplit(label_logit, top_other.double() + total.log(), top_other.double(), share)


def row_sum(x: Float[Tensor, "row vocab"]) -> Float[Tensor, "row 1"]:
    """Σ over a row in float64: of partial sums in the row's own type, so that no float64 copy is made."""
    whole = x.shape[1] - x.shape[1] % 512
    parts = x[:, :whole].view(len(x), whole // 512, 512).sum(2)
    return (parts.sum(1, dtype=torch.float64) + x[:, whole:].sum(1, dtype=torch.float64))[:, None]


def label_probability(prob: Float[Tensor, "row"], rest: Rest) -> Float[Tensor, "row 1"]:
    """t as the reading sees it, in float64; what rounding pushed out of 0 … 1 is brought back."""
    probability = prob.double().clamp(0, 1)[:, None]
    return torch.ones_like(probability) if rest == "onehot" else probability


def block_target(
    split: LabelSplit, label: Int[Tensor, "row"], prob: Float[Tensor, "row"], rest: Rest, self_training: float
) -> BlockTarget:
    """The dense target of a few rows."""
    dtype, given, at = split.share.dtype, 1 - self_training, label[:, None]
    t = label_probability(prob, rest)
    spread = given * (1 - t) if rest == "student" else torch.zeros_like(t)
    own_label = self_training * (split.label_logit >= split.top_other).double()
    own_other = self_training - own_label
    top_other = split.share.argmax(1, keepdim=True)
    share_of_top = split.share.gather(1, top_other)
    # 1 - share_of_top, summed without it.
    share_of_rest = row_sum(split.share.scatter_(1, top_other, 0.0))
    split.share.scatter_(1, top_other, share_of_top)
    at_label, at_top = given * t + own_label, spread * share_of_top + own_other
    dense = (
        (split.share * spread.to(dtype)).scatter_(1, at, at_label.to(dtype)).scatter_(1, top_other, at_top.to(dtype))
    )
    left = [given * (1 - t) + own_other, given - spread + spread * share_of_rest + own_label]
    mass = given * t + spread + self_training
    return BlockTarget(dense, at_label, mass, torch.cat([at, top_other], 1), torch.cat(left, 1))


# ---- the soft label's loss ------------------------------------------------------------------------------


def soft_label_rows(
    logits: Float[Tensor, "row vocab"],
    label: Int[Tensor, "row"],
    prob: Float[Tensor, "row"],
    *,
    rest: Rest,
    self_training: float,
) -> Float[Tensor, "row"]:
    """The loss of each row; `logits` become its gradient. Options as in `tokens.soft_label_loss`."""
    return soft_rows(split_label(logits, label), label, prob, rest, self_training)


def soft_rows(
    split: LabelSplit,
    label: Int[Tensor, "row"],
    prob: Float[Tensor, "row"],
    rest: Rest,
    own_share: float | Float[Tensor, "row 1"],
) -> Float[Tensor, "row"]:
    """The same of rows that were taken apart; `split.share` becomes the gradient.

    `own_share`: the weight of the student's own most probable token, 0 … 1, of all rows or of each (float64).
    """
    dtype, at = split.share.dtype, label[:, None]
    margin = split.label_logit - split.others
    loss, slope = _label_or_other(margin, label_probability(prob, rest), rest)
    if not isinstance(own_share, Tensor) and not own_share:
        split.share.mul_(-slope.to(dtype)).scatter_(1, at, slope.to(dtype))
        return loss.squeeze(1).to(dtype)
    agrees = split.label_logit >= split.top_other
    loss = torch.lerp(loss, _to_itself(split, agrees), own_share)
    at_label = torch.lerp(slope, torch.sigmoid(margin) - agrees.double(), own_share)
    elsewhere = torch.lerp(-slope, torch.sigmoid(-margin), own_share)
    top_other = split.share.argmax(1, keepdim=True)
    split.share.mul_(elsewhere.to(dtype)).scatter_add_(1, top_other, ((~agrees).double() * -own_share).to(dtype))
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
