"""Triplets for any number of classes: accuracies of one-coin sources in closed form.

Source s is right with probability a_s whatever the class, and errs uniformly over the other classes. Its skill is
b_s = (K a_s − 1) / (K − 1): 1 = always right, 0 = chance. For sources that err independently

    (K P(s and t agree) − 1) / (K − 1)  =  b_s b_t  =: M_st

whatever the balance of the classes, so that M_st M_su = b_s² M_tu for every triplet. Over all pairs (t, u) that share
items with s and each other, the least-squares answer is a ratio of two sums, both products of matrices:

    b_s² = Σ_tu M_st M_tu M_us / Σ_tu M_tu²

A sum of products survives pairs at chance, on which a mean of single triplets (`flying_squid`, Fu et al. 2020, two
classes) divides by almost nothing. Signs: the sources are better than chance on the whole; one that disagrees with
the others on balance is worse than chance. The balance follows from the shares of the votes,
P(s votes k) = b_s p_k + (1 − b_s)/K, and the posterior is naive Bayes.

Below three sources, without triplets that share items, or with fewer than `ENOUGH_MET` items a pair, a study's targets
are those of a weighted vote, without anchors of the majority.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float

from outgrow.combiners.combiner_record import CombinerRecord, LabelModelSection, TableLimits, TrustReportOrder
from outgrow.combiners.dawid_skene import one_coin_confusion
from outgrow.combiners.em import LEAST, naive_bayes, posteriors
from outgrow.combiners.fit import Fit, closed_form_fit
from outgrow.combiners.pairwise_agreement import (
    Matrix,
    meetings,
    over_triangles,
    refuse_too_sparse,
    values_at,
    with_fast_products,
)
from outgrow.combiners.votes import Votes
from outgrow.errors import DataError
from outgrow.lazy import sparse

LARGEST = 1 - 1e-3
"""No source is taken to be perfect."""
LEAST_SOURCES = 3


class Triplets(LabelModelSection):
    """One accuracy per source in closed form, from how often sources agree."""

    type: Literal["triplets"]

    @property
    def uses_gold(self) -> bool:
        return self.calibrate


def fit_triplets(votes: Votes, *, balanced: bool = False) -> Fit:
    """The closed form. `balanced`: equally frequent classes instead of estimated ones.

    Raises `DataError` where sources share too few items, or a source is in no triplet.
    """
    refuse_too_sparse("triplets", votes)
    skill = skills(votes)
    if skill is None:
        raise DataError(f"`triplets` needs {LEAST_SOURCES} sources with votes on the same items; use `vote`")
    accuracy = (1 + (votes.n_classes - 1) * skill) / votes.n_classes
    balance = np.full(votes.n_classes, 1 / votes.n_classes) if balanced else _balance(votes, skill)
    confusion = one_coin_confusion(accuracy, votes.n_classes)
    posterior, log_likelihood = posteriors(votes, naive_bayes(confusion), np.log(balance))
    return closed_form_fit(votes, posterior, log_likelihood, balance=balance, confusion=confusion, accuracy=accuracy)


def skills(votes: Votes) -> Float[np.ndarray, "source"] | None:
    """b of every source, within (−1/(K − 1), 1)."""
    counted = meetings(votes)
    pairs = sparse.coo_array(counted.n)
    other = (pairs.row != pairs.col) & (pairs.data > 0)
    first, second = pairs.row[other], pairs.col[other]
    together = values_at(counted.same, first, second) / pairs.data[other]
    product = (votes.n_classes * together - 1) / (votes.n_classes - 1)
    products, met = (
        with_fast_products(sparse.csr_array((part, (first, second)), shape=pairs.shape))
        for part in (product, np.ones(len(first)))
    )
    squared = triplet_squares(products, met)
    if squared is None:
        return None
    size = np.sqrt(np.clip(squared, 0, None))
    main = largest_eigenvector(products)
    side = np.where(main * (main @ size) < 0, -1, 1)
    return np.asarray(np.clip(side * size, -LARGEST / (votes.n_classes - 1), LARGEST))


def triplet_squares(products: Matrix, met: Matrix) -> Float[np.ndarray, "source"] | None:
    """Σ_tu M_st M_tu M_us / Σ_tu M_tu² over pairs (t, u) that share items; `None` where a source is in no triplet."""
    above, below = over_triangles(products, products), over_triangles(met, products * products)
    if not (below > 0).all():
        return None
    return np.asarray(above / below)


def largest_eigenvector(symmetric: Matrix) -> Float[np.ndarray, "source"]:
    """The eigenvector of the largest eigenvalue."""
    if isinstance(symmetric, np.ndarray):
        return np.asarray(np.linalg.eigh(symmetric)[1][:, -1])
    start = np.ones(symmetric.shape[0])
    return np.asarray(sparse.linalg.eigsh(symmetric, k=1, which="LA", v0=start)[1][:, 0])


def _balance(votes: Votes, skill: Float[np.ndarray, "source"]) -> Float[np.ndarray, "class"]:
    """The least-squares balance behind the votes, at least one item's worth of every class."""
    counts = votes.counts(votes.items)
    chance = (1 - skill)[:, None] / votes.n_classes * counts.sum(axis=1, keepdims=True)
    share = (skill @ (counts - chance)) / np.maximum(skill**2 @ counts.sum(axis=1), LEAST)
    share = np.maximum(share, 1 / max(votes.items.sum(), votes.n_classes))
    return np.asarray(share / share.sum())


TRIPLETS = CombinerRecord(
    Triplets,
    paper="after Fu et al., ICML 2020",
    deviations="K classes, a ratio of sums, sources below chance inverted, balance from vote shares",
    fit=fit_triplets,
    instead="outgrow.combiners.targets:vote_instead",
    compared=TrustReportOrder(place=6, of_rules=3),
    limits=TableLimits(sources=400),
)
