"""Items without names are called by the number of their row, counted from 0 as in NumPy and pandas.

One rule for tables of items, matrices and arrays of votes: row k of one is row k of the other. So they must have as
many rows; and votes that name such items must count from 0 too.
"""

from collections.abc import Sequence

from outgrow.errors import DataError


class RowNumbers(list[str]):
    """Names of items that have none of their own: `0`, `1`, …"""


def row_numbers(n_rows: int) -> RowNumbers:
    """The names of so many rows.

    >>> row_numbers(3)
    ['0', '1', '2']
    """
    return RowNumbers(map(str, range(n_rows)))


def require_same_rows(voted_on: Sequence[str], votes: object, n_rows: int, items: object) -> None:
    """Raise `DataError` where votes cannot be about the rows of a table whose items have no names.

    Args:
        voted_on: the votes' items; `RowNumbers` where these have no names either.
        votes: where the votes lie.
        n_rows: how many rows the items have.
        items: where the items lie.
    """
    if isinstance(voted_on, RowNumbers):
        if len(voted_on) != n_rows:
            raise DataError(
                f"{votes} has {len(voted_on)} rows and {items} has {n_rows}: neither names its items, so that row k of"
                " one is row k of the other; give both the same rows, or a column of ids"
            )
        return
    names = set(voted_on)
    if str(n_rows) in names and "0" not in names and names.issubset(map(str, range(n_rows + 1))):
        raise DataError(
            f"{votes} names items 1 to {n_rows}, and the {n_rows} items of {items} have no ids: they are called by the"
            f" numbers of their rows, 0 to {n_rows - 1}; give {items} a column of ids and name it"
        )
