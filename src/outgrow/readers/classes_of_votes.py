"""The classes of votes: as given, or the labels of votes and gold, sorted; names that look the same.

Numbers sort as numbers (2 before 10), all else as text. A matrix has class numbers; classes given for it are named by
their place, unless they are numbers themselves.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Int

from outgrow.errors import ConfigError, DataError, suggest
from outgrow.readers.categorical import EMPTY, Categorical, by_appearance
from outgrow.readers.class_names import alike, alike_names, plain, spellings
from outgrow.readers.soft_votes import SoftVotes
from outgrow.readers.source_table import Place
from outgrow.readers.vote_rows import VoteRows
from outgrow.text_format import listed, many, short

MOST_CLASSES = 1000
"""So many different labels are a mistake about the column, unless the classes are given."""


def decide_classes(
    vote_rows: VoteRows, given: Sequence[object] | None, abstain: Sequence[str] = ()
) -> tuple[str, ...]:
    """The classes of votes. Raises `ConfigError` for classes that cannot be, `DataError` for fewer than two, and for
    those that differ only in case or white space, from each other or from what means "no vote"."""
    soft = vote_rows.soft
    if given is not None:
        classes = tuple(str(name) for name in given)
        if len(set(classes)) < max(2, len(classes)):
            raise ConfigError(f"`classes` must name two or more, each once; found {listed(classes)}")
        if soft is not None and len(classes) != soft.probs.shape[1] and soft.classes is None:
            raise ConfigError(
                f"{len(classes)} classes are given, but distributions have {many(soft.probs.shape[1], 'number')}"
            )
        return classes
    labels = _labels(vote_rows)
    if len(labels) <= MOST_CLASSES:
        refuse_alike(vote_rows, abstain)
    _refuse_foreign_gold(vote_rows)
    if len(labels) > MOST_CLASSES:
        raise DataError(
            f"{vote_rows.origin}: {len(labels)} different labels, such as {listed(sorted(labels)[:3])}; is that the"
            " right column? If it is, give `classes`"
        )
    if len(labels) < 2:
        raise DataError(
            f"{vote_rows.origin}: one class only, {listed(sorted(labels))}; give all there are with `--classes` (in"
            " Python `classes`)"
        )
    return tuple(sorted(labels, key=_rank))


def _labels(vote_rows: VoteRows) -> set[str]:
    labels = {*vote_rows.label.names, *(vote_rows.gold.names if vote_rows.gold else ())}
    soft = vote_rows.soft
    if soft is not None and soft.classes is not None:
        return labels | set(soft.classes)
    if soft is not None:
        numbers = {str(number) for number in range(soft.probs.shape[1])}
        if not labels <= numbers:
            raise ConfigError(
                f"{vote_rows.origin}: distributions are lists of {len(numbers)} numbers, labels are"
                f" {listed(sorted(labels))}; give `classes` in the order of the lists"
            )
        return numbers
    return labels


def _refuse_foreign_gold(vote_rows: VoteRows) -> None:
    """Raise `DataError` where votes and gold share no class: the gold is another column, such as a text."""
    gold, soft = vote_rows.gold, vote_rows.soft
    voted = set(vote_rows.label.names)
    if soft is not None:
        voted.update(soft.classes or map(str, range(soft.probs.shape[1])))
    if gold is None or not gold.names or not voted.isdisjoint(gold.names):
        return
    raise DataError(
        f"{vote_rows.gold_from or vote_rows.origin}: no vote is for `{short(gold.names[0])}` or another value"
        f" of this gold, but for classes such as `{short(min(voted, key=_rank))}`; name the column of the true"
        " classes, `gold=COLUMN`, or if it is the right one give `classes`"
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


def refuse_alike(vote_rows: VoteRows, abstain: Sequence[str] = ()) -> None:
    """Raise `DataError` for classes that differ only in case or white space, from each other or from an abstention."""
    votes, gold = _votes(vote_rows), _gold(vote_rows)
    abstentions = {name: 0 for name in abstain if name not in votes and name not in gold}
    every: dict[str, int] = {**abstentions, **votes, **gold}
    sets = [names for names in alike(every) if any(name not in abstentions for name, _ in names)]
    if not sets:
        return

    def how_often(name: str, _: int) -> str:
        truths = [many(gold[name], "true class", "true classes")] if gold[name] else []
        return ", ".join([many(votes[name], "vote")] * bool(votes[name]) + truths) or "no vote"

    truth = any(gold[name] for names in sets for name, _ in names) and vote_rows.gold_from not in (
        "",
        vote_rows.origin,
    )
    where = f"{vote_rows.origin} and {vote_rows.gold_from}" if truth else vote_rows.origin
    raise DataError(
        f"{where}: classes that differ only in case or white space: {alike_names(sets, how_often)}; join them by"
        " `join_classes=true`, or give all classes with `--classes` (in Python `classes`) to keep them apart"
    )


def joined(vote_rows: VoteRows, given: Sequence[str] | None, abstain: Sequence[str] = ()) -> VoteRows:
    """Such classes under one name, that among `given` or the most frequent; votes like an abstention are none."""
    votes, both = _votes(vote_rows), _votes(vote_rows)
    both.update(_gold(vote_rows))
    one_name = spellings(both, given)
    abstentions = {plain(name) for name in abstain}
    of_votes = {
        name: None if plain(name) in abstentions and name not in (given or ()) else one_name[name] for name in votes
    }
    changed = "; ".join(f"`{short(name)}` as `{short(to)}`" for name, to in one_name.items() if name != to)
    note = f"Labels count as classes that differ only in case or white space: {changed}."
    return replace(
        vote_rows,
        label=_renamed(vote_rows.label, of_votes),
        gold=None if vote_rows.gold is None else _renamed(vote_rows.gold, one_name),
        soft=None if vote_rows.soft is None else _merged(vote_rows.soft, one_name),
        notes=(*vote_rows.notes, *([note] if changed else [])),
    )


def _votes(vote_rows: VoteRows) -> Counter[str]:
    """How many votes name a class."""
    votes, soft = _counted(vote_rows.label), vote_rows.soft
    if soft is not None and soft.classes is not None:
        for name, count in zip(soft.classes, (soft.probs > 0).sum(axis=0).tolist(), strict=True):
            votes[name] += count
    return votes


def _gold(vote_rows: VoteRows) -> Counter[str]:
    return Counter() if vote_rows.gold is None else _counted(vote_rows.gold)


def _counted(cells: Categorical) -> Counter[str]:
    counts = np.bincount(cells.code + 1, minlength=len(cells.names) + 1)[1:].tolist()
    return Counter(dict(zip(cells.names, counts, strict=True)))


def _renamed(cells: Categorical, to: Mapping[str, str | None]) -> Categorical:
    """The cells under other names; `None` makes them empty."""
    names = list(dict.fromkeys(name for old in cells.names if (name := to[old]) is not None))
    number = {name: at for at, name in enumerate(names)} | {None: EMPTY}
    return by_appearance(np.asarray([*(number[to[old]] for old in cells.names), EMPTY])[cells.code], names)


def _merged(soft: SoftVotes, to: Mapping[str, str]) -> SoftVotes:
    """Distributions whose classes of one name are added up."""
    if soft.classes is None:
        return soft
    names = list(dict.fromkeys(to[name] for name in soft.classes))
    probs = np.zeros((len(soft.probs), len(names)))
    for column, name in zip(soft.probs.T, soft.classes, strict=True):
        probs[:, names.index(to[name])] += column
    return SoftVotes(probs, tuple(names))
