"""Expectation-maximisation for sources that err by a confusion matrix, shared by all such models.

Item i has the true class c with probability p_c, and source s then votes k with probability π_s[c, k], independently
of the others. A soft vote q counts with its expected log-probability; an abstention is missing at random:

    log P(votes on i | c) = Σ_s Σ_k q_is[k] log π_s[c, k]                       (hard votes: log π_s[c, vote])
    E:  posterior_i[c] ∝ p_c P(votes on i | c);      counts_s[c, k] = Σ_i posterior_i[c] q_is[k]
    M:  p from the items' summed posteriors, π from `counts`, by the model's own rule

Models differ in the rule only: any matrix (Dawid and Skene), one accuracy, or a share of spam. Where gold is known
it takes the posterior's place. No step lowers log P(votes) + log prior(π, p), which is `EmResult.objective`.

The start is the mean vote: nothing is drawn at random, and the order of sources and classes does not matter.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from outgrow.combiners.vote_block import Block
from outgrow.combiners.votes import Votes

LEAST = 1e-300
"""A probability of zero, where its logarithm is needed."""

TOLERANCE = 1e-6
"""Nats per vote; the algorithm stops where a step gains less."""
ROUNDS = 500

Confusion = Float[np.ndarray, "source truth outcome"]
Weights = Float[np.ndarray, "entry"]
"""A weight for every entry of the votes, the same for all entries of a source's vote on a row."""
LogLikelihood = Callable[[Block], Float[np.ndarray, "block class"]]
"""A block's log-likelihood of every class, without the balance of the classes."""


Itself = TypeVar("Itself")


@runtime_checkable
class SourceModel(Protocol):
    """How sources err: a confusion matrix each, learned from expected counts."""

    @property
    def confusion(self) -> Confusion: ...

    @property
    def log_prior(self) -> float: ...

    def learn(self: Itself, counts: Confusion) -> Itself: ...


class ExpectationStep(NamedTuple):
    """Result of one pass over the votes."""

    counts: Confusion
    shares: Float[np.ndarray, "class"]
    """How many items of the table have each class."""
    log_likelihood: float


Model = TypeVar("Model", bound=SourceModel)


@dataclass(frozen=True)
class EmResult(Generic[Model]):
    """The parameters at the end."""

    model: Model
    balance: Float[np.ndarray, "class"]
    objective: tuple[float, ...]
    """Log-likelihood plus log-prior before every step, and at the end."""
    converged: bool


def run_em(
    votes: Votes, model: Model, *, smoothing: float, balanced: bool, tolerance: float, rounds: int
) -> EmResult[Model]:
    """Expectation-maximisation from what `model` learns from the mean vote.

    Args:
        smoothing: pseudo-items of every class that the balance is estimated with.
        balanced: the classes are equally frequent; otherwise their balance is estimated.
        tolerance: stop where a step gains less than this per vote, in nats.
        rounds: the most steps; `converged` is false after them.
    """
    uniform = np.zeros(votes.n_classes)
    start = expectation_step(votes, mean_vote_scores(), uniform)
    balance = _balance(start.shares, smoothing, balanced)
    model = model.learn(start.counts)
    trace: list[float] = []
    least_gain = tolerance * max(1.0, float(start.counts.sum()))
    while True:
        expected = expectation_step(votes, naive_bayes(model.confusion), np.log(balance))
        trace.append(expected.log_likelihood + model.log_prior + smoothing * float(np.log(balance).sum()))
        converged = len(trace) > 1 and trace[-1] - trace[-2] < least_gain
        if converged or len(trace) > rounds:
            return EmResult(model, balance, tuple(trace), converged)
        model, balance = model.learn(expected.counts), _balance(expected.shares, smoothing, balanced)


def expectation_step(
    votes: Votes, log_likelihood: LogLikelihood, log_balance: Float[np.ndarray, "class"]
) -> ExpectationStep:
    """One pass: expected confusion counts, class counts and the log-likelihood of all votes."""
    counts = np.zeros((len(votes.sources) * votes.n_outcomes, votes.n_classes))
    shares, total = np.zeros(votes.n_classes), 0.0
    for block in votes.blocks():
        scores = log_likelihood(block)
        posterior, evidence = posterior_of(scores, log_balance, votes.gold[block.rows])
        counts += block.counts(posterior * votes.weight[block.rows, None])
        shares += votes.items[block.rows] @ posterior
        total += log_probability(votes, block.rows, posterior, evidence, log_balance)
    by_source = counts.reshape(len(votes.sources), votes.n_outcomes, votes.n_classes)
    return ExpectationStep(np.ascontiguousarray(by_source.transpose(0, 2, 1)), shares, total)


def posterior_of(
    scores: Float[np.ndarray, "row class"], log_balance: Float[np.ndarray, "class"], gold: Int[np.ndarray, "row"]
) -> tuple[Float[np.ndarray, "row class"], Float[np.ndarray, "row"]]:
    """Posterior of the classes and log-probability of the votes; where gold is known, those of gold."""
    # A class is one run of memory: sums and maxima over few classes are slow in the other layout.
    joint = np.add(scores.T, log_balance[:, None], order="C")
    known = np.flatnonzero(gold >= 0)
    if len(known):
        others = np.arange(len(joint))[:, None] != gold[known]
        joint[:, known] = np.where(others, -np.inf, joint[:, known])
    top = joint.max(axis=0)
    joint -= top
    posterior = np.exp(joint, out=joint)
    total = posterior.sum(axis=0)
    posterior /= total
    return np.ascontiguousarray(posterior.T), top + np.log(total)


def log_probability(
    votes: Votes,
    rows: slice,
    posterior: Float[np.ndarray, "block class"],
    evidence: Float[np.ndarray, "block"],
    log_balance: Float[np.ndarray, "class"],
) -> float:
    """ln P of some rows' votes; of an anchor without the probability of its class."""
    return float(votes.weight[rows] @ evidence - votes.anchors[rows] @ (posterior @ log_balance))


def posteriors(
    votes: Votes, log_likelihood: LogLikelihood, log_balance: Float[np.ndarray, "class"]
) -> tuple[Float[np.ndarray, "row class"], float]:
    """P(class | votes) of every row, the balance where there is no vote; and ln P(all votes)."""
    posterior, total = np.empty((votes.n_rows, votes.n_classes)), 0.0
    for block in votes.blocks():
        posterior[block.rows], evidence = posterior_of(log_likelihood(block), log_balance, votes.gold[block.rows])
        total += log_probability(votes, block.rows, posterior[block.rows], evidence, log_balance)
    return posterior, total


def by_item(votes: Votes, per_row: Float[np.ndarray, "row class"]) -> Float[np.ndarray, "item class"]:
    """A number per row and class as one per item of the table; rows that are the items themselves are not copied."""
    in_order = len(votes.row_of) == len(per_row) and bool((np.diff(votes.row_of) == 1).all())
    return per_row if in_order else per_row[votes.row_of]


def naive_bayes(confusion: Confusion) -> LogLikelihood:
    """Scores under independent errors: Σ_s Σ_k q_s[k] log π_s[c, k]."""
    return scores_by(np.log(np.maximum(confusion, LEAST)))


def scores_by(table: Confusion, weights: Weights | None = None) -> LogLikelihood:
    """Σ_s w_s Σ_k q_s[k] table_s[c, k], with a weight for every vote."""
    columns = by_column(table)
    return lambda block: block.times(columns, None if weights is None else weights[block.entries])


def row_scores(votes: Votes, log_likelihood: LogLikelihood) -> Float[np.ndarray, "row class"]:
    """The scores of all rows."""
    scores = np.empty((votes.n_rows, votes.n_classes))
    for block in votes.blocks():
        scores[block.rows] = log_likelihood(block)
    return scores


def mean_vote_scores(weights: Weights | None = None) -> LogLikelihood:
    """The logarithm of each class's share of the votes on an item; equal scores where there is no vote."""

    def scores(block: Block) -> Float[np.ndarray, "block class"]:
        by_class = block.by_class(None if weights is None else weights[block.entries])
        return np.asarray(np.log(np.maximum(by_class, LEAST)))

    return scores


def by_column(table: Confusion) -> Float[np.ndarray, "column truth"]:
    """A table by source, truth and outcome as a matrix that a block can be multiplied by."""
    return np.ascontiguousarray(table.transpose(0, 2, 1).reshape(-1, table.shape[1]))


def _balance(shares: Float[np.ndarray, "class"], smoothing: float, balanced: bool) -> Float[np.ndarray, "class"]:
    counted = np.ones_like(shares) if balanced else shares + max(smoothing, LEAST)
    return np.asarray(counted / counted.sum())
