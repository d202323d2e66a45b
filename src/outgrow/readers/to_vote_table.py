"""From `VoteRows` to a `VoteTable`: who said nothing, who voted twice, what is left.

An abstention is no vote, but its item and its source stay. Of several votes of a source on an item one counts
(`repeated_votes.py`). A distribution outweighs the label beside it. What most likely is no vote is asked
(`ambiguous_columns.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int

from outgrow.data.class_names import alike
from outgrow.errors import DataError
from outgrow.readers.ambiguous_columns import doubt_of_labels
from outgrow.readers.categorical import EMPTY, MISSING, by_appearance
from outgrow.readers.decide_classes import class_numbers, decide_classes, order_of
from outgrow.readers.equal_numbers import number_twice
from outgrow.readers.repeated_votes import Repeats, distinct_votes
from outgrow.readers.soft_votes import checked, refuse_no_probability, spread
from outgrow.readers.spellings import joined
from outgrow.readers.vote_rows import VoteRows
from outgrow.text_format import listed, many
from outgrow.vote_table import VoteTable

NO_VOTE = "-1"


def to_vote_table(
    ballots: VoteRows,
    *,
    classes: Sequence[object] | None = None,
    abstain: Sequence[str] | None = None,
    renormalise: bool = False,
    repeats: Repeats = None,
    nominal: bool = False,
    join_classes: bool = False,
) -> VoteTable:
    """The votes among the ballots; with `nominal` any labels are names of classes, whatever they look like, with
    `join_classes` those that differ only in case or white space name one class.

    Raises `DataError` for what cannot be counted.
    """
    ballots = without_abstentions(ballots, abstain, given=classes is not None)
    if join_classes:
        ballots = joined(ballots, None if classes is None else [str(name) for name in classes], abstain or ())
    _refuse_silence(ballots)
    if classes is None:
        _refuse_doubts(ballots, nominal)
    names = decide_classes(ballots, classes, abstain or ())
    named = class_numbers(ballots.label, names, ballots.place, by_place=ballots.numbered)
    probs, said, repaired = _distributions(ballots, names, named, renormalise=renormalise)
    spoke = said != EMPTY
    overruled = int((spoke & (named != EMPTY) & (named != said)).sum())
    _refuse_nobody(ballots, spoke)
    rows = np.flatnonzero(spoke)
    kept, probs, twice = distinct_votes(ballots, rows, said, probs, len(names), repeats)
    if probs is not None:
        said = np.where(spoke, probs.argmax(axis=1), EMPTY)
    table = VoteTable(
        items=ballots.item.names,
        sources=tuple(ballots.source.names),
        classes=names,
        item=ballots.item.code[kept],
        source=ballots.source.code[kept],
        said=said[kept],
        probs=None if probs is None else probs[kept],
        seconds=None if ballots.seconds is None else ballots.seconds[kept],
        price=None if ballots.price is None else ballots.price[kept],
        gold=_gold(ballots, names),
    )
    missing = _missing(table) if abstain is None and classes is None else ()
    notes = (*ballots.notes, *missing, *_of_gold(ballots, table), *_notes(table, twice, repaired, overruled))
    return replace(table, notes=notes)


def without_abstentions(ballots: VoteRows, abstain: Sequence[str] | None, *, given: bool) -> VoteRows:
    """The labels that mean "no vote" as empty cells.

    Raises `DataError` where -1 stands among the numbers from 0 on and nobody said whether it is a class.
    """
    names = ballots.label.names
    others = [name for name in names if name != NO_VOTE]
    if abstain is None and not given and 0 < len(others) < len(names) and all(name.isdecimal() for name in others):
        row = int((ballots.label.code == names.index(NO_VOTE)).argmax())
        raise DataError(
            f"{ballots.place(row)}: is `-1` a class, or no vote? Give `abstain=['-1']` if it is no vote,"
            " `abstain=[]` if it is a class"
        )
    silent = np.asarray([*(name in (abstain or ()) for name in names), False])
    if not silent.any():
        return ballots
    code = np.where(silent[ballots.label.code], EMPTY, ballots.label.code)
    return replace(ballots, label=by_appearance(code, names))


def _distributions(
    ballots: VoteRows, names: Sequence[str], said: Int[np.ndarray, "row"], *, renormalise: bool
) -> tuple[Float[np.ndarray, "row class"] | None, Int[np.ndarray, "row"], int]:
    """All rows as distributions where any is soft, the class that each row says, and how many were repaired."""
    repaired, confidence = 0, ballots.confidence
    if confidence is not None:
        refuse_no_probability(confidence, said != EMPTY, ballots.place)
        if np.isnan(confidence).all():
            confidence = None
    if ballots.soft is None and confidence is None:
        return None, said, 0
    sure = np.full(len(said), np.nan) if confidence is None else confidence
    probs = spread(np.maximum(said, 0), sure, len(names))
    voted = said != EMPTY
    if ballots.soft is not None:
        order = order_of(ballots.soft.classes, names, ballots.origin)
        whole = np.flatnonzero(~np.isnan(ballots.soft.probs).all(axis=1))
        found, repaired = checked(ballots.soft.probs[whole], whole, ballots.place, renormalise=renormalise)
        probs[whole] = 0
        probs[whole[:, None], order[None, :]] = found
        voted[whole] = True
    return probs, np.where(voted, probs.argmax(axis=1), EMPTY), repaired


def _refuse_doubts(ballots: VoteRows, nominal: bool) -> None:
    """Raise `DataError` where what would be votes most likely is none, and nobody said that it is."""
    if ballots.doubt:
        raise DataError(ballots.doubt)
    doubt = "" if nominal or ballots.numbered else doubt_of_labels(ballots.label, ballots.item)
    if doubt:
        raise DataError(
            f"{ballots.origin}: {doubt}? If they are names of classes, say so with `scale=nominal`, or give all of"
            " them in `classes`; else name the column of the classes with `label`"
        )


def _refuse_silence(ballots: VoteRows) -> None:
    if not ballots.label.names and (ballots.soft is None or np.isnan(ballots.soft.probs).all()):
        raise DataError(f"{ballots.origin}: {many(len(ballots.label.code), 'row')} and no vote in any of them")


def _refuse_nobody(ballots: VoteRows, spoke: Bool[np.ndarray, "row"]) -> None:
    nobody = spoke & (ballots.source.code == EMPTY)
    if nobody.any():
        raise DataError(f"{ballots.place(int(nobody.argmax()))}: a vote whose source is empty")


def _gold(ballots: VoteRows, names: Sequence[str]) -> Int[np.ndarray, "item"]:
    gold = ballots.gold
    if gold is None:
        return np.empty(0, np.int64)

    def where(item: int) -> str:
        return f"{ballots.origin}, gold of item `{ballots.item.names[item]}`"

    return class_numbers(gold, names, where, by_place=ballots.numbered, what="true class")


def _of_gold(ballots: VoteRows, table: VoteTable) -> Iterator[str]:
    if ballots.gold is not None:
        known = int((table.gold >= 0).sum())
        yield f"Gold of {many(known, 'item')} from {ballots.gold_from or ballots.origin}."


def _notes(table: VoteTable, twice: str, repaired: int, overruled: int) -> list[str]:
    silent = [name for name, n in zip(table.sources, table.n_per_source.tolist(), strict=True) if not n]
    unasked = int((table.n_per_item == 0).sum())
    twins, unheard = [name for one in alike(table.classes) for name, _ in one], _of_gold_alone(table)
    overrules = many(overruled, "vote gives", "votes give")
    none = f"{unasked} of {many(len(table.items), 'item')} {'has' if unasked == 1 else 'have'} no vote."
    notes = {
        twice: twice,
        f"The probabilities of {many(repaired, 'vote')} did not sum to 1 and were divided by their sum.": repaired,
        f"{overrules} another class more than the label beside it: the probabilities count.": overruled,
        none: unasked,
        f"Sources that never vote: {listed(silent)}.": silent,
        "There is one source only: nothing tells how good it is but gold.": len(table.sources) == 1,
        f"Classes that differ only in case or white space: {listed(twins)}.": twins,
        f"Classes that gold names and nobody votes for: {listed(unheard)}.": unheard,
    }
    return [*(sentence for sentence, due in notes.items() if due), *_written_twice(table)]


def _missing(table: VoteTable) -> list[str]:
    """That a class may be what a program wrote where somebody said nothing."""
    found = [name for name in table.classes if name.lower() in MISSING]
    one = len(found) == 1
    told = f"{listed(found)} {'is a class' if one else 'are classes'} here; `abstain={found}` if there is no vote"
    return [f"{told} where {'it stands' if one else 'they stand'}."] if found else []


def _of_gold_alone(table: VoteTable) -> list[str]:
    """Classes that are true of some item, and of which no vote speaks."""
    said = np.bincount(table.said, minlength=table.n_classes) > 0
    heard = said if table.probs is None else said | (table.probs > 0).any(axis=0)
    true = np.bincount(table.gold[table.gold >= 0], minlength=table.n_classes) > 0
    return [name for name, alone in zip(table.classes, true & ~heard, strict=True) if alone]


def _written_twice(table: VoteTable) -> Iterator[str]:
    for what, names in (("items", table.items), ("sources", table.sources), ("classes", table.classes)):
        found = number_twice(names)
        if found is not None:
            yield (
                f"Of the {what} `{found.one}` and `{found.other}` are one number written in two ways, and count as two"
                f" ({found.n_names} names are so); write it in one way if they are the same."
            )
