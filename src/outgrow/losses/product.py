"""Burns et al.'s product loss: the student is pulled towards the product of its own and the weak opinion.

The target is t_k ∝ p_k^beta y_k^alpha, normalised, and no gradient flows through it. With K classes as with two.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from outgrow.losses.cross_entropy import cross_entropy
from outgrow.losses.log_softmax import log_softmax


def product(
    logits: Float[Tensor, "*batch class"],
    target: Float[Tensor, "*#batch class"],
    alpha: float = 1.0,
    beta: float = 1.0,
) -> Float[Tensor, "*batch"]:
    """Cross-entropy to softmax(beta log p + alpha log target) per example. Not linear in the target."""
    own = log_softmax(logits.detach())
    # The smallest normal number stands for zero: log 0 * 0 must not be NaN when alpha is 0.
    weak = torch.log(target.clamp_min(torch.finfo(logits.dtype).tiny))
    return cross_entropy(logits, (beta * own + alpha * weak).softmax(-1))
