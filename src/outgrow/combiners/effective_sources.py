"""How many independent sources a panel is worth: the effective number of independent votes on an item.

Sources that err on the same items are worth fewer. With e_s = 1[s errs] − P(s errs), where a soft vote errs by the
share that it does not give to the truth, the sources' errors have the mean correlation

    ρ = Σ_i Σ_{s≠t} E e_is e_it / Σ_i Σ_{s≠t} σ_s σ_t        σ_s² = P(s errs) (1 − P(s errs)); over the votes of item i

where E is taken over the posterior of the item's class. k votes whose errors are correlated by ρ are worth

    k / (1 + (k − 1) ρ)                                      independent ones (Kish 1965, as for cluster samples)

as their mean error has the variance of so many. `n_effective` is the mean of this over the items with a vote, ρ kept
between 0 and 1. With one vote on every item there is no ρ, and each item is worth one.

ρ is that of all pairs of sources that meet, each item weighted with its pairs; it does not say which sources depend.
Errors are centred on the source's own rate over all items, not class by class: sources that all miss a rare class err
together. Without gold the posterior decides what an error is. It follows the majority or a model of it, so that errors
which most sources share look like truth, and n is then an upper limit. Gold of items replaces their posterior.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from outgrow.combiners.fit import accuracy_of_votes
from outgrow.combiners.vote_block import Block
from outgrow.combiners.votes import Votes


@dataclass(frozen=True)
class EffectiveSources:
    """What the votes on an item are worth."""

    votes_per_item: float
    """Mean over the items with a vote."""
    correlation: float
    """ρ, 0 … 1; nan where no two sources vote on the same item, or none errs."""
    n_effective: float
    """Independent votes per item; nan without votes."""


def effective_sources(votes: Votes, posterior: Float[np.ndarray, "item class"]) -> EffectiveSources:
    """The effective number of independent sources under a posterior of the items' classes."""
    votes = votes.without_silence()
    truth = np.full((votes.n_rows, votes.n_classes), 1 / votes.n_classes)
    truth[votes.row_of] = posterior
    known = np.flatnonzero(votes.gold >= 0)
    truth[known] = np.eye(votes.n_classes)[votes.gold[known]]
    rate = 1 - accuracy_of_votes(votes, truth)
    spread = np.sqrt(rate * (1 - rate))
    together, possible, n_voters = 0.0, 0.0, np.zeros(votes.n_rows)
    for block in votes.blocks():
        weight = votes.weight[block.rows]
        n_voters[block.rows] = _per_row(block, block.share)
        together += float(weight @ _products_of_errors(block, truth[block.rows], rate))
        pairs = _per_row(block, block.share * spread[block.source]) ** 2
        possible += float(weight @ (pairs - _per_row(block, block.share * spread[block.source] ** 2)))
    return _worth(n_voters, votes.items, together, possible)


def _worth(
    n_voters: Float[np.ndarray, "row"], items: Float[np.ndarray, "row"], together: float, possible: float
) -> EffectiveSources:
    """Kish's number from the pooled products of errors."""
    total = float(items @ (n_voters > 0))
    if not total:
        return EffectiveSources(0.0, np.nan, np.nan)
    correlation = float(np.clip(together / possible, 0, 1)) if possible > 0 else np.nan
    shared = np.nan_to_num(correlation)
    worth = np.where(n_voters > 0, n_voters / (1 + np.maximum(n_voters - 1, 0) * shared), 0)
    return EffectiveSources(float(items @ n_voters) / total, correlation, float(items @ worth) / total)


def _products_of_errors(
    block: Block, truth: Float[np.ndarray, "row class"], rate: Float[np.ndarray, "source"]
) -> Float[np.ndarray, "row"]:
    """Σ_{s≠t} E e_s e_t of every row: under class c the square of the sum of errors less the sum of their squares."""
    n_rows, n_classes = truth.shape
    right = 1 - rate[block.source]
    place = block.row * n_classes + block.outcome
    shape = (n_rows, n_classes)
    for_class, of_rate, squares = (
        np.bincount(place, weights, minlength=n_rows * n_classes).reshape(shape)
        for weights in (block.share, block.share * right, block.share**2)
    )
    sum_of_errors = _per_row(block, block.share * right)[:, None] - for_class
    sum_of_squares = _per_row(block, block.share * right**2)[:, None] - 2 * of_rate + squares
    return np.asarray((truth * (sum_of_errors**2 - sum_of_squares)).sum(axis=1))


def _per_row(block: Block, weight: Float[np.ndarray, "entry"]) -> Float[np.ndarray, "row"]:
    """The sum over a row's votes; the shares of a soft vote add up to one vote."""
    n_rows = block.rows.stop - block.rows.start
    return np.bincount(block.row, weight, minlength=n_rows)
