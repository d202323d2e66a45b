"""Names of items without ids: the number of their row, counted from 0 as in NumPy and pandas.

Tables of items, matrices and arrays of votes follow one rule: row k of one is row k of the other. So they must have
the same number of rows, and votes that name such items must count from 0, too.
"""

from collections.abc import Sequence

from outgrow.errors import DataError


class RowNumbers(list[str]):
    """Names of items without ids: `0`, `1`, …"""


def row_numbers(n_rows: int) -> RowNumbers:
    """The names of `n_rows` rows.

    >>> row_numbers(3)
    ['0', '1', '2']
    """
    return RowNumbers(map(str, range(n_rows)))


def require_same_rows(voted_on: Sequence[str], votes: object, n_rows: int, items: object) -> None:
    """Raise `DataError` if votes cannot belong to the rows of a table whose items have no ids.

    Args:
        voted_on: the items of the votes; `RowNumbers` if they have no ids either.
        votes: the file of the votes, for messages.
        n_rows: number of items.
        items: the file of the items, for messages.
    """
    if isinstance(voted_on, RowNumbers):
        if len(voted_on) != n_rows:
            raise DataError(
                f"{votes} has {len(voted_on)} rows and {items} has {n_rows}: neither has ids, so row k of one is"
                " row k of the other; give both the same rows, or a column of ids"
            )
        return
    names = set(voted_on)
    if str(n_rows) in names and "0" not in names and names.issubset(map(str, range(n_rows + 1))):
        raise DataError(
            f"{votes} names items 1 to {n_rows}, and the {n_rows} items of {items} have no ids: their names are the"
            f" row numbers 0 to {n_rows - 1}; give {items} a column of ids and name it"
        )
