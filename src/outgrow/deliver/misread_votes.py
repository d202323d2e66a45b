"""A warning where a label model has misread soft votes.

Label models count the shares of a soft vote as so many votes. So the accuracy of a source is at most the probability
that it states, and a source that states .15 for one class among seventeen passes for a bad one, however often that
class is right. Their expectation-maximisation can then end with one class for nearly all items. The sign: the labels
equal the sources' most probable classes less often than these equal one another. The most frequent class of an item's
votes equals at least as many of them.
"""

import numpy as np

from outgrow.config.combine import Combine
from outgrow.vote_table import VoteTable


def misread_votes(votes: VoteTable, section: Combine, posterior: np.ndarray) -> tuple[str, ...]:
    """A sentence if the labels agree less with the soft votes' most probable classes than these with one another."""
    if votes.probs is None or section.hard_votes:
        return ()
    with_labels, with_each_other = agreements(votes, posterior.argmax(axis=1))
    if not with_labels < with_each_other:
        return ()
    return (
        f"Warning: `{section.type}` takes the probabilities of soft votes for accuracies, and unsure sources for bad"
        f" ones: the labels equal {with_labels:.0%} of the most probable classes of votes, which equal one another in"
        f" {with_each_other:.0%}. `auto` and `calibrated_pool` read probabilities; `hard: true` counts most probable"
        " classes.",
    )


def agreements(votes: VoteTable, label: np.ndarray) -> tuple[float, float]:
    """How often a vote's most probable class equals its item's label, and how often that of another vote on the item.

    Over the votes on items with two votes or more; nan without any.
    """
    several = votes.n_per_item[votes.item] > 1
    item, said = votes.item[several], votes.label[several]
    if not len(item):
        return np.nan, np.nan
    counts = np.zeros((len(votes.items), votes.n_classes), dtype=np.int64)
    np.add.at(counts, (item, said), 1)
    equal = (counts[item, said] - 1) / (votes.n_per_item[item] - 1)
    return float((said == label[item]).mean()), float(equal.mean())
