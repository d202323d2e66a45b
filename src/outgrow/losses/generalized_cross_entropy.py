"""Generalised cross-entropy (Zhang and Sabuncu, NeurIPS 2018): between cross-entropy and mean absolute error.

(1 - p^q) / q tends to -log p for q -> 0 and is 1 - p for q = 1. The gradient of an example is that of cross-entropy
times p^q: labels that the student finds unlikely pull less, so wrong labels do less harm.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from outgrow.losses.log_softmax import log_softmax


def generalized_cross_entropy(
    logits: Float[Tensor, "*batch class"], target: Float[Tensor, "*#batch class"], q: float = 0.7
) -> Float[Tensor, "*batch"]:
    """sum_k target_k (1 - p_k^q) / q per example, for 0 < q <= 1; for soft targets the expectation over the target."""
    # expm1 keeps the digits that 1 - p^q would lose for small q.
    return (target * -torch.expm1(q * log_softmax(logits))).sum(-1) / q
