"""Classes that are one to the eye, `Yes` beside `yes`: refused, or joined where that is asked for.

Votes, gold and the classes of distributions are looked at together, since each may write a class in its own way.
Classes that the user names are as they are named.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from outgrow.data.class_names import alike, plain, spellings, told
from outgrow.errors import DataError
from outgrow.readers.categorical import EMPTY, Categorical, by_appearance
from outgrow.readers.soft_votes import SoftVotes
from outgrow.readers.vote_rows import VoteRows
from outgrow.text_format import many, short


def refuse_alike(ballots: VoteRows, abstain: Sequence[str] = ()) -> None:
    """Raise `DataError` for classes that differ only in case or white space, from each other or from an abstention."""
    votes, gold = _votes(ballots), _gold(ballots)
    silent = {name: 0 for name in abstain if name not in votes and name not in gold}
    every: dict[str, int] = {**silent, **votes, **gold}
    sets = [one for one in alike(every) if any(name not in silent for name, _ in one)]
    if not sets:
        return

    def how_often(name: str, _: int) -> str:
        truths = [many(gold[name], "true class", "true classes")] if gold[name] else []
        return ", ".join([many(votes[name], "vote")] * bool(votes[name]) + truths) or "no vote"

    truth = any(gold[name] for one in sets for name, _ in one) and ballots.gold_from not in ("", ballots.origin)
    where = f"{ballots.origin} and {ballots.gold_from}" if truth else ballots.origin
    raise DataError(
        f"{where}: classes that differ only in case or white space: {told(sets, how_often)}; join them by"
        " `join_classes=true`, or give all classes with `--classes` (in Python `classes`) to keep them apart"
    )


def joined(ballots: VoteRows, given: Sequence[str] | None, abstain: Sequence[str] = ()) -> VoteRows:
    """Such classes under one name, that among `given` or the most frequent; votes like an abstention are none."""
    votes, both = _votes(ballots), _votes(ballots)
    both.update(_gold(ballots))
    one_name = spellings(both, given)
    silent = {plain(name) for name in abstain}
    of_votes = {
        name: None if plain(name) in silent and name not in (given or ()) else one_name[name] for name in votes
    }
    changed = "; ".join(f"`{short(name)}` as `{short(to)}`" for name, to in one_name.items() if name != to)
    note = f"Labels count as classes that differ only in case or white space: {changed}."
    return replace(
        ballots,
        label=_renamed(ballots.label, of_votes),
        gold=None if ballots.gold is None else _renamed(ballots.gold, one_name),
        soft=None if ballots.soft is None else _merged(ballots.soft, one_name),
        notes=(*ballots.notes, *([note] if changed else [])),
    )


def _votes(ballots: VoteRows) -> Counter[str]:
    """How many votes speak of a class."""
    votes, soft = _counted(ballots.label), ballots.soft
    if soft is not None and soft.classes is not None:
        for name, count in zip(soft.classes, (soft.probs > 0).sum(axis=0).tolist(), strict=True):
            votes[name] += count
    return votes


def _gold(ballots: VoteRows) -> Counter[str]:
    return Counter() if ballots.gold is None else _counted(ballots.gold)


def _counted(cells: Categorical) -> Counter[str]:
    counts = np.bincount(cells.code + 1, minlength=len(cells.names) + 1)[1:].tolist()
    return Counter(dict(zip(cells.names, counts, strict=True)))


def _renamed(cells: Categorical, to: Mapping[str, str | None]) -> Categorical:
    """The cells under other names; `None` makes them empty."""
    names = list(dict.fromkeys(name for one in cells.names if (name := to[one]) is not None))
    number = {name: at for at, name in enumerate(names)} | {None: EMPTY}
    return by_appearance(np.asarray([*(number[to[one]] for one in cells.names), EMPTY])[cells.code], names)


def _merged(soft: SoftVotes, to: Mapping[str, str]) -> SoftVotes:
    """Distributions whose classes of one name are added up."""
    if soft.classes is None:
        return soft
    names = list(dict.fromkeys(to[name] for name in soft.classes))
    probs = np.zeros((len(soft.probs), len(names)))
    for column, name in zip(soft.probs.T, soft.classes, strict=True):
        probs[:, names.index(to[name])] += column
    return SoftVotes(probs, tuple(names))
