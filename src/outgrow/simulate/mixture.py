"""A mixture of regressions, where refinement provably outperforms naive fine-tuning (Somerstep et al., arXiv
2405.16236).

The source, a strong model before alignment, answers y given x by Σ_k a_k N(⟨β_k, x⟩, σ²), with orthonormal β_k and x
uniform on [−1, 1]^d. The target is one of its components, β_*. The weak supervisor has a bias: its labels are
⟨β_w, x⟩ + noise, where β_w = β_* + b u and the unit vector u is the normalised sum of the other components (so that
⟨β_k, β_w⟩ ≥ 0, the paper's condition). A student is a linear predictor b; because x has covariance I/3, its excess
risk is |b − β_*|²/3, exactly.

*Naive fine-tuning* ends on the segment between the source's mean Σ a_k β_k and β_w, with any number of weak labels.
The point of the segment nearest to β_* has a positive risk: `segment_floor`.

*Refinement* puts n weak labels into the source's context, from which it infers the component. Under implicit Bayesian
inference its posterior of k is w_k ∝ a_k exp(−Σ_i (y_i − ⟨β_k, x_i⟩)²/2σ²). Its convergence to the target:

  Put D = ⟨β_k − β_*, x⟩ and M = ⟨β_w − (β_k + β_*)/2, x⟩. One demonstration adds Z = −D (M + σε)/σ² to the log odds
  of * against k. Its mean is the *drift*, (|β_w − β_k|² − |β_w − β_*|²)/6σ² = ⟨β_* − β_k, β_w⟩/3σ².
  The noise integrates out of its moments: Λ_k(t) = log E exp(−tZ) = log E_x exp((t D M + t² D²/2)/σ²).
  Λ_k is convex, Λ_k(0) = 0 with slope −drift, and Λ_k(1) = log E exp(b D ⟨u, x⟩/σ²) ≥ 0 by Jensen's inequality and
  the paper's condition. So with a positive drift the minimum lies at some t_k in (0, 1) and is below zero. Because
  w_k ≤ (w_k/w_*)^t for t in [0, 1], and a mean label's excess risk is at most (2/3) Σ_{k≠*} w_k,

    E[excess risk after n demonstrations] ≤ (2/3) Σ_{k≠*} (a_k/a_*)^{t_k} exp(−n r_k),   r_k = −min_t Λ_k(t).

  This holds for every n, and by Cramér's theorem the rate min r_k is the largest possible. (It is the rate of the
  *mean* risk, which rare contexts dominate. In a typical context the log risk falls by twice the drift.)
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from scipy.stats import qmc

Refine = Literal["mean", "mode", "draw"]
VARIANCE = 1 / 3
"""Variance of a coordinate that is uniform on [−1, 1]."""
QUADRATURE = 15
"""Λ is averaged over 2^`QUADRATURE` points of a Sobol sequence."""


@dataclass(frozen=True)
class Mixture:
    """The source's components and their shares, the index of the target, and the weak supervisor."""

    betas: Float[np.ndarray, "component dim"]
    prior: Float[np.ndarray, "component"]
    sigma: float
    target: int
    weak: Float[np.ndarray, "dim"]

    @property
    def gold(self) -> Float[np.ndarray, "dim"]:
        return np.asarray(self.betas[self.target])

    @property
    def source(self) -> Float[np.ndarray, "dim"]:
        """The source's mean predictor."""
        return np.asarray(self.prior @ self.betas)

    @property
    def rivals(self) -> Int[np.ndarray, "rival"]:
        """All components but the target."""
        return np.delete(np.arange(len(self.betas)), self.target)


class Decay(NamedTuple):
    """Convergence to the target against each rival."""

    drift: Float[np.ndarray, "rival"]
    """Mean increase of the log odds per demonstration."""
    rate: Float[np.ndarray, "rival"]
    """Exponential rate of the mean risk due to this rival; 0 if the drift is not positive."""
    tilt: Float[np.ndarray, "rival"]
    """The t that minimises the bound."""


# ---- the mixture ---------------------------------------------------------------------------------------------


def orthonormal(components: int, dims: int, generator: np.random.Generator) -> Float[np.ndarray, "component dim"]:
    """Random orthonormal directions, with the signs of the QR decomposition fixed."""
    basis, triangle = np.linalg.qr(generator.standard_normal((dims, components)))
    return np.ascontiguousarray((basis * np.sign(np.diag(triangle))).T)


def biased(betas: Float[np.ndarray, "component dim"], target: int, bias: float) -> Float[np.ndarray, "dim"]:
    """The target, shifted by `bias` along the normalised sum of the other components."""
    other_betas = np.delete(betas, target, axis=0)
    return np.asarray(betas[target] + bias * other_betas.sum(axis=0) / np.sqrt(len(other_betas)))


def excess_risk(
    student: Float[np.ndarray, "*batch dim"], gold: Float[np.ndarray, "dim"]
) -> Float[np.ndarray, "*batch"]:
    """E_x ⟨student − gold, x⟩²."""
    return np.asarray(VARIANCE * np.square(student - gold).sum(axis=-1))


def segment_floor(mixture: Mixture) -> float:
    """The lowest excess risk on the segment between the source's mean and the weak supervisor.

    No `shrunken` student has a lower mean risk. Its mean lies on this segment, with any number of labels and any
    penalty (the distribution of the inputs is invariant to permutations and signs of coordinates), and by Jensen's
    inequality its mean risk is at least the risk of its mean. The floor is at least 1/(1/W + 1/S), with W and S the
    risks of the two ends, because the scalar product of their errors is not negative.
    """
    direction = mixture.source - mixture.weak
    length = float(direction @ direction)
    share = 0.0 if length == 0 else float(np.clip((mixture.gold - mixture.weak) @ direction / length, 0, 1))
    return float(excess_risk(mixture.weak + share * direction, mixture.gold))


# ---- students ------------------------------------------------------------------------------------------------


def log_posterior(
    mixture: Mixture,
    x: Float[np.ndarray, "rep item dim"],
    y: Float[np.ndarray, "rep item"],
    counts: Int[np.ndarray, "count"],
) -> Float[np.ndarray, "rep count component"]:
    """The source's log posterior of each component after the first n labels of a context, for each n."""
    fits = -np.square(y[..., None] - x @ mixture.betas.T) / (2 * mixture.sigma**2)
    unnormalised = np.log(mixture.prior) + np.cumsum(fits, axis=1)[:, counts - 1]
    return np.asarray(unnormalised - logsumexp(unnormalised, axis=-1, keepdims=True))


def refined_labels(
    posterior: Float[np.ndarray, "rep count component"],
    answers: Float[np.ndarray, "rep item component"],
    refine: Refine,
    generator: np.random.Generator,
) -> Float[np.ndarray, "rep count item"]:
    """The source's labels of new items, from its log posterior and the answers of each component.

    `mean`: the posterior mean. `mode`: the answer of the most probable component. `draw`: for each item the answer of
    a component drawn from the posterior; only this uses the generator.
    """
    if refine == "mean":
        return np.asarray(np.exp(posterior) @ answers.swapaxes(1, 2))
    items = np.arange(answers.shape[1])
    repetitions = np.arange(len(answers))[:, None, None]
    if refine == "mode":
        return np.asarray(answers[repetitions, items, posterior.argmax(axis=-1)[..., None]])
    steps = np.cumsum(np.exp(posterior), axis=-1)[:, :, None, :-1]
    drawn = (generator.random((*posterior.shape[:2], len(items), 1)) > steps).sum(axis=-1)
    return np.asarray(answers[repetitions, items, drawn])


def least_squares(
    x: Float[np.ndarray, "rep item dim"], labels: Float[np.ndarray, "rep count item"]
) -> Float[np.ndarray, "rep count dim"]:
    """A linear student for each set of labels on the same items, by least squares."""
    transposed = x.swapaxes(1, 2)
    return np.asarray(np.linalg.solve(transposed @ x, transposed @ labels.swapaxes(1, 2)).swapaxes(1, 2))


def shrunken(
    gram: Float[np.ndarray, "*batch dim dim"],
    moment: Float[np.ndarray, "*batch dim"],
    start: Float[np.ndarray, "dim"],
    penalties: Float[np.ndarray, "*batch penalty"],
) -> Float[np.ndarray, "*batch penalty dim"]:
    """argmin_b Σ (y − ⟨b, x⟩)² + λ |b − start|² for each λ > 0, given XᵀX and Xᵀy: fine-tuning from `start`."""
    values, vectors = np.linalg.eigh(gram)
    pull = (vectors.swapaxes(-1, -2) @ (moment - gram @ start)[..., None])[..., 0]
    steps = pull[..., None, :] / (np.maximum(values, 0)[..., None, :] + penalties[..., None])
    return np.asarray(start + steps @ vectors.swapaxes(-1, -2))


# ---- theory --------------------------------------------------------------------------------------------------


def drift(mixture: Mixture) -> Float[np.ndarray, "rival"]:
    """⟨β_* − β_k, β_w⟩/3σ² for each rival k."""
    gaps = mixture.gold - mixture.betas[mixture.rivals]
    return np.asarray(VARIANCE * gaps @ mixture.weak / mixture.sigma**2)


def log_moment(mixture: Mixture, rival: int, t: float, x: Float[np.ndarray, "point dim"]) -> float:
    """Λ(t) against a rival, averaged over given inputs."""
    gap = x @ (mixture.betas[rival] - mixture.gold)
    middle = x @ (mixture.weak - (mixture.betas[rival] + mixture.gold) / 2)
    return float(logsumexp((t * gap * middle + t**2 * gap**2 / 2) / mixture.sigma**2) - np.log(len(x)))


def decay(mixture: Mixture) -> Decay:
    """Drift, rate and tilt against each rival."""
    points = qmc.Sobol(mixture.betas.shape[1], scramble=False).random_base2(QUADRATURE)
    # The sequence starts at a corner of the cube; a shift by half a step moves its points to the cells' centres.
    x = 2 * (points + 0.5 ** (QUADRATURE + 1)) - 1
    drifts, rates, tilts = drift(mixture), [], []
    for rival, towards_target in zip(mixture.rivals.tolist(), drifts, strict=True):
        minimum = minimize_scalar(
            lambda t, k=rival: log_moment(mixture, k, float(t), x), bounds=(0, 1), method="bounded"
        )
        separable = towards_target > 0 and minimum.fun < 0
        rates.append(-minimum.fun if separable else 0.0)
        tilts.append(minimum.x if separable else 0.0)
    return Decay(drifts, np.asarray(rates), np.asarray(tilts))


def risk_bound(mixture: Mixture, expected: Decay, counts: Int[np.ndarray, "count"]) -> Float[np.ndarray, "count"]:
    """The upper bound on the mean excess risk after n demonstrations, for each n, with `mean` and `mode` labels."""
    odds = (mixture.prior[mixture.rivals] / mixture.prior[mixture.target]) ** expected.tilt
    return np.asarray(2 * VARIANCE * np.exp(-counts[:, None] * expected.rate) @ odds)
