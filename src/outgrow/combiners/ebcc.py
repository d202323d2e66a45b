"""EBCC: sources whose errors are correlated, by subtypes of every class (Li, Rubinstein, Cohn, ICML 2019).

Items of one class differ: on some subtypes several sources err alike. Item i has class k with probability τ_k and
subtype m of it with probability π_km, and source s then votes l with probability V_skm[l], independently of the other
sources. The subtypes are shared by all sources, so that given the class alone their errors are correlated:

    τ ~ Dir(1, …, 1)      π_k ~ Dir(a/M, …, a/M)      V_skm ~ Dir(b), 4 pseudo-votes for k and 1 for every other class

with a = 0.1, so that few of the M subtypes are used. Variational Bayes updates, in turn,

    q_i(k, m) ∝ exp(E log τ_k + E log π_km + Σ_s Σ_l y_isl E log V_skm[l])        y: the votes, 0 or 1, or shares
    Dirichlet counts of τ, π_k and V_skm: those of the prior, plus the items and votes expected under q

until the lower bound of the log-evidence gains less than `tolerance` per vote. It cannot fall. The start is the mean
vote; subtypes begin as levels of a class's share of the votes, from items on which few sources agree to items on which
all do. Nothing is drawn at random (the paper starts at random).

A subtype belongs to the class that most votes on it suggest: an error of the majority is not found, and with many
classes a subtype can take over another class. Where gold is known, q has that class. With one subtype it is the
Bayesian model of independent sources (iBCC).
"""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field

from outgrow.combiners.combiner_record import CombinerRecord, HardVotesSection, TableLimits
from outgrow.combiners.em import (
    LEAST,
    ROUNDS,
    TOLERANCE,
    by_column,
    mean_vote_scores,
    posterior_of,
    row_scores,
)
from outgrow.combiners.fit import Fit, accuracy_of, closed_form_fit
from outgrow.combiners.votes import Votes
from outgrow.lazy import special

SUBTYPES, RIGHT, WRONG = 0.1, 4.0, 1.0
"""Pseudo-items of a class over all its subtypes, and pseudo-votes for the true class and for every other one."""
WIDTH = 0.4
"""Standard deviation of a level of agreement at the start."""

Joint = Float[np.ndarray, "row class subtype"]


class Ebcc(HardVotesSection):
    """Sources with correlated errors, by subtypes of the classes (Li et al. 2019)."""

    type: Literal["ebcc"]
    subtypes: Annotated[int, Field(ge=1, le=50)] = 10
    """M: the most subtypes of a class."""


@dataclass(frozen=True)
class Counts:
    """Dirichlet counts of the parameters, those of the prior included."""

    classes: Float[np.ndarray, "class"]
    subtypes: Float[np.ndarray, "class subtype"]
    votes: Float[np.ndarray, "source class subtype vote"]


@dataclass(frozen=True)
class ExpectedLogs:
    """E log of the parameters under their Dirichlet distributions."""

    classes: Float[np.ndarray, "class"]
    subtypes: Float[np.ndarray, "class subtype"]
    votes: Float[np.ndarray, "source class subtype vote"]

    @classmethod
    def of(cls, counts: Counts) -> "ExpectedLogs":
        return cls(*(expected_log(part) for part in (counts.classes, counts.subtypes, counts.votes)))


def fit_ebcc(votes: Votes, *, subtypes: int = 10, tolerance: float = TOLERANCE, rounds: int = ROUNDS) -> Fit:
    """The variational posterior of the classes; `log_likelihood` is the lower bound of the evidence."""
    votes = votes.without_silence()
    prior = prior_counts(len(votes.sources), votes.n_classes, subtypes)
    counts = counted(votes, start(votes, subtypes), prior)
    bounds: list[float] = []
    least_gain = tolerance * max(1.0, float(votes.n_votes.sum()))
    while True:
        joint, evidence = responsibilities(votes, ExpectedLogs.of(counts))
        bounds.append(evidence - divergence(counts, prior))
        converged = len(bounds) > 1 and bounds[-1] - bounds[-2] < least_gain
        if converged or len(bounds) > rounds:
            break
        counts = counted(votes, joint, prior)
    return replace(_fit(votes, joint, counts, bounds[-1]), objective=tuple(bounds), converged=converged)


def prior_counts(n_sources: int, n_classes: int, n_subtypes: int) -> Counts:
    """The counts before any vote."""
    of_votes = np.where(np.eye(n_classes, dtype=bool), RIGHT, WRONG)[None, :, None, :]
    return Counts(
        np.ones(n_classes),
        np.full((n_classes, n_subtypes), SUBTYPES / n_subtypes),
        np.tile(of_votes, (n_sources, 1, n_subtypes, 1)),
    )


def start(votes: Votes, n_subtypes: int) -> Joint:
    """The mean vote, with subtypes as levels of a class's share of the votes."""
    mean, _ = posterior_of(row_scores(votes, mean_vote_scores()), np.zeros(votes.n_classes), votes.gold)
    levels = (np.arange(n_subtypes) + 0.5) / n_subtypes
    return np.asarray(mean[:, :, None] * special.softmax(-((mean[:, :, None] - levels) ** 2) / (2 * WIDTH**2), axis=2))


def counted(votes: Votes, joint: Joint, prior: Counts) -> Counts:
    """The prior's counts plus the expected ones. Anchors outside the table do not count for the classes' shares."""
    n_classes, n_subtypes = joint.shape[1:]
    weighted = (joint * votes.weight[:, None, None]).reshape(len(joint), -1)
    given = np.zeros((len(votes.sources) * n_classes, n_classes * n_subtypes))
    for block in votes.blocks():
        given += block.matrix.T @ weighted[block.rows]
    of_votes = given.reshape(len(votes.sources), n_classes, n_classes, n_subtypes).transpose(0, 2, 3, 1)
    return Counts(
        prior.classes + votes.items @ joint.sum(axis=2),
        prior.subtypes + weighted.sum(axis=0).reshape(n_classes, n_subtypes),
        prior.votes + of_votes,
    )


def responsibilities(votes: Votes, logs: ExpectedLogs) -> tuple[Joint, float]:
    """q_i(k, m) of every row, and Σ_i log Σ_km exp(…) over all items, the bound without the divergences."""
    n_sources, n_classes, n_subtypes, _ = logs.votes.shape
    columns = by_column(logs.votes.reshape(n_sources, n_classes * n_subtypes, n_classes))
    joint, evidence = np.empty((votes.n_rows, n_classes, n_subtypes)), 0.0
    for block in votes.blocks():
        scores = (block.matrix @ columns).reshape(-1, n_classes, n_subtypes) + logs.subtypes
        by_class = special.logsumexp(scores, axis=2)
        posterior, total = posterior_of(by_class, logs.classes, votes.gold[block.rows])
        joint[block.rows] = posterior[:, :, None] * np.exp(scores - by_class[:, :, None])
        # The class of an anchor outside the table is given, so its probability is no evidence.
        given = votes.anchors[block.rows] @ (posterior @ logs.classes)
        evidence += float(votes.weight[block.rows] @ total - given)
    return joint, evidence


def divergence(counts: Counts, prior: Counts) -> float:
    """KL of all Dirichlet distributions from their priors, in nats."""
    pairs = ((counts.classes, prior.classes), (counts.subtypes, prior.subtypes), (counts.votes, prior.votes))
    return sum(float(dirichlet_divergence(after, before).sum()) for after, before in pairs)


def dirichlet_divergence(
    after: Float[np.ndarray, "*batch part"], before: Float[np.ndarray, "*batch part"]
) -> Float[np.ndarray, "*batch"]:
    """KL(Dir(after) ‖ Dir(before)) along the last axis."""
    of_totals = special.gammaln(after.sum(axis=-1)) - special.gammaln(before.sum(axis=-1))
    of_parts = special.gammaln(before) - special.gammaln(after) + (after - before) * expected_log(after)
    return np.asarray(of_totals + of_parts.sum(axis=-1))


def expected_log(counts: Float[np.ndarray, "*batch part"]) -> Float[np.ndarray, "*batch part"]:
    """E log θ for θ ~ Dir(counts), along the last axis."""
    return np.asarray(special.digamma(counts) - special.digamma(counts.sum(axis=-1, keepdims=True)))


def _fit(votes: Votes, joint: Joint, counts: Counts, bound: float) -> Fit:
    """Confusion matrices are the means over the subtypes."""
    balance = counts.classes / counts.classes.sum()
    share = counts.subtypes / counts.subtypes.sum(axis=1, keepdims=True)
    mean = counts.votes / np.maximum(counts.votes.sum(axis=3, keepdims=True), LEAST)
    confusion = np.einsum("km,skml->skl", share, mean)
    accuracy = accuracy_of(confusion, balance)
    posterior = joint.sum(axis=2)
    posterior[~votes.has_vote & (votes.gold < 0)] = balance
    return closed_form_fit(votes, posterior, bound, balance=balance, confusion=confusion, accuracy=accuracy)


EBCC = CombinerRecord(
    Ebcc,
    paper="Li, Rubinstein, Cohn, ICML 2019",
    deviations="One start without chance; soft votes by their shares.",
    fit=fit_ebcc,
    limits=TableLimits(matrices=2_000_000, entries=4_000_000),
)
