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
LARGE = 12.0
"""From here on the series needs no shift."""
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
    """phi with its derivative in closed form: autograd's own would go through the huge terms that cancel.

    Small arguments are moved up to y = x + m, where the series holds: with P(x) = x (x+1) … (x+m-1) and R = (ln P)',
    phi_c(x) = phi_{c+m}(y) + lnGamma(c+m) - lnGamma(c) - ln P(x) + (x - c) R(x).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, c: float) -> Tensor:
        terms, shift = (7, 8) if x.dtype == torch.float64 else (3, 4)
        value, slope = _series(x, c, terms)
        near = x.clamp_max(LARGE)
        near_value, near_slope = _series(near + shift, c + shift, terms)
        product, rate, curvature = _shifted(near, shift)
        near_value += math.lgamma(c + shift) - math.lgamma(c) - product.log() + (near - c) * rate
        near_slope -= (near - c) * curvature
        small = x < LARGE
        ctx.save_for_backward(torch.where(small, near_slope, slope))
        return torch.where(small, near_value, value)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (slope,) = ctx.saved_tensors
        return gradients[0] * slope, None


def _shifted(x: Tensor, shift: int) -> tuple[Tensor, Tensor, Tensor]:
    """P(x), R(x) = P'(x)/P(x) and -R'(x)."""
    product, rate = x.clone(), x.reciprocal()
    curvature = rate * rate
    for step in range(1, shift):
        factor = x + step
        product *= factor
        inverse = factor.reciprocal_()
        rate += inverse
        curvature += inverse * inverse
    return product, rate, curvature


def _series(x: Tensor, c: float, terms: int) -> tuple[Tensor, Tensor]:
    """phi_c and its derivative from Stirling's series, without forming anything larger than the result.

    phi_c = (c - 1/2) ln x + 1/2 ln 2pi - lnGamma(c) - c + (1 - c/x)/2
            + sum_n B_2n x^(1-2n) (1/(2n(2n-1)) + (1 - c/x)/2n),
    phi_c' = c/x - (1 - c/x) (1/2x + sum_n B_2n x^(-2n)).
    """
    v = x.reciprocal()
    rest = 1 - c * v
    square = v * v
    in_value, in_rest, in_slope = torch.zeros_like(v), torch.zeros_like(v), torch.zeros_like(v)
    for n in range(terms, 0, -1):  # Horner's scheme in 1/x^2
        in_value = in_value * square + BERNOULLI[n - 1] / (2 * n * (2 * n - 1))
        in_rest = in_rest * square + BERNOULLI[n - 1] / (2 * n)
        in_slope = in_slope * square + BERNOULLI[n - 1]
    constant = 0.5 * math.log(2 * math.pi) - math.lgamma(c) - c
    value = (c - 0.5) * x.log() + constant + 0.5 * rest + v * (in_value + rest * in_rest)
    return value, c * v - rest * (0.5 * v + square * in_slope)
