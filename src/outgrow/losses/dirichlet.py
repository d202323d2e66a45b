"""Dirichlet distributions read off logits: alpha(z), and the divergence from "knows nothing", stably.

**From logits to concentrations.** An evidential student's logits define Dir(alpha); alpha_k grows with z_k. Its
prediction is the mean, alpha / sum(alpha). Four maps, `CONCENTRATIONS`:

    exp_plus_one  exp(z) + 1        (released code of Bayesian WeakS-to-Strong)
    exp           exp(z)            (the mean is then the softmax)
    softplus      softplus(z) + 1
    relu          relu(z) + 1       (Sensoy et al. 2018)

**Divergence.** With S = sum(alpha) over K classes, KL(Dir(alpha) || Dir(1)) is
lnGamma(S) - lnGamma(K) - sum lnGamma(alpha_j) + sum (alpha_j - 1) (psi(alpha_j) - psi(S)). Its terms grow like S ln S
while their sum grows like K ln S: in float32 the textbook form is noise from logits of about 10 on. On paper the large
terms cancel. Let, for a constant c,

    phi_c(x) = lnGamma(x) - lnGamma(c) - (x - c) (psi(x) - 1),      phi_c(c) = 0,      phi_c'(x) = 1 - (x - c) psi'(x).

Then KL = phi_K(S) - sum_j phi_1(alpha_j), and phi grows only like (c - 1/2) ln x. It is computed from Stirling's
series, in which nothing larger than the result is ever formed, and so is its slope x phi_c'(x) on a logarithmic scale.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from outgrow.losses.softmax_losses import log_softmax

BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)
"""B_2, B_4, … B_14: the coefficients of Stirling's series."""


class Concentration(NamedTuple):
    """alpha, ln alpha and d ln alpha / dz, each of the logits' shape."""

    alpha: Float[Tensor, "*batch class"]
    log_alpha: Float[Tensor, "*batch class"]
    slope: Float[Tensor, "*batch class"]


class Phi(NamedTuple):
    """phi_c(x) and x phi_c'(x)."""

    value: Float[Tensor, "*shape"]
    slope: Float[Tensor, "*shape"]


def _exp_plus_one(logits: Tensor) -> Concentration:
    return Concentration(_exp(logits) + 1, _softplus(logits), logits.sigmoid())


def _only_exp(logits: Tensor) -> Concentration:
    return Concentration(_exp(logits), logits, torch.ones_like(logits))


def _softplus_plus_one(logits: Tensor) -> Concentration:
    evidence = _softplus(logits)
    return Concentration(evidence + 1, evidence.log1p(), logits.sigmoid() / (evidence + 1))


def _relu_plus_one(logits: Tensor) -> Concentration:
    evidence = logits.relu()
    return Concentration(evidence + 1, evidence.log1p(), (logits > 0) / (evidence + 1))


CONCENTRATIONS: Mapping[str, Callable[[Tensor], Concentration]] = {
    "exp_plus_one": _exp_plus_one,
    "exp": _only_exp,
    "softplus": _softplus_plus_one,
    "relu": _relu_plus_one,
}


def log_dirichlet_mean(logits: Float[Tensor, "*batch class"], evidence: str) -> Float[Tensor, "*batch class"]:
    """The logarithm of the predictive distribution alpha / sum(alpha), finite for every finite logit."""
    return log_softmax(CONCENTRATIONS[evidence](logits).log_alpha)


def phi(x: Float[Tensor, "*shape"], c: float, at_least: float = 0.0) -> Phi:
    """phi_c(x) of the module's docstring and x phi_c'(x), elementwise, for x > 0 and a constant c >= 1.

    Stirling's series holds for large arguments; small ones are moved up to y = x + m first. With P(x) = x (x+1) …
    (x+m-1) and R = (ln P)', phi_c(x) = phi_{c+m}(y) - ln(P(x) / P(c)) + (x - c) R(x). Written as y^m prod(w + i v)
    with v = 1/y and w = x/y, all factors of P lie within 0 … 1, the powers of y cancel on paper, and one formula
    serves x = 1e-30 and x = 1e30 alike. Where x is known to be `at_least` 8, the shift is left out.

    Errors relative to max(1, |result|) are about 1e-13 in float64 and 1e-6 in float32.
    """
    terms, shift = (7, 8) if x.dtype == torch.float64 else (3, 4)
    shift = 0 if at_least >= shift else shift
    y = x + shift
    v = y.reciprocal()
    value = y.div_(c + shift).log_().mul_(c - 0.5).add_(_offset(c, shift))
    slope = _stirling(value, v, c + shift, terms)
    if shift:
        w = x * v
        log_product, rate, curvature = _shifted(w, v, c, shift)
        value.sub_(log_product).add_(rate)
        slope.mul_(w).sub_(curvature)
    return Phi(value, slope)


def _offset(c: float, shift: int) -> float:
    """The part of phi_c(x) - (c - 1/2) ln(y / (c + m)) that does not depend on x."""
    top = c + shift
    remainder = math.lgamma(top) - (top - 0.5) * math.log(top) + top - 0.5 * math.log(2 * math.pi)
    return 0.5 - remainder + sum(math.log((c + i) / top) for i in range(shift))


def _stirling(value: Tensor, v: Tensor, c: float, terms: int) -> Tensor:
    """Add to `value` the terms of phi_c(y) in v = 1/y; return y phi_c'(y).

    The latter is c - 1/2 + c v/2 - (v - c v^2) sum_n B_2n v^(2n-2).
    """
    u = v * v
    odd = _polynomial(u, [b / (2 * n + 1) for n, b in enumerate(BERNOULLI[:terms])]).sub_(c / 2)
    even = _polynomial(u, [-c * b / (2 * n + 2) for n, b in enumerate(BERNOULLI[:terms])])
    value.addcmul_(v, odd).addcmul_(u, even)
    slope = _polynomial(u, BERNOULLI[:terms])
    return slope.mul_(u.mul_(c).sub_(v)).add_(v, alpha=c / 2).add_(c - 0.5)


def _shifted(w: Tensor, v: Tensor, c: float, shift: int) -> tuple[Tensor, Tensor, Tensor]:
    """ln prod(w + i v), (x - c) sum 1/(x + i) and x (x - c) sum 1/(x + i)^2 over i < m.

    Factors i and m - 1 - i are taken together: (w + iv)(w + (m-1-i)v) = w (w + (m-1)v) + i (m-1-i) v^2, and all pairs
    share the numerator `both` of 1/a + 1/b = (a + b)/(ab) and 1/a^2 + 1/b^2 = (a + b)^2/(ab)^2 - 2/(ab).
    """
    both = torch.add(w, v, alpha=shift - 1)
    least, u = w * both, v * v
    both.add_(w)
    product, rate, squares = torch.ones_like(w), torch.zeros_like(w), torch.zeros_like(w)
    for i in range(shift // 2):
        pair = torch.add(least, u, alpha=i * (shift - 1 - i))
        product.mul_(pair)
        ratio = torch.div(both, pair, out=pair)
        rate.add_(ratio)
        squares.addcmul_(ratio * w, ratio)  # w first: the square alone overflows as x -> 0
    distance = torch.add(w, v, alpha=-c)  # (x - c) / y
    squares.addcdiv_(rate * w, both, value=-2).mul_(distance)
    return product.log_(), rate.mul_(distance), squares


def _polynomial(x: Tensor, coefficients: Sequence[float]) -> Tensor:
    """sum_n coefficients[n] x^n by Horner's rule, in a new tensor; at least two coefficients."""
    *rest, second, first = coefficients
    result = (x * first).add_(second)
    for coefficient in reversed(rest):
        result.mul_(x).add_(coefficient)
    return result


def _exp(logits: Tensor) -> Tensor:
    """exp(z), cut where its sum over the classes, or that of 1/exp(z), would overflow its type."""
    most = math.log(torch.finfo(logits.dtype).max) - math.log(logits.shape[-1]) - 4
    return logits.clamp(-most, most).exp_()


def _softplus(logits: Tensor) -> Tensor:
    """ln(1 + exp(z)); PyTorch's default drops the 1 from z = 20 on, which is too early in float64."""
    return softplus(logits, threshold=60.0)
