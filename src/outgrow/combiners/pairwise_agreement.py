"""How often two sources agree: the moments that closed forms start from.

For every pair of sources, over the n items on which both voted (soft votes q: products of shares):

    together     Σ_k mean q_s[k] q_t[k]                            how often both vote for the same class
    covariance   Σ_k cov(q_s[k], q_t[k])                           how much of it is more than chance
    spread       sqrt(Σ_k var q_s[k] · Σ_k var q_t[k])             the largest covariance that there could be

All are sums of products AᵀB of matrices of votes, with a row per item and a column per source. Where few sources vote
on an item the matrices are sparse, and the time is that of the pairs that meet on an item, not that of all pairs.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float, Int

from outgrow.combiners.vote_block import Block
from outgrow.combiners.votes import Votes
from outgrow.errors import DataError
from outgrow.lazy import sparse

Pairs = Float[np.ndarray, "source source"]
Matrix: TypeAlias = Any
"""A dense or a sparse array, rows × sources or sources × sources: `*` is by element for both, `@` the product."""
Form: TypeAlias = Callable[["sparse.csr_array"], Matrix]

FEW_SOURCES, MOST_DENSE = 200, 6_000
"""Sources up to which products of pairs are dense in any case, and up to which they can be (a few minutes)."""
MOST_PATHS = 5e9
"""Pairs of meetings with a source in common, up to which sparse products of pairs are made (some minutes)."""
CELLS = 2**20
"""Of a dense table of rows and sources at a time."""
ENOUGH_MET = 5
"""Mean items on which two sources meet; with fewer, in simulated crowds, closed forms fall behind the majority."""
NEVER_SPARSE = 10
"""Sources up to which each one's own moments decide."""
TOGETHER = 256
"""Sources whose sums over triangles are made at a time."""
SPARSE_COST = 50
"""A product of two numbers takes so much longer in a sparse matrix product than in a dense one."""


class PairwiseAgreement(NamedTuple):
    """Moments of all pairs; zeros where two sources share no item. The diagonal is a source with itself."""

    n: Pairs
    together: Pairs
    covariance: Pairs
    spread: Pairs


class Meetings(NamedTuple):
    """Sums over the items on which both sources of a pair voted."""

    n: Matrix
    same: Matrix
    """Σ_k of the products of both shares of class k."""


def agreement(votes: Votes) -> PairwiseAgreement:
    """The moments of all pairs of sources, items and anchors alike; dense, for up to some thousand sources."""

    def sums(block: Block, form: Form) -> Iterator[Matrix]:
        """n, same and squares, then the totals of every class."""
        weight, voted = votes.weight[block.rows], form(block.voters)
        shares = [form(block.share_of(chosen)) for chosen in range(votes.n_classes)]
        weighted = [rows_times(share, weight).T for share in shares]
        yield rows_times(voted, weight).T @ voted
        yield _total(left @ share for left, share in zip(weighted, shares, strict=True))
        yield _total(rows_times(share * share, weight).T @ voted for share in shares)
        yield from (left @ voted for left in weighted)

    n, same, squares, *totals = (as_dense(matrix) for matrix in pair_sums(votes, sums, 3 + votes.n_classes))
    shared = np.maximum(n, 1)
    means = np.stack(totals) / shared
    variance = np.maximum(squares / shared - (means**2).sum(axis=0), 0)
    covariance = same / shared - np.einsum("kst,kts->st", means, means)
    return PairwiseAgreement(n, same / shared, covariance, np.sqrt(variance * variance.T))


def meetings(votes: Votes) -> Meetings:
    """How often two sources met, and how often they then said the same; sparse where few pairs of many sources met."""

    def sums(block: Block, form: Form) -> Iterator[Matrix]:
        weight, voted = votes.weight[block.rows], form(block.voters)
        shares = [form(block.share_of(chosen)) for chosen in range(votes.n_classes)]
        yield rows_times(voted, weight).T @ voted
        yield _total(rows_times(share, weight).T @ share for share in shares)

    return Meetings(*pair_sums(votes, sums, 2))


def pair_sums(
    votes: Votes, sums: Callable[[Block, Form], Iterable[Matrix]], n_sums: int, precision: type = np.float32
) -> list[Matrix]:
    """Sums over the blocks of `n_sums` matrices by pair of sources, which `sums` makes of a block.

    Its second argument gives a block's matrix the form in which products are fast. Dense ones have `precision`; the
    single one holds a block's counts exactly.
    """
    n_sources = len(votes.sources)
    if SPARSE_COST * met_pairs(votes) < float(votes.n_rows) * n_sources**2:
        form: Form = _unchanged
        total: list[Matrix] = [sparse.csr_array((n_sources, n_sources)) for _ in range(n_sums)]
    else:
        form = partial(_dense, precision=precision)
        total = [np.zeros((n_sources, n_sources)) for _ in range(n_sums)]
    for block in votes.blocks():
        total = [before + more for before, more in zip(total, sums(block, form), strict=True)]
    return total


def weighted_products(matrix: "sparse.csr_array", weight: Float[np.ndarray, "row"]) -> Matrix:
    """Σ over rows of the product of two columns' entries and of the row's weight, for all pairs of columns."""
    n_rows, n_columns = matrix.shape
    met = float((np.diff(matrix.indptr).astype(np.float64) ** 2).sum())
    if SPARSE_COST * met < float(n_rows) * n_columns**2:
        return sparse.csr_array(rows_times(matrix, weight).T @ matrix)
    total, step = np.zeros((n_columns, n_columns)), max(1, CELLS // n_columns)
    for first in range(0, n_rows, step):
        part = matrix[first : first + step].toarray()
        total += (part * weight[first : first + step, None]).T @ part
    return total


def met_pairs(votes: Votes) -> float:
    """How many pairs of votes are on the same row: Σ of the squared numbers of voters."""
    return float((votes.n_voters.astype(np.float64) ** 2).sum())


def refuse_too_sparse(model: str, votes: Votes) -> None:
    """Raise `DataError` where pairs of sources meet on too few items for moments of pairs.

    Of more than `NEVER_SPARSE` sources the mean number of items per pair must be `ENOUGH_MET`, or half of the items
    of a small table.
    """
    n_sources, voters = len(votes.sources), votes.n_voters.astype(np.float64)
    if n_sources <= NEVER_SPARSE:
        return
    met = float(votes.weight @ (voters * (voters - 1))) / (n_sources * (n_sources - 1))
    if met < min(ENOUGH_MET, votes.weight[voters > 0].sum() / 2):
        raise DataError(
            f"`{model}` compares sources in pairs, and two of these {n_sources} sources have {met:.2g} items"
            f" in common on average, fewer than {ENOUGH_MET}; use `vote`, or a model without pairs such as `bwa`"
        )


def rows_times(matrix: Matrix, weight: Float[np.ndarray, "row"]) -> Matrix:
    """Every row multiplied by its weight."""
    if isinstance(matrix, np.ndarray):
        return np.asarray(matrix * weight.astype(matrix.dtype)[:, None])
    each = np.repeat(weight, np.diff(matrix.indptr))
    return sparse.csr_array((matrix.data * each, matrix.indices, matrix.indptr), shape=matrix.shape)


def columns_times(matrix: Matrix, weight: Float[np.ndarray, "source"]) -> Matrix:
    """Every column multiplied by its weight."""
    if isinstance(matrix, np.ndarray):
        return np.asarray(matrix * weight)
    data = matrix.data * weight[matrix.indices]
    return sparse.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def with_fast_products(pairs: "sparse.csr_array") -> Matrix:
    """A matrix by pair of sources in the form in which products are fast.

    Raises `DataError` where there are too many triples of sources that meet in pairs.
    """
    degree = np.diff(pairs.indptr).astype(np.float64)
    paths, n_sources = float(degree[pairs.indices].sum()), len(degree)
    if n_sources <= FEW_SOURCES or SPARSE_COST * paths > float(n_sources) ** 3:
        if n_sources > MOST_DENSE:
            raise DataError(
                f"the agreement of {n_sources} sources in pairs is too much to compare; use a model without pairs,"
                " such as `one_coin`"
            )
        return np.asarray(pairs.toarray())
    if paths > MOST_PATHS:
        raise DataError(
            f"{n_sources} sources met in {pairs.nnz // 2} pairs, which are too many to compare; use a model without"
            " pairs, such as `one_coin`"
        )
    return pairs


def over_triangles(sides: Matrix, middle: Matrix) -> Float[np.ndarray, "source"]:
    """Σ_tu sides_st middle_tu sides_us for every source s, some sources at a time; `sides` is symmetric."""
    n_sources = int(sides.shape[0])
    if isinstance(sides, np.ndarray):
        return np.asarray(((sides @ middle) * sides).sum(axis=1))
    total = np.empty(n_sources)
    for first in range(0, n_sources, TOGETHER):
        own = sides[first : first + TOGETHER]
        total[first : first + TOGETHER] = ((own @ middle) * own).sum(axis=1)
    return total


def values_at(
    pairs: Matrix, first: Int[np.ndarray, "pair"], second: Int[np.ndarray, "pair"]
) -> Float[np.ndarray, "pair"]:
    """The numbers of some pairs of sources."""
    return np.asarray(sparse.csr_array(pairs)[first, second]) if len(first) else np.zeros(0)


def as_dense(matrix: Matrix) -> Pairs:
    return matrix if isinstance(matrix, np.ndarray) else np.asarray(matrix.toarray())


def _unchanged(matrix: "sparse.csr_array") -> Matrix:
    return matrix


def _dense(matrix: "sparse.csr_array", precision: type) -> Matrix:
    return np.asarray(matrix.astype(precision).toarray())


def _total(parts: Iterable[Matrix]) -> Matrix:
    first, *others = parts
    return sum(others, first)
