"""The supervisor's probability of a group, distributed over the student's tokens (paper 1, equation 7).

    log P(s_i) = softmax_i(−C) · log P(W),        C_i = the student's largest probability at step i

The softmax is over the tokens of one group. log P(W) is negative, so a token where the student is confident gets a
smaller share of it and a higher target probability. The shares sum to one, so the product of a group's target
probabilities is the supervisor's probability of the group.

The loss decides the targets of the other entries of the vocabulary. Targets have no gradient.
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
    """The log target probability of each token, at most 0, in the precision of `logprob`.

    `group` (from 0) and `logprob` are those of an `Alignment` of one text or of a stacked batch. `confidence` is the
    student's largest probability at the step that predicts each token, 0 … 1; without it shares are equal.
    `temperature` divides it (0.3 in the authors' preference code).
    """
    scaled = logprob.new_zeros(group.shape) if confidence is None else confidence.to(logprob.dtype) / temperature
    lowest = torch.full_like(logprob, torch.inf).scatter_reduce(0, group, scaled, "amin")
    share = torch.exp(lowest[group] - scaled)
    total = torch.zeros_like(logprob).index_add(0, group, share)
    return share / total[group] * logprob[group]
