"""Votes in the form that label models read: compact, in blocks, equal rows stored once.

A table of hard votes is one small integer per (item, source), -1 = abstention: 8K times smaller than `WeakLabels`.
Items with the same votes have the same posterior under every model here, so equal rows are stored once, with a count;
ten sources and two classes make at most 3^10 rows of a million items. Soft votes stay the table's own array.

A model iterates over `blocks`. A block is a sparse matrix X with a row per item and a column per (source, outcome):

    X[i, (s, k)] = the share of source s's vote on item i that class k has       (hard votes: 1 or nothing)

so that X @ log π is every item's log-likelihood of every class, and Xᵀ @ posterior the expected confusion counts.
`with_silence` makes an abstention one more outcome k, after the classes.

Anchors on an item of the table set that item's truth. Anchors on other items become rows of their own that count for
the sources' errors and not for the class balance, because gold items may be picked class by class.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from outgrow.combiners.equal_rows import HardVotes, equal_rows
from outgrow.errors import DataError
from outgrow.labels import Anchors, WeakLabels
from outgrow.lazy import sparse
from outgrow.vote_table import VoteTable

BLOCK_ENTRIES = 2**16
"""Entries of X per block: its scores and posteriors stay in a core's cache."""
FEW_ENTRIES = 2**19
"""Up to this many entries the blocks are kept (10 MB); more are made anew in every pass."""

SoftVotes = Float[np.ndarray, "row source class"]


@dataclass(frozen=True)
class Block:
    """A run of rows: X as in the module's docstring, and of its entries the row, the source and the outcome."""

    rows: slice
    matrix: "sparse.csr_array"
    n_outcomes: int

    @property
    def share(self) -> Float[np.ndarray, "entry"]:
        return np.asarray(self.matrix.data)

    @cached_property
    def row(self) -> Int[np.ndarray, "entry"]:
        return np.repeat(np.arange(self.matrix.shape[0]), np.diff(self.matrix.indptr))

    @cached_property
    def source(self) -> Int[np.ndarray, "entry"]:
        return np.asarray(self.matrix.indices // self.n_outcomes)

    @cached_property
    def outcome(self) -> Int[np.ndarray, "entry"]:
        return np.asarray(self.matrix.indices % self.n_outcomes)

    def reweighed(self, weight: Float[np.ndarray, "entry"]) -> "sparse.csr_array":
        """X with every entry multiplied by a weight."""
        return sparse.csr_array(
            (self.share * weight, self.matrix.indices, self.matrix.indptr), shape=self.matrix.shape
        )


@dataclass(frozen=True)
class Votes:
    """Every source's vote, row by row, and the known gold."""

    sources: tuple[str, ...]
    n_classes: int
    values: HardVotes | SoftVotes
    """Outcomes, -1 = abstention; or a distribution over the outcomes, zeros = abstention."""
    gold: Int[np.ndarray, "row"]
    """The row's true class, -1 where it is unknown."""
    items: Float[np.ndarray, "row"]
    """How many items of the table have these votes."""
    anchors: Float[np.ndarray, "row"]
    """How many items outside the table have these votes and this gold."""
    row_of: Int[np.ndarray, "item"]
    """The row of each item of the table."""
    n_outcomes: int
    """The classes, and one for silence where it counts."""

    @classmethod
    def of(cls, labels: WeakLabels, anchors: Anchors | None = None, *, hard: bool = False) -> "Votes":
        """The votes of a table; `hard` takes a source's most probable class for its vote.

        Raises `DataError` where anchors lack a source or have other classes.
        """
        codes, gold, n_anchors = _codes(labels, always=hard), np.full(len(labels.items), -1), 0
        soft = labels.probs
        if anchors is not None and len(anchors.gold):
            outside, gold = _split_anchors(labels, anchors)
            outside_codes = _codes(outside.labels, always=hard)
            if codes is None or outside_codes is None:
                codes, soft = None, np.concatenate([soft, outside.labels.probs])
            else:
                codes = np.concatenate([codes, outside_codes])
            gold, n_anchors = np.concatenate([gold, outside.gold]), len(outside.gold)
        values = soft if codes is None else codes
        return cls.gather(labels.sources, labels.n_classes, values, gold, n_anchors=n_anchors)

    @classmethod
    def of_table(cls, table: VoteTable) -> "Votes":
        """The votes of a table that was read from a file; its gold sets the truth of its items."""
        return cls.gather(table.sources, table.n_classes, table.dense(), table.gold)

    @classmethod
    def gather(
        cls,
        sources: tuple[str, ...],
        n_classes: int,
        values: HardVotes | SoftVotes,
        gold: Int[np.ndarray, "row"] | None = None,
        *,
        n_anchors: int = 0,
    ) -> "Votes":
        """Votes by row, the last `n_anchors` of them outside the table; `gold` is -1 where unknown."""
        gold = np.full(len(values), -1) if gold is None else gold
        n_items = len(values) - n_anchors
        patterns = equal_rows(values, gold, n_classes) if values.ndim == 2 else None
        if patterns is None:
            inside = (np.arange(len(values)) < n_items).astype(float)
            return cls(sources, n_classes, values, gold, inside, 1 - inside, np.arange(n_items), n_classes)
        first, row_of = patterns
        items, anchors = (
            np.bincount(rows, minlength=len(first)).astype(float) for rows in (row_of[:n_items], row_of[n_items:])
        )
        return cls(sources, n_classes, values[first], gold[first], items, anchors, row_of[:n_items], n_classes)

    @property
    def soft(self) -> bool:
        """Whether votes are distributions."""
        return self.values.ndim == 3

    @property
    def counts_silence(self) -> bool:
        """Whether an abstention is one of the outcomes."""
        return self.n_outcomes > self.n_classes

    @cached_property
    def weight(self) -> Float[np.ndarray, "row"]:
        """How often each row counts for what is learnt of the sources."""
        return np.asarray(self.items + self.anchors)

    @cached_property
    def voted(self) -> Bool[np.ndarray, "row source"]:
        """Where a source named a class, or gave a distribution over the classes."""
        if self.soft:
            return np.asarray(self.values[:, :, : self.n_classes].any(axis=2))
        return np.asarray((self.values >= 0) & (self.values < self.n_classes))

    @cached_property
    def n_votes(self) -> Float[np.ndarray, "source"]:
        """How many votes every source gave, including those on anchors."""
        total = np.zeros(len(self.sources))
        for start in range(0, len(self.voted), BLOCK_ENTRIES):  # a product of numbers and truth values copies these
            rows = slice(start, start + BLOCK_ENTRIES)
            total += self.weight[rows] @ self.voted[rows]
        return total

    def counts(self, weight: Float[np.ndarray, "row"]) -> Float[np.ndarray, "source outcome"]:
        """How often every source gives every outcome, over rows that count with a weight."""
        total = sum((weight[block.rows] @ block.matrix for block in self.blocks()), np.zeros(1))
        return np.asarray(np.reshape(total, (len(self.sources), self.n_outcomes)))

    def share_of(self, outcome: int, rows: slice) -> Float[np.ndarray, "row source"]:
        """What the votes of some rows give to one class; single precision, which holds a block's counts exactly."""
        values = self.values[rows]
        return np.asarray(values[:, :, outcome] if self.soft else values == outcome, dtype=np.float32)

    def distributions(self, rows: Int[np.ndarray, "some"]) -> Float[np.ndarray, "some source class"]:
        """Some rows' votes as distributions over the classes, zeros where a source abstains."""
        values = self.values[rows]
        if self.soft:
            return np.asarray(values[:, :, : self.n_classes], dtype=np.float64)
        return np.asarray(values[:, :, None] == np.arange(self.n_classes), dtype=np.float64)

    def hardened(self) -> "Votes":
        """The same rows with every source's most probable class (the first on a tie) for its vote, without silence."""
        if not self.soft and not self.counts_silence:
            return self
        classes = self.values[:, :, : self.n_classes].argmax(axis=2) if self.soft else self.values
        codes = np.where(self.voted, classes, -1).astype(np.min_scalar_type(-self.n_classes))
        return replace(self, values=codes, n_outcomes=self.n_classes)

    def with_silence(self) -> "Votes":
        """The same rows with an abstention as one more outcome."""
        if self.counts_silence:
            return self
        if self.soft:
            values = np.concatenate([self.values, ~self.values.any(axis=2, keepdims=True)], axis=2)
        else:
            values = np.where(self.values < 0, self.n_classes, self.values)
            values = values.astype(np.min_scalar_type(-self.n_classes - 1))
        return replace(self, values=values, n_outcomes=self.n_classes + 1)

    def without_silence(self) -> "Votes":
        """The same rows with an abstention as no outcome."""
        if not self.counts_silence:
            return self
        if self.soft:
            values = self.values[:, :, : self.n_classes]
        else:
            values = np.where(self.values == self.n_classes, -1, self.values)
        return replace(self, values=values, n_outcomes=self.n_classes)

    def only(self, sources: Int[np.ndarray, "kept"]) -> "Votes":
        """The same rows with some of the sources."""
        names = tuple(self.sources[index] for index in sources.tolist())
        return replace(self, sources=names, values=self.values[:, sources])

    def take(self, rows: Int[np.ndarray, "kept"]) -> "Votes":
        """Some of the rows, as if they were all; items are those of the rows taken, in their order."""
        return replace(
            self,
            values=self.values[rows],
            gold=self.gold[rows],
            items=self.items[rows],
            anchors=self.anchors[rows],
            row_of=np.repeat(np.arange(len(rows)), self.items[rows].astype(int)),
        )

    def blocks(self) -> Iterable[Block]:
        """All rows, a few thousand at a time."""
        return self._few_blocks if self._n_entries <= FEW_ENTRIES else self._made_blocks()

    @cached_property
    def _n_entries(self) -> int:
        return int(np.count_nonzero(self.values if self.soft else self.values >= 0))

    @cached_property
    def _few_blocks(self) -> list[Block]:
        return list(self._made_blocks())

    def _made_blocks(self) -> Iterator[Block]:
        step = max(1, BLOCK_ENTRIES * len(self.values) // max(1, self._n_entries))
        for start in range(0, len(self.values), step):
            yield self.block(slice(start, min(start + step, len(self.values))))

    def block(self, rows: slice) -> Block:
        """The rows of a slice as a matrix."""
        values = self.values[rows]
        n_columns = len(self.sources) * self.n_outcomes
        cells = values.reshape(len(values), n_columns) if self.soft else values
        entries = np.flatnonzero(cells > 0 if self.soft else cells >= 0)
        row, column = np.divmod(entries.astype(np.int32), np.int32(cells.shape[1]))
        share = cells.ravel()[entries].astype(np.float64) if self.soft else np.ones(len(entries))
        if not self.soft:
            column = column * np.int32(self.n_outcomes) + cells.ravel()[entries]
        starts = np.append(0, np.bincount(row, minlength=len(cells)).cumsum()).astype(np.int32)
        matrix = sparse.csr_array((share, column, starts), shape=(len(cells), n_columns))
        return Block(rows, matrix, self.n_outcomes)


def _codes(labels: WeakLabels, *, always: bool) -> Int[np.ndarray, "item source"] | None:
    """Hard votes as small integers; `None` where a vote is soft, unless every vote is to be made hard."""
    smallest = np.min_scalar_type(-labels.n_classes)
    codes = np.empty(labels.probs.shape[:2], smallest)
    step = max(1, BLOCK_ENTRIES // (codes.shape[1] * labels.n_classes))
    for start in range(0, len(codes), step):
        probs = labels.probs[start : start + step]
        most = probs.max(axis=2)
        if not always and ((most > 0) & (most < 1)).any():
            return None
        codes[start : start + step] = np.where(most > 0, probs.argmax(axis=2), -1)
    return codes


def _split_anchors(labels: WeakLabels, anchors: Anchors) -> tuple[Anchors, Int[np.ndarray, "item"]]:
    """The anchors outside the table, and the table's gold (-1 = none) from the other anchors."""
    if anchors.labels.n_classes != labels.n_classes:
        raise DataError(
            f"the labels have {labels.n_classes} classes and the items with known gold have"
            f" {anchors.labels.n_classes}; give both with the same classes"
        )
    row = {name: index for index, name in enumerate(labels.items)}
    place = np.asarray([row.get(name, -1) for name in anchors.labels.items])
    gold = np.full(len(labels.items), -1)
    gold[place[place >= 0]] = anchors.gold[place >= 0]
    outside = np.flatnonzero(place < 0)
    return Anchors(anchors.labels.only(labels.sources).take(outside), anchors.gold[outside]), gold
