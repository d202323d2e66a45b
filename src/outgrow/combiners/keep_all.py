"""Every vote is a row of its own: the targets of naive and of Bayesian multi-weak (paper 1, eqs 2 and 4).

An item's rows have weights lambda_i that sum to 1 over the sources that voted on it; a source that abstains passes its
weight on to the others. What a loss makes of the rows is the loss's business: a loss that is linear in the target sees
only their mean (`Targets.collapse`), others see each source's opinion.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from outgrow.combiners.weights import source_weights
from outgrow.labels import Anchors, Targets, WeakLabels


def keep_all(
    labels: WeakLabels, anchors: Anchors | None = None, weights: str | Mapping[str, float] = "average"
) -> Targets:
    """A row per (item, voting source).

    `weights`: `average`; `accuracy` (held-out, needs `anchors`); `confidence` (a vote's own largest probability); or
    numbers by source name, where an absent name counts 0. Items without any counting vote have no row.
    """
    if weights == "confidence":
        share = labels.probs.max(axis=2)
    else:
        share = labels.voted * source_weights(labels, weights, anchors)
    return rows_of(labels, share)


def single(labels: WeakLabels, anchors: Anchors | None = None, source: str | None = None) -> Targets:
    """One source's votes as they are; without `source` there must be only one."""
    chosen = labels if source is None else labels.only([source])
    return rows_of(chosen, chosen.voted.astype(float))


def rows_of(labels: WeakLabels, share: Float[np.ndarray, "item source"]) -> Targets:
    """Targets with one row wherever `share` is positive, weights normalised within each item."""
    total = share.sum(axis=1, keepdims=True)
    item, source = np.nonzero(share)
    weight = (share / np.where(total > 0, total, 1.0))[item, source]
    names = [labels.items[i] for i in item.tolist()]
    return Targets(names, labels.probs[item, source], weight, without_votes(int((total == 0).sum())))


def without_votes(count: int) -> tuple[str, ...]:
    """The sentence that tells how many items have no target."""
    return (f"Items without a vote that counts, left out: {count}.",) if count else ()
