"""A block of rows of votes: a sparse matrix X with a row per item and a column per (source, outcome).

    X[i, (s, k)] = the share of source s's vote on item i that class k has       (hard votes: 1 or nothing)

so that X @ log π is every item's log-likelihood of every class, and Xᵀ @ posterior the expected confusion counts.

Where abstentions count (`Votes.with_silence`), silence is one more outcome k, after the classes. It is not stored,
only its absence is: an entry of −1 for every source that is heard on a row. `Block.times` and `Block.counts` add the
silence of all sources.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from outgrow.lazy import sparse


@dataclass(frozen=True)
class Block:
    """A run of rows: X as in the module's docstring, and of its entries the row, the source and the outcome."""

    rows: slice
    entries: slice
    """Where the block's entries are among those of all rows."""
    matrix: "sparse.csr_array"
    n_classes: int
    n_outcomes: int
    soft: bool

    @property
    def share(self) -> Float[np.ndarray, "entry"]:
        return np.asarray(self.matrix.data)

    @property
    def n_rows(self) -> int:
        return int(self.rows.stop - self.rows.start)

    @property
    def n_sources(self) -> int:
        return int(self.matrix.shape[1]) // self.n_outcomes

    @cached_property
    def row(self) -> Int[np.ndarray, "entry"]:
        return np.repeat(np.arange(self.n_rows), np.diff(self.matrix.indptr))

    @cached_property
    def source(self) -> Int[np.ndarray, "entry"]:
        return np.asarray(self.matrix.indices // self.n_outcomes)

    @cached_property
    def outcome(self) -> Int[np.ndarray, "entry"]:
        return np.asarray(self.matrix.indices % self.n_outcomes)

    @property
    def silence(self) -> slice:
        """The columns of silence, one per source; none where it does not count."""
        return slice(self.n_classes, None, self.n_outcomes) if self.n_outcomes > self.n_classes else slice(0, 0)

    def reweighed(self, weight: Float[np.ndarray, "entry"]) -> "sparse.csr_array":
        """X with every entry multiplied by a weight."""
        return sparse.csr_array(
            (self.share * weight, self.matrix.indices, self.matrix.indptr), shape=self.matrix.shape
        )

    def times(
        self, columns: Float[np.ndarray, "column some"], weight: Float[np.ndarray, "entry"] | None = None
    ) -> Float[np.ndarray, "block some"]:
        """X @ columns, with a weight for every entry; silence counts fully."""
        matrix = self.matrix if weight is None else self.reweighed(weight)
        return np.asarray(matrix @ columns + columns[self.silence].sum(axis=0))

    def counts(self, per_row: Float[np.ndarray, "block some"]) -> Float[np.ndarray, "column some"]:
        """Xᵀ @ per_row."""
        counted = np.asarray(self.matrix.T @ per_row)
        if self.n_outcomes > self.n_classes:
            # What is left of a silence that never was is rounding.
            counted[self.silence] = np.maximum(counted[self.silence] + per_row.sum(axis=0), 0)
        return counted

    def by_class(self, weight: Float[np.ndarray, "entry"] | None = None) -> Float[np.ndarray, "block class"]:
        """Σ of the votes' shares of every class, with a weight for every entry."""
        given = self.share if weight is None else self.share * weight
        shape = self.n_rows, self.n_outcomes
        summed = sparse.csr_array((given, self.outcome, self.matrix.indptr), shape=shape).toarray()
        return np.asarray(summed[:, : self.n_classes])

    @cached_property
    def voters(self) -> "sparse.csr_array":
        """1 where a source votes on a row."""
        begins = self.outcome < self.n_classes
        if self.soft and len(begins):
            begins[1:] &= (self.source[1:] != self.source[:-1]) | (self.row[1:] != self.row[:-1])
        return self._of_entries(begins, np.ones(int(begins.sum())))

    def share_of(self, outcome: int) -> "sparse.csr_array":
        """What the votes give to one class."""
        of_it = self.outcome == outcome
        return self._of_entries(of_it, self.share[of_it])

    def _of_entries(self, kept: Bool[np.ndarray, "entry"], values: Float[np.ndarray, "kept"]) -> "sparse.csr_array":
        start = np.append(0, np.cumsum(kept))[self.matrix.indptr]
        return sparse.csr_array((values, self.source[kept], start), shape=(self.n_rows, self.n_sources))
