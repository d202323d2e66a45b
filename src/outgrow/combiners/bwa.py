"""BWA: a Bayesian weighted average of the votes (Li, Rubinstein, Cohn, WWW 2019).

Every class k is judged against the others. With y_isk = 1 where source s votes k on item i (the share of a soft vote),
item i has a score z_ik near every vote on it, and source s has the precision v_sk:

    z_ik = (λ μ_k + Σ_s v_sk y_isk) / (λ + Σ_s v_sk)                  sums over the sources that vote on item i
    v_sk = (a + n_s) / (b_k + Σ_i (z_ik − y_isk)²)                    sum over the n_s items that source s votes on
    μ_k  = mean of z_ik over the items of the table

in turn until z changes by less than `tolerance`; the start is the mean vote. `a` votes at the variance of the mean
vote, b_k = 4 a (1 − 1/K) · mean over the votes of z_ik (1 − z_ik), are what is known of a source beforehand, so that a
source with few votes counts nearly as any other. The posterior is z_ik / Σ_k z_ik. Where gold is known it takes the
place of z.

It is fast, its probabilities are those of a mean vote and seldom too certain, and it has no confusion matrices: a
source that always votes for one class is not discovered as such.
"""

from dataclasses import replace
from typing import Annotated, Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from pydantic import Field

from outgrow.combiners.combiner_record import AveragedPart, CombinerRecord, HardVotesSection
from outgrow.combiners.em import LEAST, ROUNDS, by_column, mean_vote_scores, posterior_of, row_scores
from outgrow.combiners.fit import Fit, fit_of_posterior
from outgrow.combiners.vote_block import Block
from outgrow.combiners.votes import Votes
from outgrow.lazy import sparse

TOLERANCE = 1e-6
"""Largest change of a score at which the iteration stops."""
LEAST_VARIANCE = 1e-6
"""Of the mean votes: sources that all agree leave none, and their precision must be finite."""

Scores = Float[np.ndarray, "row class"]
Precisions = Float[np.ndarray, "source class"]


class Bwa(HardVotesSection):
    """A Bayesian weighted average, one class against the others (Li et al. 2019)."""

    type: Literal["bwa"]
    prior_votes: Annotated[float, Field(gt=0)] = 15.0
    """a: pseudo-votes of every source, with the variance of the mean vote."""
    prior_weight: Annotated[float, Field(gt=0)] = 1.0
    """λ: weight of the class's mean score in the score of an item."""


class Prior(NamedTuple):
    """What is known before the first round."""

    votes: float
    """a"""
    weight: float
    """λ"""
    errors: Float[np.ndarray, "class"]
    """b: the squared errors of the pseudo-votes."""


def fit_bwa(
    votes: Votes,
    *,
    prior_votes: float = 15.0,
    prior_weight: float = 1.0,
    tolerance: float = TOLERANCE,
    rounds: int = ROUNDS,
) -> Fit:
    """The scores at the fixed point as a posterior, and accuracies read off it."""
    votes = votes.without_silence()
    scores, n_rounds, change = _mean_votes(votes), 0, np.inf
    prior = Prior(prior_votes, prior_weight, prior_errors(votes, scores, prior_votes))
    while change > tolerance and n_rounds < rounds:
        before, n_rounds = scores, n_rounds + 1
        scores = new_scores(votes, scores, precisions(votes, scores, prior), prior)
        change = float(np.abs(scores - before).max(initial=0.0))
    fit = fit_of_posterior(votes, np.log(np.maximum(scores, LEAST)))
    return replace(fit, converged=change <= tolerance)


def prior_errors(votes: Votes, scores: Scores, prior_votes: float) -> Float[np.ndarray, "class"]:
    """b_k from the mean votes."""
    n_votes = votes.weight * votes.n_voters
    variance = n_votes @ (scores * (1 - scores)) / max(n_votes.sum(), 1.0)
    return np.asarray(4 * prior_votes * (1 - 1 / votes.n_classes) * np.maximum(variance, LEAST_VARIANCE))


def precisions(votes: Votes, scores: Scores, prior: Prior) -> Precisions:
    """v_sk. The squared errors are summed as z² − 2 z y + y²."""
    shape = len(votes.sources), votes.n_classes
    errors, n_votes = np.zeros(shape), np.zeros(shape[0])
    for block in votes.blocks():
        weight, z = votes.weight[block.rows], scores[block.rows]
        given = _given(block, shape[0])
        products = (block.matrix.T @ (weight[:, None] * z)).reshape(*shape, votes.n_classes)
        squares = (block.matrix.power(2).T @ weight).reshape(shape)
        errors += given.T @ (weight[:, None] * z**2) - 2 * np.einsum("skk->sk", products) + squares
        n_votes += given.T @ weight
    return np.asarray((prior.votes + n_votes[:, None]) / (prior.errors + np.maximum(errors, 0.0)))


def new_scores(votes: Votes, scores: Scores, precision: Precisions, prior: Prior) -> Scores:
    """z_ik from the precisions and the classes' mean scores."""
    mean = votes.items @ scores / max(votes.items.sum(), LEAST)
    columns = by_column(precision[:, None, :] * np.eye(votes.n_classes))
    updated = np.empty_like(scores)
    for block in votes.blocks():
        weights = _given(block, len(votes.sources)) @ precision
        updated[block.rows] = (prior.weight * mean + block.matrix @ columns) / (prior.weight + weights)
    return _with_gold(votes, updated)


def _mean_votes(votes: Votes) -> Scores:
    """Every row's mean vote; the mean of these where no source votes."""
    posterior, _ = posterior_of(row_scores(votes, mean_vote_scores()), np.zeros(votes.n_classes), votes.gold)
    voted = votes.has_vote
    weight = votes.items * voted
    posterior[~voted] = weight @ posterior / max(weight.sum(), LEAST) if weight.any() else 1 / votes.n_classes
    return _with_gold(votes, posterior)


def _with_gold(votes: Votes, scores: Scores) -> Scores:
    known = np.flatnonzero(votes.gold >= 0)
    scores[known] = np.eye(votes.n_classes)[votes.gold[known]]
    return scores


def _given(block: Block, n_sources: int) -> "sparse.csr_array":
    """1 where a source votes on a row: the shares of a soft vote sum to 1."""
    matrix = block.matrix
    return sparse.csr_array((block.share, block.source, matrix.indptr), shape=(matrix.shape[0], n_sources))


BWA = CombinerRecord(
    Bwa,
    paper="Li, Rubinstein, Cohn, WWW 2019",
    deviations="Soft votes by their shares; known gold in place of the score.",
    fit=fit_bwa,
    averaged=AveragedPart(of_sources="steady"),
)
