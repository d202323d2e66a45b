"""`Comparisons`: votes of judges on pairs of texts, as numbers.

A pair is two texts for one prompt, `a` and `b`, each perhaps by a system. A vote is one judge's choice between them:
a, b or a tie, hard or as shares of the three. The order in which the judge saw the two texts is kept where it is
known, because judges prefer a place.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from outgrow.errors import DataError

NO_SYSTEM = -1
A, B, TIE = 0, 1, 2


@dataclass(frozen=True)
class PairTexts:
    """The prompt and the two texts of every pair: strings, or lists of chat messages."""

    prompt: Sequence[Any] | None
    """None = the texts have their prompt in them, or it is not known."""
    a: Sequence[Any]
    b: Sequence[Any]


@dataclass(frozen=True, eq=False)
class Comparisons:
    """Votes on pairs of texts. Every vote has shares that sum to 1."""

    items: list[str]
    """The prompts."""
    systems: tuple[str, ...]
    """What wrote the texts; empty where that is not known."""
    judges: tuple[str, ...]
    pair_item: Int[np.ndarray, "pair"]
    pair_system: Int[np.ndarray, "pair 2"]
    """The systems of a and b, -1 = unknown."""
    pair: Int[np.ndarray, "vote"]
    judge: Int[np.ndarray, "vote"]
    place: Int[np.ndarray, "vote"]
    """1: a was shown first; -1: b was; 0: not known."""
    shares: Float[np.ndarray, "vote 3"]
    """Of a, b and a tie."""
    texts: PairTexts | None = None
    notes: tuple[str, ...] = ()
    """What the reader did that its user should know, one sentence each."""

    def __post_init__(self) -> None:
        if not len(self.pair):
            raise DataError("there is no preference: every choice is empty")

    @property
    def n_pairs(self) -> int:
        return len(self.pair_item)

    @property
    def n_votes(self) -> int:
        return len(self.pair)

    @cached_property
    def has_systems(self) -> bool:
        """Whether the systems of all pairs are known."""
        return bool(len(self.systems)) and bool((self.pair_system >= 0).all())

    @cached_property
    def votes_of_judge(self) -> Int[np.ndarray, "judge"]:
        return np.bincount(self.judge, minlength=len(self.judges))

    @cached_property
    def lead(self) -> Float[np.ndarray, "vote"]:
        """The share of a minus that of b, -1 … 1."""
        return np.asarray(self.shares[:, A] - self.shares[:, B])

    @cached_property
    def both_orders(self) -> bool:
        """Whether some pair of texts, or some two systems, was shown in both orders."""
        seen = self.place != 0
        pair, place = self.pair[seen], self.place[seen]
        groups = [pair]
        if self.has_systems:
            first, second = self.pair_system[pair].T
            lower, upper = np.minimum(first, second), np.maximum(first, second)
            groups.append(lower * len(self.systems) + upper)
            place = np.where(first < second, place, -place)
        return any(_has_both(group, place if known else self.place[seen]) for known, group in enumerate(groups))

    def only(self, votes: Bool[np.ndarray, "vote"]) -> "Comparisons":
        """Some of the votes; pairs, judges and systems stay."""
        return replace(
            self, pair=self.pair[votes], judge=self.judge[votes], place=self.place[votes], shares=self.shares[votes]
        )

    def swapped(self, pairs: Bool[np.ndarray, "pair"]) -> "Comparisons":
        """The same votes with a and b exchanged in some pairs."""
        turned = pairs[self.pair]
        return replace(
            self,
            texts=None if self.texts is None else _swapped_texts(self.texts, pairs),
            pair_system=np.where(pairs[:, None], self.pair_system[:, ::-1], self.pair_system),
            place=np.where(turned, -self.place, self.place),
            shares=np.where(turned[:, None], self.shares[:, [B, A, TIE]], self.shares),
        )


def _swapped_texts(texts: PairTexts, pairs: Bool[np.ndarray, "pair"]) -> PairTexts:
    both = [(b, a) if turn else (a, b) for a, b, turn in zip(texts.a, texts.b, pairs.tolist(), strict=True)]
    return PairTexts(texts.prompt, [a for a, _ in both], [b for _, b in both])


def _has_both(group: Int[np.ndarray, "vote"], place: Int[np.ndarray, "vote"]) -> bool:
    """Whether some group has a vote of each order."""
    return bool(np.intersect1d(group[place > 0], group[place < 0]).size)


def groups_of_systems(comparisons: Comparisons) -> list[list[int]]:
    """The systems by groups that no comparison connects, largest first."""
    group = np.arange(len(comparisons.systems))
    edges = np.unique(comparisons.pair_system, axis=0)
    for _ in range(len(group)):
        before = group.copy()
        least = np.minimum(group[edges[:, 0]], group[edges[:, 1]])
        for column in edges.T:
            np.minimum.at(group, column, least)
        if (before == group).all():
            break
    found = [np.flatnonzero(group == name).tolist() for name in np.unique(group)]
    return sorted(found, key=len, reverse=True)
