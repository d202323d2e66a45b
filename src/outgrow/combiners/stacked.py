"""Stacking: one exponent per source and one bias per class, fitted on held-out gold.

    q_i(k) ∝ exp( b_k + Σ_s w_s log v_is(k) )        w_s >= 0

A weighted log-linear pool whose weights make gold likely (stacked generalisation, Wolpert 1992). An abstention adds
nothing. With the gold y_i of items on which the sources did not train, (w, b) minimise

    −Σ_i log q_i(y_i)  +  ½ ‖w − 1/S‖²  +  (5/2) ‖b‖²        in nats, summed over the items with gold

The penalty keeps a source with few or no votes there near 1/S. The problem is convex and has one solution. Without
gold, q is the mean of the votes.

`evidence` makes targets ℓ_i(k) ∝ q_i(k) / π(k), where π is the mean of q over the items: the posterior without its
class prior, so that a student which has a prior of its own, as the loss `marginal_likelihood` has, does not count it
twice. Options of *choose* have no prior by position: there are no biases, and ℓ = q. For texts, the same is
`candidate_pool.py`.
"""

from dataclasses import replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from outgrow.combiners.candidate_pool import PooledCandidates
from outgrow.combiners.combiner_record import CombinerRecord, CombinerSection, PosteriorSection
from outgrow.combiners.em import mean_vote_scores, row_scores
from outgrow.combiners.fit import Fit, fit_of_posterior
from outgrow.combiners.fit_stack import Stack, fit_stack
from outgrow.combiners.votes import Votes
from outgrow.data.task import Kind
from outgrow.lazy import sparse

FLOOR = 1e-6
"""Least probability of a vote, so that a vote of exactly zero excludes no class."""


class Stacked(PosteriorSection):
    """Log-linear pool with one exponent per source and one bias per class, fitted on gold; without gold the mean."""

    type: Literal["stacked"]
    class_biases: bool = True
    """One bias per class. Options of *choose* have none."""
    evidence: bool = False
    """A student learns the posterior divided by its mean over the items, normalised. Options of *choose* are not
    divided. With texts the combiner is `candidate_pool`."""

    not_passed = frozenset({"type", "calibrate", "evidence"})

    def for_kind(self, kind: Kind) -> CombinerSection:
        if kind == "generate":
            return PooledCandidates(type="candidate_pool")
        return self if kind == "classify" else self.model_copy(update={"class_biases": False, "evidence": False})

    @property
    def divides_prior(self) -> bool:
        return self.evidence


def stacked_targets(section: Stacked, posterior: Float[np.ndarray, "item class"]) -> Float[np.ndarray, "item class"]:
    """The evidence, or the posterior."""
    return evidence_of(posterior) if section.evidence else posterior


def fit_stacked(votes: Votes, *, class_biases: bool = True) -> Fit:
    """The stack of the votes, fitted on the items with gold; the mean vote if no source votes on any of them."""
    known = np.flatnonzero((votes.gold >= 0) & votes.has_vote)
    if not len(known):
        note = "No item has gold: the posterior is the mean vote."
        return replace(fit_of_posterior(votes, _scores(votes, None)), notes=(note,))
    each = np.repeat(known, votes.weight[known].astype(int))
    stack = fit_stack(log_votes(votes.take(each)), votes.gold[each], class_biases=class_biases)
    values = ", ".join(f"{name} {value:.2f}" for name, value in zip(votes.sources, stack.exponents, strict=True))
    note = f"Exponents of the sources, fitted on {len(each)} items with gold: {values}."
    return replace(fit_of_posterior(votes, _scores(votes, stack)), notes=(note,))


def log_votes(votes: Votes) -> "sparse.csr_array":
    """log max(v, `FLOOR`) − log `FLOOR`, a row per (row of votes, class), a column per source.

    Only differences between classes count, so that nothing is stored where a vote gives a class no share.
    """
    entries, shape = votes.entries, (votes.n_rows * votes.n_classes, len(votes.sources))
    logs = np.log(np.maximum(entries.shares, FLOOR)) - np.log(FLOOR)
    place = entries.row.astype(np.int64) * votes.n_classes + entries.outcome
    return sparse.coo_array((logs, (place, entries.source)), shape=shape).tocsr()


def evidence_of(posterior: Float[np.ndarray, "item class"]) -> Float[np.ndarray, "item class"]:
    """q_i(k) / π(k), normalised for every item; π is the mean of q over the items."""
    if not len(posterior):
        return posterior
    ratio = posterior / np.maximum(posterior.mean(axis=0), np.finfo(float).tiny)
    return np.asarray(ratio / ratio.sum(axis=1, keepdims=True))


def _scores(votes: Votes, stack: Stack | None) -> Float[np.ndarray, "row class"]:
    """Logits of the posterior of every row: those of the stack, or the logarithm of the mean vote."""
    if stack is None:
        return row_scores(votes, mean_vote_scores())
    return np.asarray((log_votes(votes) @ stack.exponents).reshape(-1, votes.n_classes) + stack.biases)


STACKED = CombinerRecord(
    Stacked,
    paper="Wolpert 1992 (stacked generalisation); Genest & Zidek 1986 (log-linear pool)",
    deviations="Ridge towards equal exponents; division by the mean posterior (`evidence`).",
    fit=fit_stacked,
    targets_from=stacked_targets,
    soft_only=True,
)
