"""Classes with nearly equal names: `Science` and `science`, `sci fi` and `sci  fi`."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from outgrow.text_format import many, short

INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
MOST_SHOWN = 4
"""Groups of such classes in a message, at most."""


def plain(name: str) -> str:
    """The name of a class without case, extra white space, invisible characters and variants of letters.

    >>> plain(" Sci\\u00a0 Fi ")
    'sci fi'
    """
    return " ".join(unicodedata.normalize("NFKC", name).translate(INVISIBLE).casefold().split())


def alike(names: Iterable[str | None] | Mapping[str, int]) -> list[list[tuple[str, int]]]:
    """Groups of two or more names with the same plain form, each name with its count.

    `names` are the cells of a column, `None` for an empty cell, or the distinct names with their counts.
    """
    counts: Counter[str | None] = Counter(names)
    sets: dict[str, list[tuple[str, int]]] = {}
    for name in sorted(name for name in counts if name is not None):
        sets.setdefault(plain(name), []).append((name, counts[name]))
    return [names for names in sets.values() if len(names) > 1]


def _rows(name: str, count: int) -> str:
    return many(count, "row")


def alike_names(sets: Sequence[Sequence[tuple[str, int]]], how_often: Callable[[str, int], str] = _rows) -> str:
    """Such groups as text, each name with `how_often(name, count)`; by default its count of rows."""
    descriptions = [
        " and ".join(f"{short(repr(name))} ({how_often(name, count)})" for name, count in names) for names in sets
    ]
    n_hidden = len(descriptions) - MOST_SHOWN
    return "; ".join(descriptions[:MOST_SHOWN]) + (f"; and {n_hidden} more" if n_hidden > 0 else "")


def spellings(counts: Mapping[str, int], known: Sequence[str] | None = None) -> dict[str, str]:
    """The common spelling of each name: the one in `known` with the same plain form, or without `known` the most
    frequent.

    Among equally frequent ones it is the first in alphabetical order. Names without a match in `known` are unchanged.
    """
    if known is None:
        best = {plain(names[0][0]): max(names, key=lambda counted: counted[1])[0] for names in alike(counts)}
    else:
        best = {plain(name): name for name in known}
    return {name: name if known and name in known else best.get(plain(name), name) for name in counts}


def join(names: Sequence[str | None], known: Sequence[str] | None = None) -> list[str | None]:
    """The cells of a column in their common spelling; `None` is unchanged."""
    spelling_of = spellings(Counter(name for name in names if name is not None), known)
    return [None if name is None else spelling_of[name] for name in names]
