"""Votes by hard labels: the majority, and the vote weighed by accuracy.

`weighted_vote` is the posterior of the one-coin model: source i is right with probability a_i whatever the class, errs
uniformly over the other K - 1 classes, and sources err independently. Then

    log P(y = k | votes) = const + sum over the sources that voted k of log( a_i (K - 1) / (1 - a_i) ),

the rule of Nitzan and Paroush (1982) for K = 2. A source below chance gets a negative weight.
"""

import numpy as np
from jaxtyping import Float
from scipy.special import softmax

from outgrow.combiners.keep_all import without_votes
from outgrow.combiners.weights import held_out_accuracy, need_anchors
from outgrow.labels import INSTEAD, Anchors, Targets, WeakLabels


def vote(labels: WeakLabels, anchors: Anchors | None = None) -> Targets:
    """The class with most hard votes; classes that tie share the probability. One row per item with a vote."""
    count = _tally(labels, np.ones(len(labels.sources)))
    first = count == count.max(axis=1, keepdims=True)
    return one_row_each(labels, first / first.sum(axis=1, keepdims=True))


def weighted_vote(labels: WeakLabels, anchors: Anchors | None = None) -> Targets:
    """Posterior of the one-coin model with the sources' held-out accuracies; needs `anchors`."""
    known = need_anchors(anchors, "`combine: weighted_vote`")
    accuracy = held_out_accuracy(Anchors(known.labels.only(labels.sources), known.gold))
    return one_row_each(labels, one_coin_posterior(labels, accuracy))


def one_coin_posterior(labels: WeakLabels, accuracy: Float[np.ndarray, "source"]) -> Float[np.ndarray, "item class"]:
    """P(class | hard votes) under the one-coin model with a uniform prior; `accuracy` within (0, 1)."""
    log_odds = np.log(accuracy * (labels.n_classes - 1) / (1 - accuracy))
    return np.asarray(softmax(_tally(labels, log_odds), axis=1))


def one_row_each(labels: WeakLabels, probs: Float[np.ndarray, "item class"], origin: tuple[str, ...] = ()) -> Targets:
    """Targets of weight 1 for every item that somebody voted on."""
    voted = np.asarray(labels.voted.any(axis=1))
    names = [name for name, has_vote in zip(labels.items, voted.tolist(), strict=True) if has_vote]
    return Targets(names, probs[voted], np.ones(len(names)), (*origin, *without_votes(int((~voted).sum()))))


def _tally(labels: WeakLabels, weight: Float[np.ndarray, "source"]) -> Float[np.ndarray, "item class"]:
    classes = np.arange(labels.n_classes)
    chosen = labels.hard[:, :, None] == classes
    return np.asarray(np.einsum("isc,s->ic", chosen, weight))


def vote_instead(labels: WeakLabels, anchors: Anchors | None, why: str) -> Targets:
    """The best vote there is, where a model cannot be fitted; `why` it cannot is noted."""
    instead = vote(labels) if anchors is None else weighted_vote(labels, anchors)
    name = "majority vote" if anchors is None else "weighted vote"
    return Targets(instead.items, instead.probs, instead.weight, (*instead.origin, f"{why}; {name}{INSTEAD}"))
