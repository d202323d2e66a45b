"""What a label model found out: about every item, and about every source. A trust report reads it.

The accuracies of an expectation-maximisation come with intervals from expected counts, Beta(right + 1/2, wrong + 1/2),
which take the posterior of the truth as it is. That is too narrow where sources are few or bad, since then the truth
is itself in doubt; `bayesian_dawid_skene` has intervals that allow for it.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import betaincinv

from outgrow.combiners.em import LEAST, Confusion, EmResult, by_item, naive_bayes, read
from outgrow.combiners.vote import one_row_each
from outgrow.combiners.votes import Votes
from outgrow.labels import Targets, WeakLabels

LEVEL = 0.95
"""Probability within a source's interval."""
LEAST_VOTES = 20
"""With fewer votes than this, to have said one class only is nothing special."""
MOST_NAMED = 12
"""With more sources than this the sentence about their accuracies gives the range."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A label model's posterior and what it holds of its sources."""

    sources: tuple[str, ...]
    posterior: Float[np.ndarray, "item class"]
    """P(class | votes); where gold is known, that class; where nobody voted, the balance."""
    balance: Float[np.ndarray, "class"]
    confusion: Confusion
    """P(said | truth, the source votes)."""
    accuracy: Float[np.ndarray, "source"]
    """P(said = truth | the source votes), over the balance of the classes."""
    interval: Float[np.ndarray, "source 2"]
    """`LEVEL` interval of `accuracy`."""
    log_likelihood: float
    """ln P(votes), in nats over all items."""
    objective: tuple[float, ...]
    """What was climbed, step by step."""
    converged: bool


def fit_of(votes: Votes, climb: EmResult[Any]) -> Fit:
    """What a climb's end says of every item and source."""
    confusion = given_a_vote(climb.model.confusion)
    accuracy = accuracy_of(confusion, climb.balance)
    posterior, log_likelihood = read(votes, naive_bayes(climb.model.confusion), np.log(climb.balance))
    found = fit_without_climb(
        votes, posterior, log_likelihood, balance=climb.balance, confusion=confusion, accuracy=accuracy
    )
    return replace(found, objective=climb.objective, converged=climb.converged)


def fit_without_climb(
    votes: Votes,
    posterior: Float[np.ndarray, "row class"],
    log_likelihood: float,
    *,
    balance: Float[np.ndarray, "class"],
    confusion: Confusion,
    accuracy: Float[np.ndarray, "source"],
) -> Fit:
    """What a closed form says of every item and source."""
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


def given_a_vote(confusion: Confusion) -> Float[np.ndarray, "source truth truth"]:
    """P(said | truth, a class was said), where silence may be the last thing said."""
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
    return np.stack([betaincinv(right, wrong, tail), betaincinv(right, wrong, 1 - tail)], axis=1)


def targets_of(labels: WeakLabels, votes: Votes, fit: Fit, name: str) -> Targets:
    """One posterior row per item with a vote, and what there is to say of the sources and the model."""
    if len(fit.sources) <= MOST_NAMED:
        told = ", ".join(f"{who} {value:.2f}" for who, value in zip(fit.sources, fit.accuracy, strict=True))
    else:
        told = f"{fit.accuracy.min():.2f} … {fit.accuracy.max():.2f} of {len(fit.sources)} sources"
    origin = [f"Accuracies as {name} estimates them: {told}."]
    if not fit.converged:
        origin.append(f"{name} was still improving after {len(fit.objective) - 1} rounds.")
    return one_row_each(labels, fit.posterior, (*origin, *one_sided(votes)))


def one_sided(votes: Votes) -> tuple[str, ...]:
    """A sentence about sources that only ever say one class, or nothing: it is their silence that speaks."""
    if votes.n_said > votes.n_classes:
        return ()
    n_said = (votes.said(votes.weight) > 0).sum(axis=1)
    seldom = (votes.n_votes >= LEAST_VOTES) & (votes.n_votes < votes.weight.sum())
    mute = [who for who, alone in zip(votes.sources, (n_said == 1) & seldom, strict=True) if alone]
    if not mute:
        return ()
    named = ", ".join(mute[:MOST_NAMED]) + (" …" if len(mute) > MOST_NAMED else "")
    return (
        f"Sources that only ever say one class or nothing: {named}. What they say tells little, when they are silent"
        " may tell more: `combine: dawid_skene` with `abstentions: counted` reads it.",
    )
