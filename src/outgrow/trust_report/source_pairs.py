"""Pairs of sources: agreement beyond chance, correlated errors, copied votes.

For two sources over the n items on which both voted (`combiners/pairwise_agreement.py`):

    κ          (agreement − chance) / (1 − chance), chance from the class shares of each on these items (Cohen)
    errors     correlation of e_s = 1[s errs] − P(s errs | true class) over the posterior of the truth: 0 for sources
               that err independently given the class, whatever their skill
    copied     estimated share of copied votes (`dependence.py`)
    same error expected share of equal votes where both err: 1/(K − 1) by chance if all errors are equally likely

The posterior favours the majority. With few sources, outvoted sources seem to err together, and errors that all
sources share are invisible.

With many sources only those with most votes are compared: the cost is classes × items × sources².
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array

from outgrow.combiners.dependence import LEAST_DUPLICATES, copying
from outgrow.combiners.pairwise_agreement import (
    Form,
    Matrix,
    Pairs,
    PairwiseAgreement,
    agreement,
    as_dense,
    columns_times,
    pair_sums,
    rows_times,
)
from outgrow.combiners.vote_block import Block
from outgrow.combiners.votes import Votes
from outgrow.trust_report.findings import PairTrust

MOST_SOURCES = 100
BUDGET = 2e10
"""The largest classes × rows × sources² of a comparison."""
WORTH_TELLING = 0.1
"""Share of copied votes above which a pair is flagged."""
MORE_THAN_USUAL, LEAST_BOTH_WRONG = 0.2, 10
"""Errors are flagged if their correlation is this far above the average pair's, with this many common errors."""
TINY = 1e-9
SAME, COPY, TOGETHER = "same votes", "copies", "errs together"


class SharedErrors(NamedTuple):
    """Sums over the items with votes of both sources, weighted by the posterior."""

    covariance: Pairs
    variance: Pairs
    """Of the row's source, over the items with a vote of the column's source."""
    both_right: Pairs
    """Both are right."""
    right: Pairs
    """The row's source is right, over the items with a vote of the column's source."""


def pair_trust(votes: Votes, truth: Float[np.ndarray, "item class"]) -> tuple[tuple[PairTrust, ...], str]:
    """All pairs of the compared sources, flagged pairs first, and a note if sources were left out.

    `truth`: the posterior of every item, or its gold.
    """
    kept = _compared(votes)
    if len(kept) < 2:
        return (), ""
    compared = votes.hardened().only(kept)
    agreements, errors = agreement(compared), pair_errors(compared, by_row(compared, truth))
    copied = copying(agreements)
    usual = usual_correlation(errors)
    pairs = [
        _pair(compared, agreements, errors, copied, usual, (first, second))
        for first in range(len(kept))
        for second in range(first + 1, len(kept))
        if agreements.n[first, second] > 0
    ]
    pairs.sort(key=lambda pair: (-bool(pair.flag), -pair.copied, -(pair.error_correlation or 0.0)))
    left_out = int((votes.n_votes > 0).sum()) - len(kept)
    note = f"Pairs: only the {len(kept)} sources with most votes are compared." if left_out > 0 else ""
    return tuple(pairs), note


def by_row(votes: Votes, truth: Float[np.ndarray, "item class"]) -> Float[np.ndarray, "row class"]:
    """The mean over the items that share a row; all sums in this module are linear in it."""
    n_items, n_rows = len(truth), votes.n_rows
    row_of_item = csr_array((np.ones(n_items), (votes.row_of, np.arange(n_items))), shape=(n_rows, n_items))
    return np.asarray((row_of_item @ truth) / np.maximum(votes.items, 1)[:, None])


def usual_correlation(errors: SharedErrors) -> float:
    """The average correlation of the errors of two sources."""
    off_diagonal = ~np.eye(len(errors.covariance), dtype=bool)
    spread = np.sqrt(errors.variance * errors.variance.T)[off_diagonal].sum()
    return float(np.clip(errors.covariance[off_diagonal].sum() / spread, 0, 0.99)) if spread > 0 else 0.0


def pair_errors(votes: Votes, posterior: Float[np.ndarray, "row class"]) -> SharedErrors:
    """Moments of the errors of all pairs, class by class of the truth; hard votes."""
    n_sources = len(votes.sources)
    right_by_class, voted_by_class = np.zeros((2, votes.n_classes, n_sources))
    for block in votes.blocks():
        likely = posterior[block.rows] * votes.weight[block.rows, None]
        voted_by_class += (block.voters.T @ likely).T
        for truth in range(votes.n_classes):
            right_by_class[truth] += block.share_of(truth).T @ likely[:, truth]
    skill = right_by_class / np.maximum(voted_by_class, np.finfo(float).tiny)

    def sums(block: Block, form: Form) -> Iterator[Matrix]:
        """The four sums, over all classes of the truth."""
        voted, likely = form(block.voters), posterior[block.rows] * votes.weight[block.rows, None]
        shares = [form(block.share_of(truth)) for truth in range(votes.n_classes)]
        errors = [share - columns_times(voted, own) for share, own in zip(shares, skill, strict=True)]
        yield sum(rows_times(error, p).T @ error for error, p in zip(errors, likely.T, strict=True))
        yield sum(rows_times(error * error, p).T @ voted for error, p in zip(errors, likely.T, strict=True))
        yield sum(rows_times(share, p).T @ share for share, p in zip(shares, likely.T, strict=True))
        yield sum(rows_times(share, p).T @ voted for share, p in zip(shares, likely.T, strict=True))

    return SharedErrors(*(as_dense(matrix) for matrix in pair_sums(votes, sums, 4, np.float64)))


def _pair(
    votes: Votes, agreements: PairwiseAgreement, errors: SharedErrors, copied: Pairs, usual: float, at: tuple[int, int]
) -> PairTrust:
    first, second = at
    n, observed = float(agreements.n[at]), float(agreements.together[at])
    by_chance = observed - float(agreements.covariance[at])
    both_wrong = float(max(n - errors.right[at] - errors.right[second, first] + errors.both_right[at], 0))
    same_wrong = float(max(n * observed - errors.both_right[at], 0))
    scale = float(np.sqrt(errors.variance[at] * errors.variance[second, first]))
    correlation = float(np.clip(errors.covariance[at] / scale, -1, 1)) if scale > TINY else None
    return PairTrust(
        first=votes.sources[first],
        second=votes.sources[second],
        n=round(n),
        agreement=observed,
        kappa=(observed - by_chance) / (1 - by_chance) if by_chance < 1 - TINY else None,
        error_correlation=correlation,
        both_wrong=both_wrong,
        same_error=min(same_wrong / both_wrong, 1.0) if votes.n_classes > 2 and both_wrong >= 0.5 else None,
        copied=float(copied[at]),
        flag=_flag(agreements, float(copied[at]), correlation, both_wrong, usual, at),
    )


def _flag(
    agreements: PairwiseAgreement,
    copied: float,
    correlation: float | None,
    both_wrong: float,
    usual: float,
    at: tuple[int, int],
) -> str:
    """The remark on a pair. Flagged errors correlate more than usual, and more than chance gives among many pairs."""
    first, second = at
    n = float(agreements.n[at])
    everywhere = n == agreements.n[first, first] == agreements.n[second, second]
    if everywhere and n >= LEAST_DUPLICATES and agreements.together[at] > 1 - TINY:
        return SAME
    if copied > WORTH_TELLING and n >= LEAST_DUPLICATES:
        return COPY
    if correlation is None or both_wrong < LEAST_BOTH_WRONG or correlation < usual + MORE_THAN_USUAL:
        return ""
    deviations = (np.arctanh(min(correlation, 0.999)) - np.arctanh(usual)) * np.sqrt(max(n - 3, 0))
    n_pairs = len(agreements.n) * (len(agreements.n) - 1) / 2
    return TOGETHER if deviations > np.sqrt(2 * np.log(max(n_pairs, 1))) + 2 else ""


def _compared(votes: Votes) -> np.ndarray:
    """The sources with most votes, as many as `BUDGET` allows, in their order."""
    affordable = int(np.sqrt(BUDGET / max(votes.n_rows * votes.n_classes, 1)))
    most = min(MOST_SOURCES, max(affordable, 2))
    voting = int((votes.n_votes > 0).sum())
    return np.sort(np.argsort(-votes.n_votes, kind="stable")[: min(most, voting)])
