"""Votes in the form that label models read: one entry per vote, in blocks of rows, equal rows stored once.

No table of items × sources is made: memory and time grow with the votes (`vote_entries.py`). Items with the same votes
have the same posterior under every model here, so equal rows of hard votes are stored once, with a count; ten sources
and two classes make at most 3^10 rows of a million items. Soft votes have an entry per class with a share above 0.

A model iterates over `blocks` (`vote_block.py`), with an abstention as one more outcome after `with_silence`.

Anchors on an item of the table set that item's truth. Anchors on other items become rows of their own that count for
the sources' errors and not for the class balance, because gold items may be picked class by class.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from outgrow.combiners.vote_block import Block
from outgrow.combiners.vote_entries import Entries, HardVotes, SoftVotes, equal_rows
from outgrow.errors import DataError
from outgrow.labels import Anchors, WeakLabels
from outgrow.lazy import sparse
from outgrow.vote_table import VoteTable

BLOCK_ENTRIES = 2**16
"""Entries of X per block, or columns if these are more: its scores and posteriors stay in a core's cache."""
FEW_ENTRIES = 2**19
"""Up to this many entries the blocks are kept (10 MB); more are made anew in every pass."""


@dataclass(frozen=True)
class Votes:
    """Every source's vote, row by row, and the known gold."""

    sources: tuple[str, ...]
    n_classes: int
    entries: Entries
    soft: bool
    """Whether votes are distributions."""
    gold: Int[np.ndarray, "row"]
    """The row's true class, -1 where it is unknown."""
    items: Float[np.ndarray, "row"]
    """How many items of the table have these votes."""
    anchors: Float[np.ndarray, "row"]
    """How many items outside the table have these votes and this gold."""
    row_of: Int[np.ndarray, "item"]
    """The row of each item of the table."""

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
        entries, soft = Entries.of_table(table), table.probs is not None
        return cls.of_entries(table.sources, table.n_classes, entries, table.gold, soft=soft)

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
        """Votes from a table with a cell for every row and source: a class (−1 = abstention), or a distribution.

        The last `n_anchors` rows are outside the table; `gold` is -1 where unknown.
        """
        gold = np.full(len(values), -1) if gold is None else gold
        entries, soft = Entries.of_dense(values, n_classes), values.ndim == 3
        return cls.of_entries(sources, n_classes, entries, gold, soft=soft, n_anchors=n_anchors)

    @classmethod
    def of_entries(
        cls,
        sources: tuple[str, ...],
        n_classes: int,
        entries: Entries,
        gold: Int[np.ndarray, "row"],
        *,
        soft: bool,
        n_anchors: int = 0,
    ) -> "Votes":
        """Votes row by row, the last `n_anchors` rows outside the table; equal rows of hard votes become one."""
        n_rows = entries.n_rows
        n_items = n_rows - n_anchors
        patterns = None if soft else equal_rows(entries, gold, len(sources))
        if patterns is None:
            inside = (np.arange(n_rows) < n_items).astype(float)
            return cls(sources, n_classes, entries, soft, gold, inside, 1 - inside, np.arange(n_items))
        first, row_of = patterns
        items, anchors = (
            np.bincount(rows, minlength=len(first)).astype(float) for rows in (row_of[:n_items], row_of[n_items:])
        )
        return cls(sources, n_classes, entries.take(first), soft, gold[first], items, anchors, row_of[:n_items])

    @property
    def n_rows(self) -> int:
        return self.entries.n_rows

    @property
    def n_outcomes(self) -> int:
        """The classes, and one for silence where it counts."""
        return self.entries.n_outcomes

    @property
    def counts_silence(self) -> bool:
        """Whether an abstention is one of the outcomes."""
        return self.n_outcomes > self.n_classes

    @cached_property
    def weight(self) -> Float[np.ndarray, "row"]:
        """How often each row counts for what is learnt of the sources."""
        return np.asarray(self.items + self.anchors)

    @cached_property
    def n_voters(self) -> Int[np.ndarray, "row"]:
        """How many sources named a class, or gave a distribution over the classes, on each row."""
        counts = [np.diff(block.voters.indptr) for block in self.blocks()]
        return np.concatenate(counts).astype(np.int64) if counts else np.zeros(0, np.int64)

    @property
    def has_vote(self) -> Bool[np.ndarray, "row"]:
        """Where any source votes."""
        return np.asarray(self.n_voters > 0)

    @property
    def n_different(self) -> int:
        """How many votes there are on all rows, each row counted once."""
        return int(self.n_voters.sum())

    @cached_property
    def n_votes(self) -> Float[np.ndarray, "source"]:
        """How many votes every source gave, including those on anchors."""
        return self.per_source(self.weight)

    def per_source(self, weight: Float[np.ndarray, "row"]) -> Float[np.ndarray, "source"]:
        """Σ of the rows' weights over the rows on which a source votes."""
        total = np.zeros(len(self.sources))
        for block in self.blocks():
            total += block.voters.T @ weight[block.rows]
        return total

    def counts(self, weight: Float[np.ndarray, "row"]) -> Float[np.ndarray, "source outcome"]:
        """How often every source gives every outcome, over rows that count with a weight."""
        total = np.zeros((len(self.sources) * self.n_outcomes, 1))
        for block in self.blocks():
            total += block.counts(weight[block.rows, None])
        return total.reshape(len(self.sources), self.n_outcomes)

    def hardened(self) -> "Votes":
        """The same rows with every source's most probable class (the first on a tie) for its vote, without silence."""
        plain = self.without_silence()
        return replace(plain, entries=plain.entries.most_probable(), soft=False) if self.soft else plain

    def with_silence(self) -> "Votes":
        """The same rows with an abstention as one more outcome."""
        if self.counts_silence:
            return self
        before, n_outcomes = self.entries, self.n_classes + 1
        column = (before.source * n_outcomes + before.outcome).astype(before.column.dtype)
        ends = np.append(np.flatnonzero(before.begins_vote)[1:], len(column)) if len(column) else np.zeros(0, np.int64)
        heard = before.source[ends - 1] * n_outcomes + self.n_classes
        start = before.start + np.searchsorted(ends, before.start, side="right")
        entries = Entries(start, np.insert(column, ends, heard), np.insert(before.shares, ends, -1.0), n_outcomes)
        return replace(self, entries=entries)

    def without_silence(self) -> "Votes":
        """The same rows with an abstention as no outcome."""
        if not self.counts_silence:
            return self
        said = self.entries.where(self.entries.outcome < self.n_classes)
        column = (said.source * self.n_classes + said.outcome).astype(said.column.dtype)
        share = said.share if self.soft else None
        return replace(self, entries=Entries(said.start, column, share, self.n_classes))

    def without(self, removed: Bool[np.ndarray, "vote"]) -> Entries:
        """The entries without some of those that are no silence; a source removed from a row is not silent there."""
        kept = np.ones(len(self.entries.column), dtype=bool)
        kept[np.flatnonzero(self.entries.outcome < self.n_classes)[removed]] = False
        return self.entries.where(kept)

    def only(self, sources: Int[np.ndarray, "kept"]) -> "Votes":
        """The same rows with some of the sources."""
        names = tuple(self.sources[index] for index in sources.tolist())
        return replace(self, sources=names, entries=self.entries.only(sources))

    def take(self, rows: Int[np.ndarray, "kept"]) -> "Votes":
        """Some of the rows, as if they were all; items are those of the rows taken, in their order."""
        return replace(
            self,
            entries=self.entries.take(rows),
            gold=self.gold[rows],
            items=self.items[rows],
            anchors=self.anchors[rows],
            row_of=np.repeat(np.arange(len(rows)), self.items[rows].astype(int)),
        )

    def blocks(self) -> Iterable[Block]:
        """All rows, a few thousand at a time."""
        return self._few_blocks if len(self.entries.column) <= FEW_ENTRIES else self._made_blocks()

    @cached_property
    def _few_blocks(self) -> list[Block]:
        return list(self._made_blocks())

    def _made_blocks(self) -> Iterator[Block]:
        size = max(BLOCK_ENTRIES, len(self.sources) * self.n_outcomes)
        step = max(1, size * self.n_rows // max(1, len(self.entries.column)))
        ones = np.ones(0)
        for first in range(0, self.n_rows, step):
            rows = slice(first, min(first + step, self.n_rows))
            start = self.entries.start[rows.start : rows.stop + 1]
            here = slice(int(start[0]), int(start[-1]))
            if self.entries.share is None:
                ones = ones if len(ones) >= here.stop - here.start else np.ones(here.stop - here.start)
                share = ones[: here.stop - here.start]
            else:
                share = self.entries.share[here]
            inside = (start - start[0]).astype(np.int32)
            shape = rows.stop - rows.start, len(self.sources) * self.n_outcomes
            matrix = sparse.csr_array((share, self.entries.column[here], inside), shape=shape)
            yield Block(rows, here, matrix, self.n_classes, self.n_outcomes, self.soft)


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
