"""A Bradley-Terry model of judges with a latent difference per pair: likelihood, gradient, Hessian.

Pair q of systems A and B has a true difference δ of its two texts, in favour of a where it is positive. Systems have
skills θ, and one unit is the standard deviation of the difference over prompts:

    δ_q ~ N(θ_A − θ_B, 1)

Judge j sees x = α_j δ_q + β_j r, where r = 1 if a is shown first, −1 if b is, 0 if the order is not known, and votes

    P(a) = e^(x/2) / Z,    P(b) = e^(−x/2) / Z,    P(tie) = ν_j / Z,    Z = e^(x/2) + e^(−x/2) + ν_j

α_j is the discrimination of the judge, β_j the position bias (log-odds for the first place), and ν_j a propensity to
tie. With one text per system this is the model of Bradley and Terry (1952) with one discrimination per judge (as in
BT-sigma, 2026), ties after Davidson (1970) and an order effect after Davidson and Beaver (1977). A vote with shares of
a, b and tie counts as these fractions of three votes. The likelihood of a pair is the integral over δ, a sum over an
even grid: for a product of logistic functions and a normal density its error falls exponentially in 1 / step.

All parameters of judges are linear in the free ones (`Design`): a centre and a deviation per judge. The Hessian is
exact (Louis 1982): the expected second derivatives of log P(votes, δ), plus the covariance of its first ones, over the
posterior of δ.
"""

from copy import copy
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from outgrow.comparisons import TIE, Comparisons
from outgrow.lazy import sparse

REACH, STEP = 9.0, 0.125
"""The grid of differences: from -9 to 9 standard deviations."""
GRID = np.arange(-round(REACH / STEP), round(REACH / STEP) + 1) * STEP
NEVER = -50.0
"""log ν of a judge that never ties."""
ROWS = 2_000
"""Pairs that are computed at a time."""


class Judges(NamedTuple):
    """The parameters of all judges."""

    log_discrimination: Float[np.ndarray, "judge"]
    bias: Float[np.ndarray, "judge"]
    log_tie: Float[np.ndarray, "judge"]


class Cells:
    """The votes of every pair, summed by cell: a judge and an order of the two texts.

    Two votes in one cell have the same x, so a pair's log-likelihood is linear in the sums.
    """

    def __init__(self, comparisons: Comparisons) -> None:
        self.n_judges, self.n_pairs = len(comparisons.judges), comparisons.n_pairs
        code, cell = np.unique(comparisons.judge * 3 + comparisons.place + 1, return_inverse=True)
        self.judge = np.asarray(code // 3)
        self.place = np.asarray(code % 3 - 1)
        shape = (self.n_pairs, len(code))

        def summed(weights: Float[np.ndarray, "vote"]) -> "sparse.csr_array":
            return sparse.csr_array((weights, (comparisons.pair, cell)), shape=shape)

        self.lead = summed(comparisons.lead / 2)
        self.count = summed(np.ones(comparisons.n_votes))
        self.tie = summed(np.asarray(comparisons.shares[:, TIE]))


class CellChances(NamedTuple):
    """What the judge of each cell would do at each difference of the grid."""

    x: Float[np.ndarray, "cell node"]
    slope: Float[np.ndarray, "cell node"]
    """α δ: the derivative of x by log α."""
    log_z: Float[np.ndarray, "cell node"]
    lead: Float[np.ndarray, "cell node"]
    """(P(a) − P(b)) / 2: the derivative of log Z by x."""
    tie: Float[np.ndarray, "cell node"]
    """P(tie): the derivative of log Z by log ν."""


def chances(cells: Cells, judges: Judges) -> CellChances:
    """The choices of every cell."""
    slope = np.exp(judges.log_discrimination)[cells.judge, None] * GRID
    x = slope + (judges.bias[cells.judge] * cells.place)[:, None]
    log_tie = judges.log_tie[cells.judge, None]
    log_z = np.logaddexp(np.logaddexp(x / 2, -x / 2), log_tie)
    lead = (np.exp(x / 2 - log_z) - np.exp(-x / 2 - log_z)) / 2
    return CellChances(x, slope, log_z, lead, np.exp(log_tie - log_z))


def log_likelihoods(cells: Cells, judges: Judges, found: CellChances) -> Float[np.ndarray, "pair node"]:
    """log P(votes on the pair | δ) at every difference of the grid."""
    ties = cells.tie @ judges.log_tie[cells.judge]
    return np.asarray(cells.lead @ found.x - cells.count @ found.log_z + ties[:, None])


def log_prior(mean: Float[np.ndarray, "pair"], variance: float = 1.0) -> Float[np.ndarray, "pair node"]:
    """log of the normal weight of each difference."""
    scale = np.log(STEP) - np.log(2 * np.pi * variance) / 2
    return np.asarray(scale - (GRID - mean[:, None]) ** 2 / (2 * variance))


def normalised(
    joint: Float[np.ndarray, "pair node"],
) -> tuple[Float[np.ndarray, "pair node"], Float[np.ndarray, "pair"]]:
    """The posterior of δ, and the log of its normaliser."""
    top = joint.max(axis=1, keepdims=True)
    weight = np.exp(joint - top)
    total = weight.sum(axis=1, keepdims=True)
    return weight / total, np.asarray((top + np.log(total))[:, 0])


class Design(NamedTuple):
    """Skills and judges' parameters as linear functions of the free parameters, with a normal prior on these."""

    of_mean: "sparse.csr_array"
    """[pair parameter]: θ_A − θ_B."""
    of_judge: "sparse.csr_array"
    """[3 judge parameter]: all log α, then all β, then all log ν."""
    offset: Float[np.ndarray, "row"]
    """Of judges' parameters, in the order of `of_judge`."""
    prior_mean: Float[np.ndarray, "parameter"]
    prior_sd: Float[np.ndarray, "parameter"]

    def judges(self, free: Float[np.ndarray, "parameter"]) -> Judges:
        return Judges(*np.split(self.of_judge @ free + self.offset, 3))

    def log_prior(self, free: Float[np.ndarray, "parameter"]) -> tuple[float, Float[np.ndarray, "parameter"]]:
        """Its value and gradient."""
        deviation = (free - self.prior_mean) / self.prior_sd
        return -float(deviation @ deviation) / 2, -deviation / self.prior_sd


def some_pairs(cells: Cells, design: Design, rows: slice | Int[np.ndarray, "row"]) -> tuple[Cells, Design]:
    """The votes on some of the pairs."""
    part = copy(cells)
    part.lead, part.count, part.tie = cells.lead[rows], cells.count[rows], cells.tie[rows]
    part.n_pairs = part.lead.shape[0]
    return part, design._replace(of_mean=design.of_mean[rows])


def log_posterior(
    free: Float[np.ndarray, "parameter"], cells: Cells, design: Design
) -> tuple[float, Float[np.ndarray, "parameter"]]:
    """The log of P(votes | parameters) P(parameters), up to a constant, and its gradient."""
    judges = design.judges(free)
    found = chances(cells, judges)
    value, gradient = design.log_prior(free)
    lead, count = np.zeros_like(found.x), np.zeros_like(found.x)
    for rows in blocks(cells.n_pairs):
        part, its_design = some_pairs(cells, design, rows)
        mean = its_design.of_mean @ free
        posterior, log_total = normalised(log_likelihoods(part, judges, found) + log_prior(mean))
        value += float(log_total.sum())
        gradient = gradient + its_design.of_mean.T @ (posterior @ GRID - mean)
        lead += part.lead.T @ posterior
        count += part.count.T @ posterior
    by_x = lead - count * found.lead
    by_tie = np.asarray(cells.tie.sum(axis=0)).ravel() - (count * found.tie).sum(axis=1)
    of_judge = np.concatenate(
        [
            np.bincount(cells.judge, weights, cells.n_judges)
            for weights in ((by_x * found.slope).sum(axis=1), by_x.sum(axis=1) * cells.place, by_tie)
        ]
    )
    return value, gradient + design.of_judge.T @ of_judge


class Curvature(NamedTuple):
    """Second derivatives at a point, and each pair's part of the gradient."""

    information: Float[np.ndarray, "parameter parameter"]
    """Minus the Hessian of the log posterior."""
    scores: "sparse.csr_array"
    """[pair parameter]: the gradient of each pair's log-likelihood."""


def curvature(free: Float[np.ndarray, "parameter"], cells: Cells, design: Design) -> Curvature:
    """Louis's identity: −Hessian = −E[second derivatives] − Cov[first derivatives] over the posterior of δ."""
    judges = design.judges(free)
    found = chances(cells, judges)
    information = np.diag(design.prior_sd**-2.0)
    information += (design.of_mean.T @ design.of_mean).toarray()
    scores = []
    for rows in blocks(cells.n_pairs):
        part, its_design = some_pairs(cells, design, rows)
        mean = its_design.of_mean @ free
        posterior, _ = normalised(log_likelihoods(part, judges, found) + log_prior(mean))
        second = its_design.of_judge.T @ _expected_second(part, found, posterior) @ its_design.of_judge
        first = _first_derivatives(part, found, mean, its_design)
        weight = posterior.ravel()
        products = first.T @ (sparse.diags_array(weight) @ first)
        by_pair = sparse.csr_array((weight, np.arange(len(weight)), np.arange(len(posterior) + 1) * len(GRID)))
        score = sparse.csr_array(by_pair @ first)
        information += (score.T @ score - products - second).toarray()
        scores.append(score)
    return Curvature(information, sparse.csr_array(sparse.vstack(scores)))


def blocks(n_pairs: int) -> list[slice]:
    """The pairs, `ROWS` at a time, which bounds the memory."""
    return [slice(start, min(start + ROWS, n_pairs)) for start in range(0, n_pairs, ROWS)]


def _expected_second(
    cells: Cells, found: CellChances, posterior: Float[np.ndarray, "pair node"]
) -> "sparse.csr_array":
    """E[∂² log P(votes | δ)] by the judges' parameters, summed over pairs: [3 judge, 3 judge]."""
    count = cells.count.T @ posterior
    by_x = cells.lead.T @ posterior - count * found.lead
    decisive = 1 - found.tie
    by_xx = -count * (decisive / 4 - found.lead**2)
    by_xt = count * found.tie * found.lead
    by_tt = -count * found.tie * decisive
    blocks = {
        (0, 0): (by_xx * found.slope**2 + by_x * found.slope).sum(axis=1),
        (0, 1): (by_xx * found.slope).sum(axis=1) * cells.place,
        (1, 1): by_xx.sum(axis=1) * cells.place**2,
        (0, 2): (by_xt * found.slope).sum(axis=1),
        (1, 2): by_xt.sum(axis=1) * cells.place,
        (2, 2): by_tt.sum(axis=1),
    }
    blocks |= {(column, row): value for (row, column), value in blocks.items()}
    rows = np.concatenate([row * cells.n_judges + cells.judge for row, _ in blocks])
    columns = np.concatenate([column * cells.n_judges + cells.judge for _, column in blocks])
    size = 3 * cells.n_judges
    return sparse.csr_array((np.concatenate(list(blocks.values())), (rows, columns)), shape=(size, size))


def _first_derivatives(
    cells: Cells, found: CellChances, mean: Float[np.ndarray, "pair"], design: Design
) -> "sparse.csr_array":
    """∂ log P(votes, δ) by the free parameters at every difference: [pair node, parameter]."""
    lead, count, tie = cells.lead, cells.count, cells.tie
    row = np.repeat(np.arange(count.shape[0]), np.diff(count.indptr))
    cell, nodes = count.indices, np.arange(len(GRID))
    by_x = lead.data[:, None] - count.data[:, None] * found.lead[cell]
    by_tie = tie.data[:, None] - count.data[:, None] * found.tie[cell]
    parts = (by_x * found.slope[cell], by_x * cells.place[cell, None], by_tie)
    place = (row[:, None] * len(GRID) + nodes).ravel()
    columns = [np.repeat(part * cells.n_judges + cells.judge[cell], len(GRID)) for part in range(3)]
    of_judge = sparse.csr_array(
        (np.concatenate([part.ravel() for part in parts]), (np.tile(place, 3), np.concatenate(columns))),
        shape=(count.shape[0] * len(GRID), 3 * cells.n_judges),
    )
    deviation = (GRID - mean[:, None]).ravel()
    of_mean = sparse.kron(design.of_mean, np.ones((len(GRID), 1)), format="csr")
    return sparse.csr_array(sparse.diags_array(deviation) @ of_mean + of_judge @ design.of_judge)
