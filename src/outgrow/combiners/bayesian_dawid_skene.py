"""Dawid and Skene's model with a prior over the sources, intervals, and sources that are not independent.

What differs from `dawid_skene`:

* Matrices are uncertain. They have a hierarchical prior (`source_prior.py`) that is learned from all sources, and the
  E-step uses their expected logarithms: variational Bayes, q(truth) q(matrices) q(balance). Given the prior,
      q(π_s[c, ·]) = Dirichlet(prior row + counts_s[c, ·]),        E ln π = ψ(α) − ψ(Σ α)
* Dependent votes count for less (`dependence.py`). Sources with the same votes everywhere are one source; for pairs
  that look copied, and errors that all sources share, every vote's log-likelihood is multiplied by a weight between
  0 and 1. A source's own matrix is learned from all of its votes.
* Every accuracy has an interval that covers it at the nominal rate if the model holds, few sources or many
  (`accuracy_intervals.py`): it allows for uncertainty of the truth.

The weights for shared errors are estimated after a fit without them and renewed `RENEWALS` times, not to convergence:
with three sources the estimates of uncertainty and of correlation would reinforce one another.

Ours; near relatives are Kim and Ghahramani (2012) and Paun et al. (2018). With two classes, errors that all sources
share look like truth to every method without anchors, and accuracies are too high.
"""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from outgrow.combiners.accuracy_intervals import accuracy_intervals
from outgrow.combiners.combiner_record import (
    AveragedPart,
    CombinerRecord,
    LabelModelSection,
    TableLimits,
    TrustReportOrder,
)
from outgrow.combiners.dependence import (
    MOST_COMPARED,
    Dependence,
    copied_votes,
    duplicate_sources,
    mean_weight,
)
from outgrow.combiners.em import (
    Confusion,
    ExpectationStep,
    Weights,
    by_item,
    expectation_step,
    mean_vote_scores,
    posteriors,
    scores_by,
)
from outgrow.combiners.fit import Fit, accuracy_of, counted_interval
from outgrow.combiners.source_prior import SourcePrior
from outgrow.combiners.votes import Votes
from outgrow.lazy import sparse, special

RENEWALS = 3
DRAWS = 500
CERTAINLY_BALANCED = 1e12
"""A balance that was counted on so many items is fixed."""
TOLERANCE = 1e-5
"""Steps end where the expected counts differ from those before by less than this share."""
MANY_SOURCES, TOLERANCE_OF_MANY = 300, 1e-4
"""The share for more sources than this. With few votes each, hundreds of further rounds change hardly anything."""
ROUNDS = 200
LEAST_CORRELATED = 3
"""Two sources agree because both are right or because they share errors: their votes do not show which."""
WORTH_A_NOTE = 0.1
MOST_NAMED = 12
"""Pairs that a note names."""
TYPICAL_ACCURACY = 0.7
"""The start of every source."""


class BayesianDawidSkene(LabelModelSection):
    """Dawid-Skene with a prior that the sources share; sources that copy count once."""

    type: Literal["bayesian_dawid_skene"]
    correlated: bool = True
    """Look for copies and for errors that all sources share, and reduce the weight of such votes."""


@dataclass(frozen=True, kw_only=True)
class BayesianFit(Fit):
    """`Fit` with the weight of every source's votes; `objective` is ln P(votes) round by round."""

    weight: Float[np.ndarray, "source"]
    """Mean weight of the source's votes, 0 … 1."""
    copied: "sparse.csr_array"
    """For every pair of sources the share of votes that look copied; 1 = the same votes everywhere."""
    shared_difficulty: float
    """Correlation of two sources' errors, copies aside."""


class DirichletPosterior(NamedTuple):
    """q(matrices) and q(balance), as Dirichlet parameters."""

    rows: Confusion
    classes: Float[np.ndarray, "class"]

    @property
    def log_rows(self) -> Confusion:
        return np.asarray(special.psi(self.rows) - special.psi(self.rows.sum(axis=2, keepdims=True)))

    @property
    def log_balance(self) -> Float[np.ndarray, "class"]:
        return np.asarray(special.psi(self.classes) - special.psi(self.classes.sum()))

    @property
    def confusion(self) -> Confusion:
        return np.asarray(self.rows / self.rows.sum(axis=2, keepdims=True))

    @property
    def balance(self) -> Float[np.ndarray, "class"]:
        return np.asarray(self.classes / self.classes.sum())


class FitState(NamedTuple):
    """The prior and the expected counts."""

    prior: SourcePrior
    expected: ExpectationStep
    balanced: bool

    @property
    def posterior(self) -> DirichletPosterior:
        shares = np.full_like(self.expected.shares, CERTAINLY_BALANCED) if self.balanced else self.expected.shares
        return DirichletPosterior(self.prior.rows(len(shares)) + self.expected.counts, shares + 1)


class WeightResult(NamedTuple):
    """The result after all renewals of the weights."""

    state: FitState
    dependence: Dependence
    weights: Weights | None
    trace: tuple[float, ...]
    converged: bool


def fit_bayesian_dawid_skene(
    votes: Votes, *, balanced: bool = False, correlated: bool = True, draws: int = DRAWS
) -> BayesianFit:
    """The posterior of truth, matrices and balance.

    Args:
        balanced: the classes are equally frequent; otherwise their balance is estimated.
        correlated: look for sources that copy and for errors that all share, and reduce the weight of their votes.
        draws: of the accuracies, for the intervals; 0 counts votes instead.
    """
    first, copy_of = duplicate_sources(votes) if correlated else (np.arange(len(votes.sources)),) * 2
    distinct = votes.only(first)
    result = _fit_weights(distinct, balanced, correlated)
    estimate = result.state.posterior
    posterior, log_likelihood = posteriors(
        distinct, scores_by(estimate.log_rows, result.weights), estimate.log_balance
    )
    accuracy = accuracy_of(estimate.confusion, estimate.balance)
    if draws:
        interval = accuracy_intervals(
            distinct, result.state.prior, result.state.expected, result.weights, draws=draws, balanced=balanced
        )
    else:
        interval = counted_interval(accuracy, distinct.n_votes)
    n_same = np.bincount(copy_of)[copy_of]
    fit = BayesianFit(
        sources=votes.sources,
        posterior=by_item(distinct, posterior),
        balance=estimate.balance,
        confusion=estimate.confusion[copy_of],
        accuracy=accuracy[copy_of],
        interval=interval[copy_of],
        log_likelihood=log_likelihood,
        objective=result.trace,
        converged=result.converged,
        weight=mean_weight(distinct, result.weights)[copy_of] / n_same,
        copied=with_duplicates(result.dependence.copied, copy_of),
        shared_difficulty=result.dependence.difficulty,
    )
    few = (f"Copies were looked for among the {MOST_COMPARED} sources with most votes.",)
    return replace(fit, notes=dependence_notes(fit) + (few if correlated and len(first) > MOST_COMPARED else ()))


def fit_bayesian_sample(votes: Votes, rows: Int[np.ndarray, "row"]) -> BayesianFit:
    """Learned from these rows of votes; all items have a posterior, in which votes count with their mean weights."""
    fit = fit_bayesian_dawid_skene(votes.take(rows))
    table = np.log(fit.confusion) * fit.weight[:, None, None]
    posterior, _ = posteriors(votes, scores_by(table), np.log(fit.balance))
    return replace(fit, posterior=by_item(votes, posterior))


def _fit_weights(votes: Votes, balanced: bool, correlated: bool) -> WeightResult:
    """Estimate the sources, then their dependence, and again with other weights."""
    n_sources = len(votes.sources)
    copied = copied_votes(votes) if correlated else sparse.csr_array((n_sources, n_sources))
    dependence = Dependence(copied, 0.0, np.ones(n_sources))
    weights = dependence.weights(votes)
    start = expectation_step(votes, mean_vote_scores(weights), np.zeros(votes.n_classes))
    state = FitState(SourcePrior(np.full(n_sources, TYPICAL_ACCURACY)), start, balanced)
    trace: list[float] = []
    for renewal in range(RENEWALS + 1):
        state, converged = _variational_steps(votes, weights, state, trace)
        if not correlated or n_sources < LEAST_CORRELATED or renewal == RENEWALS:
            break
        estimate = state.posterior
        posterior, _ = posteriors(votes, scores_by(estimate.log_rows, weights), estimate.log_balance)
        dependence = dependence.renewed(votes, weights, posterior, estimate.confusion, estimate.balance)
        weights = dependence.weights(votes)
    return WeightResult(state, dependence, weights, tuple(trace), converged)


def _variational_steps(
    votes: Votes, weights: Weights | None, state: FitState, trace: list[float]
) -> tuple[FitState, bool]:
    """Variational steps with fixed weights, until the counts change no more."""
    source_weight = mean_weight(votes, weights)
    tolerance = TOLERANCE if len(votes.sources) <= MANY_SOURCES else TOLERANCE_OF_MANY
    for _ in range(ROUNDS):
        before = state.expected.counts
        state = state._replace(prior=state.prior.learn(before, source_weight))
        estimate = state.posterior
        expected = expectation_step(votes, scores_by(estimate.log_rows, weights), estimate.log_balance)
        trace.append(expected.log_likelihood)
        state = state._replace(expected=expected)
        if np.abs(expected.counts - before).sum() <= tolerance * before.sum():
            return state, True
    return state, False


def with_duplicates(copied: "sparse.csr_array", copy_of: Int[np.ndarray, "source"]) -> "sparse.csr_array":
    """The shares between all sources from those between distinct ones; 1 between sources with the same votes."""
    n_sources, n_distinct = len(copy_of), int(copied.shape[0])
    ones, each = np.ones(n_sources), np.arange(n_sources)
    is_copy = sparse.csr_array((ones, (each, copy_of)), shape=(n_sources, n_distinct))
    same = is_copy @ is_copy.T - sparse.eye_array(n_sources)
    pairs = sparse.csr_array(is_copy @ copied @ is_copy.T + same)
    pairs.eliminate_zeros()
    return pairs


def dependence_notes(fit: BayesianFit) -> tuple[str, ...]:
    """Sentences on sources that look like copies, and on shared errors."""
    notes = []
    copied = fit.copied.tocoo()
    worth = np.flatnonzero((copied.row < copied.col) & (copied.data > WORTH_A_NOTE))
    if len(worth):
        order = worth[np.argsort(-copied.data[worth], kind="stable")[:MOST_NAMED]]
        pairs = ", ".join(
            f"{fit.sources[i]} and {fit.sources[j]} ({share:.2f})"
            for i, j, share in zip(
                *(part[order].tolist() for part in (copied.row, copied.col, copied.data)), strict=True
            )
        )
        notes.append(f"Pairs of sources that seem to copy, and for what share of their votes: {pairs}.")
    if fit.shared_difficulty > WORTH_A_NOTE:
        notes.append(
            f"The sources' errors are correlated ({fit.shared_difficulty:.2f}): a vote counts"
            f" {fit.weight.mean():.2f} of an independent one on average."
        )
    return tuple(notes)


BAYESIAN_DAWID_SKENE = CombinerRecord(
    BayesianDawidSkene,
    paper="ours; near Kim & Ghahramani 2012, Paun et al. 2018",
    fit=fit_bayesian_dawid_skene,
    without_intervals={"draws": 0},
    compared=TrustReportOrder(
        place=1,
        why="which allows for most: sources of any skill in each class, copies, and doubt about both",
    ),
    averaged=AveragedPart(of_sources="model", of_few="model"),
    # Its time grows with the cube of the number of sources.
    limits=TableLimits(matrices=40_000, sources=500, sampled=1_500_000),
    fit_sample=fit_bayesian_sample,
)
