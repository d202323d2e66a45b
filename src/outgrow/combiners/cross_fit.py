"""What a combiner says of items whose gold it has not seen, though others' gold it has.

The items with gold are split in `FOLDS`, as many of every class in each as can be. For every fold its gold is hidden,
the combiner fitted on all votes and the other folds' gold, and its posterior on the fold's items noted. So nothing
that follows, a temperature or a choice of combiner, ever judges an item by its own gold. One seed.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from outgrow.combiners.fit import Fit
from outgrow.combiners.held_out_votes import itemised
from outgrow.combiners.votes import Votes

FOLDS = 5
SEED = 0
LEAST_GOLD = 30
"""Fewer items with gold tell less than the votes do."""
MOST_GOLD = 5_000
"""More need not be hidden in turn; the others' gold stays."""
MOST_OTHERS = 50_000
"""Of the items without gold a sample is enough to see how sources err."""


class CrossFitted(NamedTuple):
    """Posteriors of items with gold, each by a fit that did not know it."""

    posterior: Float[np.ndarray, "known class"]
    gold: Int[np.ndarray, "known"]
    fold: Int[np.ndarray, "known"]


class GoldFolds(NamedTuple):
    """Votes a row each, and when which gold is hidden."""

    votes: Votes
    known: Int[np.ndarray, "known"]
    """Rows whose gold is hidden once."""
    fold: Int[np.ndarray, "known"]


def enough_gold(votes: Votes) -> bool:
    """At least `LEAST_GOLD` items with gold and a vote, and some of every class."""
    useful = np.where(votes.voted.any(axis=1), votes.weight, 0)[votes.gold >= 0]
    count = np.bincount(votes.gold[votes.gold >= 0], useful, minlength=votes.n_classes)
    return bool(count.sum() >= LEAST_GOLD and (count > 0).all())


def gold_folds(votes: Votes) -> GoldFolds:
    """Stratified folds of the items with gold and a vote."""
    each, rng = itemised(votes), np.random.default_rng(SEED)
    known = rng.permutation(np.flatnonzero((each.gold >= 0) & each.voted.any(axis=1)))[:MOST_GOLD]
    # Classes in the order in which they come, so that their names do not matter.
    _, first, number = np.unique(each.gold[known], return_index=True, return_inverse=True)
    known = known[np.argsort(first[number], kind="stable")]
    others = np.flatnonzero(each.gold < 0)
    if len(others) > MOST_OTHERS:
        others = np.sort(rng.choice(others, MOST_OTHERS, replace=False))
    more = np.setdiff1d(np.flatnonzero(each.gold >= 0), known)
    kept = np.concatenate([known, more, others])
    # Items first, as `Votes` has them; an anchor whose gold is hidden would be an item, so that all are.
    rows = each.take(kept)
    return GoldFolds(rows, np.arange(len(known)), np.arange(len(known)) % FOLDS)


def cross_fitted(folds: GoldFolds, fit_by: Callable[[Votes], Fit]) -> CrossFitted:
    """The posteriors of all items with gold, by `FOLDS` fits."""
    votes, known = folds.votes, folds.known
    posterior = np.empty((len(known), votes.n_classes))
    for number in range(FOLDS):
        here = folds.fold == number
        gold = votes.gold.copy()
        gold[known[here]] = -1
        hidden = np.isin(np.arange(len(gold)), known[here])
        outside = (votes.anchors > 0) & ~hidden
        order = np.concatenate([np.flatnonzero(~outside), np.flatnonzero(outside)])
        n_outside = int(outside.sum())
        refitted = fit_by(
            Votes.gather(votes.sources, votes.n_classes, votes.heard[order], gold[order], n_anchors=n_outside)
        )
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        posterior[here] = refitted.posterior[place[known[here]]]
    return CrossFitted(posterior, votes.gold[known], folds.fold)
