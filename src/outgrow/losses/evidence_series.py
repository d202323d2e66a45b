"""The divergence of a Dirichlet from "knows nothing", term by term, as a logarithm plus a short polynomial.

A token's evidence is e_j >= 0, its concentration alpha_j = 1 + e_j, and E = Σ e_j over a vocabulary of V tokens. Then

    KL(Dir(alpha) || Dir(1)) = H_V(E) + Σ_j h(e_j)
    h(e)   = e psi(1+e) - lnGamma(1+e) - e                              dh/de   = e psi'(1+e) - 1
    H_V(E) = lnGamma(V+E) - lnGamma(V) - E psi(V+E) + E                 dH_V/dE = 1 - E psi'(V+E)

The textbook form has terms of order E ln E that cancel in the sum: at logits of 15 and more nothing is left of it in
float32. Here every term is of the order of the result. With u = 1/(1+e), v = 1-u and w = V/(V+E), all within 0 … 1,

    h(e)   = -½ ln(1+e) + v D(u)                 dh/dz        = -v T(u),      T = ½ - u (D - v D'),  for e = exp(z)
    H_V(E) = (V-½) ln(1+E/V) + P_V(w)            dH_V/dE      = w Q_V(w)

and D, T, P_V, Q_V are smooth. P_V and Q_V are Stirling's series, which is exact for arguments as large as V and more.
D is what Stirling's series would sum to if it converged down to alpha = 1: it is interpolated at Chebyshev points, to
2e-10 for float32 and 4e-14 for float64, and T follows from the same polynomial, so that the gradient is the gradient
of the value. This costs two polynomials per entry, a small part of what lnGamma, psi and psi' cost.

It is made for vocabularies: below `FEWEST_TOKENS` the series for V would not be exact; few classes go to `dirichlet`.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.polynomial import Chebyshev, Polynomial
from scipy.special import digamma, gammaln
from torch import Tensor

from outgrow.losses.dirichlet import BERNOULLI

FEWEST_TOKENS = 8
"""From this vocabulary size on the truncated series below are exact to 1e-12."""


class Term(NamedTuple):
    """A part of the divergence and its derivative with respect to the logit."""

    value: Float[Tensor, "..."]
    slope: Float[Tensor, "..."]


class Total(NamedTuple):
    """H_V(E) = `scale` ln(1+E/V) + `value`(w) and dH_V/dE = w `slope`(w), two polynomials in w = V/(V+E)."""

    scale: float
    value: tuple[float, ...]
    slope: tuple[float, ...]


def evidence(logits: Float[Tensor, "*rows vocab"]) -> Float[Tensor, "*rows vocab"]:
    """exp(z); counted up to e^75 in float32 (e^600 in float64), so that a vocabulary's sum is a number too."""
    return logits.clamp(max=600 if logits.dtype == torch.float64 else 75).exp_()


def own_term(evidence: Float[Tensor, "*rows vocab"]) -> Term:
    """h(e) and its derivative with respect to the logit, elementwise, for finite e >= 0."""
    value_of, slope_of = _own_polynomials(16 if evidence.dtype == torch.float64 else 10)
    u = (evidence + 1).reciprocal_()
    v = evidence * u
    value = polynomial(u, value_of).mul_(v).sub_(evidence.log1p(), alpha=0.5)
    return Term(value, polynomial(u, slope_of).mul_(v).neg_())


@cache
def total_term(vocab: int) -> Total:
    """The polynomials of H_V for a vocabulary of `vocab` >= `FEWEST_TOKENS`, coefficients in rising order."""
    if vocab < FEWEST_TOKENS:
        raise ValueError(f"the evidential token loss needs a vocabulary of at least {FEWEST_TOKENS}, not {vocab}")
    gamma, gap, square = np.zeros(14), np.zeros(15), np.zeros(14)
    for n, bernoulli in enumerate(BERNOULLI, start=1):
        gamma[2 * n - 1] = bernoulli / (2 * n * (2 * n - 1))  # lnGamma(S) - (S-½) ln S + S - ½ ln 2pi
        gap[2 * n - 1] = bernoulli / (2 * n)  # S (ln S - psi(S)) - ½
        square[2 * n - 1] = bernoulli  # S (S psi'(S) - 1) - ½, less one power of 1/S
    square[0] = 0.5
    w, one = Polynomial([0.0, 1.0]), Polynomial([1.0])
    of_w = [Polynomial(series / float(vocab) ** np.arange(len(series))) for series in (gamma, gap, square)]
    value = (one - w) * 0.5 + of_w[0] - of_w[0](1.0) + (one - w) * of_w[1]
    slope = one - (one - w) * of_w[2] / vocab
    return Total(vocab - 0.5, _short(value), _short(slope))


def polynomial(x: Float[Tensor, "*shape"], coefficients: tuple[float, ...]) -> Float[Tensor, "*shape"]:
    """Σ_n c_n x^n by Horner's rule, in a new tensor; at least two coefficients."""
    *lower, highest = _constants(coefficients, x.dtype, x.device)
    value = torch.addcmul(lower.pop(), x, highest)
    while lower:
        torch.addcmul(lower.pop(), value, x, out=value)
    return value


@cache
def _constants(coefficients: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> tuple[Tensor, ...]:
    """As tensors without dimensions: so a step of Horner's rule is one pass, and nothing is copied to a GPU twice."""
    return torch.tensor(coefficients, dtype=dtype, device=device).unbind()


@cache
def _own_polynomials(degree: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """D and T of the module's docstring, coefficients in rising order."""
    fit = Chebyshev.interpolate(_own_remainder, degree, domain=[0, 1])
    value = fit.convert(kind=Polynomial, domain=[-1, 1], window=[-1, 1])
    u = Polynomial([0.0, 1.0])
    slope = 0.5 - u * (value - (1 - u) * value.deriv())
    return tuple(value.coef.tolist()), tuple(slope.coef.tolist())


def _own_remainder(
    u: "np.ndarray[tuple[int], np.dtype[np.float64]]",
) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """D(u) by its definition, for 0 < u < 1."""
    alpha = 1 / u
    evidence = alpha - 1
    own = evidence * digamma(alpha) - gammaln(alpha) - evidence
    return np.asarray((own + 0.5 * np.log(alpha)) / (1 - u))


def _short(series: Polynomial) -> tuple[float, ...]:
    """Without the trailing terms that could not change a double; w is at most 1."""
    kept = np.flatnonzero(np.abs(series.coef) > 1e-17)
    return tuple(series.coef[: kept[-1] + 1].tolist())
