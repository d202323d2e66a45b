"""Votes as the label models read them: compact, in blocks, equal rows once.

A table of hard votes is one small integer per (item, source), -1 = abstention: 8K times smaller than `WeakLabels`.
Items with the same votes have the same posterior under every model here, so equal rows are kept once, with a count;
ten sources and two classes make at most 3^10 rows of a million items. Soft votes stay the table's own array.

A model walks over `blocks`. A block is a sparse matrix X with a row per item and a column per (source, class said):

    X[i, (s, k)] = the share of source s's vote on item i that class k has       (hard votes: 1 or nothing)

so that X @ log π is every item's log-likelihood of every class, and Xᵀ @ posterior the expected confusion counts.
Where silence counts as something said it is one more k, after the classes.

Anchors with an item of the table set that item's truth. Anchors on other items become rows of their own that count for
the sources' errors and not for the class balance: who picks items to label with gold may pick them class by class.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array

from outgrow.errors import DataError
from outgrow.labels import Anchors, WeakLabels
from outgrow.vote_table import VoteTable

BLOCK_ENTRIES = 2**16
"""Entries of X per block: its scores and posteriors stay in a core's cache."""
FEW_ENTRIES = 2**19
"""Up to this many entries the blocks are kept (10 MB); more are made anew in every pass."""
LARGEST_TABLE = 2**16
"""Row patterns are numbered through a table if there are this many possible ones, or four per item, at most."""
LARGEST_KEY = 2**62
WORTH_SORTING = 0.9
"""Share of an eighth of the rows that may be different from one another if half of all rows are to be equal."""

HardVotes = Int[np.ndarray, "row source"]
SoftVotes = Float[np.ndarray, "row source class"]


@dataclass(frozen=True)
class Block:
    """A run of rows: X as in the module's docstring, and of its entries the row, the source and the class said."""

    rows: slice
    matrix: csr_array
    n_said: int

    @property
    def share(self) -> Float[np.ndarray, "entry"]:
        return np.asarray(self.matrix.data)

    @cached_property
    def row(self) -> Int[np.ndarray, "entry"]:
        return np.repeat(np.arange(self.matrix.shape[0]), np.diff(self.matrix.indptr))

    @cached_property
    def source(self) -> Int[np.ndarray, "entry"]:
        return np.asarray(self.matrix.indices // self.n_said)

    @cached_property
    def said(self) -> Int[np.ndarray, "entry"]:
        return np.asarray(self.matrix.indices % self.n_said)

    def reweighed(self, weight: Float[np.ndarray, "entry"]) -> csr_array:
        """X with every entry multiplied by a weight."""
        return csr_array((self.share * weight, self.matrix.indices, self.matrix.indptr), shape=self.matrix.shape)


@dataclass(frozen=True)
class Votes:
    """Who said what, row by row, and what is known of the truth."""

    sources: tuple[str, ...]
    n_classes: int
    heard: HardVotes | SoftVotes
    gold: Int[np.ndarray, "row"]
    """The row's true class, -1 where it is to be found."""
    items: Float[np.ndarray, "row"]
    """How many items of the table have these votes."""
    anchors: Float[np.ndarray, "row"]
    """How many items outside the table have these votes and this gold."""
    row_of: Int[np.ndarray, "item"]
    """The row of each item of the table."""
    n_said: int
    """How many things can be said: the classes, and silence where it counts."""

    @classmethod
    def of(
        cls, labels: WeakLabels, anchors: Anchors | None = None, *, hard: bool = False, silence_counts: bool = False
    ) -> "Votes":
        """The votes of a table.

        `hard` takes a source's most probable class for its vote; `silence_counts` makes an abstention a thing said.
        Raises `DataError` where anchors lack a source or have other classes.
        """
        heard, gold, n_anchors = _codes(labels, always=hard), np.full(len(labels.items), -1), 0
        soft = labels.probs
        if anchors is not None and len(anchors.gold):
            outside, gold = _split_anchors(labels, anchors)
            also = _codes(outside.labels, always=hard)
            if heard is None or also is None:
                heard, soft = None, np.concatenate([soft, outside.labels.probs])
            else:
                heard = np.concatenate([heard, also])
            gold, n_anchors = np.concatenate([gold, outside.gold]), len(outside.gold)
        said = soft if heard is None else heard
        return cls.gather(
            labels.sources, labels.n_classes, said, gold, n_anchors=n_anchors, silence_counts=silence_counts
        )

    @classmethod
    def of_table(cls, table: VoteTable, *, silence_counts: bool = False) -> "Votes":
        """The votes of a table that somebody has already; its gold sets the truth of its items."""
        return cls.gather(table.sources, table.n_classes, table.heard(), table.gold, silence_counts=silence_counts)

    @classmethod
    def gather(
        cls,
        sources: tuple[str, ...],
        n_classes: int,
        heard: HardVotes | SoftVotes,
        gold: Int[np.ndarray, "row"] | None = None,
        *,
        n_anchors: int = 0,
        silence_counts: bool = False,
    ) -> "Votes":
        """Votes by row, the last `n_anchors` of them outside the table; `gold` is -1 where unknown."""
        gold = np.full(len(heard), -1) if gold is None else gold
        if silence_counts:
            heard = _with_silence(heard, n_classes)
        n_said, n_items = n_classes + silence_counts, len(heard) - n_anchors
        found = _equal_rows(heard, gold, n_said) if heard.ndim == 2 else None
        if found is None:
            inside = (np.arange(len(heard)) < n_items).astype(float)
            return cls(sources, n_classes, heard, gold, inside, 1 - inside, np.arange(n_items), n_said)
        first, row_of = found
        items, anchors = (
            np.bincount(part, minlength=len(first)).astype(float) for part in (row_of[:n_items], row_of[n_items:])
        )
        return cls(sources, n_classes, heard[first], gold[first], items, anchors, row_of[:n_items], n_said)

    @cached_property
    def weight(self) -> Float[np.ndarray, "row"]:
        """How often each row counts for what is learnt of the sources."""
        return np.asarray(self.items + self.anchors)

    @cached_property
    def voted(self) -> Bool[np.ndarray, "row source"]:
        """Where a source named a class, or gave a distribution over the classes."""
        if self.heard.ndim == 2:
            return np.asarray((self.heard >= 0) & (self.heard < self.n_classes))
        return np.asarray(self.heard[:, :, : self.n_classes].any(axis=2))

    @cached_property
    def n_votes(self) -> Float[np.ndarray, "source"]:
        """How many votes every source gave, those on anchors among them."""
        total = np.zeros(len(self.sources))
        for start in range(0, len(self.voted), BLOCK_ENTRIES):  # a product of numbers and truth values copies these
            rows = slice(start, start + BLOCK_ENTRIES)
            total += self.weight[rows] @ self.voted[rows]
        return total

    def said(self, weight: Float[np.ndarray, "row"]) -> Float[np.ndarray, "source said"]:
        """How often every source says everything, over rows that count with a weight."""
        total = sum((weight[block.rows] @ block.matrix for block in self.blocks()), np.zeros(1))
        return np.asarray(np.reshape(total, (len(self.sources), self.n_said)))

    def share_of(self, number: int, rows: slice) -> Float[np.ndarray, "row source"]:
        """What the votes of some rows give to one class; single precision, which holds a block's counts exactly."""
        heard = self.heard[rows]
        return np.asarray(heard == number if heard.ndim == 2 else heard[:, :, number], dtype=np.float32)

    def only(self, sources: Int[np.ndarray, "kept"]) -> "Votes":
        """The same rows as heard from some of the sources."""
        return replace(
            self, sources=tuple(self.sources[number] for number in sources.tolist()), heard=self.heard[:, sources]
        )

    def take(self, rows: Int[np.ndarray, "kept"]) -> "Votes":
        """Some of the rows, as if they were all; items are those of the rows taken, in their order."""
        return replace(
            self,
            heard=self.heard[rows],
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
        return int(np.count_nonzero(self.heard >= 0 if self.heard.ndim == 2 else self.heard))

    @cached_property
    def _few_blocks(self) -> list[Block]:
        return list(self._made_blocks())

    def _made_blocks(self) -> Iterator[Block]:
        step = max(1, BLOCK_ENTRIES * len(self.heard) // max(1, self._n_entries))
        for start in range(0, len(self.heard), step):
            yield self.block(slice(start, min(start + step, len(self.heard))))

    def block(self, rows: slice) -> Block:
        """The rows of a slice as a matrix."""
        heard = self.heard[rows]
        n_columns = len(self.sources) * self.n_said
        cells = heard if heard.ndim == 2 else heard.reshape(len(heard), n_columns)
        spoke = np.flatnonzero(cells >= 0 if heard.ndim == 2 else cells > 0)
        row, column = np.divmod(spoke.astype(np.int32), np.int32(cells.shape[1]))
        share = np.ones(len(spoke)) if heard.ndim == 2 else cells.ravel()[spoke].astype(np.float64)
        if heard.ndim == 2:
            column = column * np.int32(self.n_said) + cells.ravel()[spoke]
        starts = np.append(0, np.bincount(row, minlength=len(cells)).cumsum()).astype(np.int32)
        matrix = csr_array((share, column, starts), shape=(len(cells), n_columns))
        return Block(rows, matrix, self.n_said)


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


def _with_silence(heard: HardVotes | SoftVotes, n_classes: int) -> HardVotes | Float[np.ndarray, "row source said"]:
    """The same votes with abstention as one more thing to say."""
    if heard.ndim == 2:
        return np.where(heard < 0, n_classes, heard).astype(np.min_scalar_type(-n_classes - 1))
    return np.concatenate([heard, ~heard.any(axis=2, keepdims=True)], axis=2)


def _split_anchors(labels: WeakLabels, anchors: Anchors) -> tuple[Anchors, Int[np.ndarray, "item"]]:
    """The anchors that are no items of the table, and the table's gold (-1 = none) from those that are."""
    if anchors.labels.n_classes != labels.n_classes:
        raise DataError(
            f"the labels have {labels.n_classes} classes and the items with known gold have"
            f" {anchors.labels.n_classes}; give both with the same classes"
        )
    row = {name: number for number, name in enumerate(labels.items)}
    place = np.asarray([row.get(name, -1) for name in anchors.labels.items])
    gold = np.full(len(labels.items), -1)
    gold[place[place >= 0]] = anchors.gold[place >= 0]
    outside = np.flatnonzero(place < 0)
    return Anchors(anchors.labels.only(labels.sources).take(outside), anchors.gold[outside]), gold


def _equal_rows(
    codes: HardVotes, gold: Int[np.ndarray, "row"], n_said: int
) -> tuple[Int[np.ndarray, "pattern"], Int[np.ndarray, "row"]] | None:
    """One row of every pattern, and each row's pattern; `None` where too few rows repeat to be worth it."""
    possible = (n_said + 1) ** (codes.shape[1] + 1)
    if possible > LARGEST_KEY:
        return None
    key = gold.astype(np.int64) + 1
    for column in codes.T:
        key = key * (n_said + 1) + (column + 1)
    if possible <= max(LARGEST_TABLE, 4 * len(codes)):
        first = np.full(possible, -1)
        first[key[::-1]] = np.arange(len(codes))[::-1]
        seen = np.flatnonzero(first >= 0)
        number = np.empty(possible, np.int64)
        number[seen] = np.arange(len(seen))
        return first[seen], number[key]
    # Sorting a million keys takes as long as reading the votes: an eighth of them tells whether it will pay.
    sample = key[::8]
    if len(np.unique(sample)) > WORTH_SORTING * len(sample):
        return None
    seen, first, row_of = np.unique(key, return_index=True, return_inverse=True)
    return (first, row_of) if len(seen) <= len(codes) / 2 else None
