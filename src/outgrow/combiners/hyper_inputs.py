"""What the hyper label model reads of a table of votes: numbers of items, of sources and of the whole table.

Three rough label models come first (`rough_models.py`). Their posteriors p (from the votes, also where gold is known),
q_isk (the share that source s's vote on item i gives to class k), m_sk (the share of s's votes that goes to k) and the
votes of the others on the same item,

    L_isk = Σ_{t≠s} q_itk / (n_i − 1)                    n_i: votes on item i

make all inputs (`ITEM_INPUTS`, `SOURCE_INPUTS`, `CLASS_INPUTS`, `TABLE_INPUTS`). None depends on the order of items,
sources or classes. Sums run over the votes and all their classes: time is linear in votes × classes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from outgrow.combiners.rough_models import LEAST_ERROR, RoughModel, model_of_gold, one_hot, rough_model
from outgrow.combiners.vote_block import Block
from outgrow.combiners.vote_sums import VotesOfRows, VoteTotals, blocks_of, vote_totals
from outgrow.combiners.votes import Votes

LEAST_POSTERIOR = 1e-6
ONE_SIDED = 0.95
"""Share of its votes that a one-sided source gives to one class, at least."""
MOST_CLASSES, MOST_ITEMS, MOST_SOURCES = 20, 2000, 200
"""Larger tables count as this large: larger ones were not drawn in training."""

ITEM_INPUTS = (
    "share of the votes",
    "its surprise given the sources' habits",
    "its surprise given the class",
    "log-posterior, one accuracy",
    "posterior, one accuracy",
    "log-posterior, confusion matrices",
    "posterior, confusion matrices",
    "log-posterior, gold alone",
    "posterior, gold alone",
    "gold",
    "has gold",
    "number of votes",
)
"""Of an item and a class."""
SOURCE_INPUTS = (
    "share of its votes",
    "share above the average",
    "recall of the other votes",
    "precision on the other votes",
    "accuracy",
    "recall",
    "false votes",
    "recall of gold",
    "number of gold items",
    "number of votes",
)
"""Of a source and a class."""
CLASS_INPUTS = ("share of all votes", "balance, one accuracy", "balance, confusion matrices", "share of gold")
"""Of a class."""
TABLE_INPUTS = (
    "classes",
    "items",
    "sources",
    "votes per item",
    "coverage",
    "agreement above chance",
    "dependence",
    "dependence given the class",
    "gold items",
    "one-sided sources",
    "softness of votes",
    "certainty, one accuracy",
    "certainty, confusion matrices",
    "mean accuracy",
    "spread of accuracies",
    "gold's share of the votes",
    "gold's posterior, one accuracy",
    "gold's posterior, confusion matrices",
    "gold's posterior, gold alone",
)
"""Of the whole table."""


@dataclass(frozen=True)
class HyperInputs:
    """All inputs; those of items are made block by block."""

    votes: Votes
    totals: VoteTotals
    one_coin: RoughModel
    matrices: RoughModel
    by_gold: RoughModel

    @classmethod
    def of(cls, votes: Votes) -> "HyperInputs":
        """One pass over the votes, and `ROUNDS` more for each rough model."""
        one_coin, matrices = (rough_model(votes, same_accuracy=same) for same in (True, False))
        return cls(votes, vote_totals(votes), one_coin, matrices, model_of_gold(votes))

    @cached_property
    def of_sources(self) -> Float[np.ndarray, "source class input"]:
        """`SOURCE_INPUTS`"""
        return source_inputs(self.totals, self.one_coin, self.matrices)

    @cached_property
    def of_classes(self) -> Float[np.ndarray, "class input"]:
        """`CLASS_INPUTS`"""
        return class_inputs(self.votes, self.totals, self.one_coin, self.matrices)

    @cached_property
    def of_table(self) -> Float[np.ndarray, "input"]:
        """`TABLE_INPUTS`"""
        return table_inputs(self)

    def of_items(self, block: Block, edges: VotesOfRows) -> Float[np.ndarray, "block class input"]:
        """`ITEM_INPUTS` of a block."""
        votes, n_classes = self.votes, self.votes.n_classes
        share = edges.by_row(edges.share) / np.maximum(edges.n_votes, 1)[:, None]
        known = votes.gold[block.rows] >= 0
        hidden = np.full(len(known), -1)
        posteriors = [model.posterior(block, hidden) for model in (self.one_coin, self.matrices, self.by_gold)]
        gold = np.zeros((len(known), n_classes))
        gold[known] = np.eye(n_classes)[votes.gold[block.rows][known]] - 1 / n_classes
        inputs = [share, surprise(edges, self.totals.habit), surprise(edges, self.matrices.recall)]
        for posterior in posteriors:
            inputs += [centred_log(posterior), posterior]
        inputs += [gold, _each(known.astype(float), n_classes), _each(np.log1p(edges.n_votes) / 3, n_classes)]
        return np.stack(inputs, axis=2)

    def blocks(self) -> Iterable[tuple[Block, VotesOfRows]]:
        """All rows, a block at a time."""
        return blocks_of(self.votes) if self._few_blocks is None else self._few_blocks

    @cached_property
    def _few_blocks(self) -> list[tuple[Block, VotesOfRows]] | None:
        """The blocks of a table that keeps its own."""
        return list(blocks_of(self.votes)) if isinstance(self.votes.blocks(), list) else None


def source_inputs(
    totals: VoteTotals, one_coin: RoughModel, matrices: RoughModel
) -> Float[np.ndarray, "source class input"]:
    """`SOURCE_INPUTS`. Ratios of few votes are drawn to what a source without any skill has."""
    habit, share = totals.habit, totals.share
    n_classes = len(share)
    recall = (totals.together + habit) / (totals.others + 1) - habit
    precision = (totals.together + share) / (totals.compared + 1) - share
    confusion = matrices.confusion
    falsely = (confusion.sum(axis=1) - matrices.recall) / max(n_classes - 1, 1)
    gold_recall = (totals.gold_given + 2 * matrices.recall) / (totals.gold_votes + 2)
    return np.stack(
        [
            habit,
            habit - share,
            recall,
            precision,
            one_coin.recall,
            matrices.recall,
            falsely,
            gold_recall,
            np.log1p(totals.gold_votes) / 3,
            _each(np.log1p(np.minimum(totals.weight, MOST_ITEMS)) / 5, n_classes),
        ],
        axis=2,
    )


def class_inputs(
    votes: Votes, totals: VoteTotals, one_coin: RoughModel, matrices: RoughModel
) -> Float[np.ndarray, "class input"]:
    """`CLASS_INPUTS`."""
    gold = votes.weight @ one_hot(votes.gold, votes.n_classes)
    of_gold = (gold + 1) / (gold.sum() + votes.n_classes)
    return np.stack([totals.share, np.exp(one_coin.log_balance), np.exp(matrices.log_balance), of_gold], axis=1)


def table_inputs(inputs: HyperInputs) -> Float[np.ndarray, "input"]:
    """`TABLE_INPUTS`: sizes, means over the items with a vote, means over the sources, and means over gold items."""
    votes, totals = inputs.votes, inputs.totals
    sums, of_gold, n_items, n_gold = np.zeros(8), np.zeros(4), 0.0, 0.0
    for block, edges in inputs.blocks():
        of_items = inputs.of_items(block, edges)
        weight = votes.items[block.rows] * (edges.n_votes > 0)
        truth = one_hot(votes.gold[block.rows], votes.n_classes) * votes.weight[block.rows, None]
        sums, n_items = sums + weight @ item_numbers(edges, of_items), n_items + weight.sum()
        of_gold, n_gold = of_gold + np.einsum("ik,ikf->f", truth, of_items[:, :, [0, 4, 6, 8]]), n_gold + truth.sum()
    n_votes, pairs, agreeing, *others = sums / max(n_items, 1)
    heard = totals.weight > 0
    chance = (totals.share**2).sum()
    kappa = (agreeing - chance * pairs) / max((1 - chance) * pairs, LEAST_ERROR)
    habits, accuracy = totals.habit[heard], inputs.one_coin.recall[heard, 0]
    return np.asarray(
        [
            np.log(min(votes.n_classes, MOST_CLASSES)),
            np.log1p(min(n_items, MOST_ITEMS)) / 7,
            np.log1p(min(heard.sum(), MOST_SOURCES)) / 4,
            np.log1p(n_votes) / 3,
            n_votes / max(heard.sum(), 1),
            kappa,
            *np.log1p(others[:2]),
            np.log1p(min(n_gold, MOST_ITEMS)) / 5,
            (habits.max(axis=1, initial=0) > ONE_SIDED).mean() if heard.any() else 0.0,
            *others[2:],
            accuracy.mean() if heard.any() else 0.0,
            accuracy.std() if heard.any() else 0.0,
            *(of_gold / max(n_gold, 1) - (n_gold > 0) / votes.n_classes),
        ]
    )


def item_numbers(
    edges: VotesOfRows, of_items: Float[np.ndarray, "block class input"]
) -> Float[np.ndarray, "block number"]:
    """Of each row: votes, whether two or more, agreement of two of them, squared surprises, softness, certainties."""
    n_votes, share = edges.n_votes, of_items[:, :, 0]
    own = edges.by_row((edges.share**2).sum(axis=1, keepdims=True))[:, 0]
    agreement = ((n_votes[:, None] * share) ** 2).sum(axis=1) - own
    softness = edges.by_row(1 - edges.share.max(axis=1, keepdims=True))[:, 0]
    return np.stack(
        [
            n_votes,
            (n_votes > 1).astype(float),
            agreement / np.maximum(n_votes * (n_votes - 1), 1),
            (of_items[:, :, 1] ** 2).mean(axis=1),
            (of_items[:, :, 6] * of_items[:, :, 2] ** 2).sum(axis=1),
            softness / np.maximum(n_votes, 1),
            of_items[:, :, 4].max(axis=1),
            of_items[:, :, 6].max(axis=1),
        ],
        axis=1,
    )


def surprise(edges: VotesOfRows, expected: Float[np.ndarray, "source class"]) -> Float[np.ndarray, "block class"]:
    """(Σ q − Σ e) / √(Σ e (1 − e) + 0.1) over the votes on a row, at most 3; e: what a source is expected to give."""
    of_votes = expected[edges.source]
    spread = np.sqrt(edges.by_row(of_votes * (1 - of_votes)) + 0.1)
    return np.asarray(np.clip(edges.by_row(edges.share - of_votes) / spread, -6, 6) / 2)


def centred_log(posterior: Float[np.ndarray, "row class"]) -> Float[np.ndarray, "row class"]:
    """log p minus its mean over the classes, at most 3 in size."""
    scores = np.log(np.maximum(posterior, LEAST_POSTERIOR))
    return np.asarray(np.clip(scores - scores.mean(axis=1, keepdims=True), -12, 12) / 4)


def _each(of_row: Float[np.ndarray, "row"], n_classes: int) -> Float[np.ndarray, "row class"]:
    """The same number for every class."""
    return np.repeat(of_row[:, None], n_classes, axis=1)
