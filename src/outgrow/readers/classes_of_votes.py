"""The classes of votes: as given, or the sorted labels of votes and gold; and classes with nearly equal names.

Numbers are sorted by value (2 before 10), other labels as text. A matrix has class numbers; they are positions in the
given classes, unless these are numbers themselves.
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
"""More different labels are probably a wrong column, unless the classes are given."""


def decide_classes(
    vote_rows: VoteRows, given: Sequence[object] | None, abstain: Sequence[str] = ()
) -> tuple[str, ...]:
    """The classes of votes. Raises `ConfigError` for invalid classes, `DataError` for fewer than two, and for classes
    that differ only in case or white space from each other or from a label of abstention."""
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
            f"{vote_rows.origin}: {len(labels)} different labels, such as {listed(sorted(labels)[:3])}; name the"
            " right column, or give `classes`"
        )
    if len(labels) < 2:
        raise DataError(
            f"{vote_rows.origin}: only one class, {listed(sorted(labels))}; give all classes with `--classes` (in"
            " Python `classes`)"
        )
    return tuple(sorted(labels, key=_rank))


def _labels(vote_rows: VoteRows) -> set[str]:
    labels = {*vote_rows.label.names, *(vote_rows.gold.names if vote_rows.gold else ())}
    soft = vote_rows.soft
    if soft is not None and soft.classes is not None:
        return labels | set(soft.classes)
    if soft is not None:
        numbers = {str(index) for index in range(soft.probs.shape[1])}
        if not labels <= numbers:
            raise ConfigError(
                f"{vote_rows.origin}: distributions are lists of {len(numbers)} numbers, labels are"
                f" {listed(sorted(labels))}; give `classes` in the order of the lists"
            )
        return numbers
    return labels


def _refuse_foreign_gold(vote_rows: VoteRows) -> None:
    """Raise `DataError` if votes and gold share no class: the column of gold is probably wrong, such as a text."""
    gold, soft = vote_rows.gold, vote_rows.soft
    voted = set(vote_rows.label.names)
    if soft is not None:
        voted.update(soft.classes or map(str, range(soft.probs.shape[1])))
    if gold is None or not gold.names or not voted.isdisjoint(gold.names):
        return
    raise DataError(
        f"{vote_rows.gold_from or vote_rows.origin}: no vote has a class of this gold, such as"
        f" `{short(gold.names[0])}`; votes have classes such as `{short(min(voted, key=_rank))}`. Name the column of"
        " the true classes, `gold=COLUMN`, or if it is the right one give `classes`"
    )


def _rank(name: str) -> tuple[bool, float, str]:
    try:
        number = float(name)
    except ValueError:
        return True, 0.0, name
    return (False, number, name) if number == number else (True, 0.0, name)


def class_numbers(
    cells: Categorical, classes: Sequence[str], place: Place, *, by_place: bool = False, noun: str = "label"
) -> Int[np.ndarray, "row"]:
    """The class of each row, -1 for an empty cell. Raises `DataError` with the row for an unknown class."""
    index_of = {name: index for index, name in enumerate(classes)}
    if by_place and not all(name.isdecimal() for name in classes):
        index_of |= {str(index): index for index in range(len(classes))}
    code_to_class = np.asarray([*(index_of.get(name, -2) for name in cells.names), EMPTY])
    class_of_row = code_to_class[cells.code]
    if (class_of_row == -2).any():
        row = int((class_of_row == -2).argmax())
        raise DataError(
            f"{place(row)}: the {noun} `{short(cells.text(row))}` is not a class; {_fix(cells.text(row), classes)}"
        )
    return np.asarray(class_of_row)


def _fix(text: str, classes: Sequence[str]) -> str:
    no_vote = "; if it means no vote, give `abstain=['-1']`" if text == "-1" else ""
    is_alike = any(plain(text) == plain(name) for name in classes)
    return suggest(text, classes) + no_vote + ("; `join_classes=true` joins both" if is_alike else "")


def order_of(soft_classes: Sequence[str] | None, classes: Sequence[str], origin: str) -> Int[np.ndarray, "class"]:
    """The class of each column of the distributions."""
    if soft_classes is None:
        return np.arange(len(classes))
    for name in soft_classes:
        if name not in classes:
            raise DataError(f"{origin}: `{name}` has probabilities and is not a class; {suggest(name, classes)}")
    return np.asarray([list(classes).index(name) for name in soft_classes])


def refuse_alike(vote_rows: VoteRows, abstain: Sequence[str] = ()) -> None:
    """Raise `DataError` for classes that differ only in case or white space from each other or from an abstention."""
    votes, gold = _votes(vote_rows), _gold(vote_rows)
    abstentions = {name: 0 for name in abstain if name not in votes and name not in gold}
    all_classes: dict[str, int] = {**abstentions, **votes, **gold}
    groups = [names for names in alike(all_classes) if any(name not in abstentions for name, _ in names)]
    if not groups:
        return

    def how_often(name: str, _: int) -> str:
        truths = [many(gold[name], "true class", "true classes")] if gold[name] else []
        return ", ".join([many(votes[name], "vote")] * bool(votes[name]) + truths) or "no vote"

    gold_elsewhere = any(gold[name] for names in groups for name, _ in names) and vote_rows.gold_from not in (
        "",
        vote_rows.origin,
    )
    origin = f"{vote_rows.origin} and {vote_rows.gold_from}" if gold_elsewhere else vote_rows.origin
    raise DataError(
        f"{origin}: classes that differ only in case or white space: {alike_names(groups, how_often)}; join them by"
        " `join_classes=true`, or give all classes with `--classes` (in Python `classes`) to keep them separate"
    )


def joined(vote_rows: VoteRows, given: Sequence[str] | None, abstain: Sequence[str] = ()) -> VoteRows:
    """Join such classes under one name: that in `given`, or the most frequent. Votes like an abstention are empty."""
    votes, counts = _votes(vote_rows), _votes(vote_rows)
    counts.update(_gold(vote_rows))
    spelling_of = spellings(counts, given)
    abstentions = {plain(name) for name in abstain}
    of_votes = {
        name: None if plain(name) in abstentions and name not in (given or ()) else spelling_of[name] for name in votes
    }
    changed = "; ".join(f"`{short(name)}` as `{short(to)}`" for name, to in spelling_of.items() if name != to)
    note = f"Labels that differ only in case or white space were joined: {changed}."
    return replace(
        vote_rows,
        label=_renamed(vote_rows.label, of_votes),
        gold=None if vote_rows.gold is None else _renamed(vote_rows.gold, spelling_of),
        soft=None if vote_rows.soft is None else _merged(vote_rows.soft, spelling_of),
        notes=(*vote_rows.notes, *([note] if changed else [])),
    )


def _votes(vote_rows: VoteRows) -> Counter[str]:
    """The number of votes for each class."""
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


def _renamed(cells: Categorical, new_name: Mapping[str, str | None]) -> Categorical:
    """The cells with other names; `None` makes them empty."""
    names = list(dict.fromkeys(name for old in cells.names if (name := new_name[old]) is not None))
    index_of = {name: index for index, name in enumerate(names)} | {None: EMPTY}
    return by_appearance(np.asarray([*(index_of[new_name[old]] for old in cells.names), EMPTY])[cells.code], names)


def _merged(soft: SoftVotes, new_name: Mapping[str, str]) -> SoftVotes:
    """Distributions with the classes of one name added."""
    if soft.classes is None:
        return soft
    names = list(dict.fromkeys(new_name[name] for name in soft.classes))
    probs = np.zeros((len(soft.probs), len(names)))
    for column, name in zip(soft.probs.T, soft.classes, strict=True):
        probs[:, names.index(new_name[name])] += column
    return SoftVotes(probs, tuple(names))
