"""The marginal likelihood of an item over its candidate texts: which of them is right is not known.

    L = −ln Σ_c ℓ_c p(text_c)^(1/n_c) = −ln Σ_c exp(ln ℓ_c + (1/n_c) Σ_t ln p(token_ct))

ℓ_c is how probable the sources find candidate c, n_c counts its tokens, and p is the student. So a text has the
student's probability per token, the same normalisation as in the sources' scores, and long texts are at no
disadvantage. It is maximum marginal likelihood (Guu et al., ACL 2017) with two changes: a sum over a few candidates
instead of all texts, and probabilities per token. With the student's posterior r_c ∝ ℓ_c p(text_c)^(1/n_c), whose sum
over the item is 1,

    dL / d ln p(token_ct) = −r_c / n_c

which is the gradient of cross-entropy with weights r_c that are constants. So there are two passes over chunks of
tokens (`token_chunks`): one without gradients that gives all ln p, and with them r; and the cross-entropy of these
weights. The logits of all tokens never exist at once, and the gradient is exact.

One candidate alone gives the mean cross-entropy of its tokens. Two candidates that are the same text count as one with
the sum of their ℓ.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from outgrow.losses.token_chunks import TokenLoss
from outgrow.losses.token_targets import check_target
from outgrow.losses.tokens import soft_label_loss, token_cross_entropy


class Posterior(NamedTuple):
    """What the student makes of the candidates of some items; float64."""

    loss: Float[Tensor, "item"]
    """L of each item; 0 for an item without any weight."""
    share: Float[Tensor, "row"]
    """r of each candidate; over an item they sum to 1."""


def marginal_token_loss(
    hidden: Float[Tensor, "token dim"],
    weight: Float[Tensor, "vocab dim"],
    label: Int[Tensor, "token"],
    row: Int[Tensor, "token"],
    item: Int[Tensor, "row"],
    row_weight: Float[Tensor, "row"],
    *,
    bias: Float[Tensor, "vocab"] | None = None,
    self_training: float = 0.0,
    chunk: int | None = None,
) -> TokenLoss:
    """Σ_item W_item L_item, where W_item is the sum of the weights of the item's rows and ℓ_c their shares of it.

    A row is a candidate text. `row` is the number of each token's row and `item` that of each row's item, both from 0
    without gaps; every row has a token. `row_weight` are constants >= 0; a row of weight 0 is left out.
    `self_training` γ gives (1-γ) times that plus γ times the cross-entropy with the student's own most probable
    tokens, averaged over a row's tokens and summed with the rows' weights. `per_token` of the result is −ln p of each
    token. Other arguments, gradients and errors as in `tokens.soft_label_loss`.
    """
    check_target("onehot", self_training)
    length = torch.bincount(row, minlength=len(item))
    given, per_token = row_weight.detach().double(), row_weight.detach() / length.to(row_weight.dtype)
    with torch.no_grad():
        heavy = (per_token > 0).to(per_token.dtype)[row]
        each = token_cross_entropy(hidden, weight, label, bias=bias, token_weight=heavy, chunk=chunk).per_token
    mean = given.new_zeros(len(item)).index_add_(0, row, each.double()) / length
    student_posterior, of_item = posterior(given, mean, item), item_sums(given, item)
    pull = (1 - self_training) * of_item[item] * student_posterior.share / length
    total = token_cross_entropy(hidden, weight, label, bias=bias, token_weight=pull[row], chunk=chunk).total
    # The weighted cross-entropy has the gradient of L, and another value.
    value = (1 - self_training) * (of_item * student_posterior.loss).sum().to(total.dtype)
    total = total + (value - total.detach())
    if self_training:
        own = self_training * per_token[row]
        sure = per_token.new_ones(len(label))
        total = (
            total
            + soft_label_loss(
                hidden, weight, label, sure, bias=bias, rest="onehot", token_weight=own, self_training=1.0, chunk=chunk
            ).total
        )
    return TokenLoss(total, each)


def posterior(
    row_weight: Float[Tensor, "row"], mean_loss: Float[Tensor, "row"], item: Int[Tensor, "row"]
) -> Posterior:
    """The loss of every item and the shares r of its rows, from the mean of −ln p over each row's tokens."""
    of_item = item_sums(row_weight, item)
    score = row_weight.log() - of_item.log()[item] - mean_loss
    score = torch.where(row_weight > 0, score, -torch.inf)
    top = score.new_full(of_item.shape, -torch.inf).scatter_reduce_(0, item, score, "amax")
    top = torch.where(of_item > 0, top, 0.0)
    raised = (score - top[item]).exp()
    total = torch.where(of_item > 0, item_sums(raised, item), 1.0)
    return Posterior(-(top + total.log()), raised / total[item])


def item_sums(value: Float[Tensor, "row"], item: Int[Tensor, "row"]) -> Float[Tensor, "item"]:
    """The sum over each item's rows."""
    n_items = int(item.max()) + 1 if len(item) else 0
    return value.new_zeros(n_items).index_add_(0, item, value)
