"""Votes by hard labels: the majority, and the vote weighted by accuracy.

Both have the posterior of the one-coin model: source i is right with probability a_i whatever the class, errs
uniformly over the other K - 1 classes, and sources err independently. Then

    log P(y = k | votes) = const + sum over the sources that voted k of log( a_i (K - 1) / (1 - a_i) ),

the rule of Nitzan and Paroush (1982) for K = 2.

`weighted_vote` estimates every a_i on items with gold. A source below chance gets a negative weight.

`vote` needs no gold: all sources have the same a, so that the class with most votes is the most probable one and
classes that tie share the probability. How accurate the sources are together is estimated from how often two of them
agree: with the skill b = (K a - 1) / (K - 1), b² = (K P(agree) - 1) / (K - 1). `outgrow combine` gives this posterior,
which is as sure as equally good sources are right. The published rule gives a label and no probability, so that a
student's target is that label itself (`majority`).
"""

import math
from typing import Literal

import numpy as np
from jaxtyping import Float

from outgrow.combiners.combiner_record import (
    AveragedPart,
    CombinerRecord,
    PosteriorSection,
    TableLimits,
    TrustReportOrder,
)
from outgrow.combiners.em import row_scores
from outgrow.combiners.fit import Fit, fit_of_posterior, most_probable
from outgrow.combiners.votes import Votes
from outgrow.combiners.weights import gold_accuracy

LEAST_SKILL, LARGEST_SKILL = 0.05, 0.98
"""Sources together are better than chance, and never perfect."""
UNKNOWN_SKILL = 0.5
"""Of sources that never vote on the same item: their accuracy cannot be estimated."""


class Vote(PosteriorSection):
    """Majority of the hard votes."""

    type: Literal["vote"]
    majority: bool = True
    """*studies*: a student learns the class with most votes itself (ties shared); otherwise, and with `calibrate`, the
    posterior, which is less sure the closer the vote is."""

    not_passed = frozenset({"type", "calibrate", "majority"})

    @property
    def uses_gold(self) -> bool:
        return self.calibrate


class WeightedVote(PosteriorSection):
    """Hard votes weighted by log-odds of each source's held-out accuracy."""

    type: Literal["weighted_vote"]

    @property
    def needs_gold(self) -> bool:
        return True


def vote_targets(section: Vote, posterior: Float[np.ndarray, "item class"]) -> Float[np.ndarray, "item class"]:
    """The class with most votes, ties shared; the posterior where the section asks for it."""
    return most_probable(posterior) if section.majority and not section.calibrate else posterior


def fit_vote(votes: Votes) -> Fit:
    """The majority of hard votes, as sure as equally good sources are right."""
    hard = votes.hardened()
    accuracy = (1 + (votes.n_classes - 1) * common_skill(hard)) / votes.n_classes
    return fit_of_posterior(hard, log_odds_sum(hard, np.full(len(votes.sources), accuracy)))


def fit_weighted_vote(votes: Votes) -> Fit:
    """Hard votes weighted by each source's accuracy on items with gold. `ConfigError` without gold."""
    hard = votes.hardened()
    return fit_of_posterior(hard, log_odds_sum(hard, gold_accuracy(hard, "`weighted_vote`")))


def log_odds_sum(votes: Votes, accuracy: Float[np.ndarray, "source"]) -> Float[np.ndarray, "row class"]:
    """Σ of log a (K − 1) / (1 − a) over the sources that vote for each class; `accuracy` within (0, 1)."""
    return _sum_by_class(votes, np.log(accuracy * (votes.n_classes - 1) / (1 - accuracy)))


def common_skill(votes: Votes) -> float:
    """b of sources that are all alike, from how often two hard votes on an item agree; 0 = chance, 1 = always right.

    Of n votes on an item, n_k of them for class k, Σ n_k (n_k − 1) of n (n − 1) pairs agree: linear in the sources.
    """
    n_votes = _sum_by_class(votes, np.ones(len(votes.sources)))
    n = n_votes.sum(axis=1)
    pairs = float(votes.weight @ (n * (n - 1)))
    if not pairs:
        return UNKNOWN_SKILL
    agree = float(votes.weight @ (n_votes * (n_votes - 1)).sum(axis=1)) / pairs
    squared = (votes.n_classes * agree - 1) / (votes.n_classes - 1)
    return float(np.clip(np.sqrt(max(squared, 0.0)), LEAST_SKILL, LARGEST_SKILL))


def _sum_by_class(votes: Votes, per_source: Float[np.ndarray, "source"]) -> Float[np.ndarray, "row class"]:
    """Σ of a number per source over the sources that vote for each class."""
    return row_scores(votes, lambda block: block.by_class(per_source[block.source]))


VOTE = CombinerRecord(
    Vote,
    paper="majority rule",
    fit=fit_vote,
    targets_from=vote_targets,
    compared=TrustReportOrder(place=7, of_rules=4),
    averaged=AveragedPart(of_few="steady", of_rules="steady"),
    # It has no matrices, but its own doubt is read off all pairs of sources.
    limits=TableLimits(matrices=math.inf, meetings=500_000_000_000),
)
WEIGHTED_VOTE = CombinerRecord(WeightedVote, paper="Nitzan & Paroush 1982", fit=fit_weighted_vote)
