"""Edit distance and longest common subsequence of two sequences, of characters or of words.

Both fill the table of dynamic programming a whole column at a time, as the bits of one integer: differences between
neighbouring cells are −1, 0 or 1, so two bits per cell hold them (Myers 1999; Hyyrö 2003 and 2004). Python's integers
have as many bits as are needed, so a column costs a dozen operations for sequences of any length.
"""

from collections.abc import Hashable, Sequence


def edit_distance(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    """The least number of insertions, deletions and substitutions that turn `one` into `other` (Levenshtein).

    >>> edit_distance("kitten", "sitting")
    3
    """
    if not one or not other:
        return len(one) + len(other)
    places = _places(one)
    column, last = (1 << len(one)) - 1, 1 << (len(one) - 1)
    # Bits of `up` (`down`) mark cells that are one more (less) than the cell above them.
    up, down, distance = column, 0, len(one)
    for symbol in other:
        equal = places.get(symbol, 0)
        across = (((equal & up) + up) ^ up) | equal
        more, less = down | ~(across | up) & column, up & across
        distance += bool(more & last) - bool(less & last)
        more, less = more << 1 | 1, less << 1
        still = equal | down
        up, down = (less | ~(still | more)) & column, more & still & column
    return distance


def common_length(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    """The length of the longest sequence that both contain in order, with gaps.

    >>> common_length("ABCBDAB", "BDCABA")
    4
    """
    places = _places(one)
    column = (1 << len(one)) - 1
    # A bit that is 0 marks a row at which the length grows by one.
    flat = column
    for symbol in other:
        hit = flat & places.get(symbol, 0)
        flat = ((flat + hit) | (flat - hit)) & column
    return len(one) - flat.bit_count()


def normalised_distance(one: Sequence[Hashable], other: Sequence[Hashable]) -> float:
    """Edit distance over the length of the longer sequence, 0 … 1; 0 for two empty ones."""
    return edit_distance(one, other) / max(len(one), len(other), 1)


def _places(sequence: Sequence[Hashable]) -> dict[Hashable, int]:
    """For each symbol, the bits of the rows it stands in."""
    places: dict[Hashable, int] = {}
    for row, symbol in enumerate(sequence):
        places[symbol] = places.get(symbol, 0) | 1 << row
    return places
