"""`VoteTable`: existing votes as a long table of numbers.

One row per vote; who voted, on what, for which class are numbers into `items`, `sources` and `classes`. Unlike
`WeakLabels` it costs nothing where no source voted, so that a million items of a hundred sources are as large as their
votes. A soft vote has a distribution in `probs`; an abstention is no row. Gold is known for all items, some, or
none. What a vote took (`seconds`, `price`) is kept where the file has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int

from outgrow.errors import DataError
from outgrow.labels import WeakLabels
from outgrow.text_format import listed, many

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN = -1
SHOWN_GROUPS = 3


@dataclass(frozen=True, eq=False)
class VoteTable:
    """Hard or soft votes of any number of sources on any number of items; every (item, source) at most once."""

    items: list[str]
    sources: tuple[str, ...]
    classes: tuple[str, ...]
    item: Int[np.ndarray, "vote"]
    source: Int[np.ndarray, "vote"]
    label: Int[np.ndarray, "vote"]
    """The class voted for; of a soft vote the most probable one (the first on a tie)."""
    probs: Float[np.ndarray, "vote class"] | None = None
    """Every vote as a distribution, where at least one is soft."""
    seconds: Float[np.ndarray, "vote"] | None = None
    """What the vote took; nan = unknown."""
    price: Float[np.ndarray, "vote"] | None = None
    """What the vote cost, in the file's own currency; nan = unknown."""
    groups: tuple[str, ...] = ()
    """The group of each source, where some depend (prompts or repeats of one judge); empty: all are independent."""
    gold: Int[np.ndarray, "item"] = field(default_factory=lambda: np.empty(0, np.int64))
    """Each item's true class, -1 = unknown; an empty array stands for no gold at all."""
    notes: tuple[str, ...] = ()
    """What the reader did that its user should know, one sentence each."""

    def __post_init__(self) -> None:
        if not len(self.gold):
            object.__setattr__(self, "gold", np.full(len(self.items), UNKNOWN))
        if len(self.gold) != len(self.items):
            raise DataError(f"votes: {many(len(self.items), 'item')} and gold of {len(self.gold)}")

    def __repr__(self) -> str:
        """Numbers and classes; the arrays may be long."""
        known = int((self.gold >= 0).sum())
        votes, sources, items = (
            many(self.n_votes, "vote"),
            many(len(self.sources), "source"),
            many(len(self.items), "item"),
        )
        gold = f"; gold of {many(known, 'item')}" if known else ""
        return f"VoteTable({votes} of {sources} on {items}; classes: {listed(self.classes)}{gold})"

    @property
    def n_classes(self) -> int:
        return len(self.classes)

    @property
    def n_votes(self) -> int:
        return len(self.label)

    @cached_property
    def n_per_item(self) -> Int[np.ndarray, "item"]:
        """How many sources voted on each item."""
        return np.bincount(self.item, minlength=len(self.items))

    @cached_property
    def n_per_source(self) -> Int[np.ndarray, "source"]:
        """How many items each source voted on."""
        return np.bincount(self.source, minlength=len(self.sources))

    def dense(self) -> Int[np.ndarray, "item source"] | Float[np.ndarray, "item source class"]:
        """The table with a cell per item and source: the class voted for (-1 = abstention), or if any vote is soft the
        distribution (zeros = abstention)."""
        if self.probs is None:
            hard = np.full((len(self.items), len(self.sources)), UNKNOWN, np.min_scalar_type(-self.n_classes))
            hard[self.item, self.source] = self.label
            return hard
        soft = np.zeros((len(self.items), len(self.sources), self.n_classes))
        soft[self.item, self.source] = self.probs
        return soft

    def weak_labels(self) -> WeakLabels:
        """The same votes as distributions, dense."""
        dense = self.dense()
        if self.probs is None:
            dense = (dense[:, :, None] == np.arange(self.n_classes)).astype(float)
        return WeakLabels(self.items, self.sources, dense)

    def to_arrow(self) -> pa.Table:
        """One row per vote: `item`, `source`, `label` and what else is known; `read_votes` reads it again."""
        item, source, label = (
            pa.array(names, pa.string()).take(pa.array(index))
            for names, index in ((self.items, self.item), (self.sources, self.source), (self.classes, self.label))
        )
        columns = {"item": item, "source": source, "label": label}
        if self.probs is not None:
            columns["probabilities"] = named_shares(self.probs, self.classes)
        for name, amount in (("seconds", self.seconds), ("price", self.price)):
            if amount is not None:
                columns[name] = pa.array(amount, from_pandas=True)
        if (self.gold >= 0).any():
            gold = self.gold[self.item]
            columns["gold"] = pa.array(self.classes, pa.string()).take(pa.array(gold, mask=gold < 0))
        return pa.table(columns)

    def to_pandas(self) -> "pd.DataFrame":
        """The same as a data frame."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame

    def only(self, sources: Sequence[str]) -> "VoteTable":
        """The votes of `sources`, in that order; the items stay."""
        missing = [name for name in sources if name not in self.sources]
        if missing:
            raise DataError(f"no source named `{missing[0]}`; there are {listed(self.sources)}")
        new_index = np.full(len(self.sources), UNKNOWN)
        new_index[[self.sources.index(name) for name in sources]] = np.arange(len(sources))
        kept = self._votes(new_index[self.source] >= 0)
        groups = tuple(self.groups[self.sources.index(name)] for name in sources) if self.groups else ()
        return replace(kept, sources=tuple(sources), source=new_index[kept.source], groups=groups)

    def by_group(self) -> "VoteTable":
        """Every group as one source, with the mean of its sources' distributions on an item as its vote.

        What its votes took is summed. A table without groups is returned as it is.
        """
        if not self.groups:
            return self
        names = tuple(dict.fromkeys(self.groups))
        number = {name: index for index, name in enumerate(names)}
        group = np.asarray([number[name] for name in self.groups])[self.source]
        key, inverse, size = np.unique(self.item * len(names) + group, return_inverse=True, return_counts=True)
        each = np.eye(self.n_classes)[self.label] if self.probs is None else self.probs
        probs = np.zeros((len(key), self.n_classes))
        np.add.at(probs, inverse, each)
        probs /= size[:, None]
        together = [name for name in names if self.groups.count(name) > 1]
        note = (
            f"Sources of one group ({listed(together[:SHOWN_GROUPS])}{', …' if len(together) > SHOWN_GROUPS else ''})"
            " depend on each other: they count as one source, with the average of their votes."
        )
        return replace(
            self,
            sources=names,
            item=key // len(names),
            source=key % len(names),
            label=probs.argmax(axis=1),
            probs=probs if ((probs > 0) & (probs < 1)).any() else None,
            seconds=None if self.seconds is None else np.bincount(inverse, self.seconds),
            price=None if self.price is None else np.bincount(inverse, self.price),
            groups=(),
            notes=(*self.notes, note),
        )

    def take(self, index: Int[np.ndarray, "row"]) -> "VoteTable":
        """The items at `index` (each at most once) with their votes and gold, in that order."""
        new_index = np.full(len(self.items), UNKNOWN)
        new_index[index] = np.arange(len(index))
        kept = self._votes(new_index[self.item] >= 0)
        return replace(
            kept, items=[self.items[i] for i in index.tolist()], gold=self.gold[index], item=new_index[kept.item]
        )

    def _votes(self, is_kept: np.ndarray) -> "VoteTable":
        """The votes marked true."""

        def of(column: np.ndarray | None) -> np.ndarray | None:
            return None if column is None else column[is_kept]

        return replace(
            self,
            item=self.item[is_kept],
            source=self.source[is_kept],
            label=self.label[is_kept],
            probs=of(self.probs),
            seconds=of(self.seconds),
            price=of(self.price),
        )


def named_shares(probs: Float[np.ndarray, "row class"], classes: Sequence[str]) -> pa.Array:
    """Distributions as a column of {class: probability}."""
    columns = [pa.array(np.ascontiguousarray(column)) for column in probs.T]
    return pa.StructArray.from_arrays(columns, list(classes))
