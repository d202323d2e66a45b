"""Votes of labelling tools' exports: Python values, vote by vote, as `VoteRows`."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from outgrow.errors import DataError
from outgrow.readers.categorical import EMPTY, Categorical, categorical, numbers
from outgrow.readers.gold import one_gold_each
from outgrow.readers.source_table import column_of
from outgrow.readers.vote_rows import VoteRows


class LongRow(NamedTuple):
    """What a source said on an item. Without a source the item is merely there; without a label nobody votes."""

    place: str
    item: Any
    source: Any = None
    label: Any = None
    confidence: Any = None
    seconds: Any = None
    gold: Any = None


def ballots_of_rows(origin: str, said: Sequence[LongRow], *notes: str) -> VoteRows:
    """Rows of an export. Raises `DataError` where there are none, or a cell is not what it must be."""
    if not said:
        raise DataError(f"{origin}: has no vote")

    def place(row: int) -> str:
        return said[row].place

    def text(part: str) -> Categorical:
        return categorical(
            column_of([getattr(row, part) for row in said], f"the {part}", place), f"{origin}, the {part}s"
        )

    def number(part: str) -> Any:
        values = [getattr(row, part) for row in said]
        if all(value is None for value in values):
            return None
        return numbers(column_of(values, f"the {part}", place), f"the {part}", place)

    item, gold = text("item"), text("gold")
    if (item.code == EMPTY).any():
        raise DataError(f"{place(int((item.code == EMPTY).argmax()))}: the name of the item is blank")
    return VoteRows(
        origin,
        item,
        text("source"),
        text("label"),
        place,
        confidence=number("confidence"),
        seconds=number("seconds"),
        gold=one_gold_each(item, gold, place) if gold.names else None,
        notes=notes,
    )
