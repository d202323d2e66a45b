"""Classes that look the same: `Science` beside `science`, `sci fi` beside `sci  fi`."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from outgrow.text_format import many, short

INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
MOST_SHOWN = 4
"""Sets of such classes in one message."""


def plain(name: str) -> str:
    """A class's name but for case, white space, invisible characters and forms of the same letter.

    >>> plain(" Sci\\u00a0 Fi ")
    'sci fi'
    """
    return " ".join(unicodedata.normalize("NFKC", name).translate(INVISIBLE).casefold().split())


def alike(names: Iterable[str | None] | Mapping[str, int]) -> list[list[tuple[str, int]]]:
    """Sets of two or more names that are the same in plain form, each name with how often it is there.

    `names` are the cells of a column, `None` for an empty one, or the different names with their counts.
    """
    counts: Counter[str | None] = Counter(names)
    sets: dict[str, list[tuple[str, int]]] = {}
    for name in sorted(name for name in counts if name is not None):
        sets.setdefault(plain(name), []).append((name, counts[name]))
    return [names for names in sets.values() if len(names) > 1]


def _rows(name: str, count: int) -> str:
    return many(count, "row")


def alike_names(sets: Sequence[Sequence[tuple[str, int]]], how_often: Callable[[str, int], str] = _rows) -> str:
    """Such sets in a sentence, each name with `how_often` it is there; by default its count of rows."""
    shown = [
        " and ".join(f"{short(repr(name))} ({how_often(name, count)})" for name, count in names) for names in sets
    ]
    more = len(shown) - MOST_SHOWN
    return "; ".join(shown[:MOST_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def spellings(counts: Mapping[str, int], known: Sequence[str] | None = None) -> dict[str, str]:
    """For every name the one that stands for all that are the same in plain form: that among `known`, else the most
    frequent.

    Of equally frequent ones it is the first in the order of the alphabet. Names that equal none of `known` stay.
    """
    if known is None:
        best = {plain(names[0][0]): max(names, key=lambda counted: counted[1])[0] for names in alike(counts)}
    else:
        best = {plain(name): name for name in known}
    return {name: name if known and name in known else best.get(plain(name), name) for name in counts}


def join(names: Sequence[str | None], known: Sequence[str] | None = None) -> list[str | None]:
    """The cells of a column under the names that `spellings` gives them; `None` stays."""
    one_name = spellings(Counter(name for name in names if name is not None), known)
    return [None if name is None else one_name[name] for name in names]
