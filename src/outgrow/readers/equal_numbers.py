"""Names of one column that are the same number written in two ways: `7` and `7.0`, `007`, `7e0`.

Names are compared as text, so that these are two items (or sources, or classes) to every reader. Where a column is
numbers all through, its type settles it (`categorical.py`); where text stands among them nothing does, and it is told.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

NUMBER = r"^[+-]?\d+(\.\d+)?([eE][+-]?\d{1,3})?$"
PLAIN = r"^(0|-?[1-9]\d*)$"
"""How whole numbers are usually written; no two of these are the same."""
LONGEST = 40
"""Letters; what is longer is no number that anybody meant."""


class EqualNumbers(NamedTuple):
    """Two names of one number, and how many names there are of numbers that have another one, too."""

    one: str
    other: str
    n_names: int


def number_twice(names: Sequence[str]) -> EqualNumbers | None:
    """The first such pair in the order of the names; `names` are all different."""
    texts = pa.array(names, pa.large_string())
    numeric = pc.and_(pc.match_substring_regex(texts, NUMBER), pc.less_equal(pc.utf8_length(texts), LONGEST))
    if not pc.any(pc.and_not(numeric, pc.match_substring_regex(texts, PLAIN))).as_py():
        return None
    written = texts.filter(numeric)
    values = np.asarray(pc.utf8_ltrim(written, "+").cast(pa.float64()))
    _, group, count = np.unique(values, return_inverse=True, return_counts=True)
    # Far from zero a float stands for several numbers: only the few that are left are compared digit by digit.
    of_number: dict[Decimal, list[str]] = {}
    for name in written.filter(pa.array(count[group] > 1)).to_pylist():
        of_number.setdefault(Decimal(name), []).append(name)
    several = [found for found in of_number.values() if len(found) > 1]
    return EqualNumbers(several[0][0], several[0][1], sum(map(len, several))) if several else None
