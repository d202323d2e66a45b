"""Dawid and Skene's model with a prior over the sources, intervals, and witnesses that are not independent.

What differs from `dawid_skene`:

* Matrices are uncertain. They have a hierarchical prior (`source_prior.py`) that is learnt from all sources, and the
  E-step uses their expected logarithms: variational Bayes, q(truth) q(matrices) q(balance). Given the prior,
      q(π_s[c, ·]) = Dirichlet(prior row + counts_s[c, ·]),        E ln π = ψ(α) − ψ(Σ α)
* What several sources say counts as much as they tell (`dependence.py`). Sources with the same votes everywhere are
  one source; pairs that look copied, and errors that all sources share, temper every vote's log-likelihood by a
  weight between 0 and 1. A source's own matrix is learnt from all of its votes.
* Every accuracy has an interval that covers it at the nominal rate if the model holds, few sources or many
  (`accuracy_intervals.py`): it allows for the truth being in doubt.

The weights for shared errors are found after a climb without them and renewed `RENEWALS` times, not to the end: to
take the last doubt for correlation, and the correlation for doubt, is self-fulfilling with three sources.

Ours; near relatives are Kim and Ghahramani (2012) and Paun et al. (2018). Two classes whose errors all sources share
look like truth to every method without anchors: accuracies come out too high then.
"""

from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import psi

from outgrow.combiners.accuracy_intervals import accuracy_intervals
from outgrow.combiners.dependence import Dependence, copying, mean_weight
from outgrow.combiners.em import (
    Confusion,
    ExpectationStep,
    Weights,
    by_item,
    expectation_step,
    mean_vote_scores,
    read,
    scores_by,
)
from outgrow.combiners.fit import MOST_NAMED, Fit, accuracy_of, counted_interval, targets_of
from outgrow.combiners.pairwise_agreement import Pairs, agreement
from outgrow.combiners.source_prior import SourcePrior
from outgrow.combiners.votes import Votes
from outgrow.labels import Anchors, Targets, WeakLabels

RENEWALS = 3
DRAWS = 500
CERTAINLY_BALANCED = 1e12
"""A balance that was counted on so many items does not move."""
TOLERANCE = 1e-5
"""A climb ends where the expected counts of one step differ from the last ones' by less than this share."""
ROUNDS = 200
LEAST_WITNESSES = 3
"""Two sources agree by truth or by shared errors: nothing shows which."""
LEAST_TWINS = 20
"""Sources that agree on all of so many votes, and are silent together, are one source."""
WORTH_TELLING = 0.1
TYPICAL_ACCURACY = 0.7
"""Where every source starts."""


def bayesian_dawid_skene(
    labels: WeakLabels,
    anchors: Anchors | None = None,
    balanced: bool = False,
    hard: bool = False,
    correlated: bool = True,
) -> Targets:
    """One posterior row per item with a vote.

    Args:
        balanced: the classes are equally frequent; otherwise their balance is estimated.
        hard: take every source's most probable class for its vote.
        correlated: look for sources that copy and for errors that all share, and count their votes for less.
    """
    votes = Votes.of(labels, anchors, hard=hard)
    fit = fit_bayesian_dawid_skene(votes, balanced=balanced, correlated=correlated, draws=0)
    targets = targets_of(labels, votes, fit, "Bayesian Dawid–Skene")
    return replace(targets, origin=(*targets.origin, *dependence_told(fit)))


@dataclass(frozen=True, kw_only=True)
class BayesianFit(Fit):
    """What `Fit` says, and how much every source's votes count; `objective` is ln P(votes) round by round."""

    weight: Float[np.ndarray, "source"]
    """Mean weight of the source's votes, 0 … 1."""
    copied: Pairs
    """For every pair the share of votes that look copied; 1 = the same votes everywhere."""
    shared_difficulty: float
    """Correlation of two sources' errors, copies aside."""


class DirichletPosterior(NamedTuple):
    """q(matrices) and q(balance), as Dirichlet parameters."""

    rows: Confusion
    classes: Float[np.ndarray, "class"]

    @property
    def log_rows(self) -> Confusion:
        return np.asarray(psi(self.rows) - psi(self.rows.sum(axis=2, keepdims=True)))

    @property
    def log_balance(self) -> Float[np.ndarray, "class"]:
        return np.asarray(psi(self.classes) - psi(self.classes.sum()))

    @property
    def confusion(self) -> Confusion:
        return np.asarray(self.rows / self.rows.sum(axis=2, keepdims=True))

    @property
    def balance(self) -> Float[np.ndarray, "class"]:
        return np.asarray(self.classes / self.classes.sum())


class FitState(NamedTuple):
    """Where the learning stands: the prior, and what the votes are expected to show."""

    prior: SourcePrior
    expected: ExpectationStep
    balanced: bool

    @property
    def belief(self) -> DirichletPosterior:
        shares = np.full_like(self.expected.shares, CERTAINLY_BALANCED) if self.balanced else self.expected.shares
        return DirichletPosterior(self.prior.rows(len(shares)) + self.expected.counts, shares + 1)


class WeightResult(NamedTuple):
    """Where the renewals of the weights ended."""

    stand: FitState
    dependence: Dependence
    weights: Weights | None
    trace: tuple[float, ...]
    converged: bool


def fit_bayesian_dawid_skene(
    votes: Votes, *, balanced: bool = False, correlated: bool = True, draws: int = DRAWS
) -> BayesianFit:
    """The posterior of truth, matrices and balance; `draws` of the accuracies make the intervals, 0 counts votes."""
    first, twin_of = twins(votes) if correlated else (np.arange(len(votes.sources)),) * 2
    alone = votes.only(first)
    end = _learn(alone, balanced, correlated)
    belief = end.stand.belief
    posterior, log_likelihood = read(alone, scores_by(belief.log_rows, end.weights), belief.log_balance)
    accuracy = accuracy_of(belief.confusion, belief.balance)
    interval = (
        accuracy_intervals(alone, end.stand.prior, end.stand.expected, end.weights, draws=draws, balanced=balanced)
        if draws
        else counted_interval(accuracy, alone.n_votes)
    )
    twin = twin_of[:, None] == twin_of
    return BayesianFit(
        sources=votes.sources,
        posterior=by_item(alone, posterior),
        balance=belief.balance,
        confusion=belief.confusion[twin_of],
        accuracy=accuracy[twin_of],
        interval=interval[twin_of],
        log_likelihood=log_likelihood,
        objective=end.trace,
        converged=end.converged,
        weight=mean_weight(alone, end.weights)[twin_of] / twin.sum(axis=1),
        copied=np.where(twin, 1.0, end.dependence.copied[np.ix_(twin_of, twin_of)]) * ~np.eye(len(twin), dtype=bool),
        shared_difficulty=end.dependence.difficulty,
    )


def twins(votes: Votes) -> tuple[Int[np.ndarray, "kept"], Int[np.ndarray, "source"]]:
    """One of all sources that say the same everywhere, and for every source which of those kept speaks for it."""
    seen: dict[object, int] = {}
    twin_of = []
    for number, n_votes in enumerate(votes.n_votes.tolist()):
        same = blake2b(np.ascontiguousarray(votes.heard[:, number]).data).digest()
        twin_of.append(seen.setdefault(same if n_votes >= LEAST_TWINS else number, len(seen)))
    return np.unique(twin_of, return_index=True)[1], np.asarray(twin_of)


def _learn(votes: Votes, balanced: bool, correlated: bool) -> WeightResult:
    """Climb, look how the sources depend on one another, and climb again with other weights."""
    n_sources = len(votes.sources)
    nobody = np.zeros((n_sources, n_sources))
    copied = copying(agreement(votes)) if correlated and n_sources > 1 else nobody
    dependence = Dependence(copied, 0.0, np.ones(n_sources))
    weights = dependence.weights(votes)
    start = expectation_step(votes, mean_vote_scores(votes, weights), np.zeros(votes.n_classes))
    stand = FitState(SourcePrior(np.full(n_sources, TYPICAL_ACCURACY)), start, balanced)
    trace: list[float] = []
    for renewal in range(RENEWALS + 1):
        stand, converged = _climb(votes, weights, stand, trace)
        if not correlated or n_sources < LEAST_WITNESSES or renewal == RENEWALS:
            break
        belief = stand.belief
        posterior, _ = read(votes, scores_by(belief.log_rows, weights), belief.log_balance)
        dependence = dependence.renewed(votes, weights, posterior, belief.confusion, belief.balance)
        weights = dependence.weights(votes)
    return WeightResult(stand, dependence, weights, tuple(trace), converged)


def _climb(votes: Votes, weights: Weights | None, stand: FitState, trace: list[float]) -> tuple[FitState, bool]:
    """Variational steps with fixed weights, until the counts settle."""
    counted = mean_weight(votes, weights)
    for _ in range(ROUNDS):
        before = stand.expected.counts
        stand = stand._replace(prior=stand.prior.learn(before, counted))
        belief = stand.belief
        found = expectation_step(votes, scores_by(belief.log_rows, weights), belief.log_balance)
        trace.append(found.log_likelihood)
        stand = stand._replace(expected=found)
        if np.abs(found.counts - before).sum() <= TOLERANCE * before.sum():
            return stand, True
    return stand, False


def dependence_told(fit: BayesianFit) -> tuple[str, ...]:
    """Sentences on who looks like a copy of whom, and on shared errors."""
    told = []
    one, other = np.nonzero(np.triu(fit.copied) > WORTH_TELLING)
    if len(one):
        order = np.argsort(-fit.copied[one, other], kind="stable")[:MOST_NAMED].tolist()
        named = (
            f"{fit.sources[one[k]]} and {fit.sources[other[k]]} ({fit.copied[one[k], other[k]]:.2f})" for k in order
        )
        told.append(f"Pairs of sources that seem to copy, and for what share of their votes: {', '.join(named)}.")
    if fit.shared_difficulty > WORTH_TELLING:
        told.append(
            f"The sources' errors go together (correlation {fit.shared_difficulty:.2f}): a vote counts"
            f" {fit.weight.mean():.2f} of an independent one on average."
        )
    return tuple(told)
