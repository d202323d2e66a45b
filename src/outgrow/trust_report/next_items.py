"""The items to label next: those where a gold label gives most information about the item and about the sources.

An observation without noise removes exactly the uncertainty about its value. So the expected information that gold of
item i gives about all unknowns (its label, the other labels, the sources) is the entropy H(p̄_i) of its predicted
value, with p̄ the posterior averaged over models. Here the combiners are the models:

    H(p̄_i)  =  mean_m H(p_mi)   +   dispute_i
               doubt: about         mutual information of the item's label and of which model is right:
               this item            about the sources, and so about other items (Houlsby et al. 2011, "BALD")

Items with the same votes give the same information about the sources. Of one pattern of votes the first n/5 items
count fully, the next n/5 half, and so on, for n requested items. Without the discount, n items could all have one of
the eight patterns of three sources and two classes. A stronger discount (1/j for the j-th item) loses more information
about the items than it gains about the sources.

Items without a vote and items with gold are not candidates.

Selection by votes does not bias a fit: given the votes, whether an item has gold is independent of its truth. Accuracy
*counted* on such items is that of uncertain items only. To measure accuracy, label items drawn at random.
"""

import numpy as np
from jaxtyping import Bool, Float, Int, UInt64

from outgrow.trust_report.combiner_answers import CombinerAnswers
from outgrow.trust_report.findings import NextItem
from outgrow.vote_table import VoteTable

FULL_SHARE = 0.2
"""Share of the requested items up to which items of one pattern count fully."""
LEAST_SCORE = 1e-6
"""Nats below which an item is not proposed."""


def next_items(table: VoteTable, answers: CombinerAnswers, n: int) -> tuple[NextItem, ...]:
    """The n most informative items, best first; fewer if fewer items are uncertain."""
    candidates = (table.n_per_item > 0) & (table.gold < 0)
    score = score_of(table, answers.doubt + answers.dispute, candidates, n)
    order = np.argsort(-score, kind="stable")[:n]
    order = order[score[order] > LEAST_SCORE]
    label = answers.posterior.argmax(axis=1)
    return tuple(
        NextItem(
            item=table.items[row],
            score=float(score[row]),
            doubt=float(answers.doubt[row]),
            dispute=float(answers.dispute[row]),
            label=table.classes[label[row]],
            probability=float(answers.posterior[row, label[row]]),
            votes=int(table.n_per_item[row]),
        )
        for row in order.tolist()
    )


def score_of(
    table: VoteTable, information: Float[np.ndarray, "item"], candidates: Bool[np.ndarray, "item"], n: int
) -> Float[np.ndarray, "item"]:
    """The information of each candidate, divided by 1, 2, … for each fifth of n with the same votes; 0 elsewhere."""
    rows = np.flatnonzero(candidates)
    score = np.zeros(len(table.items))
    rank = place_in_pattern(vote_patterns(table)[rows], information[rows])
    score[rows] = information[rows] / np.ceil(rank / max(FULL_SHARE * n, 1))
    return score


def vote_patterns(table: VoteTable) -> UInt64[np.ndarray, "item"]:
    """A number per item, the same for items with the same votes (of soft ones, the most probable classes).

    The sum of one random number per (source, class) vote: two patterns collide with probability 2^-64.
    """
    rng = np.random.default_rng(0)
    random_of_vote = rng.integers(2**64, size=(len(table.sources), table.n_classes), dtype=np.uint64, endpoint=False)
    pattern = np.zeros(len(table.items), np.uint64)
    np.add.at(pattern, table.item, random_of_vote[table.source, table.label])
    return pattern


def place_in_pattern(
    pattern: UInt64[np.ndarray, "item"], information: Float[np.ndarray, "item"]
) -> Int[np.ndarray, "item"]:
    """The rank 1, 2, 3, … within each pattern, by falling information and then by the order of the items."""
    order = np.lexsort((np.arange(len(pattern)), -information, pattern))
    pattern_starts = np.flatnonzero(np.concatenate([[True], np.diff(pattern[order]) != 0])) if len(order) else order
    starts = np.repeat(pattern_starts, np.diff(np.append(pattern_starts, len(order))))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - starts + 1
    return rank
