"""Cross-entropy to a target distribution: the loss of naive multi-weak (paper 1, eq. 2) and of every baseline."""

from jaxtyping import Float
from torch import Tensor

from outgrow.losses.log_softmax import log_softmax


def cross_entropy(
    logits: Float[Tensor, "*batch class"], target: Float[Tensor, "*#batch class"]
) -> Float[Tensor, "*batch"]:
    """-sum_k target_k log softmax(logits)_k per example, in nats; leading shapes broadcast."""
    return -(target * log_softmax(logits)).sum(-1)
