"""Which rows are kept, given a score for each.

    threshold t    every row with score ≥ t
    fraction f     the best ⌈f n⌉ of n rows, within each capability or of all rows together
    quota q        the best q rows of each capability, or all of them where there are fewer

Equal scores are ordered by lots. A row's lot is a hash of a seed and of the row's content, so that it depends neither
on its position nor on the other rows: a table in another order keeps the same rows. The rows of a random selection are
those with the highest lots.

A row without a score (NaN) is never kept, but counts among the n rows of which a fraction is taken. Weights of rows
are not used.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

import numpy as np
from jaxtyping import Bool, Float

from outgrow.errors import DataError, suggest

SEPARATOR = "\x1f"
ROUNDING = 9
"""Decimals at which f n is taken for a whole number: 0.07 · 100 is 7, not 7.000000000000001 and so 8."""


def lots(seed: int, rows: Iterable[Sequence[str]]) -> Float[np.ndarray, "row"]:
    """A number within 0 … 1 for every row, which depends on `seed` and the row's content only."""
    return np.asarray([_lot(SEPARATOR.join([str(seed), *words])) for words in rows], dtype=np.float64)


def _lot(text: str) -> float:
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) / 2**53


def keep_rows(
    score: Float[np.ndarray, "row"],
    lot: Float[np.ndarray, "row"],
    capability: Sequence[str],
    *,
    threshold: float | None = None,
    fraction: float | None = None,
    quota: int | Mapping[str, int] | None = None,
    within: str = "capability",
) -> Bool[np.ndarray, "row"]:
    """The rows that are kept, by exactly one of `threshold`, `fraction` and `quota`.

    Args:
        score: higher is better; NaN = none.
        lot: decides between equal scores, the higher one first.
        capability: of every row; the same for all rows of a task that is no mixture.
        threshold: the lowest score that is kept.
        fraction: within 0 … 1.
        quota: so many of every capability, or of those that are named.
        within: `capability`, or `all` for a fraction of all rows.

    Raises:
        DataError: a quota for a capability that has no row.
    """
    if threshold is not None:
        return np.asarray(score >= threshold)
    together = within == "all" and quota is None
    group = np.zeros(len(score), dtype=np.str_) if together else np.asarray(capability, dtype=np.str_)
    if isinstance(quota, Mapping):
        _require_known(quota, capability)
    order = np.lexsort((-lot, -score, np.isnan(score)))
    kept = np.zeros(len(score), dtype=bool)
    for name in np.unique(group).tolist():
        members = order[group[order] == name]
        kept[members[: _n_kept(name, len(members), fraction, quota)]] = True
    return np.asarray(kept & ~np.isnan(score))


def _n_kept(name: str, n: int, fraction: float | None, quota: int | Mapping[str, int] | None) -> int:
    """How many of a group's n rows are kept."""
    if quota is None:
        assert fraction is not None, "one of threshold, fraction and quota is given"
        return math.ceil(round(fraction * n, ROUNDING))
    return quota.get(name, 0) if isinstance(quota, Mapping) else quota


def _require_known(quota: Mapping[str, int], capability: Sequence[str]) -> None:
    names = sorted(set(capability))
    for name in quota:
        if name not in names:
            hint = "the task is not made of several: give one number" if names == [""] else suggest(name, names)
            raise DataError(f"select.keep.quota: no label is of a capability `{name}`; {hint}")


def sizes(capability: Sequence[str]) -> dict[str, int]:
    """By capability, the number of rows, in the order in which they first appear."""
    return {name: sum(row_capability == name for row_capability in capability) for name in dict.fromkeys(capability)}
