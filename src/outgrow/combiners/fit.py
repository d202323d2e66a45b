"""`Fit`: the posterior of every item and the accuracy of every source, in one form for all combiners.

An expectation-maximisation gives intervals of accuracies from expected counts, Beta(right + 1/2, wrong + 1/2), which
take the posterior of the truth as it is. These are too narrow where sources are few or bad, since the truth is then
uncertain itself; `bayesian_dawid_skene` has intervals that allow for it.

A vote has no model of its sources. Its `Fit` is read off its posterior q:

    counts_s[c, k] = Σ_i q_i[c] [s says k on i]        π_s = (counts_s + 1/K) / (row sum + 1)

and a source's accuracy is the expected share of its votes that are right, (Σ_c counts_s[c, c] + 1/K) / (votes + 1),
which is also defined for a source that only ever says one class. The source's own vote is part of q, so that the
accuracies are too high where few sources vote; where gold is known it takes q's place.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from outgrow.combiners.em import (
    LEAST,
    Confusion,
    EmResult,
    LogLikelihood,
    by_item,
    naive_bayes,
    posterior_of,
    posteriors,
)
from outgrow.combiners.votes import Votes
from outgrow.lazy import special

LEVEL = 0.95
"""Probability within a source's interval."""
TIE = 1e-9
"""Classes whose probabilities differ by less are equally probable."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A combiner's posterior and what it estimates of its sources."""

    sources: tuple[str, ...]
    posterior: Float[np.ndarray, "item class"]
    """P(class | votes); where gold is known, that class; where there is no vote, the balance."""
    balance: Float[np.ndarray, "class"]
    confusion: Confusion
    """P(vote | truth, the source votes)."""
    accuracy: Float[np.ndarray, "source"]
    """P(vote = truth | the source votes), over the balance of the classes."""
    interval: Float[np.ndarray, "source 2"]
    """`LEVEL` interval of `accuracy`."""
    log_likelihood: float
    """ln P(votes), in nats over all items."""
    objective: tuple[float, ...]
    """What was maximised, step by step."""
    converged: bool
    notes: tuple[str, ...] = ()
    """Sentences about this fit for a report."""


def fit_of(votes: Votes, result: EmResult[Any]) -> Fit:
    """The fit at the end of an expectation-maximisation."""
    confusion = given_a_vote(result.model.confusion)
    accuracy = accuracy_of(confusion, result.balance)
    posterior, log_likelihood = posteriors(votes, naive_bayes(result.model.confusion), np.log(result.balance))
    fit = closed_form_fit(
        votes, posterior, log_likelihood, balance=result.balance, confusion=confusion, accuracy=accuracy
    )
    return replace(fit, objective=result.objective, converged=result.converged)


def closed_form_fit(
    votes: Votes,
    posterior: Float[np.ndarray, "row class"],
    log_likelihood: float,
    *,
    balance: Float[np.ndarray, "class"],
    confusion: Confusion,
    accuracy: Float[np.ndarray, "source"],
) -> Fit:
    """The fit of a closed form, with intervals from the number of votes."""
    return Fit(
        sources=votes.sources,
        posterior=by_item(votes, posterior),
        balance=balance,
        confusion=confusion,
        accuracy=accuracy,
        interval=counted_interval(accuracy, votes.n_votes),
        log_likelihood=log_likelihood,
        objective=(log_likelihood,),
        converged=True,
    )


def most_probable(posterior: Float[np.ndarray, "item class"]) -> Float[np.ndarray, "item class"]:
    """The most probable class of every item; classes that tie share it."""
    first = posterior >= posterior.max(axis=1, keepdims=True) - TIE
    return np.asarray(first / first.sum(axis=1, keepdims=True))


def given_a_vote(confusion: Confusion) -> Float[np.ndarray, "source truth truth"]:
    """P(vote | truth, the source votes), where silence may be the last outcome."""
    of_classes = confusion[:, :, : confusion.shape[1]]
    return np.asarray(of_classes / np.maximum(of_classes.sum(axis=2, keepdims=True), LEAST))


def accuracy_of(confusion: Confusion, balance: Float[np.ndarray, "class"]) -> Float[np.ndarray, "source"]:
    """Σ_c p_c π_s[c, c]."""
    return np.asarray(np.einsum("scc,c->s", confusion, balance))


def counted_interval(
    accuracy: Float[np.ndarray, "source"], n_votes: Float[np.ndarray, "source"]
) -> Float[np.ndarray, "source 2"]:
    """Equal tails of Beta(right + 1/2, wrong + 1/2) with right = accuracy · votes."""
    right, wrong = accuracy * n_votes + 0.5, (1 - accuracy) * n_votes + 0.5
    tail = (1 - LEVEL) / 2
    return np.stack([special.betaincinv(right, wrong, tail), special.betaincinv(right, wrong, 1 - tail)], axis=1)


# ---- a fit read off a posterior -------------------------------------------------------------------------


def fit_of_posterior(
    votes: Votes, scores: Float[np.ndarray, "row class"], known: Bool[np.ndarray, "row"] | None = None
) -> Fit:
    """The `Fit` of a posterior softmax(scores); gold takes its place, and the balance where nothing is `known`.

    `known` is by default where a source votes.
    """
    posterior, _ = posterior_of(scores, np.zeros(votes.n_classes), votes.gold)
    known = (votes.has_vote if known is None else known) | (votes.gold >= 0)
    weight = votes.items * known
    balance = (weight @ posterior + 1) / (weight.sum() + votes.n_classes)
    posterior[~known] = balance
    counts = _counts_of_votes(votes, posterior)
    confusion, accuracy = _counted_confusion(counts), _counted_accuracy(counts)
    _, log_likelihood = posteriors(votes, _within_classes(votes, confusion), np.log(balance))
    return closed_form_fit(votes, posterior, log_likelihood, balance=balance, confusion=confusion, accuracy=accuracy)


def accuracy_of_votes(votes: Votes, posterior: Float[np.ndarray, "row class"]) -> Float[np.ndarray, "source"]:
    """The expected share of each source's votes that are right; one pseudo-vote at chance."""
    return _counted_accuracy(_counts_of_votes(votes, posterior))


def _counts_of_votes(
    votes: Votes, posterior: Float[np.ndarray, "row class"]
) -> Float[np.ndarray, "source truth truth"]:
    """Expected confusion counts of the votes for a class."""
    return counts_by(votes, posterior * votes.weight[:, None])[:, :, : votes.n_classes]


def _counted_confusion(counts: Float[np.ndarray, "source truth truth"]) -> Float[np.ndarray, "source truth truth"]:
    """Confusion matrices with one pseudo-vote per row."""
    counted = counts + 1 / counts.shape[1]
    return np.asarray(counted / counted.sum(axis=2, keepdims=True))


def _counted_accuracy(counts: Float[np.ndarray, "source truth truth"]) -> Float[np.ndarray, "source"]:
    right = np.einsum("scc->s", counts)
    return np.asarray((right + 1 / counts.shape[1]) / (counts.sum(axis=(1, 2)) + 1))


def counts_by(votes: Votes, weight: Float[np.ndarray, "row class"]) -> Confusion:
    """Σ over rows of a source's outcome there, times the row's weight of every class."""
    counts = np.zeros((len(votes.sources) * votes.n_outcomes, votes.n_classes))
    for block in votes.blocks():
        counts += block.counts(weight[block.rows])
    by_source = counts.reshape(len(votes.sources), votes.n_outcomes, votes.n_classes)
    return np.ascontiguousarray(by_source.transpose(0, 2, 1))


def with_accuracy_of_votes(votes: Votes, fit: Fit) -> Fit:
    """The fit with accuracies counted over the votes, which are defined for sources of one class, too."""
    posterior = np.zeros((votes.n_rows, votes.n_classes))
    posterior[votes.row_of] = fit.posterior
    known = np.flatnonzero(votes.gold >= 0)
    posterior[known] = np.eye(votes.n_classes)[votes.gold[known]]
    accuracy = accuracy_of_votes(votes, posterior)
    return replace(fit, accuracy=accuracy, interval=counted_interval(accuracy, votes.n_votes))


def _within_classes(votes: Votes, confusion: Confusion) -> LogLikelihood:
    """Scores by the class of a vote; silence, where it counts, is as likely under every class."""
    if not votes.counts_silence:
        return naive_bayes(confusion)
    silent = np.ones((*confusion.shape[:2], 1))
    return naive_bayes(np.concatenate([confusion, silent], axis=2))
