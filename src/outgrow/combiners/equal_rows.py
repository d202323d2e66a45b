"""Which rows of a table of hard votes are equal, votes and gold: by a table of all possible rows, or by sorting."""

import numpy as np
from jaxtyping import Int

LARGEST_TABLE = 2**16
"""Row patterns are numbered through a table if there are this many possible ones, or four per item, at most."""
LARGEST_KEY = 2**62
WORTH_SORTING = 0.9
"""Share of an eighth of the rows that may be different from one another if half of all rows are to be equal."""

HardVotes = Int[np.ndarray, "row source"]


def equal_rows(
    codes: HardVotes, gold: Int[np.ndarray, "row"], n_classes: int
) -> tuple[Int[np.ndarray, "pattern"], Int[np.ndarray, "row"]] | None:
    """One row of every pattern, and each row's pattern; `None` where too few rows repeat to be worth it."""
    possible = (n_classes + 1) ** (codes.shape[1] + 1)
    if possible > LARGEST_KEY:
        return None
    key = gold.astype(np.int64) + 1
    for column in codes.T:
        key = key * (n_classes + 1) + (column + 1)
    if possible <= max(LARGEST_TABLE, 4 * len(codes)):
        first = np.full(possible, -1)
        first[key[::-1]] = np.arange(len(codes))[::-1]
        seen = np.flatnonzero(first >= 0)
        pattern_of = np.empty(possible, np.int64)
        pattern_of[seen] = np.arange(len(seen))
        return first[seen], pattern_of[key]
    # Sorting a million keys takes as long as reading the votes: an eighth of them shows whether it will pay.
    sample = key[::8]
    if len(np.unique(sample)) > WORTH_SORTING * len(sample):
        return None
    seen, first, row_of = np.unique(key, return_index=True, return_inverse=True)
    return (first, row_of) if len(seen) <= len(codes) / 2 else None
