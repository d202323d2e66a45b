"""The evidential loss of Bayesian WeakS-to-Strong (Cui et al., ICLR 2025, eqs 3 and 4).

The student's logits are the concentrations alpha of a Dirichlet over class probabilities. With S = sum(alpha) and a
soft target y,

    L = sum_k y_k (log S - log alpha_k)  +  kl_weight * R                                                      (3)

The first term is the type-II likelihood: the Dirichlet is integrated out. R draws the evidence for wrong classes back
to Dir(1), "knows nothing". `kl="per_class"` is eq. 4, the expectation over the class k that the target draws,

    R = sum_k y_k KL_k,     KL_k = KL(Dir(alpha with alpha_k set to 1) || Dir(1)),                             (4)

which is linear in y. `kl="mixed"` plugs the soft target into one divergence, alpha~ = y + (1 - y) * alpha, as the
released code does; it is not linear in y. For one-hot targets both are the same.

All KL_k cost O(K) together: with phi of `dirichlet.py` and S_k = S - alpha_k + 1, KL_k = phi_K(S_k) - sum_(j != k)
phi_1(alpha_j), so R = sum_k y_k phi_K(S_k) - sum_j (Y - y_j) phi_1(alpha_j), Y = sum(y). Value and gradient are made
in one pass over blocks of rows that stay in the processor's cache; what is kept for the backward pass is the gradient,
as much memory as cross-entropy keeps. Derivatives are taken by ln alpha, where they stay moderate.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from outgrow.losses.dirichlet import CONCENTRATIONS, phi
from outgrow.losses.softmax_losses import log_softmax

BLOCK = 1 << 16
"""Numbers handled at a time on a CPU: few enough for its cache, enough to hide the cost of a call."""
GPU_BLOCK = 1 << 24
"""Likewise on a GPU, where only memory limits it."""


class Penalty(NamedTuple):
    """R per row, and its derivative by ln alpha."""

    value: Float[Tensor, "row"]
    slope: Float[Tensor, "row class"]


def evidential(
    logits: Float[Tensor, "*batch class"],
    target: Float[Tensor, "*#batch class"],
    evidence: str = "exp_plus_one",
    kl: str = "per_class",
    kl_weight: float = 0.01,
) -> Float[Tensor, "*batch"]:
    """Eq. 4 per example, in nats. `evidence` and `kl` as above; `kl_weight` >= 0 is already annealed by the caller.

    The target is a constant: no gradient flows to it. Differentiable once. Half-precision logits are computed, and
    the loss returned, in float32.
    """
    dtype = torch.promote_types(logits.dtype, torch.float32)
    shape = torch.broadcast_shapes(logits.shape, target.shape)  # type: ignore[no-untyped-call]
    rows = [tensor.to(dtype).expand(shape).reshape(-1, shape[-1]) for tensor in (logits, target.detach())]
    loss: Tensor = _Evidential.apply(*rows, evidence, kl, kl_weight)  # type: ignore[no-untyped-call]
    return loss.reshape(shape[:-1])


class _Evidential(torch.autograd.Function):
    """The loss of [row, class] with its gradient in closed form."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, evidence: str, kl: str, kl_weight: float) -> Tensor:
        n_rows, n_classes = logits.shape
        loss, gradient = logits.new_empty(n_rows), torch.empty_like(logits)
        step = max(1, (BLOCK if logits.device.type == "cpu" else GPU_BLOCK) // n_classes)
        for start in range(0, n_rows, step):
            block = slice(start, start + step)
            loss[block], gradient[block] = _loss_and_gradient(logits[block], target[block], evidence, kl, kl_weight)
        ctx.save_for_backward(gradient)
        return loss

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradients[0][:, None] * gradient, None, None, None, None


def _loss_and_gradient(
    logits: Tensor, target: Tensor, evidence: str, kl: str, kl_weight: float
) -> tuple[Tensor, Tensor]:
    alpha, log_alpha, slope = CONCENTRATIONS[evidence](logits)
    log_mean = log_softmax(log_alpha)
    loss = -(target * log_mean).sum(-1)
    gradient = target.sum(-1, keepdim=True) * log_mean.exp_() - target
    if kl_weight:
        # Without the classes' 1s, S_k can be small.
        least = 1.0 if evidence == "exp" else float(alpha.shape[-1])
        penalty = _mixed(alpha, target) if kl == "mixed" else _per_class(alpha, target, least)
        loss = loss.add_(penalty.value, alpha=kl_weight)
        gradient = gradient.add_(penalty.slope, alpha=kl_weight)
    return loss, gradient.mul_(slope)


def _per_class(alpha: Tensor, target: Tensor, least: float) -> Penalty:
    """R of eq. 4. Its slope is alpha_i sum_(k != i) y_k phi_K'(S_k) - (Y - y_i) alpha_i phi_1'(alpha_i)."""
    largest = alpha.argmax(-1, keepdim=True)
    others = target.sum(-1, keepdim=True) - target
    strength = without_each(alpha, largest).add_(1)
    total, own = phi(strength, float(alpha.shape[-1]), least), phi(alpha, 1.0)
    value = (target * total.value).sum(-1).sub_((others * own.value).sum(-1))
    pull = total.slope.mul_(target).div_(strength)
    slope = without_each(pull, largest).mul_(alpha).sub_(others.mul_(own.slope))
    return Penalty(value, slope)


def _mixed(alpha: Tensor, target: Tensor) -> Penalty:
    """R of the released code, KL(Dir(y + (1 - y) alpha) || Dir(1))."""
    misleading = (1 - target) * alpha
    blended = target + misleading
    strength = blended.sum(-1, keepdim=True)
    total, own = phi(strength, float(alpha.shape[-1])), phi(blended, 1.0)
    value = total.value.squeeze(-1) - own.value.sum(-1)
    slope = misleading * (total.slope / strength) - (misleading / blended).mul_(own.slope)
    return Penalty(value, slope)


def without_each(
    values: Float[Tensor, "row class"], largest: Float[Tensor, "row 1"] | Tensor
) -> Float[Tensor, "row class"]:
    """For every class the sum over all other classes.

    `total - value` loses no digits that matter, save for the class that may outweigh all others together: `largest`
    names it, and its sum is made without it.
    """
    rest = values.scatter(-1, largest, 0.0).sum(-1, keepdim=True)
    total = rest + values.gather(-1, largest)
    return (total - values).scatter_(-1, largest, rest)
