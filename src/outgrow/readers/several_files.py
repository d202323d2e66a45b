"""Several files of votes as one table.

Items, sources and classes of the same name are the same in all files. A file that names no source is a source of its
own, by the file's name. Votes of a source on an item in two files are repeated votes, as in one file. The classes are
those of all files together; files that have no class in common are an error, unless the classes are given.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from jaxtyping import Float

from outgrow.errors import DataError
from outgrow.readers.categorical import EMPTY, Categorical
from outgrow.readers.gold import one_gold_each
from outgrow.readers.row_numbers import RowNumbers, require_same_rows
from outgrow.readers.soft_votes import SoftVotes
from outgrow.readers.source_table import Place
from outgrow.readers.vote_rows import VoteRows, nothing
from outgrow.text_format import listed


def one_table(parts: Sequence[VoteRows], *, classes_given: bool = False) -> VoteRows:
    """The votes of all files. Raises `DataError` for files that do not belong together."""
    if len(parts) == 1:
        return parts[0]
    _check(parts)
    sizes = [len(part.item.code) for part in parts]
    place = _place(parts, sizes)
    item, code_of_part = _items(parts)
    label = _concatenated([part.label for part in parts])
    notes = [note for part in parts for note in part.notes]
    if not classes_given:
        notes += _notes_on_classes(parts)
    golden = [part for part in parts if part.gold is not None]
    return VoteRows(
        listed([part.origin for part in parts]).replace("`", ""),
        item,
        _concatenated([part.source for part in parts]),
        label,
        place,
        _soft(parts, sizes),
        _numbers(parts, sizes, lambda part: part.confidence),
        _numbers(parts, sizes, lambda part: part.seconds),
        _numbers(parts, sizes, lambda part: part.price),
        _groups(parts, sizes),
        _gold(parts, item, code_of_part) if golden else None,
        gold_from=" and ".join(part.gold_from or part.origin for part in golden),
        item_from=parts[0].item_from,
        numbered=parts[0].numbered,
        doubt=next((part.doubt for part in parts if part.doubt), ""),
        notes=tuple(notes),
    )


def _groups(parts: Sequence[VoteRows], sizes: Sequence[int]) -> Categorical | None:
    """The groups of the sources, where a file has any."""
    if all(part.group is None for part in parts):
        return None
    return _concatenated(
        [nothing(size) if part.group is None else part.group for part, size in zip(parts, sizes, strict=True)]
    )


def _check(parts: Sequence[VoteRows]) -> None:
    first = parts[0]
    for part in parts[1:]:
        if isinstance(part.item.names, RowNumbers) != isinstance(first.item.names, RowNumbers):
            with_ids, without = (first, part) if isinstance(part.item.names, RowNumbers) else (part, first)
            raise DataError(
                f"{without.origin} has no column of items, and {with_ids.origin} has one; give both a column of ids"
            )
        if isinstance(part.item.names, RowNumbers):
            require_same_rows(part.item.names, part.origin, len(first.item.names), first.origin)
        if part.numbered != first.numbered:
            named, numbered = (first, part) if part.numbered else (part, first)
            raise DataError(f"{numbered.origin} has class numbers, and {named.origin} has the names of classes")
    nameless: dict[str, str] = {}
    for part in parts:
        if part.nameless and (other := nameless.setdefault(part.source.names[0], part.origin)) != part.origin:
            raise DataError(
                f"{other} and {part.origin}: neither names its sources, and both files have the name"
                f" `{part.source.names[0]}`; rename one of the files"
            )


def _notes_on_classes(parts: Sequence[VoteRows]) -> list[str]:
    """Notes on classes that one file alone has. Raises `DataError` for files without a class in common."""
    notes = []
    classes = {part.origin: _classes(part) for part in parts}
    for origin, own in classes.items():
        others = set[str]().union(*(names for other, names in classes.items() if other != origin))
        if len(own) > 1 and len(others) > 1 and own.isdisjoint(others):
            raise DataError(
                f"{origin} votes for {listed(sorted(own))}, and the other files for {listed(sorted(others))}: they"
                " have no class in common; give all classes in order with `--classes` (in Python `classes`), or read"
                " the files apart"
            )
        if own - others:
            notes.append(f"Classes of {origin} alone: {listed(sorted(own - others))}.")
    return notes


def _classes(part: VoteRows) -> set[str]:
    soft = part.soft.classes if part.soft is not None and part.soft.classes is not None else ()
    return {*part.label.names, *soft}


def _place(parts: Sequence[VoteRows], sizes: Sequence[int]) -> Place:
    starts = np.asarray([0, *accumulate(sizes)][:-1])

    def place(row: int) -> str:
        index = int(np.searchsorted(starts, row, side="right")) - 1
        return parts[index].place(row - int(starts[index]))

    return place


def _concatenated(parts: Sequence[Categorical]) -> Categorical:
    """Rows one after the other, with common names."""
    index_of: dict[str, int] = {}
    codes = []
    for part in parts:
        number = [index_of.setdefault(name, len(index_of)) for name in part.names]
        codes.append(np.asarray([*number, EMPTY])[part.code])
    return Categorical(np.concatenate(codes), list(index_of))


def _items(parts: Sequence[VoteRows]) -> tuple[Categorical, list[np.ndarray]]:
    """The items of all rows, and of each part the new number of each of its items."""
    item = _concatenated([part.item for part in parts])
    index_of = {name: index for index, name in enumerate(item.names)}
    if isinstance(parts[0].item.names, RowNumbers):
        item = Categorical(item.code, parts[0].item.names)
    return item, [np.asarray([index_of[name] for name in part.item.names]) for part in parts]


def _numbers(
    parts: Sequence[VoteRows], sizes: Sequence[int], get: Callable[[VoteRows], Any]
) -> Float[np.ndarray, "row"] | None:
    """A column of numbers, nan for the rows of files without it; None if no file has it."""
    columns = [get(part) for part in parts]
    if all(column is None for column in columns):
        return None
    return np.concatenate(
        [np.full(size, np.nan) if column is None else column for column, size in zip(columns, sizes, strict=True)]
    )


def _soft(parts: Sequence[VoteRows], sizes: Sequence[int]) -> SoftVotes | None:
    """The distributions over the classes of all files; a class that a file does not have has probability 0 there."""
    with_soft = [part for part in parts if part.soft is not None]
    if not with_soft:
        return None
    known = [part.soft.classes for part in with_soft if part.soft is not None]
    if any((names is None) != (known[0] is None) for names in known):
        raise DataError(f"{listed([part.origin for part in with_soft])}: only some distributions name their classes")
    widths = {part.soft.probs.shape[1] for part in with_soft if part.soft is not None}
    if known[0] is None and len(widths) > 1:
        raise DataError(
            f"{listed([part.origin for part in with_soft])}: distributions of {listed([*map(str, sorted(widths))])}"
            " classes"
        )
    names = None if known[0] is None else tuple(dict.fromkeys(name for one in known for name in one or ()))
    width = widths.pop() if names is None else len(names)
    blocks = []
    for part, size in zip(parts, sizes, strict=True):
        block = np.full((size, width), np.nan)
        if part.soft is not None:
            has_value = ~np.isnan(part.soft.probs).all(axis=1)
            own = range(width) if names is None else [names.index(name) for name in part.soft.classes or ()]
            block[has_value] = 0.0
            block[np.ix_(has_value, list(own))] = part.soft.probs[has_value]
        blocks.append(block)
    return SoftVotes(np.concatenate(blocks), names)


def _gold(parts: Sequence[VoteRows], item: Categorical, code_of_part: Sequence[np.ndarray]) -> Categorical:
    """The true class of each item. Raises `DataError` for an item with two in different files."""
    golden = [(part, codes) for part, codes in zip(parts, code_of_part, strict=True) if part.gold is not None]
    gold = _concatenated([part.gold for part, _ in golden if part.gold is not None])
    rows = Categorical(np.concatenate([codes for _, codes in golden]), item.names)
    owner = np.repeat(np.arange(len(golden)), [len(codes) for _, codes in golden])
    return one_gold_each(rows, gold, lambda row: golden[int(owner[row])][0].origin)
