"""Rough label models, by a few rounds: one accuracy per source, a confusion matrix per source, or gold counted alone.

The hyper label model reads what they find. All add `PRIOR` pseudo-votes of the average source, so that a source with
few votes is the average one.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from outgrow.combiners.em import LEAST, Confusion, by_column, posterior_of
from outgrow.combiners.vote_block import Block
from outgrow.combiners.votes import Votes

ROUNDS = 8
"""Rounds of the rough label models."""
PRIOR = 4.0
"""Pseudo-votes of the average source."""
LEAST_ERROR = 1e-3
"""The least probability of a vote in the rough label models."""


@dataclass(frozen=True)
class RoughModel:
    """A rough label model: the log-probability of every vote under each class, and the log of the balance."""

    confusion: Confusion
    log_balance: Float[np.ndarray, "class"]

    @cached_property
    def columns(self) -> Float[np.ndarray, "column class"]:
        return by_column(np.log(self.confusion))

    def posterior(self, block: Block, gold: Int[np.ndarray, "block"]) -> Float[np.ndarray, "block class"]:
        """P(class | votes); the gold class where it is known, -1 = unknown."""
        return posterior_of(block.matrix @ self.columns, self.log_balance, gold)[0]

    @property
    def recall(self) -> Float[np.ndarray, "source class"]:
        return np.asarray(np.einsum("scc->sc", self.confusion))


def rough_model(votes: Votes, *, same_accuracy: bool) -> RoughModel:
    """A few rounds from the mean vote; `same_accuracy`: one accuracy per source, for all classes."""
    n_sources, n_classes = len(votes.sources), votes.n_classes
    model = RoughModel(np.tile(np.full((n_classes, n_classes), 1.0), (n_sources, 1, 1)), np.zeros(n_classes))
    for round_ in range(ROUNDS):
        counts, shares = np.zeros((n_sources * n_classes, n_classes)), np.ones(n_classes)
        for block in votes.blocks():
            posterior = mean_vote(votes, block) if round_ == 0 else model.posterior(block, votes.gold[block.rows])
            counts += block.matrix.T @ (posterior * votes.weight[block.rows, None])
            shares += votes.items[block.rows] @ posterior
        by_source = counts.reshape(n_sources, n_classes, n_classes).transpose(0, 2, 1)
        confusion = one_accuracy(by_source) if same_accuracy else shrunken(by_source)
        model = RoughModel(np.maximum(confusion, LEAST_ERROR), np.log(shares / shares.sum()))
    return model


def model_of_gold(votes: Votes) -> RoughModel:
    """Confusion matrices and balance of the gold items; without gold they say nothing."""
    n_sources, n_classes = len(votes.sources), votes.n_classes
    counts, shares = np.zeros((n_sources * n_classes, n_classes)), np.ones(n_classes)
    for block in votes.blocks():
        truth = one_hot(votes.gold[block.rows], n_classes) * votes.weight[block.rows, None]
        counts += block.matrix.T @ truth
        shares += truth.sum(axis=0)
    confusion = shrunken(counts.reshape(n_sources, n_classes, n_classes).transpose(0, 2, 1))
    return RoughModel(np.maximum(confusion, LEAST_ERROR), np.log(shares / shares.sum()))


def mean_vote(votes: Votes, block: Block) -> Float[np.ndarray, "block class"]:
    """The shares of the votes; gold where it is known, and equal shares where there is no vote."""
    same = np.tile(np.eye(votes.n_classes), (len(votes.sources), 1))
    scores = np.log(np.maximum(block.matrix @ same, LEAST))
    return posterior_of(scores, np.zeros(votes.n_classes), votes.gold[block.rows])[0]


def one_accuracy(counts: Confusion) -> Confusion:
    """(right + a·ā) / (votes + a) on the diagonal, with a = `PRIOR` and the average accuracy ā."""
    n_classes = counts.shape[1]
    right, total = np.einsum("scc->s", counts), counts.sum(axis=(1, 2))
    average = (right.sum() + 1) / (total.sum() + n_classes)
    accuracy = ((right + PRIOR * average) / (total + PRIOR))[:, None, None]
    return np.asarray(np.where(np.eye(n_classes, dtype=bool), accuracy, (1 - accuracy) / max(n_classes - 1, 1)))


def shrunken(counts: Confusion) -> Confusion:
    """(counts + a·average row) / (row sum + a)."""
    n_classes = counts.shape[1]
    average = counts.sum(axis=0) + 1 / n_classes
    average = average / average.sum(axis=1, keepdims=True)
    return np.asarray((counts + PRIOR * average) / (counts.sum(axis=2, keepdims=True) + PRIOR))


def one_hot(gold: Int[np.ndarray, "row"], n_classes: int) -> Float[np.ndarray, "row class"]:
    """Zeros where gold is unknown."""
    return np.asarray((gold[:, None] == np.arange(n_classes)).astype(float))
