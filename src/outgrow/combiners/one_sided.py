"""One-sided sources, which give one class to nearly all items, and panels of rules, which know one class each.

A source that always says the common class is right as often as that class is common, and shows nothing. It is told
from a good source on imbalanced classes by the other sources' votes: these name the class less often.
"""

import numpy as np
from jaxtyping import Bool, Int

from outgrow.combiners.votes import Votes

SHARE = 0.95
"""Of a one-sided source's votes that go to its class."""
LEAST_VOTES = 20
ODDS = 3.0
"""Of that class in the source's votes, relative to the odds in the votes of the others."""
SURE = 2.0
"""Standard errors of a correlation."""
PSEUDO_VOTES = 0.5
"""Pseudo-votes for and against, so that the odds are finite."""


def one_sided_class(votes: Votes) -> Int[np.ndarray, "source"]:
    """The class of every one-sided source, -1 for all others; nothing is one-sided in a panel of rules."""
    counts = votes.without_silence().counts(votes.weight)
    n_votes, total = counts.sum(axis=1), counts.sum(axis=0)
    side, given = counts.argmax(axis=1), counts.max(axis=1)
    others = total[side] - given
    odds = (given + PSEUDO_VOTES) / (n_votes - given + PSEUDO_VOTES)
    odds_of_others = (others + PSEUDO_VOTES) / (total.sum() - n_votes - others + PSEUDO_VOTES)
    found = (n_votes >= LEAST_VOTES) & (given >= SHARE * n_votes) & (odds >= ODDS * odds_of_others)
    return np.where(found & (not of_rules(votes)), side, -1)


def uninformative(votes: Votes, side: Int[np.ndarray, "source"]) -> Bool[np.ndarray, "source"]:
    """One-sided sources whose rare votes for another class do not go along with the other sources' votes.

    Over the n items on which such a source and others vote, r is the correlation of "it names another class than its
    own" with the share of the others' votes for another class than that; r √n < `SURE` is no information.
    """
    hard, n_sources = votes.hardened(), len(votes.sources)
    sums = np.zeros((6, n_sources))
    for block in hard.blocks():
        place = block.row * votes.n_classes + block.outcome
        given = np.bincount(place, minlength=block.n_rows * votes.n_classes).reshape(block.n_rows, votes.n_classes)
        n_others = given.sum(axis=1)[block.row] - 1
        mine = np.flatnonzero((side[block.source] >= 0) & (n_others > 0))
        row, source = block.row[mine], block.source[mine]
        other = (block.outcome[mine] != side[source]).astype(float)
        for_side = given[row, side[source]] - (1 - other)
        others = 1 - for_side / n_others[mine]
        weight = votes.weight[block.rows][row]
        for total, values in zip(
            sums, (np.ones(len(mine)), other, others, other**2, others**2, other * others), strict=True
        ):
            total += np.bincount(source, weight * values, minlength=n_sources)
    n, x, y, xx, yy, xy = sums
    n = np.maximum(n, 1)
    spread = np.sqrt(np.maximum(xx / n - (x / n) ** 2, 0) * np.maximum(yy / n - (y / n) ** 2, 0))
    evidence = (xy / n - x * y / n**2) * np.sqrt(n)
    return np.asarray((side >= 0) & (evidence <= SURE * spread))


def of_rules(votes: Votes) -> bool:
    """Whether at least half of the sources vote for one class only, and abstain on some items."""
    enough_votes = votes.n_votes >= LEAST_VOTES
    one_class = (votes.without_silence().counts(votes.weight) > 0).sum(axis=1) == 1
    abstains = votes.n_votes < votes.weight.sum()
    return bool(enough_votes.any()) and bool((one_class & abstains)[enough_votes].mean() >= 0.5)
