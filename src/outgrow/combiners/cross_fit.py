"""Cross-fitting: a combiner's posterior for items with gold, fitted without their own gold.

The items with gold are split in `FOLDS`, stratified by class. For every fold its gold is held out, the combiner is
fitted to all votes and the other folds' gold, and its posterior on the fold's items is taken. So no temperature and no
choice of a combiner evaluates an item by its own gold. One seed.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from outgrow.combiners.em import row_scores
from outgrow.combiners.fit import Fit
from outgrow.combiners.held_out_votes import itemised
from outgrow.combiners.vote_block import Block
from outgrow.combiners.votes import Votes

FOLDS = 5
SEED = 0
COMMON = 0.05
"""Share of the votes from which a class is common. A hundred random items may have none of a rare one."""
LEAST_GOLD = 30
"""With fewer items with gold the votes are more informative."""
MOST_GOLD = 5_000
"""More need not be held out in turn; the others' gold stays."""
MOST_OTHERS = 50_000
"""A sample of the items without gold is enough to estimate how sources err."""


class CrossFitted(NamedTuple):
    """Posteriors of items with gold, each by a fit without it."""

    posterior: Float[np.ndarray, "known class"]
    gold: Int[np.ndarray, "known"]
    fold: Int[np.ndarray, "known"]


class GoldFolds(NamedTuple):
    """Votes with a row per item, and the fold of every gold label."""

    votes: Votes
    known: Int[np.ndarray, "known"]
    """Rows whose gold is held out once."""
    fold: Int[np.ndarray, "known"]


def enough_gold(votes: Votes) -> bool:
    """At least `LEAST_GOLD` items with gold and a vote, and some of every common class."""
    useful = np.where(votes.has_vote, votes.weight, 0)[votes.gold >= 0]
    count = np.bincount(votes.gold[votes.gold >= 0], useful, minlength=votes.n_classes)
    given = votes.counts(votes.weight)[:, : votes.n_classes].sum(axis=0)
    is_common = given >= COMMON * given.sum()
    return bool(count.sum() >= LEAST_GOLD and (count > 0)[is_common].all())


def gold_folds(votes: Votes) -> GoldFolds:
    """Stratified folds of the items with gold and a vote."""
    each, rng = itemised(votes), np.random.default_rng(SEED)
    known = _in_order(each, np.flatnonzero((each.gold >= 0) & each.has_vote))
    known = rng.permutation(known)[:MOST_GOLD]
    # Classes in the order in which they come, so that their names do not matter.
    _, first, class_of = np.unique(each.gold[known], return_index=True, return_inverse=True)
    known = known[np.argsort(first[class_of], kind="stable")]
    others = np.flatnonzero(each.gold < 0)
    if len(others) > MOST_OTHERS:
        others = np.sort(rng.choice(others, MOST_OTHERS, replace=False))
    more = np.setdiff1d(np.flatnonzero(each.gold >= 0), known)
    kept = np.concatenate([known, more, others])
    # Items first, as `Votes` has them; an anchor whose gold is held out would be an item, so that all are.
    rows = each.take(kept)
    return GoldFolds(rows, np.arange(len(known)), np.arange(len(known)) % FOLDS)


def _in_order(votes: Votes, rows: Int[np.ndarray, "known"]) -> Int[np.ndarray, "known"]:
    """Rows with gold in an order that depends neither on how they are stored nor on the names of the classes.

    Rows are sorted by how frequent the class of gold is, and by sums over the votes of what each gives to gold, how
    much it agrees with the others, and how frequent its class is; a source counts with a number of its own, drawn in
    the order of the names.
    """
    frequency = votes.counts(votes.weight)[:, : votes.n_classes].sum(axis=0)
    known = votes.take(rows)
    number = np.empty(len(known.sources))
    number[np.argsort(np.asarray(known.sources))] = np.random.default_rng(SEED).random(len(known.sources))
    entries, total = known.entries, row_scores(known, Block.by_class)
    row, outcome, share = entries.row, entries.outcome, entries.shares
    told = (outcome == known.gold[row], total[row, outcome], frequency[outcome])
    sums = [np.bincount(row, number[entries.source] * share * value, minlength=len(rows)) for value in told]
    keys = np.round([frequency[known.gold], *(part / max(1.0, float(part.max(initial=0))) for part in sums)], 9)
    return np.asarray(rows[np.lexsort(keys[::-1])])


def cross_fitted(folds: GoldFolds, fit_by: Callable[[Votes], Fit]) -> CrossFitted:
    """The posteriors of all items with gold, by `FOLDS` fits."""
    votes, known = folds.votes, folds.known
    posterior = np.empty((len(known), votes.n_classes))
    for fold in range(FOLDS):
        here = folds.fold == fold
        gold = votes.gold.copy()
        gold[known[here]] = -1
        held_out = np.isin(np.arange(len(gold)), known[here])
        outside = (votes.anchors > 0) & ~held_out
        order = np.concatenate([np.flatnonzero(~outside), np.flatnonzero(outside)])
        n_outside = int(outside.sum())
        refitted = fit_by(
            Votes.of_entries(
                votes.sources,
                votes.n_classes,
                votes.entries.take(order),
                gold[order],
                soft=votes.soft,
                n_anchors=n_outside,
            )
        )
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        posterior[here] = refitted.posterior[place[known[here]]]
    return CrossFitted(posterior, votes.gold[known], folds.fold)
