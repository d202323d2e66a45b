"""What the votes of sources count that copy, or err together (`dependence.py`).

With R = the correlations of two sources' errors and d_s = a source's strength, an item's votes count with the weights
w that solve R (w d) = d, the best linear combination of correlated sources, kept at 0 or above: m copies count 1/m
each, m equally correlated ones 1/(1 + (m − 1) ρ), and a copy of a better source nothing. Log-likelihoods are
multiplied by w.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from outgrow.combiners.em import LEAST, Confusion
from outgrow.combiners.votes import Votes
from outgrow.lazy import sparse

TIE = 1e-6
STEPS = 100
SETTLED = 1e-5
CELLS = 2**21
"""Of a dense table of rows and copying sources at a time."""
SEED = 0


def strengths(confusion: Confusion, balance: Float[np.ndarray, "class"]) -> Float[np.ndarray, "source"]:
    """How well a vote tells two classes apart: the root of the mean log-odds it gives to the true one."""
    logs = np.log(np.maximum(confusion, LEAST))
    own = np.einsum("sck,sck->sc", confusion, logs)
    odds = own[:, :, None] - np.einsum("sck,sdk->scd", confusion, logs)
    pairs = np.where(np.eye(len(balance), dtype=bool), 0, np.outer(balance, balance))
    return np.asarray(np.sqrt(np.maximum(np.einsum("scd,cd->s", odds, pairs / pairs.sum()), TIE)))


def independent_weights(
    voters: "sparse.csr_array",
    copied: "sparse.csr_array",
    difficulty: float,
    strength: Float[np.ndarray, "source"],
) -> Float[np.ndarray, "vote"]:
    """The weights w >= 0 of every row's votes with R (w d) = d among its voters, by multiplicative steps.

    `voters` has an entry per vote; R is `difficulty`, or the share that is copied if this is more. The steps are those
    of Sha, Saul and Lee (2003) for a quadratic with matrix and solution at zero or above.
    """
    target = strength[voters.indices]
    explained = _explained_by_voters(voters, copied, difficulty)
    solution = target
    for _ in range(STEPS):
        before = solution
        solution = before * target / explained(before)
        if np.abs(solution - before).max(initial=0) < SETTLED:
            break
    return np.asarray(solution / target)


def _explained_by_voters(
    voters: "sparse.csr_array", copied: "sparse.csr_array", difficulty: float
) -> Callable[[Float[np.ndarray, "vote"]], Float[np.ndarray, "vote"]]:
    """u → R u among each row's voters, where most pairs of R have the same correlation: the rest is a few columns."""
    row, source = np.repeat(np.arange(voters.shape[0]), np.diff(voters.indptr)), voters.indices
    rest = copied.copy()
    rest.data = np.maximum(rest.data - difficulty, 0)
    rest.eliminate_zeros()
    columns = np.flatnonzero(np.diff(rest.indptr))
    special = np.flatnonzero(np.isin(source, columns))
    special_rest = rest[columns][:, columns].toarray()
    pieces = []
    step = max(1, CELLS // max(1, len(columns))) if len(columns) else 1
    for first in range(0, voters.shape[0] if len(columns) else 0, step):
        places = special[np.searchsorted(row[special], first) : np.searchsorted(row[special], first + step)]
        pieces.append((places, (row[places] - first, np.searchsorted(columns, source[places]))))

    def explained(votes: Float[np.ndarray, "vote"]) -> Float[np.ndarray, "vote"]:
        total = difficulty * np.bincount(row, votes)[row] + (1 - difficulty) * votes
        for places, at in pieces:
            given = sparse.csr_array((votes[places], at), shape=(step, len(columns)))
            total[places] += (given @ special_rest)[at]
        return np.asarray(np.maximum(total, LEAST))

    return explained


def equal_voters(votes: Votes) -> tuple["sparse.csr_array", Int[np.ndarray, "row"]]:
    """The different sets of voters, a row each with 1 per voter, and which of them each row has.

    Sets are told apart by a sum of random numbers of 64 bits, one per source.
    """
    entries = votes.entries
    begins = entries.begins_vote
    number = np.random.default_rng(SEED).integers(2**63, size=len(votes.sources), dtype=np.int64)
    # Sums may exceed 64 bits: their differences are right all the same.
    total = np.append(0, np.cumsum(np.where(begins, number[entries.source], 0)))[entries.start]
    _, first, row_of = np.unique(np.diff(total), return_index=True, return_inverse=True)
    kept, places = entries.take(first), entries.places(first)
    begins = begins[places]
    start = np.append(0, np.cumsum(begins))[kept.start]
    shape = len(first), len(votes.sources)
    return sparse.csr_array((np.ones(int(begins.sum())), kept.source[begins], start), shape=shape), row_of
