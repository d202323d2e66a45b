"""Whose names the labels may have: the classes as given, or what the votes and the gold say, sorted.

Numbers sort as numbers (2 before 10), all else as text. A matrix has class numbers; classes given for it are named by
their place, unless they are numbers themselves.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from outgrow.data.class_names import plain
from outgrow.errors import ConfigError, DataError, suggest
from outgrow.readers.categorical import EMPTY, Categorical, Place
from outgrow.readers.spellings import refuse_alike
from outgrow.readers.vote_rows import VoteRows
from outgrow.text_format import listed, many, short

MOST_CLASSES = 1000
"""So many different labels are a mistake about the column, unless the classes are given."""


def decide_classes(ballots: VoteRows, given: Sequence[object] | None, abstain: Sequence[str] = ()) -> tuple[str, ...]:
    """The classes of a table. Raises `ConfigError` for classes that cannot be, `DataError` for fewer than two, and for
    those that differ only in case or white space, from each other or from what means "no vote"."""
    soft = ballots.soft
    if given is not None:
        classes = tuple(str(name) for name in given)
        if len(set(classes)) < max(2, len(classes)):
            raise ConfigError(f"`classes` must name two or more, each once; found {listed(classes)}")
        if soft is not None and len(classes) != soft.probs.shape[1] and soft.classes is None:
            raise ConfigError(
                f"{len(classes)} classes are given, but distributions have {many(soft.probs.shape[1], 'number')}"
            )
        return classes
    seen = _seen(ballots)
    if len(seen) <= MOST_CLASSES:
        refuse_alike(ballots, abstain)
    _refuse_foreign_gold(ballots)
    if len(seen) > MOST_CLASSES:
        raise DataError(
            f"{ballots.origin}: {len(seen)} different labels, such as {listed(sorted(seen)[:3])}; is that the right"
            " column? If it is, give `classes`"
        )
    if len(seen) < 2:
        raise DataError(
            f"{ballots.origin}: one class only, {listed(sorted(seen))}; give all there are with `--classes` (in Python"
            " `classes`)"
        )
    return tuple(sorted(seen, key=_rank))


def _seen(ballots: VoteRows) -> set[str]:
    seen = {*ballots.label.names, *(ballots.gold.names if ballots.gold else ())}
    soft = ballots.soft
    if soft is not None and soft.classes is not None:
        return seen | set(soft.classes)
    if soft is not None:
        numbers = {str(number) for number in range(soft.probs.shape[1])}
        if not seen <= numbers:
            raise ConfigError(
                f"{ballots.origin}: distributions are lists of {len(numbers)} numbers, labels are"
                f" {listed(sorted(seen))}; give `classes` in the order of the lists"
            )
        return numbers
    return seen


def _refuse_foreign_gold(ballots: VoteRows) -> None:
    """Raise `DataError` where no class is in both votes and gold: the gold is of another column, such as a text."""
    gold, soft = ballots.gold, ballots.soft
    voted = set(ballots.label.names)
    if soft is not None:
        voted.update(soft.classes or map(str, range(soft.probs.shape[1])))
    if gold is None or not gold.names or not voted.isdisjoint(gold.names):
        return
    raise DataError(
        f"{ballots.gold_from or ballots.origin}: nobody votes for `{short(gold.names[0])}` or any other value of this"
        f" gold, but for classes such as `{short(min(voted, key=_rank))}`; name the column of the true classes,"
        " `gold=COLUMN`, or if it is the right one give `classes`"
    )


def _rank(name: str) -> tuple[bool, float, str]:
    try:
        number = float(name)
    except ValueError:
        return True, 0.0, name
    return (False, number, name) if number == number else (True, 0.0, name)


def class_numbers(
    cells: Categorical, classes: Sequence[str], place: Place, *, by_place: bool = False, what: str = "label"
) -> Int[np.ndarray, "row"]:
    """Every row's class, -1 where its cell is empty. Raises `DataError` for what is no class, with the row."""
    number = {name: at for at, name in enumerate(classes)}
    if by_place and not all(name.isdecimal() for name in classes):
        number |= {str(at): at for at in range(len(classes))}
    to = np.asarray([*(number.get(name, -2) for name in cells.names), EMPTY])
    found = to[cells.code]
    if (found == -2).any():
        row = int((found == -2).argmax())
        raise DataError(
            f"{place(row)}: the {what} `{short(cells.text(row))}` is no class; {_fix(cells.text(row), classes)}"
        )
    return np.asarray(found)


def _fix(text: str, classes: Sequence[str]) -> str:
    no_vote = "; if it means no vote, give `abstain=['-1']`" if text == "-1" else ""
    alike = any(plain(text) == plain(name) for name in classes)
    return suggest(text, classes) + no_vote + ("; `join_classes=true` takes it for that one" if alike else "")


def order_of(soft_classes: Sequence[str] | None, classes: Sequence[str], origin: str) -> Int[np.ndarray, "class"]:
    """Which class every column of the distributions is of."""
    if soft_classes is None:
        return np.arange(len(classes))
    for name in soft_classes:
        if name not in classes:
            raise DataError(
                f"{origin}: there are probabilities of `{name}`, which is no class; {suggest(name, classes)}"
            )
    return np.asarray([list(classes).index(name) for name in soft_classes])
