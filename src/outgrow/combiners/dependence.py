"""Dependence between sources: which of them copy, and how far their errors are correlated.

Two sources that copy one another agree more than their skills explain. With independent errors the covariances of
votes (`pairwise_agreement.py`) have rank one, so that two other sources k, l predict that of a pair (i, j):

    cov_ij = cov_ik cov_lj / cov_kl                  (a tetrad; above two classes where errors fall on all alike)

The least-squares answer over all (k, l), each product of three pairs weighted with their numbers of shared items, is a
ratio of matrix products, shrunk to `PRIOR_AGREEMENT` where it rests on noise. How far a pair lies above it, relative
to full agreement (0 … 1), is the share that was copied, multiplied by its probability given the likelihood ratio of
their agreement with the extended Bayesian information criterion's penalty (Chen and Chen 2008) for so many pairs. The
pair with the largest share is removed from the tetrads first, then the next one is looked for. No posterior is needed:
a model that has counted a copied pair as two independent sources estimates both as faultless.

What is left is difficulty that all share. Given the posterior of the truth, e_s = 1[s errs] − P(s errs) should be
uncorrelated; `shared_difficulty` is the correlation of e_s and e_t over all pairs not known to copy. What an item's
votes then count: `independent_weights.py`.

Where there are more than `MOST_COMPARED` sources, copies are looked for among those with most votes.

Limit: with two classes, errors that all sources share look like truth. Only anchors can show them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
from jaxtyping import Float, Int

from outgrow.combiners.em import LEAST, Confusion, Weights
from outgrow.combiners.independent_weights import equal_voters, independent_weights, strengths
from outgrow.combiners.pairwise_agreement import (
    Form,
    Matrix,
    Pairs,
    PairwiseAgreement,
    agreement,
    columns_times,
    met_pairs,
    pair_sums,
    rows_times,
    values_at,
)
from outgrow.combiners.vote_block import Block
from outgrow.combiners.votes import Votes
from outgrow.lazy import sparse, special

PRIOR_AGREEMENT = 0.8
"""A priori a correlation of votes up to here is no sign of copying: two sources of accuracy 0.95."""
CERTAIN = 0.999
"""No pair is predicted to agree more than this share of what is possible."""
CREDIBLE = 0.5
TIE = 1e-6
NO_COPY = 1e-6
"""A smaller share of copied votes is none."""
MOST_COMPARED = 400
"""Sources among which copies are looked for: the time grows with the cube of their number."""
MOST_PAIRS = 20_000_000
"""Pairs of votes on the same row from which the sources' shared difficulty is estimated."""
SEED = 0
LEAST_DUPLICATES = 20
"""Sources that agree on all of so many votes, and abstain together, are one source."""


@dataclass(frozen=True)
class Dependence:
    """How the sources depend on one another."""

    copied: "sparse.csr_array"
    """For every pair the share of votes that look copied, none on the diagonal."""
    difficulty: float
    """The correlation of two sources' errors, copies aside."""
    strength: Float[np.ndarray, "source"]

    def weights(self, votes: Votes) -> Weights | None:
        """The weight of every vote; `None` where all count fully."""
        if not self.difficulty and not self.copied.count_nonzero():
            return None
        voters, row_of = equal_voters(votes)
        weights = independent_weights(voters, self.copied, self.difficulty, self.strength)
        start, size = voters.indptr[row_of], np.diff(votes.entries.start)
        if votes.soft:
            vote = np.cumsum(votes.entries.begins_vote) - 1
            first_of_row = np.append(0, votes.n_voters.cumsum())[:-1]
            place = np.repeat(start - first_of_row, size) + vote
        else:
            place = np.repeat(start - votes.entries.start[:-1], size) + np.arange(len(votes.entries.column))
        return np.asarray(weights.astype(np.float32)[place])

    def renewed(
        self,
        votes: Votes,
        weights: Weights | None,
        posterior: Float[np.ndarray, "row class"],
        confusion: Confusion,
        balance: Float[np.ndarray, "class"],
    ) -> "Dependence":
        """The same copies; difficulty and strengths by an estimate. Pairs count with their votes' weights."""
        counts = mean_weight(votes, weights)
        return replace(
            self,
            difficulty=shared_difficulty(votes, posterior, confusion, counts, self.copied),
            strength=strengths(confusion, balance),
        )


def mean_weight(votes: Votes, weights: Weights | None) -> Float[np.ndarray, "source"]:
    """The mean weight of every source's votes; 1 of a source without any."""
    if weights is None:
        return np.ones(len(votes.sources))
    entries = votes.entries
    begins = entries.begins_vote
    each = weights[begins] * votes.weight[entries.row[begins]]
    total = np.bincount(entries.source[begins], each, minlength=len(votes.sources))
    return np.asarray(np.where(votes.n_votes > 0, total / np.maximum(votes.n_votes, 1), 1))


def duplicate_sources(votes: Votes) -> tuple[Int[np.ndarray, "kept"], Int[np.ndarray, "source"]]:
    """The first of all sources with the same votes everywhere, and for every source the place of its own first one."""
    seen: dict[object, int] = {}
    copy_of = []
    entries = votes.entries
    row, outcome, share = entries.row, entries.outcome, entries.share
    for source, places in enumerate(entries.by_source(len(votes.sources))):
        key: object = source
        if votes.n_votes[source] >= LEAST_DUPLICATES:
            digest = blake2b(row[places].tobytes())
            digest.update(outcome[places].tobytes())
            digest.update(b"" if share is None else share[places].tobytes())
            key = digest.digest()
        copy_of.append(seen.setdefault(key, len(seen)))
    return np.unique(copy_of, return_index=True)[1], np.asarray(copy_of)


def copied_votes(votes: Votes) -> "sparse.csr_array":
    """For every pair of sources the share of votes that look copied; only those of `compared` are looked at."""
    chosen, n_sources = compared(votes), len(votes.sources)
    found = copying(agreement(votes.only(chosen))) if len(chosen) > 1 else np.zeros((len(chosen), len(chosen)))
    first, second = np.nonzero(found > NO_COPY)
    pairs = found[first, second], (chosen[first], chosen[second])
    return sparse.coo_array(pairs, shape=(n_sources, n_sources)).tocsr()


def compared(votes: Votes) -> Int[np.ndarray, "kept"]:
    """All sources, or of more than `MOST_COMPARED` those with most votes: a copy shows on many common items only."""
    if len(votes.sources) <= MOST_COMPARED:
        return np.arange(len(votes.sources))
    return np.sort(np.lexsort((np.asarray(votes.sources), -votes.n_votes))[:MOST_COMPARED])


def copying(moments: PairwiseAgreement) -> Pairs:
    """For every pair the share of votes that look copied, 0 … 1; the diagonal is 0."""
    others = ~np.eye(len(moments.n), dtype=bool)
    shared_items = np.where(others, moments.n, 0)
    used = shared_items / max(shared_items.max(), 1)
    while True:
        share, credible = excess(moments, predicted_covariance(moments, used))
        copies = (used > 0) & (credible > CREDIBLE)
        if not copies.any():
            return np.asarray(np.where(others, share * credible, 0))
        # Pairs that tie are removed together, or the order of the sources would decide.
        used = np.where(copies & (share >= share[copies].max() - TIE), 0, used)


def predicted_covariance(moments: PairwiseAgreement, weight: Pairs) -> Pairs:
    """Every pair's covariance as the tetrads of other pairs predict it, between 0 and `CERTAIN` of the largest."""
    noise = np.where(moments.n > 0, moments.spread**2 / np.maximum(moments.n, 1), 0)
    weighted = weight * moments.covariance
    above = tetrads(weighted, weighted, weighted)
    below = tetrads(weight, weighted * moments.covariance, weight)
    uncertainty = np.maximum(tetrads(weight, weight * noise, weight), LEAST)
    # `below` holds the noise's own square already, so that it is only the prior's share that is added above.
    shrunk = (above + uncertainty * PRIOR_AGREEMENT * moments.spread) / np.maximum(below, uncertainty)
    return np.asarray(np.clip(shrunk, 0, CERTAIN * moments.spread))


def tetrads(first: Pairs, middle: Pairs, last: Pairs) -> Pairs:
    """Σ_kl first_ik middle_kl last_lj over k ≠ j and l ≠ i; the matrices' diagonals are zero."""
    by_k = first * np.diag(middle @ last)
    by_l = np.diag(first @ middle)[:, None] * last
    return np.asarray(first @ middle @ last - by_k - by_l + first * middle.T * last)


def excess(moments: PairwiseAgreement, expected: Pairs) -> tuple[Pairs, Pairs]:
    """How far above `expected` a pair's covariance lies, relative to the largest, and how probable that is."""
    above = moments.covariance > expected
    share = np.where(above, (moments.covariance - expected) / np.maximum(moments.spread - expected, LEAST), 0)
    observed = np.clip(moments.together, 0, 1)
    chance = np.clip(moments.together - moments.covariance + expected, TIE, 1 - TIE)
    ratio = (
        2
        * moments.n
        * (special.xlogy(observed, observed / chance) + special.xlogy(1 - observed, (1 - observed) / (1 - chance)))
    )
    n_pairs = len(moments.n) * (len(moments.n) - 1) / 2
    penalty = np.log(np.maximum(moments.n, 1)) + 2 * np.log(max(n_pairs, 1)) + 2
    return np.clip(share, 0, 1), np.where(above, special.expit((ratio - penalty) / 2), 0)


def shared_difficulty(
    votes: Votes,
    posterior: Float[np.ndarray, "row class"],
    confusion: Confusion,
    weight: Float[np.ndarray, "source"],
    copied: "sparse.csr_array",
) -> float:
    """The correlation, 0 … 1, of two sources' errors given the posterior of the truth, over all pairs.

    A pair counts with the product of both weights and with the share that is not copied. Of very many pairs of votes a
    sample of the rows is taken.
    """
    rows = _sampled_rows(votes)
    if len(rows) < votes.n_rows:
        votes, posterior = votes.take(rows), posterior[rows]

    def sums(block: Block, form: Form) -> Iterator[Matrix]:
        voted, likely = form(block.voters), posterior[block.rows] * votes.weight[block.rows, None]
        errors = [
            form(block.share_of(truth)) - columns_times(voted, confusion[:, truth, truth])
            for truth in range(votes.n_classes)
        ]
        covariances = (rows_times(error, share).T @ error for error, share in zip(errors, likely.T, strict=True))
        yield sum(covariances)
        yield sum(rows_times(error * error, share).T @ voted for error, share in zip(errors, likely.T, strict=True))

    covariance, variance = (sparse.coo_array(matrix) for matrix in pair_sums(votes, sums, 2, np.float64))
    first, second = variance.coords
    counts = weight[first] * weight[second] * (first != second)
    counts = counts * (1 - values_at(copied, first, second))
    together = float(counts @ values_at(covariance, first, second))
    alone = float(counts @ np.sqrt(variance.data * values_at(variance, second, first)))
    return float(np.clip(together / alone, 0, 1)) if alone > 0 else 0.0


def _sampled_rows(votes: Votes) -> Int[np.ndarray, "kept"]:
    """All rows, or at random as many as have `MOST_PAIRS` pairs of votes."""
    share = MOST_PAIRS / max(met_pairs(votes), 1.0)
    if share >= 1:
        return np.arange(votes.n_rows)
    return np.flatnonzero(np.random.default_rng(SEED).random(votes.n_rows) < share)
