"""Accelerated expectation-maximisation, run until the parameters change no more.

`em.run_em` stops where a step gains little likelihood, which is enough for labels. To compare a posterior that was
updated with one from all votes, the parameters must have converged. Plain steps take hundreds of passes for that, so
every third is an extrapolation (SQUAREM, Varadhan and Roland 2008): with the expected counts x, r = F(x) − x and
v = F(F(x)) − F(x) − r,

    x' = x + 2 a r + a² v,      a = |r| / |v| >= 1

which is rejected where it lowers the likelihood. Counts below zero are set to zero.

`base` are counts of items that are not read again: only the items in `votes` move then, and what they show of the
sources (Neal and Hinton 1998).
"""

from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float

from outgrow.combiners.em import (
    Confusion,
    ExpectationStep,
    SourceModel,
    expectation_step,
    mean_vote_scores,
    naive_bayes,
)
from outgrow.combiners.votes import Votes

CONVERGED = 1e-10
"""Largest change of a parameter's logarithm in a step at convergence."""
PASSES = 3000
TINY = 1e-300

Model = TypeVar("Model", bound=SourceModel)


class ExpectedCounts(NamedTuple):
    """Expected confusion counts, and how many items have each class."""

    counts: Confusion
    shares: Float[np.ndarray, "class"]

    def plus(self, other: "ExpectedCounts") -> "ExpectedCounts":
        return ExpectedCounts(self.counts + other.counts, self.shares + other.shares)

    def minus(self, other: "ExpectedCounts") -> "ExpectedCounts":
        """Without another's part; rounding leaves nothing below zero."""
        return ExpectedCounts(np.maximum(self.counts - other.counts, 0), np.maximum(self.shares - other.shares, 0))


@dataclass(frozen=True)
class AcceleratedResult:
    """The result of the steps."""

    counted: ExpectedCounts
    passes: int
    """How often the votes were read."""
    converged: bool


class _Step(NamedTuple):
    counts: ExpectedCounts
    objective: float
    """Of the parameters that the step began with."""


def nothing_counted(n_sources: int, n_classes: int) -> ExpectedCounts:
    return ExpectedCounts(np.zeros((n_sources, n_classes, n_classes)), np.zeros(n_classes))


def by_mean_vote(votes: Votes) -> ExpectedCounts:
    """The counts of the mean vote, from which a first estimation starts."""
    expectation = expectation_step(votes, mean_vote_scores(), np.zeros(votes.n_classes))
    return ExpectedCounts(expectation.counts, expectation.shares)


def balance_of(shares: Float[np.ndarray, "class"], smoothing: float) -> Float[np.ndarray, "class"]:
    """The classes' balance with `smoothing` pseudo-items each."""
    counted = shares + max(smoothing, TINY)
    return np.asarray(counted / counted.sum())


def run_em_accelerated(
    votes: Votes, model: Model, smoothing: float, start: ExpectedCounts, base: ExpectedCounts
) -> AcceleratedResult:
    """Steps from `start`, which has `base` in it, until the parameters converge or `PASSES` are done."""

    def step(at: ExpectedCounts) -> _Step:
        learned = model.learn(at.counts)
        balance = balance_of(at.shares, smoothing)
        expected: ExpectationStep = expectation_step(votes, naive_bayes(learned.confusion), np.log(balance))
        prior = learned.log_prior + smoothing * float(np.log(balance).sum())
        return _Step(ExpectedCounts(expected.counts, expected.shares).plus(base), expected.log_likelihood + prior)

    def distance(first: ExpectedCounts, second: ExpectedCounts) -> float:
        before, after = (np.log(np.maximum(model.learn(at.counts).confusion, TINY)) for at in (first, second))
        shares = (np.log(balance_of(at.shares, smoothing)) for at in (first, second))
        return float(max(np.abs(after - before).max(initial=0), np.abs(np.subtract(*shares)).max()))

    at, passes = start, 0
    while passes < PASSES:
        once = step(at)
        twice = step(once.counts)
        passes += 2
        if distance(once.counts, twice.counts) <= CONVERGED:
            return AcceleratedResult(twice.counts, passes, True)
        far = step(_extrapolated(at, once.counts, twice.counts))
        passes += 1
        # With a base the objective is that of the items in `votes` only and cannot be compared: plain steps then.
        accepted = not base.shares.any() and far.objective >= twice.objective
        at = far.counts if accepted else twice.counts
    return AcceleratedResult(at, passes, False)


def _extrapolated(start: ExpectedCounts, first: ExpectedCounts, second: ExpectedCounts) -> ExpectedCounts:
    x, y, z = (np.concatenate([at.counts.ravel(), at.shares]) for at in (start, first, second))
    r, v = y - x, z - 2 * y + x
    length = max(1.0, float(np.linalg.norm(r) / max(float(np.linalg.norm(v)), TINY)))
    far = np.maximum(x + 2 * length * r + length**2 * v, 0)
    n_counts = start.counts.size
    return ExpectedCounts(far[:n_counts].reshape(start.counts.shape), far[n_counts:])
