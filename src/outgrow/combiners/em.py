"""Expectation-maximisation for sources that err by a confusion matrix: the one climb under every such model.

Item i has the true class c with probability p_c, and source s then says k with probability π_s[c, k], whatever the
others say. A soft vote q counts with its expected log-probability; an abstention says nothing (missing at random):

    log P(votes on i | c) = Σ_s Σ_k q_is[k] log π_s[c, k]                       (hard votes: log π_s[c, said])
    E:  posterior_i[c] ∝ p_c P(votes on i | c);      counts_s[c, k] = Σ_i posterior_i[c] q_is[k]
    M:  p from the items' summed posteriors, π from `counts`, by the model's own rule

Models differ in the rule only: any matrix (Dawid and Skene), one accuracy, or a share of spam. Where gold is known
it takes the posterior's place. Every step raises, or leaves, log P(votes) + log prior(π, p): `EmResult.objective`.

The start is the mean vote, so that nothing is drawn by chance, and sources and classes may come in any order.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from outgrow.combiners.votes import Block, Votes

LEAST = 1e-300
"""A probability of zero, where one must take its logarithm."""

TOLERANCE = 1e-6
"""Nats per vote; a climb stops where a step gains less."""
ROUNDS = 500

Confusion = Float[np.ndarray, "source truth said"]
Weights = Float[np.ndarray, "row source"]
Judge = Callable[[Block], Float[np.ndarray, "block class"]]
"""A block's log-likelihood of every class; the balance of the classes is not in it."""


Itself = TypeVar("Itself")


@runtime_checkable
class SourceModel(Protocol):
    """How sources err: a confusion matrix each, learnt from expected counts."""

    @property
    def confusion(self) -> Confusion: ...

    @property
    def log_prior(self) -> float: ...

    def learn(self: Itself, counts: Confusion) -> Itself: ...


class ExpectationStep(NamedTuple):
    """What one pass over the votes gives."""

    counts: Confusion
    shares: Float[np.ndarray, "class"]
    """How many items of the table have each class."""
    log_likelihood: float


Model = TypeVar("Model", bound=SourceModel)


@dataclass(frozen=True)
class EmResult(Generic[Model]):
    """Where the climb ended."""

    model: Model
    balance: Float[np.ndarray, "class"]
    objective: tuple[float, ...]
    """Log-likelihood plus log-prior before every step, and at the end."""
    converged: bool


def run_em(
    votes: Votes, model: Model, *, smoothing: float, balanced: bool, tolerance: float, rounds: int
) -> EmResult[Model]:
    """Expectation-maximisation from what `model` learns of the mean vote.

    Args:
        smoothing: pseudo-items of every class that the balance is estimated with.
        balanced: the classes are equally frequent; otherwise their balance is estimated.
        tolerance: stop where a step gains less than this per vote, in nats.
        rounds: give up after so many steps; `converged` is false then.
    """
    uniform = np.zeros(votes.n_classes)
    start = expectation_step(votes, mean_vote_scores(votes), uniform)
    balance = _balance(start.shares, smoothing, balanced)
    model = model.learn(start.counts)
    trace: list[float] = []
    enough = tolerance * max(1.0, float(start.counts.sum()))
    while True:
        found = expectation_step(votes, naive_bayes(model.confusion), np.log(balance))
        trace.append(found.log_likelihood + model.log_prior + smoothing * float(np.log(balance).sum()))
        converged = len(trace) > 1 and trace[-1] - trace[-2] < enough
        if converged or len(trace) > rounds:
            return EmResult(model, balance, tuple(trace), converged)
        model, balance = model.learn(found.counts), _balance(found.shares, smoothing, balanced)


def expectation_step(votes: Votes, judge: Judge, log_balance: Float[np.ndarray, "class"]) -> ExpectationStep:
    """One pass: expected confusion counts, class counts and the log-likelihood of all votes."""
    counts = np.zeros((len(votes.sources) * votes.n_said, votes.n_classes))
    shares, total = np.zeros(votes.n_classes), 0.0
    for block in votes.blocks():
        scores = judge(block)
        posterior, evidence = posterior_of(scores, log_balance, votes.gold[block.rows])
        counts += block.matrix.T @ (posterior * votes.weight[block.rows, None])
        shares += votes.items[block.rows] @ posterior
        total += log_probability(votes, block.rows, posterior, evidence, log_balance)
    by_source = counts.reshape(len(votes.sources), votes.n_said, votes.n_classes)
    return ExpectationStep(np.ascontiguousarray(by_source.transpose(0, 2, 1)), shares, total)


def posterior_of(
    scores: Float[np.ndarray, "row class"], log_balance: Float[np.ndarray, "class"], gold: Int[np.ndarray, "row"]
) -> tuple[Float[np.ndarray, "row class"], Float[np.ndarray, "row"]]:
    """Posterior of the classes and log-probability of the votes; where gold is known, both are its."""
    joint = scores + log_balance
    known = np.flatnonzero(gold >= 0)
    if len(known):
        others = np.arange(joint.shape[1]) != gold[known, None]
        joint[known] = np.where(others, -np.inf, joint[known])
    top = joint.max(axis=1, keepdims=True)
    posterior = np.exp(joint - top)
    total = posterior.sum(axis=1, keepdims=True)
    posterior /= total
    return posterior, (top + np.log(total))[:, 0]


def log_probability(
    votes: Votes,
    rows: slice,
    posterior: Float[np.ndarray, "block class"],
    evidence: Float[np.ndarray, "block"],
    log_balance: Float[np.ndarray, "class"],
) -> float:
    """ln P of some rows' votes; of an anchor only what the sources said counts, not how its class came about."""
    return float(votes.weight[rows] @ evidence - votes.anchors[rows] @ (posterior @ log_balance))


def read(
    votes: Votes, judge: Judge, log_balance: Float[np.ndarray, "class"]
) -> tuple[Float[np.ndarray, "row class"], float]:
    """P(class | votes) of every row, the balance where nobody voted; and ln P(all votes)."""
    posterior, total = np.empty((len(votes.heard), votes.n_classes)), 0.0
    for block in votes.blocks():
        posterior[block.rows], evidence = posterior_of(judge(block), log_balance, votes.gold[block.rows])
        total += log_probability(votes, block.rows, posterior[block.rows], evidence, log_balance)
    return posterior, total


def by_item(votes: Votes, per_row: Float[np.ndarray, "row class"]) -> Float[np.ndarray, "item class"]:
    """A number per row and class as one per item of the table; rows that are the items themselves are not copied."""
    in_order = len(votes.row_of) == len(per_row) and bool((np.diff(votes.row_of) == 1).all())
    return per_row if in_order else per_row[votes.row_of]


def naive_bayes(confusion: Confusion) -> Judge:
    """Scores under independent errors: Σ_s Σ_k q_s[k] log π_s[c, k]."""
    return scores_by(np.log(np.maximum(confusion, LEAST)))


def scores_by(table: Confusion, weights: Weights | None = None) -> Judge:
    """Σ_s w_s Σ_k q_s[k] table_s[c, k], with a weight for every vote."""
    columns = by_column(table)
    return lambda block: np.asarray(_weighed(block, weights) @ columns)


def mean_vote_scores(votes: Votes, weights: Weights | None = None) -> Judge:
    """The logarithm of each class's share of the votes on an item; equal scores where nobody voted."""
    own_class = np.eye(votes.n_classes, votes.n_said)
    same = by_column(np.broadcast_to(own_class, (len(votes.sources), *own_class.shape)))
    return lambda block: np.log(np.maximum(_weighed(block, weights) @ same, LEAST))


def _weighed(block: Block, weights: Weights | None) -> csr_array:
    return block.matrix if weights is None else block.reweighed(weights[block.rows][block.row, block.source])


def by_column(table: Confusion) -> Float[np.ndarray, "column truth"]:
    """A table by source, truth and class said as a matrix that a block can be multiplied by."""
    return np.ascontiguousarray(table.transpose(0, 2, 1).reshape(-1, table.shape[1]))


def _balance(shares: Float[np.ndarray, "class"], smoothing: float, balanced: bool) -> Float[np.ndarray, "class"]:
    counted = np.ones_like(shares) if balanced else shares + max(smoothing, LEAST)
    return np.asarray(counted / counted.sum())
