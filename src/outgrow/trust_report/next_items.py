"""Which items to label next: where a gold label tells most, about the item and about the sources.

An observation without noise removes exactly as much uncertainty as there was about it: the expected information that
gold of item i gives about everything unknown (its label, the other labels, the sources) is the entropy of what one
expects to see, H(p̄_i), with p̄ the posterior averaged over all that is held possible. The combiners stand in for that:

    H(p̄_i)  =  mean_m H(p_mi)   +   dispute_i
               doubt: settles       mutual information of the item's label and of which model is right:
               this item            tells about the sources, and so about other items (Houlsby et al. 2011, "BALD")

Items with the same votes tell the same about the sources over again. Of one pattern the first fifth of what is asked
for counts fully, the second fifth half, and so on: with three sources and two classes there are eight patterns, and
fifty items of one of them would be half a lesson. A stronger discount (1/j for the j-th item) costs more than it
teaches.

Items without a vote, and items with gold, are not candidates.

Choosing by votes biases nothing: given the votes, whether an item has gold does not depend on its truth. But accuracy
*counted* on such items is that of doubtful ones: to measure, label items drawn at random.
"""

import numpy as np
from jaxtyping import Bool, Float, Int, UInt64

from outgrow.trust_report.combiner_answers import CombinerAnswers
from outgrow.trust_report.findings import NextItem
from outgrow.vote_table import VoteTable

FULL_SHARE = 0.2
"""Of the items asked for, so many of one pattern count fully."""
LEAST_SCORE = 1e-6
"""Nats below which an item is not worth a label."""


def next_items(table: VoteTable, answers: CombinerAnswers, n: int) -> tuple[NextItem, ...]:
    """The n most informative items (fewer if there are not so many in doubt), best first."""
    candidates = (table.n_per_item > 0) & (table.gold < 0)
    score = score_of(table, answers.doubt + answers.dispute, candidates, n)
    order = np.argsort(-score, kind="stable")[:n]
    order = order[score[order] > LEAST_SCORE]
    label = answers.posterior.argmax(axis=1)
    return tuple(
        NextItem(
            item=table.items[number],
            score=float(score[number]),
            doubt=float(answers.doubt[number]),
            dispute=float(answers.dispute[number]),
            label=table.classes[label[number]],
            probability=float(answers.posterior[number, label[number]]),
            votes=int(table.n_per_item[number]),
        )
        for number in order.tolist()
    )


def score_of(
    table: VoteTable, information: Float[np.ndarray, "item"], candidates: Bool[np.ndarray, "item"], n: int
) -> Float[np.ndarray, "item"]:
    """Every item's information, divided by 1, 2, … for every fifth of n with the same votes; 0 of others."""
    rows = np.flatnonzero(candidates)
    found = np.zeros(len(table.items))
    place = place_in_pattern(vote_patterns(table)[rows], information[rows])
    found[rows] = information[rows] / np.ceil(place / max(FULL_SHARE * n, 1))
    return found


def vote_patterns(table: VoteTable) -> UInt64[np.ndarray, "item"]:
    """A number per item, the same for items with the same votes (of soft ones, the most probable classes).

    The sum of a random number for each (source, class) voted: two different patterns share it by 1 in 2^64.
    """
    rng = np.random.default_rng(0)
    of_vote = rng.integers(2**64, size=(len(table.sources), table.n_classes), dtype=np.uint64, endpoint=False)
    found = np.zeros(len(table.items), np.uint64)
    np.add.at(found, table.item, of_vote[table.source, table.said])
    return found


def place_in_pattern(
    pattern: UInt64[np.ndarray, "item"], information: Float[np.ndarray, "item"]
) -> Int[np.ndarray, "item"]:
    """1, 2, 3, … within every pattern, by falling information and then in the items' order."""
    order = np.lexsort((np.arange(len(pattern)), -information, pattern))
    first = np.flatnonzero(np.concatenate([[True], np.diff(pattern[order]) != 0])) if len(order) else order
    starts = np.repeat(first, np.diff(np.append(first, len(order))))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order)) - starts + 1
    return place
