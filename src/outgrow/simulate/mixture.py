"""A mixture of regressions, where refinement provably beats naive fine-tuning (Somerstep et al., arXiv 2405.16236).

The source, a strong model before alignment, answers y given x by Σ_k a_k N(⟨β_k, x⟩, σ²), with orthonormal β_k and x
uniform on [−1, 1]^d. Wanted is one of its components, β_*. The weak supervisor knows it with a bias: its labels are
⟨β_w, x⟩ + noise, where β_w = β_* + b u and the unit vector u leans evenly to all other components (so that
⟨β_k, β_w⟩ ≥ 0, the paper's condition). A student is a linear predictor b; because x has covariance I/3, its excess
risk is |b − β_*|²/3, exactly.

*Naive fine-tuning* ends on the segment between the source's mean Σ a_k β_k and β_w, however many weak labels there
are. The point of the segment that is nearest to β_* still has a risk: `segment_floor`.

*Refinement* puts n weak labels into the source's context and lets it infer the component. Under implicit Bayesian
inference its belief in k is w_k ∝ a_k exp(−Σ_i (y_i − ⟨β_k, x_i⟩)²/2σ²). How fast it finds the target:

  Put D = ⟨β_k − β_*, x⟩ and M = ⟨β_w − (β_k + β_*)/2, x⟩. One demonstration adds Z = −D (M + σε)/σ² to the log odds
  of * against k. Its mean is the *drift*, (|β_w − β_k|² − |β_w − β_*|²)/6σ² = ⟨β_* − β_k, β_w⟩/3σ².
  The noise integrates out of its moments: Λ_k(t) = log E exp(−tZ) = log E_x exp((t D M + t² D²/2)/σ²).
  Λ_k is convex, Λ_k(0) = 0 with slope −drift, and Λ_k(1) = log E exp(b D ⟨u, x⟩/σ²) ≥ 0 by Jensen's inequality and
  the paper's condition. So with a positive drift the minimum lies at some t_k in (0, 1) and is below zero. Because
  w_k ≤ (w_k/w_*)^t for t in [0, 1], and a mean label's excess risk is at most (2/3) Σ_{k≠*} w_k,

    E[excess risk after n demonstrations] ≤ (2/3) Σ_{k≠*} (a_k/a_*)^{t_k} exp(−n r_k),   r_k = −min_t Λ_k(t).

  This holds for every n, and by Cramér's theorem no larger rate than min r_k is true. (The rate belongs to the *mean*
  risk, which unlucky contexts dominate; in a typical context the log risk falls by twice the drift.)
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
"""Of a coordinate that is uniform on [−1, 1]."""
QUADRATURE = 15
"""Λ is averaged over two to this power points of a Sobol sequence."""


@dataclass(frozen=True)
class Mixture:
    """Who is who: the source's components and shares, which of them is wanted, and the weak supervisor."""

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
        """What the source answers on average."""
        return np.asarray(self.prior @ self.betas)

    @property
    def rivals(self) -> Int[np.ndarray, "rival"]:
        """All components but the target."""
        return np.delete(np.arange(len(self.betas)), self.target)


class Decay(NamedTuple):
    """How fast the target wins against each rival."""

    drift: Float[np.ndarray, "rival"]
    """What a demonstration adds to the log odds, on average."""
    rate: Float[np.ndarray, "rival"]
    """Exponential rate of the mean risk that is due to this rival; 0 if the drift is not positive."""
    tilt: Float[np.ndarray, "rival"]
    """The t at which the bound is best."""


# ---- the world -----------------------------------------------------------------------------------------------


def orthonormal(components: int, dims: int, generator: np.random.Generator) -> Float[np.ndarray, "component dim"]:
    """Random orthonormal directions; the signs that a QR decomposition leaves open are fixed."""
    basis, triangle = np.linalg.qr(generator.standard_normal((dims, components)))
    return np.ascontiguousarray((basis * np.sign(np.diag(triangle))).T)


def biased(betas: Float[np.ndarray, "component dim"], target: int, bias: float) -> Float[np.ndarray, "dim"]:
    """The target, moved by `bias` evenly towards all other components."""
    others = np.delete(betas, target, axis=0)
    return np.asarray(betas[target] + bias * others.sum(axis=0) / np.sqrt(len(others)))


def excess_risk(
    student: Float[np.ndarray, "*batch dim"], gold: Float[np.ndarray, "dim"]
) -> Float[np.ndarray, "*batch"]:
    """E_x ⟨student − gold, x⟩²."""
    return np.asarray(VARIANCE * np.square(student - gold).sum(axis=-1))


def segment_floor(mixture: Mixture) -> float:
    """The lowest excess risk between the source's mean and the weak supervisor: what no shrinking gets below.

    The mean of a `shrunken` student lies between these two exactly, with any number of labels and any penalty (the
    inputs do not change when coordinates swap places or signs), and by Jensen's inequality its mean risk is at least
    its mean's. The floor is at least 1/(1/W + 1/S), with W and S the risks of the two ends, for their errors point
    to the same side.
    """
    along = mixture.source - mixture.weak
    length = float(along @ along)
    share = 0.0 if length == 0 else float(np.clip((mixture.gold - mixture.weak) @ along / length, 0, 1))
    return float(excess_risk(mixture.weak + share * along, mixture.gold))


# ---- students ------------------------------------------------------------------------------------------------


def log_posterior(
    mixture: Mixture,
    x: Float[np.ndarray, "rep item dim"],
    y: Float[np.ndarray, "rep item"],
    counts: Int[np.ndarray, "count"],
) -> Float[np.ndarray, "rep count component"]:
    """The log of the source's belief in each component after the first n labels of a context, for every n."""
    fits = -np.square(y[..., None] - x @ mixture.betas.T) / (2 * mixture.sigma**2)
    belief = np.log(mixture.prior) + np.cumsum(fits, axis=1)[:, counts - 1]
    return np.asarray(belief - logsumexp(belief, axis=-1, keepdims=True))


def refined_labels(
    belief: Float[np.ndarray, "rep count component"],
    answers: Float[np.ndarray, "rep item component"],
    refine: Refine,
    generator: np.random.Generator,
) -> Float[np.ndarray, "rep count item"]:
    """The source's labels of new items, given its log belief and each component's answers.

    `mean`: averaged over the belief. `mode`: the most probable component's. `draw`: for every item the answer of a
    component drawn from the belief; only this needs the generator.
    """
    if refine == "mean":
        return np.asarray(np.exp(belief) @ answers.swapaxes(1, 2))
    items = np.arange(answers.shape[1])
    repetitions = np.arange(len(answers))[:, None, None]
    if refine == "mode":
        return np.asarray(answers[repetitions, items, belief.argmax(axis=-1)[..., None]])
    steps = np.cumsum(np.exp(belief), axis=-1)[:, :, None, :-1]
    drawn = (generator.random((*belief.shape[:2], len(items), 1)) > steps).sum(axis=-1)
    return np.asarray(answers[repetitions, items, drawn])


def least_squares(
    x: Float[np.ndarray, "rep item dim"], labels: Float[np.ndarray, "rep count item"]
) -> Float[np.ndarray, "rep count dim"]:
    """A linear student of each set of labels on the same items."""
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


# ---- what theory expects -------------------------------------------------------------------------------------


def drift(mixture: Mixture) -> Float[np.ndarray, "rival"]:
    """⟨β_* − β_k, β_w⟩/3σ² for every rival k."""
    gaps = mixture.gold - mixture.betas[mixture.rivals]
    return np.asarray(VARIANCE * gaps @ mixture.weak / mixture.sigma**2)


def log_moment(mixture: Mixture, rival: int, t: float, x: Float[np.ndarray, "point dim"]) -> float:
    """Λ(t) against a rival, averaged over given inputs."""
    gap = x @ (mixture.betas[rival] - mixture.gold)
    middle = x @ (mixture.weak - (mixture.betas[rival] + mixture.gold) / 2)
    return float(logsumexp((t * gap * middle + t**2 * gap**2 / 2) / mixture.sigma**2) - np.log(len(x)))


def decay(mixture: Mixture) -> Decay:
    """Drift, rate and tilt against every rival."""
    points = qmc.Sobol(mixture.betas.shape[1], scramble=False).random_base2(QUADRATURE)
    # The sequence begins at a corner of the cube; half a step moves its points into the middle of their cells.
    x = 2 * (points + 0.5 ** (QUADRATURE + 1)) - 1
    drifts, rates, tilts = drift(mixture), [], []
    for rival, towards_target in zip(mixture.rivals.tolist(), drifts, strict=True):
        best = minimize_scalar(lambda t, k=rival: log_moment(mixture, k, float(t), x), bounds=(0, 1), method="bounded")
        separable = towards_target > 0 and best.fun < 0
        rates.append(-best.fun if separable else 0.0)
        tilts.append(best.x if separable else 0.0)
    return Decay(drifts, np.asarray(rates), np.asarray(tilts))


def risk_bound(mixture: Mixture, expected: Decay, counts: Int[np.ndarray, "count"]) -> Float[np.ndarray, "count"]:
    """The bound above on the mean excess risk after n demonstrations, for every n; of `mean` and of `mode` labels."""
    odds = (mixture.prior[mixture.rivals] / mixture.prior[mixture.target]) ** expected.tilt
    return np.asarray(2 * VARIANCE * np.exp(-counts[:, None] * expected.rate) @ odds)
