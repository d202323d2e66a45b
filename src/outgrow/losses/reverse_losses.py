"""Losses with the reverse cross-entropy, in which student and weak label change places.

With p the student's distribution, y the weak label, K classes, and y' = (1 - e) y + e/K, so that no class of a hard
label is impossible,

    reverse KL                   KL(p || y') = sum_k p_k (ln p_k - ln y'_k)
    reverse cross-entropy        RCE = -sum_k p_k ln y'_k
    symmetric cross-entropy      CE + w RCE
    confidence-adaptive (CACE)   CE where max_k y_k - 1/K >= c, RCE elsewhere

CE = -sum_k y_k ln p_k pulls the student to all that the label holds possible. The reverse losses pull it to one class
that the label holds probable: at a uniform label CE asks for a uniform answer, RCE for nothing. The reverse KL is RCE
minus the student's entropy. None is linear in the label, so an item's rows stay separate.
"""

from __future__ import annotations

from typing import Annotated, Literal

from jaxtyping import Float
from pydantic import Field

from outgrow.lazy import torch
from outgrow.losses.loss_record import LossRecord, LossSection
from outgrow.losses.softmax_losses import cross_entropy, log_softmax

Smoothing = Annotated[float, Field(gt=0, lt=1)]
SMOOTHED = "`smoothing` spreads a share of the label over all classes: the logarithm of a hard label is finite."


def _log_smoothed(
    target: Float[torch.Tensor, "*batch class"], smoothing: float
) -> Float[torch.Tensor, "*batch class"]:
    """ln y' of each class."""
    return torch.log((1 - smoothing) * target + smoothing / target.shape[-1])


# ---- reverse KL -----------------------------------------------------------------------------------------


class ReverseKl(LossSection):
    """KL(student || weak label): the student may leave out what it holds wrong in the label (Yao et al.)."""

    type: Literal["reverse_kl"]
    smoothing: Smoothing = 0.01
    """Share of the label that is spread over all classes."""


def reverse_kl(
    logits: Float[torch.Tensor, "*batch class"], target: Float[torch.Tensor, "*#batch class"], smoothing: float = 0.01
) -> Float[torch.Tensor, "*batch"]:
    """sum_k p_k (ln p_k - ln y'_k) per example, in nats, at least 0; 0 < `smoothing` < 1."""
    log_probs = log_softmax(logits)
    return (log_probs.exp() * (log_probs - _log_smoothed(target, smoothing))).sum(-1)


REVERSE_KL = LossRecord(
    ReverseKl,
    paper="Yao et al. 2025, arXiv 2502.11107",
    deviations=f"After the definition of the reverse divergence. {SMOOTHED}",
    function=reverse_kl,
)


# ---- reverse cross-entropy ------------------------------------------------------------------------------


class ReverseCrossEntropy(LossSection):
    """Cross-entropy with student and weak label exchanged: uncertain labels pull less (Yao et al.; Xu et al.)."""

    type: Literal["reverse_cross_entropy"]
    smoothing: Smoothing = 0.01
    """Share of the label that is spread over all classes."""


def reverse_cross_entropy(
    logits: Float[torch.Tensor, "*batch class"], target: Float[torch.Tensor, "*#batch class"], smoothing: float = 0.01
) -> Float[torch.Tensor, "*batch"]:
    """-sum_k p_k ln y'_k per example, in nats, at least 0; 0 < `smoothing` < 1. Linear in the student's answer."""
    return -(log_softmax(logits).exp() * _log_smoothed(target, smoothing)).sum(-1)


REVERSE_CROSS_ENTROPY = LossRecord(
    ReverseCrossEntropy,
    paper="Yao et al. 2025, arXiv 2502.11107; Xu et al. 2025, arXiv 2505.24313",
    deviations=f"K classes instead of two. {SMOOTHED}",
    function=reverse_cross_entropy,
)


# ---- symmetric ------------------------------------------------------------------------------------------


class SymmetricCrossEntropy(LossSection):
    """Cross-entropy plus a share of the reverse one (SL; Wang et al. 2019, Xu et al. 2025)."""

    type: Literal["symmetric_cross_entropy"]
    reverse: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the reverse cross-entropy; the other one has 1."""
    smoothing: Smoothing = 0.01
    """Share of the label that is spread over all classes, in the reverse part alone."""


def symmetric_cross_entropy(
    logits: Float[torch.Tensor, "*batch class"],
    target: Float[torch.Tensor, "*#batch class"],
    reverse: float = 0.1,
    smoothing: float = 0.01,
) -> Float[torch.Tensor, "*batch"]:
    """CE + `reverse` RCE per example, in nats."""
    return cross_entropy(logits, target) + reverse * reverse_cross_entropy(logits, target, smoothing)


SYMMETRIC_CROSS_ENTROPY = LossRecord(
    SymmetricCrossEntropy,
    paper="Wang et al., ICCV 2019; Xu et al. 2025, arXiv 2505.24313 (SL)",
    deviations=f"After the description of the second one's code. K classes instead of two. {SMOOTHED}",
    function=symmetric_cross_entropy,
)


# ---- confidence-adaptive --------------------------------------------------------------------------------


class ConfidenceAdaptiveCrossEntropy(LossSection):
    """Cross-entropy of labels that are sure, the reverse one of the others (CACE; Xu et al. 2025)."""

    type: Literal["confidence_adaptive_cross_entropy"]
    threshold: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """How far a label's largest probability must lie above chance, 1/K, to be sure."""
    smoothing: Smoothing = 0.01
    """Share of a label that is spread over all classes, in the reverse part alone."""


def confidence_adaptive_cross_entropy(
    logits: Float[torch.Tensor, "*batch class"],
    target: Float[torch.Tensor, "*#batch class"],
    threshold: float = 0.1,
    smoothing: float = 0.01,
) -> Float[torch.Tensor, "*batch"]:
    """CE where the largest entry of `target` is at least 1/K + `threshold`, RCE elsewhere, per example, in nats."""
    sure = target.amax(-1) - 1 / target.shape[-1] >= threshold
    return torch.where(sure, cross_entropy(logits, target), reverse_cross_entropy(logits, target, smoothing))


CONFIDENCE_ADAPTIVE_CROSS_ENTROPY = LossRecord(
    ConfidenceAdaptiveCrossEntropy,
    paper="Xu et al. 2025, arXiv 2505.24313 (CACE)",
    deviations=(
        "After the description of its code, which has |y - 1/2| for two classes; ours above them: the largest"
        f" probability above chance. The threshold is a number, no quantile. {SMOOTHED}"
    ),
    function=confidence_adaptive_cross_entropy,
)
