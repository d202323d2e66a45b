"""Every two sources: do they agree more than chance, do they err together, does one copy the other?

For two sources over the n items on which both voted (`combiners/pairwise_agreement.py`):

    κ          (agreement − chance) / (1 − chance), chance from what each says how often on these items (Cohen)
    errors     correlation of e_s = 1[s errs] − P(s errs | true class) over the posterior of the truth: 0 for sources
               that err independently given the class, whatever their skill
    copied     share of the votes that look copied, as far as the likelihood makes it credible (`dependence.py`)
    same error how often both say the same where both err, as expected: 1/(K − 1) by chance if all errors are alike

The posterior believes who agrees. Where few sources vote, those who are outvoted seem to err together, and errors that
all share are not seen.

With many sources those with most votes are compared: the cost is classes × items × sources².
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array

from outgrow.combiners.dependence import LEAST_DUPLICATES, copying
from outgrow.combiners.pairwise_agreement import Pairs, PairwiseAgreement, agreement
from outgrow.combiners.votes import Votes
from outgrow.trust_report.findings import PairTrust

MOST_SOURCES = 100
BUDGET = 2e10
"""Classes × rows × sources² that are worth waiting for."""
WORTH_TELLING = 0.1
"""A pair that copies less than this is not flagged."""
MORE_THAN_USUAL, LEAST_BOTH_WRONG = 0.2, 10
"""Errors go together where their correlation is so much above that of all pairs, over so many common errors."""
TINY = 1e-9
SAME, COPY, TOGETHER = "same votes", "copies", "errs together"


class SharedErrors(NamedTuple):
    """Sums over the items that both of two sources voted on, by the posterior."""

    covariance: Pairs
    variance: Pairs
    """Of the row's source, over the items that the column's source voted on."""
    both_right: Pairs
    """Both say what is true."""
    right: Pairs
    """The row's source does, where the column's voted."""


def pair_trust(votes: Votes, truth: Float[np.ndarray, "item class"]) -> tuple[tuple[PairTrust, ...], str]:
    """All pairs of the sources compared, the most striking first; and a note where some were left out.

    `truth`: the posterior of every item, or its gold.
    """
    kept = _compared(votes)
    if len(kept) < 2:
        return (), ""
    few = votes.hardened().only(kept)
    found, errors = agreement(few), pair_errors(few, by_row(few, truth))
    copied = copying(found)
    usual = usual_correlation(errors)
    pairs = [
        _pair(few, found, errors, copied, usual, (first, second))
        for first in range(len(kept))
        for second in range(first + 1, len(kept))
        if found.n[first, second] > 0
    ]
    pairs.sort(key=lambda pair: (-bool(pair.flag), -pair.copied, -(pair.error_correlation or 0.0)))
    left_out = int((votes.n_votes > 0).sum()) - len(kept)
    note = f"Pairs: only the {len(kept)} sources with most votes are compared." if left_out > 0 else ""
    return tuple(pairs), note


def by_row(votes: Votes, truth: Float[np.ndarray, "item class"]) -> Float[np.ndarray, "row class"]:
    """The mean over the items that share a row: every sum here is linear in it."""
    n_items, n_rows = len(truth), len(votes.values)
    which = csr_array((np.ones(n_items), (votes.row_of, np.arange(n_items))), shape=(n_rows, n_items))
    return np.asarray((which @ truth) / np.maximum(votes.items, 1)[:, None])


def usual_correlation(errors: SharedErrors) -> float:
    """How far the errors of any two sources go together."""
    others = ~np.eye(len(errors.covariance), dtype=bool)
    spread = np.sqrt(errors.variance * errors.variance.T)[others].sum()
    return float(np.clip(errors.covariance[others].sum() / spread, 0, 0.99)) if spread > 0 else 0.0


def pair_errors(votes: Votes, posterior: Float[np.ndarray, "row class"]) -> SharedErrors:
    """Moments of the errors of all pairs, class by class of the truth; hard votes."""
    n_sources = len(votes.sources)
    right_by_class, met_by_class = np.zeros((2, votes.n_classes, n_sources))
    for block in votes.blocks():
        likely = posterior[block.rows] * votes.weight[block.rows, None]
        met_by_class += likely.T @ votes.voted[block.rows]
        for truth in range(votes.n_classes):
            right_by_class[truth] += likely[:, truth] @ votes.share_of(truth, block.rows)
    skill = right_by_class / np.maximum(met_by_class, np.finfo(float).tiny)
    sums = np.zeros((4, n_sources, n_sources))
    for block in votes.blocks():
        voted = votes.voted[block.rows].astype(np.float64)
        for truth in range(votes.n_classes):
            likely = (posterior[block.rows, truth] * votes.weight[block.rows])[:, None]
            share = votes.share_of(truth, block.rows).astype(np.float64)
            error = share - voted * skill[truth]
            sums += (
                (error * likely).T @ error,
                (error**2 * likely).T @ voted,
                (share * likely).T @ share,
                (share * likely).T @ voted,
            )
    return SharedErrors(*sums)


def _pair(
    votes: Votes, found: PairwiseAgreement, errors: SharedErrors, copied: Pairs, usual: float, at: tuple[int, int]
) -> PairTrust:
    first, second = at
    n, agree = float(found.n[at]), float(found.together[at])
    by_chance = agree - float(found.covariance[at])
    both_wrong = float(max(n - errors.right[at] - errors.right[second, first] + errors.both_right[at], 0))
    same_wrong = float(max(n * agree - errors.both_right[at], 0))
    spread = float(np.sqrt(errors.variance[at] * errors.variance[second, first]))
    together = float(np.clip(errors.covariance[at] / spread, -1, 1)) if spread > TINY else None
    return PairTrust(
        first=votes.sources[first],
        second=votes.sources[second],
        n=round(n),
        agreement=agree,
        kappa=(agree - by_chance) / (1 - by_chance) if by_chance < 1 - TINY else None,
        error_correlation=together,
        both_wrong=both_wrong,
        same_error=min(same_wrong / both_wrong, 1.0) if votes.n_classes > 2 and both_wrong >= 0.5 else None,
        copied=float(copied[at]),
        flag=_flag(found, float(copied[at]), together, both_wrong, usual, at),
    )


def _flag(
    found: PairwiseAgreement,
    copied: float,
    together: float | None,
    both_wrong: float,
    usual: float,
    at: tuple[int, int],
) -> str:
    """What is striking; errors go together where they do so more than usual, and more than so many pairs would."""
    first, second = at
    n = float(found.n[at])
    everywhere = n == found.n[first, first] == found.n[second, second]
    if everywhere and n >= LEAST_DUPLICATES and found.together[at] > 1 - TINY:
        return SAME
    if copied > WORTH_TELLING and n >= LEAST_DUPLICATES:
        return COPY
    if together is None or both_wrong < LEAST_BOTH_WRONG or together < usual + MORE_THAN_USUAL:
        return ""
    deviations = (np.arctanh(min(together, 0.999)) - np.arctanh(usual)) * np.sqrt(max(n - 3, 0))
    n_pairs = len(found.n) * (len(found.n) - 1) / 2
    return TOGETHER if deviations > np.sqrt(2 * np.log(max(n_pairs, 1))) + 2 else ""


def _compared(votes: Votes) -> np.ndarray:
    """The sources with most votes, as many as there is time for, in their order."""
    worth = int(np.sqrt(BUDGET / max(len(votes.values) * votes.n_classes, 1)))
    most = min(MOST_SOURCES, max(worth, 2))
    voting = int((votes.n_votes > 0).sum())
    return np.sort(np.argsort(-votes.n_votes, kind="stable")[: min(most, voting)])
