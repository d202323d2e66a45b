"""A supervisor's probability of a group, shared out over the student's tokens (paper 1, equation 7).

    log P(s_i) = softmax_i(−C) · log P(W),        C_i = the student's largest probability at step i

The softmax runs over the tokens of one group. log P(W) is negative, so a token where the student is confident takes
the smaller share of the blame and keeps the higher target probability. Whatever the shares, they sum to one: the
product of a group's target probabilities is the supervisor's probability of the group.

What the other entries of the vocabulary get is not decided here but in the loss. These are targets: no gradient flows
through them.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


@torch.no_grad()
def split_logprob(
    group: Int[Tensor, "token"],
    logprob: Float[Tensor, "group"],
    confidence: Float[Tensor, "token"] | None = None,
    *,
    temperature: float = 1.0,
) -> Float[Tensor, "token"]:
    """Each token's log target probability, at most 0, in `logprob`'s precision.

    `group` (from 0) and `logprob` are an `Alignment`'s, of one text or of a stacked batch. `confidence` is the
    student's largest probability at the step that predicts each token, 0 … 1; without it shares are equal.
    `temperature` divides it (the authors' preference code has 0.3).
    """
    scaled = logprob.new_zeros(group.shape) if confidence is None else confidence.to(logprob.dtype) / temperature
    lowest = torch.full_like(logprob, torch.inf).scatter_reduce(0, group, scaled, "amin")
    share = torch.exp(lowest[group] - scaled)
    total = torch.zeros_like(logprob).index_add(0, group, share)
    return share / total[group] * logprob[group]
