"""Edit distance and longest common subsequence of two sequences, of characters or of words.

Both compute the dynamic programming table column by column, as the bits of one integer: differences between
neighbouring cells are −1, 0 or 1, so two bits encode a cell (Myers 1999; Hyyrö 2003 and 2004). Python's integers have
any number of bits, so a column takes a dozen operations for sequences of any length.
"""

from collections.abc import Hashable, Sequence


def edit_distance(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """The least number of insertions, deletions and substitutions that turn `first` into `second` (Levenshtein).

    >>> edit_distance("kitten", "sitting")
    3
    """
    if not first or not second:
        return len(first) + len(second)
    rows_of = _row_bits(first)
    column, last = (1 << len(first)) - 1, 1 << (len(first) - 1)
    # Bits of `up` (`down`) mark cells that are one more (less) than the cell above.
    up, down, distance = column, 0, len(first)
    for symbol in second:
        equal = rows_of.get(symbol, 0)
        across = (((equal & up) + up) ^ up) | equal
        more, less = down | ~(across | up) & column, up & across
        distance += bool(more & last) - bool(less & last)
        more, less = more << 1 | 1, less << 1
        kept = equal | down
        up, down = (less | ~(kept | more)) & column, more & kept & column
    return distance


def common_length(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """Length of the longest common subsequence (gaps are allowed).

    >>> common_length("ABCBDAB", "BDCABA")
    4
    """
    rows_of = _row_bits(first)
    column = (1 << len(first)) - 1
    # A zero bit marks a row where the length grows by one.
    flat = column
    for symbol in second:
        matched = flat & rows_of.get(symbol, 0)
        flat = ((flat + matched) | (flat - matched)) & column
    return len(first) - flat.bit_count()


def normalised_distance(first: Sequence[Hashable], second: Sequence[Hashable]) -> float:
    """Edit distance over the length of the longer sequence, 0 … 1; 0 for two empty ones."""
    return edit_distance(first, second) / max(len(first), len(second), 1)


def _row_bits(sequence: Sequence[Hashable]) -> dict[Hashable, int]:
    """For each symbol, the bits of its rows."""
    places: dict[Hashable, int] = {}
    for row, symbol in enumerate(sequence):
        places[symbol] = places.get(symbol, 0) | 1 << row
    return places
