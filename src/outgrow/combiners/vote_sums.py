"""Sums over the votes of a table, block by block: by item, by source, and what the other votes on an item say."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from outgrow.combiners.em import LEAST
from outgrow.combiners.rough_models import one_hot
from outgrow.combiners.vote_block import Block
from outgrow.combiners.votes import Votes
from outgrow.lazy import sparse


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


def blocks_of(votes: Votes) -> Iterator[tuple[Block, VotesOfRows]]:
    """All rows, a block at a time."""
    for block in votes.blocks():
        yield block, VotesOfRows.of(block, votes.n_classes, len(votes.sources))


def vote_totals(votes: Votes) -> VoteTotals:
    """One pass over the votes."""
    n_sources, n_classes = len(votes.sources), votes.n_classes
    weight, sums = np.zeros(n_sources), np.zeros((6, n_sources, n_classes))
    for block, edges in blocks_of(votes):
        of_vote = votes.weight[block.rows][edges.row][:, None]
        n_others = edges.n_votes[edges.row][:, None] - 1
        others = (edges.by_row(edges.share)[edges.row] - edges.share) / np.maximum(n_others, 1)
        compared = of_vote * (n_others > 0)
        truth = one_hot(votes.gold[block.rows], n_classes)[edges.row]
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
