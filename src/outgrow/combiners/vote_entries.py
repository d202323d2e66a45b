"""Votes row by row in sparse form: memory and time grow with the votes, not with rows times sources.

An entry is a number of X[row, (source, outcome)], the share of a source's vote on a row that an outcome has. Entries
are in the order of rows, then of columns (column = source · outcomes + outcome), so that the entries of a row, and of
a source's vote on it, lie side by side (compressed sparse rows). A hard vote is one entry whose share is 1; where all
are, no share is stored.

Rows with the same entries and the same gold are equal. They are found by one whole number per row that spells it out,
in a table of all possible numbers, or by sorting.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from outgrow.lazy import sparse
from outgrow.vote_table import VoteTable

LARGEST_TABLE = 2**16
"""Row patterns are numbered through a table if there are this many possible ones, or four per item, at most."""
LARGEST_KEY = 2**62
WORTH_SORTING = 0.9
"""Share of an eighth of the rows that may be different from one another if half of all rows are to be equal."""
CELLS = 2**22
"""Cells of a dense table that are looked through at a time."""

HardVotes = Int[np.ndarray, "row source"]
SoftVotes = Float[np.ndarray, "row source class"]


@dataclass(frozen=True)
class Entries:
    """The entries of all rows."""

    start: Int[np.ndarray, "row_start"]
    """Where each row's entries begin; one more number at the end, how many there are."""
    column: Int[np.ndarray, "entry"]
    share: Float[np.ndarray, "entry"] | None
    """`None`: every share is 1."""
    n_outcomes: int

    @classmethod
    def of_dense(cls, values: HardVotes | SoftVotes, n_classes: int) -> "Entries":
        """Outcomes, -1 = abstention; or distributions over the outcomes, zeros = abstention."""
        hard = values.ndim == 2
        step = max(1, CELLS // max(1, int(np.prod(values.shape[1:]))))
        counts, columns, shares = [np.zeros(1, np.int64)], [np.zeros(0, np.int32)], [np.zeros(0)]
        for first in range(0, len(values), step):
            cells = values[first : first + step].reshape(min(step, len(values) - first), -1)
            said = np.flatnonzero(cells >= 0 if hard else cells > 0)
            row, place = np.divmod(said, max(1, cells.shape[1]))
            counts.append(np.bincount(row, minlength=len(cells)))
            found = cells.ravel()[said]
            columns.append((place * n_classes + found if hard else place).astype(np.int32))
            if not hard:
                shares.append(found.astype(np.float64))
        share = None if hard else np.concatenate(shares)
        return cls(np.concatenate(counts).cumsum(), np.concatenate(columns), share, n_classes)

    @classmethod
    def of_table(cls, table: VoteTable) -> "Entries":
        """The votes of a table, a row per item."""
        shape = (len(table.items), len(table.sources) * table.n_classes)
        first = table.source.astype(np.int64) * table.n_classes
        if table.probs is None:
            given = np.ones(table.n_votes, np.int8), (table.item, first + table.label)
        else:
            vote, outcome = np.nonzero(table.probs > 0)
            given = table.probs[vote, outcome], (table.item[vote], first[vote] + outcome)
        matrix = sparse.coo_array(given, shape=shape).tocsr()
        share = None if table.probs is None else np.asarray(matrix.data, dtype=np.float64)
        return cls(matrix.indptr, matrix.indices, share, table.n_classes)

    @property
    def n_rows(self) -> int:
        return len(self.start) - 1

    @property
    def shares(self) -> Float[np.ndarray, "entry"]:
        return np.ones(len(self.column)) if self.share is None else self.share

    @cached_property
    def row(self) -> Int[np.ndarray, "entry"]:
        return np.repeat(np.arange(self.n_rows, dtype=np.int32), np.diff(self.start))

    @property
    def source(self) -> Int[np.ndarray, "entry"]:
        return np.asarray(self.column // self.n_outcomes)

    @property
    def outcome(self) -> Int[np.ndarray, "entry"]:
        return np.asarray(self.column % self.n_outcomes)

    @property
    def begins_vote(self) -> Bool[np.ndarray, "entry"]:
        """The first entry of every source's vote on a row."""
        source, first = self.source, np.ones(len(self.column), dtype=bool)
        first[1:] = source[1:] != source[:-1]
        first[self.start[:-1][np.diff(self.start) > 0]] = True
        return first

    def places(self, rows: Int[np.ndarray, "some"]) -> Int[np.ndarray, "entry"]:
        """Where the entries of some rows are, row after row."""
        count = np.diff(self.start)[rows]
        before = count.cumsum() - count
        return np.repeat(self.start[rows] - before, count) + np.arange(int(count.sum()))

    def take(self, rows: Int[np.ndarray, "some"]) -> "Entries":
        """Some rows, in their order."""
        places, start = self.places(rows), np.append(0, np.diff(self.start)[rows].cumsum())
        return replace(
            self, start=start, column=self.column[places], share=None if self.share is None else self.share[places]
        )

    def where(self, kept: Bool[np.ndarray, "entry"]) -> "Entries":
        """Some entries of every row."""
        start = np.append(0, np.cumsum(kept))[self.start]
        return replace(
            self, start=start, column=self.column[kept], share=None if self.share is None else self.share[kept]
        )

    def then(self, others: "Entries") -> "Entries":
        """These rows and below them others."""
        hard = self.share is None and others.share is None
        share = None if hard else np.concatenate([self.shares, others.shares])
        start = np.concatenate([self.start, others.start[1:] + self.start[-1]])
        return replace(self, start=start, column=np.concatenate([self.column, others.column]), share=share)

    def only(self, sources: Int[np.ndarray, "kept"]) -> "Entries":
        """Some of the sources, numbered anew in this order."""
        n_sources = 1 + max(int(sources.max(initial=-1)), int(self.source.max(initial=-1)))
        new_index = np.full(n_sources, -1)
        new_index[sources] = np.arange(len(sources))
        index = new_index[self.source]
        some = self.where(index >= 0)
        column = (index[index >= 0] * self.n_outcomes + some.outcome).astype(self.column.dtype)
        if (np.diff(sources) > 0).all():
            return replace(some, column=column)
        shape = (self.n_rows, len(sources) * self.n_outcomes)
        matrix = sparse.csr_array((some.shares, column, some.start), shape=shape)
        matrix.sort_indices()
        share = None if self.share is None else np.asarray(matrix.data)
        return replace(some, start=matrix.indptr, column=matrix.indices, share=share)

    def most_probable(self) -> "Entries":
        """Every vote as its most probable class, the first on a tie."""
        if self.share is None or not len(self.column):
            return replace(self, share=None)
        first = self.begins_vote
        vote, begin = np.cumsum(first) - 1, np.flatnonzero(first)
        at_top = np.flatnonzero(self.share == np.maximum.reduceat(self.share, begin)[vote])
        kept = np.zeros(len(self.column), dtype=bool)
        kept[at_top[np.append(True, np.diff(vote[at_top]) > 0)]] = True
        return replace(self.where(kept), share=None)

    def by_source(self, n_sources: int) -> Iterator[Int[np.ndarray, "own"]]:
        """For every source the places of its entries, in the order of rows."""
        numbers = np.arange(len(self.column), dtype=np.int64)
        matrix = sparse.csr_array((numbers, self.source, self.start), shape=(self.n_rows, n_sources)).tocsc()
        yield from np.split(matrix.data, matrix.indptr[1:-1])


def equal_rows(
    entries: Entries, gold: Int[np.ndarray, "row"], n_sources: int
) -> tuple[Int[np.ndarray, "pattern"], Int[np.ndarray, "row"]] | None:
    """One row of every pattern of hard votes, and each row's pattern; `None` where too few repeat to be worth it."""
    n_states = entries.n_outcomes + 1
    possible = n_states ** (n_sources + 1)
    if possible > LARGEST_KEY:
        return None
    key = _row_keys(entries, gold, n_sources)
    if possible <= max(LARGEST_TABLE, 4 * len(key)):
        first = np.full(possible, -1)
        first[key[::-1]] = np.arange(len(key))[::-1]
        seen = np.flatnonzero(first >= 0)
        pattern_of = np.empty(possible, np.int64)
        pattern_of[seen] = np.arange(len(seen))
        return first[seen], pattern_of[key]
    # Sorting a million keys takes as long as reading the votes: an eighth of them shows whether it will pay.
    sample = key[::8]
    if len(np.unique(sample)) > WORTH_SORTING * len(sample):
        return None
    seen, first, row_of = np.unique(key, return_index=True, return_inverse=True)
    return (first, row_of) if len(seen) <= len(key) / 2 else None


def _row_keys(entries: Entries, gold: Int[np.ndarray, "row"], n_sources: int) -> Int[np.ndarray, "row"]:
    """The row as a number with a digit for its gold and for every source."""
    n_states = entries.n_outcomes + 1
    place_value = n_states ** np.arange(n_sources, dtype=np.int64)[::-1]
    key = (gold.astype(np.int64) + 1) * n_states**n_sources
    step = max(1, CELLS // max(1, n_sources))
    for first in range(0, entries.n_rows, step):
        rows = slice(first, min(first + step, entries.n_rows))
        start = entries.start[rows.start : rows.stop + 1]
        source, outcome = np.divmod(entries.column[start[0] : start[-1]], entries.n_outcomes)
        voted = np.flatnonzero(np.diff(start))
        if len(voted):
            digits = (outcome.astype(np.int64) + 1) * place_value[source]
            key[first + voted] += np.add.reduceat(digits, start[voted] - start[0])
    return np.asarray(key)
