"""Dirichlet distributions read off logits: alpha(z), and the divergence from "knows nothing", stably.

**From logits to concentrations.** An evidential student says Dir(alpha), where alpha_k grows with the logit z_k.
Its prediction is the mean alpha / sum(alpha). Four maps, `CONCENTRATIONS`:

    exp_plus_one  exp(z) + 1        (released code of Bayesian WeakS-to-Strong)
    exp           exp(z)            (the mean is then the softmax)
    softplus      softplus(z) + 1
    relu          relu(z) + 1       (Sensoy et al. 2018)

**Divergence.** With S = sum(alpha) over K classes, KL(Dir(alpha) || Dir(1)) is
`lnGamma(S) - lnGamma(K) - sum lnGamma(alpha_j) + sum (alpha_j - 1) (psi(alpha_j) - psi(S))`. Its terms grow like S ln S while
their sum grows like K ln S, so in float32 the textbook form is noise from logits of about 10 on. But the terms of order S
cancel on paper. Let, for a constant c,

    phi_c(x) = lnGamma(x) - lnGamma(c) - (x - c) (psi(x) - 1),      phi_c(c) = 0,  phi_c'(x) = 1 - (x - c) psi'(x).

Then KL = phi_K(S) - sum_j phi_1(alpha_j), and phi grows only like (c - 1/2) ln x. `phi` below computes it from
Stirling's series without forming anything larger than its result.

What this does not do: divergences between two arbitrary Dirichlets.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)
"""B_2, B_4, … B_14: the coefficients of Stirling's series."""


class Concentration(NamedTuple):
    """alpha, its logarithm, and d ln(alpha) / dz, each of the logits' shape."""

    alpha: Float[Tensor, "*batch class"]
    log_alpha: Float[Tensor, "*batch class"]
    slope: Float[Tensor, "*batch class"]


class Phi(NamedTuple):
    """phi_c(x) and its slope on a logarithmic scale, x phi_c'(x); both stay moderate for every x > 0."""

    value: Float[Tensor, "..."]
    slope: Float[Tensor, "..."]


def phi(x: Float[Tensor, "*shape"], c: float, at_least: float = 0.0) -> Phi:
    """phi_c(x) of the module's docstring and x phi_c'(x), elementwise, for x > 0 and a constant c >= 1.

    `at_least` is a lower bound of x that the caller knows; above 8 the shift below is not needed.

    Stirling's series is good for large arguments. Small ones are moved up to y = x + m first:
    `phi_c(x) = phi_{c+m}(y) - ln(P(x) / P(c)) + (x - c) R(x)`, P(x) = x (x+1) … (x+m-1), R = (ln P)'.
    Writing P(x) = y^m prod(w + i v) with v = 1/y and w = x/y keeps all factors within 0 … 1, so one formula serves
    x = 1e-30 and x = 1e300 alike. Relative to max(1, phi), errors are about 1e-13 (float64) and 1e-6 (float32).
    """
    terms, shift = (7, 8) if x.dtype == torch.float64 else (3, 4)
    shift = 0 if at_least >= shift else shift
    y = x + shift
    v = y.reciprocal()
    value = torch.log(y / (c + shift)).mul_(c - 0.5).add_(_offset(c, shift))
    if shift:
        log_product, rate, curvature = _shifted(x * v, v, c, shift)
        value = value.sub_(log_product).add_(rate)
        slope = _stirling(value, v, c + shift, terms).mul_(x * v).sub_(curvature)
    else:
        slope = _stirling(value, v, c, terms)
    return Phi(value, slope)


def divergence_from_uniform(alpha: Float[Tensor, "*batch class"]) -> Float[Tensor, "*batch"]:
    """KL(Dir(alpha) || Dir(1, …, 1)) in nats, >= 0; alpha > 0. Not differentiable by autograd in useful precision."""
    n_classes = alpha.shape[-1]
    return phi(alpha.sum(-1), n_classes).value - phi(alpha, 1.0).value.sum(-1)
