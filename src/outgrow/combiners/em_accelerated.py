"""Expectation-maximisation to the end: until the posterior would not move any more.

`expectation.climb` stops where a step gains little likelihood, which is all that labels need. To say that two ways to
the same votes give the same posterior to 1e-6, one has to go on until the parameters rest. Plain steps take hundreds
of passes for that, so every third is a leap (SQUAREM, Varadhan and Roland 2008): with the expected counts x,
r = F(x) − x and v = F(F(x)) − F(x) − r,

    x' = x + 2 a r + a² v,      a = |r| / |v| >= 1

which is taken back where it lowers the likelihood. Counts below zero are set to zero.

`base` are counts of items that are not looked at: with them the climb moves only the items in `votes` and what they
tell of the sources (Neal and Hinton 1998).
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

RESTS = 1e-10
"""Largest change of a parameter's logarithm in a step that counts as none."""
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
    """Where the steps came to rest."""

    counted: ExpectedCounts
    passes: int
    """How often the votes were read."""
    converged: bool


class _Step(NamedTuple):
    found: ExpectedCounts
    objective: float
    """Of the parameters that the step began with."""


def nothing_counted(n_sources: int, n_classes: int) -> ExpectedCounts:
    return ExpectedCounts(np.zeros((n_sources, n_classes, n_classes)), np.zeros(n_classes))


def by_mean_vote(votes: Votes) -> ExpectedCounts:
    """The counts that a cold climb starts from."""
    found = expectation_step(votes, mean_vote_scores(votes), np.zeros(votes.n_classes))
    return ExpectedCounts(found.counts, found.shares)


def balance_of(shares: Float[np.ndarray, "class"], smoothing: float) -> Float[np.ndarray, "class"]:
    """The classes' balance with `smoothing` pseudo-items each."""
    counted = shares + max(smoothing, TINY)
    return np.asarray(counted / counted.sum())


def run_em_accelerated(
    votes: Votes, model: Model, smoothing: float, start: ExpectedCounts, base: ExpectedCounts
) -> AcceleratedResult:
    """Steps from `start`, which has `base` in it, until the parameters rest or `PASSES` are done."""

    def step(at: ExpectedCounts) -> _Step:
        learnt = model.learn(at.counts)
        balance = balance_of(at.shares, smoothing)
        found: ExpectationStep = expectation_step(votes, naive_bayes(learnt.confusion), np.log(balance))
        prior = learnt.log_prior + smoothing * float(np.log(balance).sum())
        return _Step(ExpectedCounts(found.counts, found.shares).plus(base), found.log_likelihood + prior)

    def moved(one: ExpectedCounts, other: ExpectedCounts) -> float:
        before, after = (np.log(np.maximum(model.learn(at.counts).confusion, TINY)) for at in (one, other))
        shares = (np.log(balance_of(at.shares, smoothing)) for at in (one, other))
        return float(max(np.abs(after - before).max(initial=0), np.abs(np.subtract(*shares)).max()))

    at, passes = start, 0
    while passes < PASSES:
        first = step(at)
        second = step(first.found)
        passes += 2
        if moved(first.found, second.found) <= RESTS:
            return AcceleratedResult(second.found, passes, True)
        far = _leap(at, first.found, second.found)
        landed = step(far)
        passes += 1
        # With a base the objective is that of the looked-at items only, and no guide: plain steps then.
        guided = not base.shares.any() and landed.objective >= second.objective
        at = landed.found if guided else second.found
    return AcceleratedResult(at, passes, False)


def _leap(start: ExpectedCounts, first: ExpectedCounts, second: ExpectedCounts) -> ExpectedCounts:
    x, y, z = (np.concatenate([at.counts.ravel(), at.shares]) for at in (start, first, second))
    r, v = y - x, z - 2 * y + x
    length = max(1.0, float(np.linalg.norm(r) / max(float(np.linalg.norm(v)), TINY)))
    far = np.maximum(x + 2 * length * r + length**2 * v, 0)
    n_counts = start.counts.size
    return ExpectedCounts(far[:n_counts].reshape(start.counts.shape), far[n_counts:])
