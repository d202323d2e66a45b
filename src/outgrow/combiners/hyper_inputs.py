"""What the hyper label model reads of a table of votes: numbers of items, of sources and of the whole table.

Three rough label models come first: one accuracy per source, and a confusion matrix per source, by a few rounds of
expectation-maximisation, and confusion matrices counted on the gold items alone. All add `PRIOR` pseudo-votes of the
average source, so that a source with few votes is the average one. Their posteriors p (from the votes, also where gold
is known), q_isk (the share that source s's vote on item i gives to class k), m_sk (the share of s's votes that goes to
k) and the votes of the others on the same item,

    L_isk = Σ_{t≠s} q_itk / (n_i − 1)                    n_i: votes on item i

make all inputs (`ITEM_INPUTS`, `SOURCE_INPUTS`, `CLASS_INPUTS`, `TABLE_INPUTS`). None depends on the order of items,
sources or classes. Sums run over the votes and all their classes: time is linear in votes × classes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from outgrow.combiners.em import LEAST, Confusion, by_column, posterior_of
from outgrow.combiners.votes import Block, Votes
from outgrow.lazy import sparse

ROUNDS = 8
"""Rounds of the rough label models."""
PRIOR = 4.0
"""Pseudo-votes of the average source."""
LEAST_ERROR = 1e-3
"""The least probability of a vote in the rough label models."""
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
class VotesOfRows:
    """The votes of a block, one entry each, with the share of every class."""

    rows: slice
    n_rows: int
    n_sources: int
    row: Int[np.ndarray, "vote"]
    source: Int[np.ndarray, "vote"]
    share: Float[np.ndarray, "vote class"]

    @classmethod
    def of(cls, block: Block, n_classes: int, n_sources: int) -> "VotesOfRows":
        """A vote's entries are next to each other, and a block has those of the classes alone."""
        row, source = block.row, block.source
        begins = np.ones(len(row), dtype=bool)
        begins[1:] = (row[1:] != row[:-1]) | (source[1:] != source[:-1])
        share = np.zeros((int(begins.sum()), n_classes))
        share[np.cumsum(begins) - 1, block.outcome] = block.share
        n_rows = block.rows.stop - block.rows.start
        return cls(block.rows, n_rows, n_sources, row[begins], source[begins], share)

    def by_row(self, of_votes: Float[np.ndarray, "vote some"]) -> Float[np.ndarray, "block some"]:
        """Sums over the votes on every row."""
        return np.asarray(self._rows @ of_votes)

    def by_source(self, of_votes: Float[np.ndarray, "vote some"]) -> Float[np.ndarray, "source some"]:
        """Sums over the votes of every source."""
        return np.asarray(self._sources @ of_votes)

    @cached_property
    def n_votes(self) -> Float[np.ndarray, "block"]:
        return np.bincount(self.row, minlength=self.n_rows).astype(float)

    @cached_property
    def _rows(self) -> "sparse.csr_array":
        return self._indicator(self.row, self.n_rows)

    @cached_property
    def _sources(self) -> "sparse.csr_array":
        return self._indicator(self.source, self.n_sources)

    def _indicator(self, place: Int[np.ndarray, "vote"], n_places: int) -> "sparse.csr_array":
        order = np.argsort(place, kind="stable")
        starts = np.append(0, np.bincount(place, minlength=n_places).cumsum())
        return sparse.csr_array((np.ones(len(place)), order, starts), shape=(n_places, len(place)))


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


@dataclass(frozen=True)
class VoteTotals:
    """Sums over all rows that need no label model."""

    weight: Float[np.ndarray, "source"]
    """Votes of every source."""
    given: Float[np.ndarray, "source class"]
    """Σ q"""
    compared: Float[np.ndarray, "source class"]
    """Σ q where another source votes."""
    others: Float[np.ndarray, "source class"]
    """Σ L"""
    together: Float[np.ndarray, "source class"]
    """Σ q L"""
    gold_given: Float[np.ndarray, "source class"]
    """Σ q of the gold class, by gold class."""
    gold_votes: Float[np.ndarray, "source class"]
    """Votes on gold items, by gold class."""

    @property
    def habit(self) -> Float[np.ndarray, "source class"]:
        """m"""
        return np.asarray(self.given / np.maximum(self.weight, LEAST)[:, None])

    @property
    def share(self) -> Float[np.ndarray, "class"]:
        """Of all votes."""
        return np.asarray(self.given.sum(axis=0) / max(self.weight.sum(), LEAST))


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


def blocks_of(votes: Votes) -> Iterator[tuple[Block, VotesOfRows]]:
    """All rows, a block at a time."""
    for block in votes.blocks():
        yield block, VotesOfRows.of(block, votes.n_classes, len(votes.sources))


# ---- the rough label models ---------------------------------------------------------------------------


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
        truth = _one_hot(votes.gold[block.rows], n_classes) * votes.weight[block.rows, None]
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


# ---- sums over the votes ------------------------------------------------------------------------------


def vote_totals(votes: Votes) -> VoteTotals:
    """One pass over the votes."""
    n_sources, n_classes = len(votes.sources), votes.n_classes
    weight, sums = np.zeros(n_sources), np.zeros((6, n_sources, n_classes))
    for block, edges in blocks_of(votes):
        of_vote = votes.weight[block.rows][edges.row][:, None]
        n_others = edges.n_votes[edges.row][:, None] - 1
        others = (edges.by_row(edges.share)[edges.row] - edges.share) / np.maximum(n_others, 1)
        compared = of_vote * (n_others > 0)
        truth = _one_hot(votes.gold[block.rows], n_classes)[edges.row]
        parts = (
            of_vote * edges.share,
            compared * edges.share,
            compared * others,
            compared * others * edges.share,
            of_vote * truth * edges.share,
            of_vote * truth,
        )
        sums += np.stack([edges.by_source(part) for part in parts])
        weight += edges.by_source(of_vote)[:, 0]
    return VoteTotals(weight, *sums)


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
    gold = votes.weight @ _one_hot(votes.gold, votes.n_classes)
    of_gold = (gold + 1) / (gold.sum() + votes.n_classes)
    return np.stack([totals.share, np.exp(one_coin.log_balance), np.exp(matrices.log_balance), of_gold], axis=1)


def table_inputs(inputs: HyperInputs) -> Float[np.ndarray, "input"]:
    """`TABLE_INPUTS`: sizes, means over the items with a vote, means over the sources, and means over gold items."""
    votes, totals = inputs.votes, inputs.totals
    sums, of_gold, n_items, n_gold = np.zeros(8), np.zeros(4), 0.0, 0.0
    for block, edges in inputs.blocks():
        of_items = inputs.of_items(block, edges)
        weight = votes.items[block.rows] * (edges.n_votes > 0)
        truth = _one_hot(votes.gold[block.rows], votes.n_classes) * votes.weight[block.rows, None]
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


def _one_hot(gold: Int[np.ndarray, "row"], n_classes: int) -> Float[np.ndarray, "row class"]:
    """Zeros where gold is unknown."""
    return np.asarray((gold[:, None] == np.arange(n_classes)).astype(float))


def _each(of_row: Float[np.ndarray, "row"], n_classes: int) -> Float[np.ndarray, "row class"]:
    """The same number for every class."""
    return np.repeat(of_row[:, None], n_classes, axis=1)
