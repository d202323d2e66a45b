"""How often two sources agree: the moments that closed forms start from.

For every pair of sources, over the n items on which both voted (soft votes q: products of shares):

    together     Σ_k mean q_s[k] q_t[k]                            how often both vote for the same class
    covariance   Σ_k cov(q_s[k], q_t[k])                           how much of it is more than chance
    spread       sqrt(Σ_k var q_s[k] · Σ_k var q_t[k])             the largest covariance that there could be
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from outgrow.combiners.votes import Votes

Pairs = Float[np.ndarray, "source source"]


class PairwiseAgreement(NamedTuple):
    """Moments of all pairs; zeros where two sources share no item. The diagonal is a source with itself."""

    n: Pairs
    together: Pairs
    covariance: Pairs
    spread: Pairs


def agreement(votes: Votes) -> PairwiseAgreement:
    """The moments of all pairs of sources, items and anchors alike."""
    n_sources = len(votes.sources)
    n, same, squares = np.zeros((3, n_sources, n_sources))
    totals = np.zeros((votes.n_classes, n_sources, n_sources))
    for block in votes.blocks():
        weight = votes.weight[block.rows].astype(np.float32)[:, None]
        voted = votes.voted[block.rows].astype(np.float32)
        n += (voted * weight).T @ voted
        for chosen in range(votes.n_classes):
            share = votes.share_of(chosen, block.rows)
            weighted = (share * weight).T
            same += weighted @ share
            totals[chosen] += weighted @ voted
            squares += (weighted * share.T) @ voted
    shared = np.maximum(n, 1)
    means = totals / shared
    variance = np.maximum(squares / shared - (means**2).sum(axis=0), 0)
    covariance = same / shared - np.einsum("kst,kts->st", means, means)
    return PairwiseAgreement(n, same / shared, covariance, np.sqrt(variance * variance.T))
