"""Merges two tables of votes: new items, new sources, new votes on old items, and votes that both have.

Items, sources and classes are compared by name. A vote that both tables have is ignored; another vote of the same
source on the same item is a contradiction, and an error unless it replaces the old one. Classes that the old table
does not have are an error, since the posterior of every item would change.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from outgrow.errors import DataError, suggest
from outgrow.vote_table import UNKNOWN, VoteTable

SAME = 1e-6
"""Soft votes that differ by less are the same."""


class Merged(NamedTuple):
    """The merged table, and its new items and votes."""

    table: VoteTable
    touched: Int[np.ndarray, "touched"]
    """Items that are new, or have new votes or new gold; increasing."""
    n_new: int
    """Votes that are new or replaced others."""
    n_again: int
    """Votes that the old table has, too."""


def merge_votes(old: VoteTable, new: VoteTable, *, overwrite: bool = False) -> Merged:
    """Both tables as one; old items and sources keep their places. `overwrite`: new votes and gold win.

    Raises `DataError` for unknown classes, and for votes or gold that contradict the old ones unless `overwrite`.
    """
    items, item_of = _numbered(old.items, new.items)
    sources, source_of = _numbered(old.sources, new.sources)
    new = _in_classes_of(old, new)
    item, source = item_of[new.item], source_of[new.source]
    place = _places(old.item * len(sources) + old.source, item * len(sources) + source)
    again = place >= 0
    same = again.copy()
    same[again] = _says_the_same(old, place[again], new, np.flatnonzero(again))
    changed = again & ~same
    if changed.any() and not overwrite:
        raise _contradiction(old, new, int(np.flatnonzero(changed)[0]), place)
    gold = _gold(old, new, items, item_of, overwrite)
    fresh = ~same
    gone = np.isin(np.arange(old.n_votes), place[changed])
    table = _both(old, new, ~gone, fresh, item, source)
    table = replace(table, items=items, sources=tuple(sources), gold=gold, notes=(*old.notes, *new.notes))
    was = np.concatenate([old.gold, np.full(len(items) - len(old.items), UNKNOWN)])
    touched = np.union1d(item[fresh], np.flatnonzero((gold != was) | (np.arange(len(items)) >= len(old.items))))
    return Merged(table, touched, int(fresh.sum()), int(same.sum()))


def _numbered(old: Sequence[str], new: Sequence[str]) -> tuple[list[str], Int[np.ndarray, "new"]]:
    """All names, the old ones first, and the index of each new one among them."""
    index_of = {name: index for index, name in enumerate(old)}
    index = [index_of.setdefault(name, len(index_of)) for name in new]
    return list(index_of), np.asarray(index, dtype=np.int64)


def _in_classes_of(old: VoteTable, new: VoteTable) -> VoteTable:
    """The new table with the old one's classes."""
    missing = [name for name in new.classes if name not in old.classes]
    if missing:
        raise DataError(
            f"the new votes have the class `{missing[0]}`, which the old ones do not;"
            f" {suggest(missing[0], old.classes)}. Start anew from all votes to have more classes"
        )
    class_index = np.asarray([old.classes.index(name) for name in new.classes])
    probs = None
    if new.probs is not None:
        probs = np.zeros((new.n_votes, old.n_classes))
        probs[:, class_index] = new.probs
    gold = np.where(new.gold >= 0, class_index[new.gold], UNKNOWN)
    return replace(new, classes=old.classes, label=class_index[new.label], probs=probs, gold=gold)


def _places(old: Int[np.ndarray, "old"], new: Int[np.ndarray, "new"]) -> Int[np.ndarray, "new"]:
    """The index of each new key among the old ones, −1 = none; the old ones need no order."""
    order = np.argsort(new, kind="stable")
    if not len(new):
        return np.empty(0, dtype=np.int64)
    spot = np.searchsorted(new[order], old)
    hit = np.flatnonzero(new[order][np.minimum(spot, len(new) - 1)] == old)
    place = np.full(len(new), -1)
    place[order[spot[hit]]] = hit
    return place


def _says_the_same(
    old: VoteTable, at: Int[np.ndarray, "pair"], new: VoteTable, also: Int[np.ndarray, "pair"]
) -> np.ndarray:
    if old.probs is None and new.probs is None:
        return np.asarray(old.label[at] == new.label[also])
    difference = _soft(old, at) - _soft(new, also)
    return np.asarray(np.abs(difference).max(axis=1, initial=0) <= SAME)


def _soft(table: VoteTable, rows: np.ndarray) -> Float[np.ndarray, "row class"]:
    if table.probs is not None:
        return np.asarray(table.probs[rows])
    return np.asarray(np.eye(table.n_classes)[table.label[rows]])


def _contradiction(old: VoteTable, new: VoteTable, row: int, place: np.ndarray) -> DataError:
    item, source = new.items[int(new.item[row])], new.sources[int(new.source[row])]
    vote, before = new.classes[int(new.label[row])], old.classes[int(old.label[int(place[row])])]
    return DataError(
        f"source `{source}` votes `{vote}` on item `{item}` and voted `{before}` on it before; if it"
        " changed its mind, let new votes replace old ones: `--overwrite` (in Python `overwrite=True`)"
    )


def _gold(
    old: VoteTable, new: VoteTable, items: list[str], item_of: Int[np.ndarray, "new"], overwrite: bool
) -> Int[np.ndarray, "item"]:
    gold = np.concatenate([old.gold, np.full(len(items) - len(old.items), UNKNOWN)])
    known = np.flatnonzero(new.gold >= 0)
    before = gold[item_of[known]]
    wrong = np.flatnonzero((before >= 0) & (before != new.gold[known]))
    if len(wrong) and not overwrite:
        row = int(known[wrong[0]])
        raise DataError(
            f"item `{new.items[row]}` has the gold `{new.classes[int(new.gold[row])]}` and had"
            f" `{old.classes[int(before[wrong[0]])]}` before; `--overwrite` lets it replace the old"
        )
    gold[item_of[known]] = new.gold[known]
    return gold


def _both(
    old: VoteTable,
    new: VoteTable,
    kept: np.ndarray,
    fresh: np.ndarray,
    item: Int[np.ndarray, "vote"],
    source: Int[np.ndarray, "vote"],
) -> VoteTable:
    """The old votes that stay, then the new ones; `item` and `source` number all of `new` as the old table does."""
    soft = old.probs is not None or new.probs is not None
    return VoteTable(
        # Names and gold of both are the caller's to set.
        items=[],
        sources=(),
        classes=old.classes,
        item=np.concatenate([old.item[kept], item[fresh]]),
        source=np.concatenate([old.source[kept], source[fresh]]),
        label=np.concatenate([old.label[kept], new.label[fresh]]),
        probs=np.concatenate([_soft(old, kept), _soft(new, fresh)]) if soft else None,
        seconds=_both_known(old.seconds, new.seconds, kept, fresh),
        price=_both_known(old.price, new.price, kept, fresh),
    )


def _both_known(
    old: np.ndarray | None, new: np.ndarray | None, kept: np.ndarray, fresh: np.ndarray
) -> Float[np.ndarray, "vote"] | None:
    """A column of both, nan where one table has none; `None` where neither has it."""
    if old is None and new is None:
        return None
    before = np.full(len(kept), np.nan) if old is None else old
    after = np.full(len(fresh), np.nan) if new is None else new
    return np.concatenate([before[kept], after[fresh]])
