"""The mode of the model of judges, its uncertainty, and the preference of every pair.

The covariance of the parameters is that of clustered data: with I = −Hessian, g_p the gradient of prompt p,
n prompts, and Λ the precision of the priors,

    V = I⁻¹ (n / (n − 1) Σ_p g_p g_pᵀ + Λ) I⁻¹

so that several pairs of one prompt, whose texts recur, are not taken for independent ones. An interval is
± 1.96 √ of the larger of V and I⁻¹.

The soft preference of a pair is P(δ > 0 | its votes). Its prior is N(0, 1 + mean of (θ_A − θ_B)²), the same for every
pair, so that a label does not repeat the ranking; `by_skill` takes N(θ_A − θ_B, 1).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from outgrow.comparisons import Comparisons
from outgrow.lazy import optimize, sparse
from outgrow.preferences.design import constant_judges, design_of
from outgrow.preferences.judge_model import (
    GRID,
    Cells,
    Design,
    Judges,
    blocks,
    chances,
    curvature,
    log_likelihoods,
    log_posterior,
    log_prior,
    normalised,
    some_pairs,
)

ROUNDS, TOLERANCE = 2_000, 1e-13
FIRST_LOOK, SEED = 2_000, 0
"""Pairs that are fitted first where there are more than twice as many."""
Z95 = 1.959964
HALF = np.where(GRID == 0, 0.5, GRID > 0)
"""The weight of each difference in P(δ > 0)."""


class PairPosterior(NamedTuple):
    """The true difference of each pair, given its votes."""

    preference: Float[np.ndarray, "pair"]
    """P(a is better)."""
    difference: Float[np.ndarray, "pair"]
    """Its mean, positive for a."""


@dataclass(frozen=True, eq=False)
class PairFit:
    """The model at its mode."""

    comparisons: Comparisons
    design: Design
    free: Float[np.ndarray, "parameter"]
    model_variance: Float[np.ndarray, "parameter parameter"]
    """I⁻¹"""
    variance: Float[np.ndarray, "parameter parameter"]
    """V"""
    constant: Bool[np.ndarray, "judge"]
    """Judges that always make the same choice."""

    @cached_property
    def judges(self) -> Judges:
        return self.design.judges(self.free)

    @property
    def skill(self) -> Float[np.ndarray, "system"]:
        """Skills with the sum 0, in standard deviations of a pair's difference; empty without systems."""
        skill = self.free[: self._n_systems]
        return np.asarray(skill - skill.mean()) if len(skill) else skill

    @property
    def skill_variances(self) -> list[Float[np.ndarray, "system system"]]:
        """Of the centred skills: by the model, and clustered by prompt."""
        n = self._n_systems
        centred = np.eye(n) - 1 / max(n, 1)
        return [centred @ variance[:n, :n] @ centred for variance in (self.model_variance, self.variance)]

    @property
    def judge_sd(self) -> Judges:
        """The standard errors of the judges' parameters."""
        matrix = self.design.of_judge
        variances = [
            np.asarray((matrix @ variance * matrix.toarray()).sum(axis=1))
            for variance in (self.model_variance, self.variance)
        ]
        return Judges(*np.split(np.sqrt(np.maximum(*variances)), 3))

    @property
    def _n_systems(self) -> int:
        return len(self.comparisons.systems) if self.comparisons.has_systems else 0

    def posterior(self, *, by_skill: bool = False) -> PairPosterior:
        """What the votes on each pair say of it."""
        lead = self.design.of_mean @ self.free
        mean = lead if by_skill else np.zeros(len(lead))
        variance = 1.0 if by_skill else 1.0 + float((lead**2).mean())
        cells = Cells(self.comparisons)
        found = chances(cells, self.judges)
        parts = []
        for rows in blocks(cells.n_pairs):
            part, _ = some_pairs(cells, self.design, rows)
            joint = log_likelihoods(part, self.judges, found) + log_prior(mean[rows], variance)
            parts.append(normalised(joint)[0] @ np.stack([HALF, GRID], axis=1))
        return PairPosterior(*np.concatenate(parts).T)


def fit_pairs(comparisons: Comparisons) -> PairFit:
    """The mode, and its covariances. The priors keep every parameter finite."""
    constant = constant_judges(comparisons)
    design = design_of(comparisons, constant, _median_of_others(comparisons, constant))
    cells = Cells(comparisons)
    free = mode(cells, design)
    model_variance, variance = variances(free, cells, design, comparisons)
    return PairFit(comparisons, design, free, model_variance, variance, constant)


def _median_of_others(comparisons: Comparisons, constant: Bool[np.ndarray, "judge"]) -> float | None:
    """The median log discrimination of the judges that do not always say the same, from their votes alone; None if all
    judges do, or none does."""
    if not constant.any() or constant.all():
        return None
    others = comparisons.only(~constant[comparisons.judge])
    design = design_of(others, constant, None)
    free = mode(Cells(others), design)
    return float(np.median(design.judges(free).log_discrimination[~constant]))


def mode(cells: Cells, design: Design) -> Float[np.ndarray, "parameter"]:
    """The free parameters of the highest posterior.

    Of many pairs, a random part is fitted first: its mode is the start, and its curvature the unit of every direction,
    so that a fifth of the steps suffice.
    """
    if cells.n_pairs <= 2 * FIRST_LOOK:
        return climbed(cells, design, design.prior_mean, np.eye(len(design.prior_mean)))
    rows = np.sort(np.random.default_rng(SEED).permutation(cells.n_pairs)[:FIRST_LOOK])
    part, its_design = some_pairs(cells, design, rows)
    start = climbed(part, its_design, design.prior_mean, np.eye(len(design.prior_mean)))
    prior = np.diag(design.prior_sd**-2.0)
    information = prior + (curvature(start, part, its_design).information - prior) * (cells.n_pairs / len(rows))
    values, vectors = np.linalg.eigh(information)
    return climbed(cells, design, start, vectors / np.sqrt(np.maximum(values, values.max() * 1e-9)))


def climbed(
    cells: Cells,
    design: Design,
    start: Float[np.ndarray, "parameter"],
    directions: Float[np.ndarray, "parameter parameter"],
) -> Float[np.ndarray, "parameter"]:
    """The highest point from a start, by L-BFGS with the exact gradient in units of the `directions`."""

    def loss(steps: Float[np.ndarray, "parameter"]) -> tuple[float, Float[np.ndarray, "parameter"]]:
        value, gradient = log_posterior(start + directions @ steps, cells, design)
        return -value, -(gradient @ directions)

    options = {"maxiter": ROUNDS, "maxfun": 2 * ROUNDS, "ftol": TOLERANCE, "gtol": 1e-6, "maxcor": 20}
    found = optimize.minimize(loss, np.zeros(len(start)), jac=True, method="L-BFGS-B", options=options)
    return np.asarray(start + directions @ found.x, dtype=np.float64)


def variances(
    free: Float[np.ndarray, "parameter"], cells: Cells, design: Design, comparisons: Comparisons
) -> tuple[Float[np.ndarray, "parameter parameter"], Float[np.ndarray, "parameter parameter"]]:
    """I⁻¹ and V."""
    information, scores = curvature(free, cells, design)
    n, n_pairs = len(comparisons.items), comparisons.n_pairs
    of_prompt = sparse.csr_array((np.ones(n_pairs), (comparisons.pair_item, np.arange(n_pairs))), shape=(n, n_pairs))
    by_prompt = of_prompt @ scores
    inverse = np.linalg.pinv(information, hermitian=True)
    meat = (by_prompt.T @ by_prompt).toarray() * (n / max(n - 1, 1)) + np.diag(design.prior_sd**-2.0)
    return inverse, inverse @ meat @ inverse
