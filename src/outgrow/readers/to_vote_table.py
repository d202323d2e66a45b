"""Conversion of `VoteRows` to a `VoteTable`: without abstentions, one vote per item and source.

An abstention is no vote; its item and its source are kept. Of several votes of a source on an item one counts
(`repeated_votes.py`). A distribution has precedence over the label in its row. Columns that are probably no votes are
an error (`ambiguous_columns.py`).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int

from outgrow.errors import DataError, nearest
from outgrow.readers.ambiguous_columns import doubt_of_labels
from outgrow.readers.categorical import EMPTY, MISSING, by_appearance, number_twice
from outgrow.readers.class_names import alike
from outgrow.readers.classes_of_votes import class_numbers, decide_classes, joined, order_of
from outgrow.readers.repeated_votes import Repeats, distinct_votes, each_its_own
from outgrow.readers.soft_votes import checked, refuse_no_probability, spread
from outgrow.readers.source_groups import group_of_sources
from outgrow.readers.vote_rows import VoteRows
from outgrow.text_format import listed, many
from outgrow.vote_table import VoteTable

NO_VOTE = "-1"
RARE, COMMON = 2, 20
"""At most and at least so many votes have a class that may be misspelt, and the class that is meant."""


def to_vote_table(
    vote_rows: VoteRows,
    *,
    classes: Sequence[object] | None = None,
    abstain: Sequence[str] | None = None,
    renormalise: bool = False,
    repeats: Repeats = None,
    nominal: bool = False,
    join_classes: bool = False,
) -> VoteTable:
    """The votes.

    With `nominal` labels of any form are names of classes. With `join_classes` names that differ only in case or white
    space are one class. Raises `DataError` for invalid votes.
    """
    vote_rows = without_abstentions(vote_rows, abstain, given=classes is not None)
    if join_classes:
        vote_rows = joined(vote_rows, None if classes is None else [str(name) for name in classes], abstain or ())
    _refuse_no_vote(vote_rows)
    if classes is None:
        _refuse_doubts(vote_rows, nominal)
    names = decide_classes(vote_rows, classes, abstain or ())
    label_class = class_numbers(vote_rows.label, names, vote_rows.place, by_place=vote_rows.numbered)
    probs, chosen, repaired = _distributions(vote_rows, names, label_class, renormalise=renormalise)
    voted = chosen != EMPTY
    overruled = int((voted & (label_class != EMPTY) & (label_class != chosen)).sum())
    _refuse_no_source(vote_rows, voted)
    if repeats == "all":
        vote_rows = each_its_own(replace(vote_rows, group=vote_rows.group or vote_rows.source), voted)
    rows = np.flatnonzero(voted)
    kept, probs, repeat_note = distinct_votes(vote_rows, rows, chosen, probs, len(names), repeats)
    if probs is not None:
        chosen = np.where(voted, probs.argmax(axis=1), EMPTY)
    table = VoteTable(
        items=vote_rows.item.names,
        sources=tuple(vote_rows.source.names),
        classes=names,
        item=vote_rows.item.code[kept],
        source=vote_rows.source.code[kept],
        label=chosen[kept],
        probs=None if probs is None else probs[kept],
        seconds=None if vote_rows.seconds is None else vote_rows.seconds[kept],
        price=None if vote_rows.price is None else vote_rows.price[kept],
        groups=group_of_sources(vote_rows, kept),
        gold=_gold(vote_rows, names),
    )
    missing = _missing(table) if abstain is None and classes is None else ()
    notes = (*vote_rows.notes, *missing, *_of_gold(vote_rows, table), *_notes(table, repeat_note, repaired, overruled))
    return replace(table, notes=notes)


def without_abstentions(vote_rows: VoteRows, abstain: Sequence[str] | None, *, given: bool) -> VoteRows:
    """The rows with empty cells for labels that mean "no vote".

    Raises `DataError` for a label -1 among numbers ≥ 0, unless an option says whether it is a class.
    """
    names = vote_rows.label.names
    others = [name for name in names if name != NO_VOTE]
    if abstain is None and not given and 0 < len(others) < len(names) and all(name.isdecimal() for name in others):
        row = int((vote_rows.label.code == names.index(NO_VOTE)).argmax())
        raise DataError(
            f"{vote_rows.place(row)}: is `-1` a class, or no vote? Give `abstain=['-1']` if it is no vote,"
            " `abstain=[]` if it is a class"
        )
    abstained = np.asarray([*(name in (abstain or ()) for name in names), False])
    if not abstained.any():
        return vote_rows
    code = np.where(abstained[vote_rows.label.code], EMPTY, vote_rows.label.code)
    return replace(vote_rows, label=by_appearance(code, names))


def _distributions(
    vote_rows: VoteRows, names: Sequence[str], chosen: Int[np.ndarray, "row"], *, renormalise: bool
) -> tuple[Float[np.ndarray, "row class"] | None, Int[np.ndarray, "row"], int]:
    """All rows as distributions if any is soft, the class of each row, and the number of renormalised rows."""
    repaired, confidence = 0, vote_rows.confidence
    if confidence is not None:
        refuse_no_probability(confidence, chosen != EMPTY, vote_rows.place)
        if np.isnan(confidence).all():
            confidence = None
    if vote_rows.soft is None and confidence is None:
        return None, chosen, 0
    class_confidence = np.full(len(chosen), np.nan) if confidence is None else confidence
    probs = spread(np.maximum(chosen, 0), class_confidence, len(names))
    voted = chosen != EMPTY
    if vote_rows.soft is not None:
        order = order_of(vote_rows.soft.classes, names, vote_rows.origin)
        soft_rows = np.flatnonzero(~np.isnan(vote_rows.soft.probs).all(axis=1))
        soft_probs, repaired = checked(
            vote_rows.soft.probs[soft_rows], soft_rows, vote_rows.place, renormalise=renormalise
        )
        probs[soft_rows] = 0
        probs[soft_rows[:, None], order[None, :]] = soft_probs
        voted[soft_rows] = True
    return probs, np.where(voted, probs.argmax(axis=1), EMPTY), repaired


def _refuse_doubts(vote_rows: VoteRows, nominal: bool) -> None:
    """Raise `DataError` for labels that are probably no votes, unless an option says that they are."""
    if vote_rows.doubt:
        raise DataError(vote_rows.doubt)
    doubt = "" if nominal or vote_rows.numbered else doubt_of_labels(vote_rows.label, vote_rows.item)
    if doubt:
        raise DataError(
            f"{vote_rows.origin}: {doubt}. If they are names of classes, give `scale=nominal`, or all of them in"
            " `classes`; otherwise name the column of the classes with `label`"
        )


def _refuse_no_vote(vote_rows: VoteRows) -> None:
    if not vote_rows.label.names and (vote_rows.soft is None or np.isnan(vote_rows.soft.probs).all()):
        raise DataError(f"{vote_rows.origin}: {many(len(vote_rows.label.code), 'row')} and no vote in them")


def _refuse_no_source(vote_rows: VoteRows, voted: Bool[np.ndarray, "row"]) -> None:
    sourceless = voted & (vote_rows.source.code == EMPTY)
    if sourceless.any():
        raise DataError(f"{vote_rows.place(int(sourceless.argmax()))}: a vote without a source")


def _gold(vote_rows: VoteRows, names: Sequence[str]) -> Int[np.ndarray, "item"]:
    gold = vote_rows.gold
    if gold is None:
        return np.empty(0, np.int64)

    def where(item: int) -> str:
        return f"{vote_rows.origin}, gold of item `{vote_rows.item.names[item]}`"

    return class_numbers(gold, names, where, by_place=vote_rows.numbered, noun="true class")


def _of_gold(vote_rows: VoteRows, table: VoteTable) -> Iterator[str]:
    if vote_rows.gold is not None:
        n_known = int((table.gold >= 0).sum())
        yield f"Gold of {many(n_known, 'item')} from {vote_rows.gold_from or vote_rows.origin}."


def _notes(table: VoteTable, repeat_note: str, repaired: int, overruled: int) -> list[str]:
    without_votes = [name for name, n in zip(table.sources, table.n_per_source.tolist(), strict=True) if not n]
    n_without_votes = int((table.n_per_item == 0).sum())
    alike_names, unvoted = [name for names in alike(table.classes) for name, _ in names], _of_gold_alone(table)
    misspelt = _misspelt(table)
    subject = many(overruled, "vote gives", "votes give")
    no_vote_note = (
        f"{n_without_votes} of {many(len(table.items), 'item')} {'has' if n_without_votes == 1 else 'have'} no vote."
    )
    notes = {
        repeat_note: repeat_note,
        f"The probabilities of {many(repaired, 'vote')} did not sum to 1 and were divided by their sum.": repaired,
        f"{subject} another class a higher probability than its label: the probabilities count.": overruled,
        no_vote_note: n_without_votes,
        f"Sources without votes: {listed(without_votes)}.": without_votes,
        "There is one source: only gold can measure its accuracy.": len(table.sources) == 1,
        f"Classes that differ only in case or white space: {listed(alike_names)}.": alike_names,
        f"Classes of gold without votes: {', '.join(unvoted)}.": unvoted,
        f"Rare classes that may be misspelt: {', '.join(misspelt)}.": misspelt,
    }
    return [*(sentence for sentence, applies in notes.items() if applies), *_written_twice(table)]


def _missing(table: VoteTable) -> list[str]:
    """A note on classes that may mean a missing label."""
    missing = [name for name in table.classes if name.lower() in MISSING]
    single = len(missing) == 1
    classes = (
        f"{listed(missing)} {'is a class' if single else 'are classes'} here; `abstain={missing}` if there is no vote"
    )
    return [f"{classes} where {'it stands' if single else 'they stand'}."] if missing else []


def _of_gold_alone(table: VoteTable) -> list[str]:
    """Classes of gold without votes, each with the class that it may be a misspelling of."""
    has_label = np.bincount(table.label, minlength=table.n_classes) > 0
    has_vote = has_label if table.probs is None else has_label | (table.probs > 0).any(axis=0)
    has_gold = np.bincount(table.gold[table.gold >= 0], minlength=table.n_classes) > 0
    chosen = [name for name, has in zip(table.classes, has_label, strict=True) if has]
    found = []
    for index in np.flatnonzero(has_gold & ~has_label).tolist():
        name, near = table.classes[index], nearest(table.classes[index], chosen)
        if near or not has_vote[index]:
            found.append(f"`{name}` (is it `{near}`?)" if near else f"`{name}`")
    return found


def _misspelt(table: VoteTable) -> list[str]:
    """Classes with few votes whose names are like that of a class with many; numbers in names make them different."""
    votes = np.bincount(table.label, minlength=table.n_classes)
    common = [name for name, n in zip(table.classes, votes, strict=True) if n >= COMMON]
    found = []
    for name, n in zip(table.classes, votes.tolist(), strict=True):
        near = nearest(name, common) if 0 < n <= RARE and not re.search(r"\d", name) else ""
        if near and near.lower() != name.lower():
            found.append(f"`{name}` ({many(n, 'vote')}; is it `{near}`?)")
    return found


def _written_twice(table: VoteTable) -> Iterator[str]:
    for noun, names in (("items", table.items), ("sources", table.sources), ("classes", table.classes)):
        pair = number_twice(names)
        if pair is not None:
            yield (
                f"Of the {noun} `{pair.first}` and `{pair.second}` are two spellings of one number and count as two"
                f" ({pair.n_names} such names); use one spelling if they are the same."
            )
