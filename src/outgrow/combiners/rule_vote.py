"""Rules that fire on one class or are silent: what their firing, and their silence, says together.

A rule that only ever says one class tells how good it is by the items on which it is silent. Every rule's chances of
firing under each class are counted against the mean vote of the rules that fired, once more against the posterior
that follows, and there it stops:

    P(c | votes) ∝ Π_s π_s[c, said or silent]        classes equally frequent

This is one round of Dawid and Skene's model with counted silence. Further rounds raise the likelihood of who fires
together with whom, which need not be the classes: rules about the length of a text fire together too. And one-sided
rules do not show how frequent the classes are, since there may be any number of rules for each.

Rules with the same votes everywhere are one rule. A rule's accuracy is the expected share of its votes that are right.

Ours. Not for sources that name any class: theirs is `bayesian_dawid_skene`.
"""

from dataclasses import replace

import numpy as np

from outgrow.combiners.bayesian_dawid_skene import twins
from outgrow.combiners.dawid_skene import fit_dawid_skene
from outgrow.combiners.fit import Fit, counted_interval, targets_of
from outgrow.combiners.vote_fits import accuracy_of_votes
from outgrow.combiners.votes import Votes
from outgrow.labels import Anchors, Targets, WeakLabels

ROUNDS = 1


def rule_vote(labels: WeakLabels, anchors: Anchors | None = None, hard: bool = False) -> Targets:
    """One posterior row per item with a vote; `hard`: take every source's most probable class for its vote."""
    votes = Votes.of(labels, anchors, hard=hard, silence_counts=True)
    return targets_of(labels, votes, fit_rule_vote(votes), "the vote of rules")


def fit_rule_vote(votes: Votes) -> Fit:
    """The posterior after one round; silence counts also where `votes` leave it out."""
    counted = counting_silence(votes)
    first, twin_of = twins(counted)
    found = fit_dawid_skene(counted.only(first), balanced=True, rounds=ROUNDS, tolerance=-np.inf)
    every = replace(
        found,
        sources=votes.sources,
        confusion=found.confusion[twin_of],
        accuracy=found.accuracy[twin_of],
        interval=found.interval[twin_of],
        converged=True,
    )
    return with_accuracy_of_votes(counted, every)


def with_accuracy_of_votes(votes: Votes, fit: Fit) -> Fit:
    """The fit with accuracies by the votes themselves, as they are defined for sources of one class, too."""
    posterior = np.zeros((len(votes.heard), votes.n_classes))
    posterior[votes.row_of] = fit.posterior
    known = np.flatnonzero(votes.gold >= 0)
    posterior[known] = np.eye(votes.n_classes)[votes.gold[known]]
    accuracy = accuracy_of_votes(votes, posterior)
    return replace(fit, accuracy=accuracy, interval=counted_interval(accuracy, votes.n_votes))


def counting_silence(votes: Votes) -> Votes:
    """The same rows with silence as one more thing said."""
    if votes.n_said > votes.n_classes:
        return votes
    if votes.heard.ndim == 2:
        silent = np.where(votes.heard < 0, votes.n_classes, votes.heard)
        heard = silent.astype(np.min_scalar_type(-votes.n_classes - 1))
    else:
        heard = np.concatenate([votes.heard, ~votes.heard.any(axis=2, keepdims=True)], axis=2)
    return replace(votes, heard=heard, n_said=votes.n_classes + 1)


def leaving_silence(votes: Votes) -> Votes:
    """The same rows with silence as nothing said."""
    if votes.n_said == votes.n_classes:
        return votes
    if votes.heard.ndim == 2:
        heard = np.where(votes.heard == votes.n_classes, -1, votes.heard)
    else:
        heard = votes.heard[:, :, : votes.n_classes]
    return replace(votes, heard=heard, n_said=votes.n_classes)
