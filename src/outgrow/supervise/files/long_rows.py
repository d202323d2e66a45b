"""Votes of labelling tools' exports: Python values, vote by vote, as `Ballots`."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from outgrow.errors import DataError
from outgrow.supervise.files.ballots import Ballots
from outgrow.supervise.files.coded import EMPTY, Coded, coded, numbers
from outgrow.supervise.files.gold import one_gold_each
from outgrow.supervise.files.sheet import column_of


class Said(NamedTuple):
    """What a source said on an item. Without a source the item is merely there; without a label nobody votes."""

    place: str
    item: Any
    source: Any = None
    label: Any = None
    confidence: Any = None
    seconds: Any = None
    gold: Any = None


def ballots_of_rows(origin: str, said: Sequence[Said], *notes: str) -> Ballots:
    """Rows of an export. Raises `DataError` where there are none, or a cell is not what it must be."""
    if not said:
        raise DataError(f"{origin}: has no vote")

    def place(row: int) -> str:
        return said[row].place

    def text(part: str) -> Coded:
        return coded(column_of([getattr(row, part) for row in said], f"the {part}", place), f"{origin}, the {part}s")

    def number(part: str) -> Any:
        values = [getattr(row, part) for row in said]
        if all(value is None for value in values):
            return None
        return numbers(column_of(values, f"the {part}", place), f"the {part}", place)

    item, gold = text("item"), text("gold")
    if (item.code == EMPTY).any():
        raise DataError(f"{place(int((item.code == EMPTY).argmax()))}: the name of the item is blank")
    return Ballots(
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
