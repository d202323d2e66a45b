"""Losses of a softmax: cross-entropy, generalised cross-entropy and the product loss.

**Cross-entropy** to a target distribution is the loss of naive multi-weak (paper 1, eq. 2) and of every baseline.

**Generalised cross-entropy** (Zhang and Sabuncu, NeurIPS 2018) lies between cross-entropy and mean absolute error:
(1 - p^q) / q tends to -log p for q -> 0 and is 1 - p for q = 1. The gradient of an example is that of cross-entropy
times p^q: labels that the student finds unlikely pull less, so wrong labels do less harm.

**The product loss** (Burns et al.) pulls the student towards the product of its own and the weak distribution. The
target is t_k ∝ p_k^beta y_k^alpha, normalised, and no gradient flows through it. With K classes as with two.
"""

from __future__ import annotations

from typing import Annotated, Literal

from jaxtyping import Float
from pydantic import Field

from outgrow.lazy import torch
from outgrow.losses.loss_record import LossRecord, LossSection

REGISTER = 64
"""Bytes of the widest vector register there is."""


def log_softmax(logits: Float[torch.Tensor, "*batch class"]) -> Float[torch.Tensor, "*batch class"]:
    """log(exp(z_k) / sum_j exp(z_j)), differentiable; the result need not be contiguous.

    On a CPU, PyTorch reduces a last dimension that is shorter than a vector register one number at a time: 15 classes
    take ten times as long as 16. With the classes in front, neighbouring rows fill the register instead.
    """
    if logits.device.type != "cpu" or logits.shape[-1] * logits.element_size() >= REGISTER:
        return logits.log_softmax(-1)
    return logits.movedim(-1, 0).contiguous().log_softmax(0).movedim(0, -1)


# ---- cross-entropy --------------------------------------------------------------------------------------


class CrossEntropy(LossSection):
    """Cross-entropy to the target distribution."""

    type: Literal["cross_entropy"] = "cross_entropy"


def cross_entropy(
    logits: Float[torch.Tensor, "*batch class"], target: Float[torch.Tensor, "*#batch class"]
) -> Float[torch.Tensor, "*batch"]:
    """-sum_k target_k log softmax(logits)_k per example, in nats; leading shapes broadcast."""
    return -(target * log_softmax(logits)).sum(-1)


CROSS_ENTROPY = LossRecord(
    CrossEntropy,
    function=cross_entropy,
    linear_in_target=True,
    token_function="outgrow.losses.tokens:soft_label_loss",
    for_providers=True,
)


# ---- generalised cross-entropy --------------------------------------------------------------------------


class GeneralizedCrossEntropy(LossSection):
    """(1 - p^q) / q: between cross-entropy (q -> 0) and mean absolute error (q = 1)."""

    type: Literal["generalized_cross_entropy"]
    q: Annotated[float, Field(gt=0, le=1)] = 0.7


def generalized_cross_entropy(
    logits: Float[torch.Tensor, "*batch class"], target: Float[torch.Tensor, "*#batch class"], q: float = 0.7
) -> Float[torch.Tensor, "*batch"]:
    """sum_k target_k (1 - p_k^q) / q per example, for 0 < q <= 1; for soft targets the expectation over the target."""
    # expm1 keeps the digits that 1 - p^q would lose for small q.
    return (target * -torch.expm1(q * log_softmax(logits))).sum(-1) / q


GENERALIZED_CROSS_ENTROPY = LossRecord(
    GeneralizedCrossEntropy,
    paper="Zhang and Sabuncu, NeurIPS 2018",
    deviations="Soft targets: the expectation over the target.",
    function=generalized_cross_entropy,
    linear_in_target=True,
)


# ---- product --------------------------------------------------------------------------------------------


class Product(LossSection):
    """Target proportional to student^beta * weak^alpha (Burns et al.)."""

    type: Literal["product"]
    alpha: float = 1.0
    beta: float = 1.0


def product(
    logits: Float[torch.Tensor, "*batch class"],
    target: Float[torch.Tensor, "*#batch class"],
    alpha: float = 1.0,
    beta: float = 1.0,
) -> Float[torch.Tensor, "*batch"]:
    """Cross-entropy to softmax(beta log p + alpha log target) per example. Not linear in the target."""
    own = log_softmax(logits.detach())
    # The smallest normal number stands for zero: log 0 * 0 must not be NaN when alpha is 0.
    weak = torch.log(target.clamp_min(torch.finfo(logits.dtype).tiny))
    return cross_entropy(logits, (beta * own + alpha * weak).softmax(-1))


PRODUCT = LossRecord(
    Product,
    paper="Burns et al. 2023",
    deviations="K classes instead of two.",
    function=product,
    stops_gradient=True,
)
