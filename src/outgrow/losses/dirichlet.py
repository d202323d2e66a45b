"""Dirichlet distributions read off logits: alpha(z), and the divergence from "knows nothing", stably.

**From logits to concentrations.** An evidential student says Dir(alpha), where alpha_k grows with the logit z_k. Its
prediction is the mean, alpha / sum(alpha). Four maps, `LOG_CONCENTRATIONS`:

    exp_plus_one  exp(z) + 1        (released code of Bayesian WeakS-to-Strong)
    exp           exp(z)            (the mean is then the softmax)
    softplus      softplus(z) + 1
    relu          relu(z) + 1       (Sensoy et al. 2018)

**Divergence.** With S = sum(alpha) over K classes, KL(Dir(alpha) || Dir(1)) is
lnGamma(S) - lnGamma(K) - sum lnGamma(alpha_j) + sum (alpha_j - 1) (psi(alpha_j) - psi(S)). Its terms grow like S ln S
while their sum grows like K ln S: in float32 the textbook form is noise from logits of about 10 on. On paper the large
terms cancel. Let, for a constant c,

    phi_c(x) = lnGamma(x) - lnGamma(c) - (x - c) (psi(x) - 1),      phi_c(c) = 0,      phi_c'(x) = 1 - (x - c) psi'(x).

Then KL = phi_K(S) - sum_j phi_1(alpha_j), and phi grows only like (c - 1/2) ln x. For large x it is computed from
Stirling's series, in which nothing larger than the result is ever formed.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)
"""B_2, B_4, … B_14: the coefficients of Stirling's series."""
BLOCK = 1 << 15
"""Numbers handled at a time: few enough for the processor's cache, through which some forty passes go."""
LARGEST_LOG = {torch.float64: 600.0, torch.float32: 80.0, torch.bfloat16: 80.0, torch.float16: 10.0}
"""Concentrations are cut here where they must be exponentiated: beyond, exp overflows its type."""

LOG_CONCENTRATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "exp_plus_one": softplus,
    "exp": lambda logits: logits,
    "softplus": lambda logits: torch.log1p(softplus(logits)),
    "relu": lambda logits: torch.log1p(torch.relu(logits)),
}
"""log alpha as a function of the logits; the logarithm is what stays finite."""


def dirichlet_mean(logits: Float[Tensor, "*batch class"], evidence: str) -> Float[Tensor, "*batch class"]:
    """The predictive distribution alpha / sum(alpha)."""
    return LOG_CONCENTRATIONS[evidence](logits).softmax(-1)


def concentrations(log_alpha: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """alpha, cut at the largest value whose sums still fit its type."""
    return log_alpha.clamp_max(LARGEST_LOG[log_alpha.dtype]).exp()


def divergence_from_uniform(alpha: Float[Tensor, "*batch class"]) -> Float[Tensor, "*batch"]:
    """KL(Dir(alpha) || Dir(1, …, 1)) in nats, >= 0, for alpha > 0."""
    return phi(alpha.sum(-1), float(alpha.shape[-1])) - phi(alpha, 1.0).sum(-1)


def phi(x: Float[Tensor, "*shape"], c: float) -> Float[Tensor, "*shape"]:
    """phi_c(x) of the module's docstring, elementwise, for x > 0 and a constant c >= 1; differentiable once.

    Errors relative to max(1, phi) are about 1e-13 in float64 and 1e-6 in float32.
    """
    result: Tensor = _Phi.apply(x, c)  # type: ignore[no-untyped-call]
    return result


class _Phi(torch.autograd.Function):
    """phi with its derivative in closed form: autograd's own would go through the huge terms that cancel."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, c: float) -> Tensor:
        flat = x.reshape(-1)
        value, slope = torch.empty_like(flat), torch.empty_like(flat)
        for start in range(0, len(flat), BLOCK):
            block = slice(start, start + BLOCK)
            value[block], slope[block] = _phi_and_slope(flat[block], c)
        ctx.save_for_backward(slope.reshape(x.shape))
        return value.reshape(x.shape)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (slope,) = ctx.saved_tensors
        return gradients[0] * slope, None


def _phi_and_slope(x: Tensor, c: float) -> tuple[Tensor, Tensor]:
    """phi_c(x) and phi_c'(x) by Stirling's series at y = x + m, where it holds for every x > 0.

    With P(x) = x (x+1) … (x+m-1) and R = (ln P)',
        phi_c(x) = phi_{c+m}(y) + lnGamma(c+m) - lnGamma(c) - ln P(x) + (x - c) R(x),
    and P is written as y^m prod(w + i v), v = 1/y, w = x/y: every factor lies within 0 … 1, the powers of y cancel on
    paper, and one formula serves x = 1e-30 and x = 1e30 alike.
    """
    terms, shift = (7, 8) if x.dtype == torch.float64 else (3, 4)
    y = x + shift
    v = y.reciprocal()
    w = x * v
    product, rate = w.clone(), w.reciprocal()
    curvature = rate * rate
    for step in range(1, shift):
        factor = torch.add(w, v, alpha=step)
        product *= factor
        inverse = factor.reciprocal_()
        rate += inverse
        curvature.addcmul_(inverse, inverse)
    excess = torch.add(w, v, alpha=-c)  # (x - c) / y
    value, slope = _series(v, excess, terms)
    value.add_(y.log_(), alpha=c - 0.5).sub_(product.log_()).addcmul_(excess, rate)
    value += 0.5 * math.log(2 * math.pi) - math.lgamma(c) - c - shift
    slope = torch.addcmul(torch.mul(v, c + shift), excess, slope.add_(curvature).mul_(v), value=-1)
    return value, slope


def _series(v: Tensor, excess: Tensor, terms: int) -> tuple[Tensor, Tensor]:
    """The parts of phi and of 1 - y psi'(y) that Stirling's series makes, v = 1/y, excess = (y - c') / y."""
    square = v * v
    in_value, in_excess, in_slope = (torch.full_like(v, 0.0) for _ in range(3))
    for n in range(terms, 0, -1):  # Horner's scheme in 1/y^2
        in_value = in_value.mul_(square).add_(BERNOULLI[n - 1] / (2 * n * (2 * n - 1)))
        in_excess = in_excess.mul_(square).add_(BERNOULLI[n - 1] / (2 * n))
        in_slope = in_slope.mul_(square).add_(BERNOULLI[n - 1])
    value = torch.addcmul(0.5 * excess, v, in_value.addcmul_(excess, in_excess))
    return value, in_slope.mul_(square).add_(v, alpha=0.5)
