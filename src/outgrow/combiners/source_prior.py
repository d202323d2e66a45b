"""A hierarchical prior of confusion matrices, learned from all sources.

Three levels: a source with few votes is shrunk to the others, one with many is estimated from its own, and a matrix
departs from uniform errors only as far as its votes show:

    all sources  accuracies m_s ~ Beta(S μ, S (1 − μ))                  mean μ and concentration S are learned
    a source     rows π_s[c, ·] ~ Dirichlet(τ · (m_s at c, (1 − m_s)/(K − 1) elsewhere))        τ is learned
    its votes    ~ π_s[c, ·]

μ, S and τ are posterior means over grids (of logarithms for S and τ), m_s the mean of a beta distribution: closed
forms everywhere. A row's n votes are worth n τ / (n + τ) independent ones for m_s, since rows differ from one
another. μ is at least chance, which keeps the classes from swapping their names, and log-normal priors around
`TYPICAL_…` keep S and τ finite when there are few sources.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from outgrow.combiners.em import Confusion
from outgrow.lazy import special

SPREADS = np.geomspace(0.5, 2000, 24)
"""Grid of τ."""
CONCENTRATIONS = np.geomspace(1, 200, 14)
"""Grid of S."""
BEST_MEAN = 0.99
MEANS = 16
"""Grid of μ: so many steps from chance, which is not in it, to `BEST_MEAN`."""
TYPICAL_SPREAD = (20.0, 1.5)
TYPICAL_CONCENTRATION = (8.0, 1.0)
"""Median, and variance of the logarithm, a priori."""
LEAST_ACCURACY = 1e-3
MOST_SOURCES = 300
"""Sources that μ, S and τ are learned from; more hardly change three numbers."""


@dataclass(frozen=True)
class SourcePrior:
    """The parameters of the prior."""

    accuracy: Float[np.ndarray, "source"]
    """m_s."""
    spread: float = 20.0
    """τ."""

    def rows(self, n_classes: int) -> Confusion:
        """The Dirichlet parameters of every row of every source's matrix."""
        wrong = ((1 - self.accuracy) / (n_classes - 1))[:, None, None]
        return np.asarray(self.spread * np.where(np.eye(n_classes, dtype=bool), self.accuracy[:, None, None], wrong))

    def learn(self, counts: Confusion, weight: Float[np.ndarray, "source"]) -> "SourcePrior":
        """The prior after expected counts; a source counts with `weight` for the levels above."""
        few, share = some_sources(counts.sum(axis=(1, 2)), weight)
        sampled = replace(self, accuracy=self.accuracy[few])
        height = [float(share @ sampled._log_likelihood(counts[few], spread)) for spread in SPREADS]
        spread = np.exp(_mean_on(np.log(SPREADS), np.asarray(height) + _typical(SPREADS, *TYPICAL_SPREAD)))
        right, wrong = right_and_wrong(counts, float(spread))
        grid = mean_grid(right, wrong, weight, counts.shape[1])
        mean = _mean_on(grid.mean, grid.height)
        size = np.exp(_mean_on(np.log(grid.concentration), grid.height))
        accuracy = (mean * size + right) / (size + right + wrong)
        return SourcePrior(np.clip(accuracy, LEAST_ACCURACY, 1 - LEAST_ACCURACY), float(spread))

    def _log_likelihood(self, counts: Confusion, spread: float) -> Float[np.ndarray, "source"]:
        """ln P(counts) of every source as a Dirichlet–multinomial, at its present m_s."""
        prior = replace(self, spread=spread).rows(counts.shape[1])
        rows = special.gammaln(spread) - special.gammaln(spread + counts.sum(axis=2))
        return np.asarray((rows + (special.gammaln(prior + counts) - special.gammaln(prior)).sum(axis=2)).sum(axis=1))


class MeanGrid(NamedTuple):
    """The mean μ and concentration S on a grid, flattened, with log-posterior heights."""

    mean: Float[np.ndarray, "point"]
    concentration: Float[np.ndarray, "point"]
    height: Float[np.ndarray, "point"]


def mean_grid(
    right: Float[np.ndarray, "source"],
    wrong: Float[np.ndarray, "source"],
    weight: Float[np.ndarray, "source"],
    n_classes: int,
) -> MeanGrid:
    """How well every (μ, S) explains so many right and wrong votes, as a beta–binomial; of `some_sources`."""
    few, share = some_sources(right + wrong, weight)
    right, wrong = right[few], wrong[few]
    means = np.linspace(1 / n_classes, BEST_MEAN, MEANS + 1)[1:]
    mean, size = (points.ravel() for points in np.meshgrid(means, CONCENTRATIONS, indexing="ij"))
    above, below = mean * size, (1 - mean) * size
    height = special.betaln(above + right[:, None], below + wrong[:, None]) - special.betaln(above, below)
    return MeanGrid(mean, size, share @ height + _typical(size, *TYPICAL_CONCENTRATION))


def some_sources(
    n_votes: Float[np.ndarray, "source"], weight: Float[np.ndarray, "source"]
) -> tuple[Int[np.ndarray, "kept"], Float[np.ndarray, "kept"]]:
    """All sources and their weights, or `MOST_SOURCES` of them, from few votes to many, with as much weight in sum."""
    if len(n_votes) <= MOST_SOURCES:
        return np.arange(len(n_votes)), weight
    order = np.argsort(n_votes, kind="stable")
    few = order[np.linspace(0, len(order) - 1, MOST_SOURCES).round().astype(int)]
    return few, weight[few] * (weight.sum() / max(float(weight[few].sum()), LEAST_ACCURACY))


def right_and_wrong(
    counts: Confusion, spread: float
) -> tuple[Float[np.ndarray, "source"], Float[np.ndarray, "source"]]:
    """How many independent right and wrong votes a source's rows are worth for its m_s."""
    n = counts.sum(axis=2)
    right = np.einsum("scc->sc", counts)
    worth = spread / (n + spread)
    return (right * worth).sum(axis=1), ((n - right) * worth).sum(axis=1)


def _mean_on(values: Float[np.ndarray, "point"], height: Float[np.ndarray, "point"]) -> float:
    """The mean of `values` under the density exp(height)."""
    return float(special.softmax(height) @ values)


def _typical(values: Float[np.ndarray, "point"], median: float, variance: float) -> Float[np.ndarray, "point"]:
    return np.asarray(-(np.log(values / median) ** 2) / (2 * variance))
