"""The marginal likelihood of what the sources say, with the student as the prior of the class.

    L(z, t) = −log Σ_k softmax(z)_k t_k

t_k is proportional to the probability of the item's votes if its class is k: the label model is fixed, the classifier
is learned, as in one step of Raykar et al. (JMLR 2010). A factor of t adds a constant. With r ∝ p · t, the student's
posterior given the votes, the gradient in the logits is p − r: that of the loss `product` at alpha = beta = 1. A
one-hot t gives cross-entropy, and a uniform t teaches nothing.
"""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float

from outgrow.lazy import torch
from outgrow.losses.loss_record import LossRecord, LossSection
from outgrow.losses.softmax_losses import log_softmax


class MarginalLikelihood(LossSection):
    """Minus the log-likelihood of the sources' evidence, summed over the classes with the student as prior."""

    type: Literal["marginal_likelihood"]


def marginal_likelihood(
    logits: Float[torch.Tensor, "*batch class"], target: Float[torch.Tensor, "*#batch class"]
) -> Float[torch.Tensor, "*batch"]:
    """−log Σ_k softmax(logits)_k target_k per example, in nats; leading shapes broadcast. Not linear in the target."""
    # The smallest normal number stands for zero: a target of one class must not give log 0 for a student that is sure
    # of another.
    weak = torch.log(target.clamp_min(torch.finfo(logits.dtype).tiny))
    return -torch.logsumexp(log_softmax(logits) + weak, -1)


MARGINAL_LIKELIHOOD = LossRecord(
    MarginalLikelihood,
    paper="Raykar et al., JMLR 2010, section 2",
    deviations="The label model is fitted first and stays; no alternation.",
    function=marginal_likelihood,
    item_function="outgrow.losses.token_marginal:marginal_token_loss",
)
