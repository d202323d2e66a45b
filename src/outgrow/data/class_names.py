"""Classes that are one to the eye: `Science` beside `science`, `sci fi` beside `sci  fi`."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from outgrow.phrases import many, short

INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
MOST_SHOWN = 4
"""Sets of such classes in one message."""


def plain(name: str) -> str:
    """A class's name but for case, white space, invisible characters and forms of the same letter.

    >>> plain(" Sci\\u00a0 Fi ")
    'sci fi'
    """
    return " ".join(unicodedata.normalize("NFKC", name).translate(INVISIBLE).casefold().split())


def alike(names: Iterable[str | None]) -> list[list[tuple[str, int]]]:
    """Sets of two or more names that are the same in plain form, each name with how often it is there."""
    counts = Counter(name for name in names if name is not None)
    sets: dict[str, list[tuple[str, int]]] = {}
    for name in sorted(counts):
        sets.setdefault(plain(name), []).append((name, counts[name]))
    return [found for found in sets.values() if len(found) > 1]


def told(sets: Sequence[Sequence[tuple[str, int]]]) -> str:
    """Such sets in a sentence, with their counts of rows."""
    shown = [" and ".join(f"{short(repr(name))} ({many(count, 'row')})" for name, count in found) for found in sets]
    more = len(shown) - MOST_SHOWN
    return "; ".join(shown[:MOST_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def join(names: Sequence[str | None], known: Sequence[str] | None = None) -> list[str | None]:
    """Names that are the same in plain form under one of them: the one among `known`, else the most frequent.

    Of equally frequent ones it is the first in the order of the alphabet. Names that equal none of `known` stay.
    """
    if known is None:
        best = {plain(found[0][0]): max(found, key=lambda one: one[1])[0] for found in alike(names)}
    else:
        best = {plain(name): name for name in known}
    return [name if name is None or (known and name in known) else best.get(plain(name), name) for name in names]
