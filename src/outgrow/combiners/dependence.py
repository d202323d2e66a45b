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
uncorrelated; `shared_difficulty` is the correlation of e_s and e_t over all pairs not known to copy.

With R = those correlations and d_s = a source's strength, an item's votes count with the weights w that solve
R (w d) = d, the best linear combination of correlated sources, kept at 0 or above: m copies count 1/m each, m
equally correlated ones 1/(1 + (m − 1) ρ), and a copy of a better source nothing. Log-likelihoods are multiplied by w.

Limit: with two classes, errors that all sources share look like truth. Only anchors can show them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
from jaxtyping import Bool, Float, Int

from outgrow.combiners.em import LEAST, Confusion, Weights
from outgrow.combiners.pairwise_agreement import Pairs, PairwiseAgreement
from outgrow.combiners.votes import Votes
from outgrow.lazy import sparse, special

PRIOR_AGREEMENT = 0.8
"""A priori a correlation of votes up to here is no sign of copying: two sources of accuracy 0.95."""
CERTAIN = 0.999
"""No pair is predicted to agree more than this share of what is possible."""
CREDIBLE = 0.5
TIE = 1e-6
STEPS = 100
SETTLED = 1e-5
LEAST_DUPLICATES = 20
"""Sources that agree on all of so many votes, and abstain together, are one source."""


@dataclass(frozen=True)
class Dependence:
    """How the sources depend on one another."""

    copied: Pairs
    """For every pair the share of votes that look copied; the diagonal is 0."""
    difficulty: float
    """The correlation of two sources' errors, copies aside."""
    strength: Float[np.ndarray, "source"]

    def weights(self, votes: Votes) -> Weights | None:
        """The weight of every vote; `None` where all count fully."""
        correlation = np.maximum(self.copied, self.difficulty)
        np.fill_diagonal(correlation, 1)
        if len(correlation) == np.count_nonzero(correlation):
            return None
        voters, of_row = _equal_voters(votes.voted)
        weights = independent_weights(voters, correlation, self.strength)
        return np.asarray(weights.astype(np.float32)[of_row])

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
        pairs = np.outer(counts, counts) * (1 - self.copied)
        return replace(
            self,
            difficulty=shared_difficulty(votes, posterior, confusion, pairs),
            strength=strengths(confusion, balance),
        )


def mean_weight(votes: Votes, weights: Weights | None) -> Float[np.ndarray, "source"]:
    """The mean weight of every source's votes; 1 of a source without any."""
    if weights is None:
        return np.ones(len(votes.sources))
    return np.asarray(np.where(votes.n_votes > 0, votes.weight @ weights / np.maximum(votes.n_votes, 1), 1))


def duplicate_sources(votes: Votes) -> tuple[Int[np.ndarray, "kept"], Int[np.ndarray, "source"]]:
    """The first of all sources with the same votes everywhere, and for every source the place of its own first one."""
    seen: dict[object, int] = {}
    copy_of = []
    for source, n_votes in enumerate(votes.n_votes.tolist()):
        digest = blake2b(np.ascontiguousarray(votes.values[:, source]).data).digest()
        copy_of.append(seen.setdefault(digest if n_votes >= LEAST_DUPLICATES else source, len(seen)))
    return np.unique(copy_of, return_index=True)[1], np.asarray(copy_of)


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
    weight: Pairs,
) -> float:
    """The correlation, 0 … 1, of two sources' errors given the posterior of the truth, over all pairs by `weight`."""
    pairs = np.where(np.eye(len(weight), dtype=bool), 0, weight)
    covariance, variance = np.zeros((2, *pairs.shape))
    for block in votes.blocks():
        voted = votes.voted[block.rows].astype(float)
        for truth in range(votes.n_classes):
            error = votes.share_of(truth, block.rows) - voted * confusion[:, truth, truth]
            likely = (posterior[block.rows, truth] * votes.weight[block.rows])[:, None]
            covariance += (error * likely).T @ error
            variance += (error**2 * likely).T @ voted
    together = float((pairs * covariance).sum())
    alone = float((pairs * np.sqrt(variance * variance.T)).sum())
    return float(np.clip(together / alone, 0, 1)) if alone > 0 else 0.0


def strengths(confusion: Confusion, balance: Float[np.ndarray, "class"]) -> Float[np.ndarray, "source"]:
    """How well a vote tells two classes apart: the root of the mean log-odds it gives to the true one."""
    logs = np.log(np.maximum(confusion, LEAST))
    own = np.einsum("sck,sck->sc", confusion, logs)
    odds = own[:, :, None] - np.einsum("sck,sdk->scd", confusion, logs)
    pairs = np.where(np.eye(len(balance), dtype=bool), 0, np.outer(balance, balance))
    return np.asarray(np.sqrt(np.maximum(np.einsum("scd,cd->s", odds, pairs / pairs.sum()), TIE)))


def independent_weights(
    voted: Bool[np.ndarray, "row source"], correlation: Pairs, strength: Float[np.ndarray, "source"]
) -> Weights:
    """The weights w >= 0 of every row's votes with R (w d) = d among its voters, by multiplicative steps.

    The steps are those of Sha, Saul and Lee (2003) for a quadratic with matrix and solution at zero or above.
    """
    row, source = np.nonzero(voted)
    target = strength[source]
    explained = _explained_by_voters(row, source, correlation)
    solution = target
    for _ in range(STEPS):
        before = solution
        solution = before * target / explained(before)
        if np.abs(solution - before).max(initial=0) < SETTLED:
            break
    weights = np.zeros(voted.shape)
    weights[row, source] = solution / target
    return weights


def _explained_by_voters(
    row: Int[np.ndarray, "vote"], source: Int[np.ndarray, "vote"], correlation: Pairs
) -> Callable[[Float[np.ndarray, "vote"]], Float[np.ndarray, "vote"]]:
    """u → R u among each row's voters, where most pairs of R have the same correlation: the rest is a few columns."""
    shared = float(correlation.min())
    rest = correlation - shared - (1 - shared) * np.eye(len(correlation))
    columns = np.flatnonzero(rest.any(axis=0))
    special = np.isin(source, columns)
    place = (row[special], np.searchsorted(columns, source[special]))
    shape = (int(row.max(initial=0)) + 1, len(columns))
    special_rest = rest[np.ix_(columns, columns)]

    def explained(votes: Float[np.ndarray, "vote"]) -> Float[np.ndarray, "vote"]:
        total = shared * np.bincount(row, votes)[row] + (1 - shared) * votes
        total[special] += (sparse.csr_array((votes[special], place), shape=shape) @ special_rest)[place]
        return np.asarray(np.maximum(total, LEAST))

    return explained


def _equal_voters(
    voted: Bool[np.ndarray, "row source"],
) -> tuple[Bool[np.ndarray, "pattern source"], Int[np.ndarray, "row"]]:
    """The different sets of voters, and which of them each row has."""
    if voted.all():
        return voted[:1], np.zeros(len(voted), dtype=np.int64)
    bits = np.packbits(voted, axis=1)
    whole = np.zeros((len(voted), -(-bits.shape[1] // 8) * 8), np.uint8)
    whole[:, : bits.shape[1]] = bits
    words = whole.view(np.int64)
    if words.shape[1] == 1:
        _, first, of_row = np.unique(words[:, 0], return_index=True, return_inverse=True)
    else:
        _, first, of_row = np.unique(words, axis=0, return_index=True, return_inverse=True)
    return voted[first], of_row
