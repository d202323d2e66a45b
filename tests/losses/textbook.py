"""Losses as the papers write them, in float64, with scipy's special functions; autograd does the derivatives.

PyTorch's own trigamma is good to 1e-9 only, so digamma comes with scipy's derivative.
"""

import torch
from scipy import special
from torch import Tensor


class _Digamma(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.as_tensor(special.psi(x.detach().numpy()))

    @staticmethod
    def backward(ctx, gradient):
        return gradient * torch.as_tensor(special.polygamma(1, ctx.saved_tensors[0].numpy()))


class _LogGamma(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.as_tensor(special.gammaln(x.detach().numpy()))

    @staticmethod
    def backward(ctx, gradient):
        return gradient * torch.as_tensor(special.psi(ctx.saved_tensors[0].numpy()))


ALPHA = {
    "exp_plus_one": lambda z: z.exp() + 1,
    "exp": lambda z: z.exp(),
    "softplus": lambda z: torch.logaddexp(z, torch.zeros_like(z)) + 1,
    "relu": lambda z: z.clamp_min(0) + 1,
}


def divergence_from_uniform(alpha: Tensor) -> Tensor:
    """KL(Dir(alpha) || Dir(1))."""
    digamma, log_gamma = _Digamma.apply, _LogGamma.apply
    total = alpha.sum(-1)
    mean_log = digamma(alpha) - digamma(total)[..., None]
    ends = log_gamma(total) - log_gamma(alpha).sum(-1) - special.gammaln(alpha.shape[-1])
    return ends + ((alpha - 1) * mean_log).sum(-1)


def one_hot_evidential(alpha: Tensor, k: int, kl_weight: float) -> Tensor:
    """Eq. 3 for the true class k."""
    y = torch.zeros(alpha.shape[-1], dtype=alpha.dtype)
    y[k] = 1
    likelihood = alpha.sum(-1).log() - alpha[..., k].log()
    return likelihood + kl_weight * divergence_from_uniform(y + (1 - y) * alpha)


def evidential(logits: Tensor, target: Tensor, evidence: str, kl: str, kl_weight: float) -> Tensor:
    """Eq. 4 as a sum of K losses of eq. 3; or the released code's one loss at the soft target."""
    alpha = ALPHA[evidence](logits)
    if kl == "per_class":
        classes = range(alpha.shape[-1])
        return sum(target[..., k] * one_hot_evidential(alpha, k, kl_weight) for k in classes)
    likelihood = (target * (alpha.sum(-1, keepdim=True).log() - alpha.log())).sum(-1)
    return likelihood + kl_weight * divergence_from_uniform(target + (1 - target) * alpha)
