"""`WeakLabels` and `Targets`: what supervisors say, and what a student learns.

`WeakLabels` is the one currency of the house. A supervisor's votes, a crowd's, a student's own predictions:
each is a table with one row per (item, source) and a probability vector over the classes. A hard vote is a
one-hot vector; a source that abstains has no row. In memory it is one dense array in which an abstention is a
row of zeros, which no distribution can be.

`Targets` is what training sees: rows of (item, target distribution, weight), several rows per item allowed.
Losses that are linear in the target see only the weighted mean of an item's rows; `collapse` makes it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Float, Int

from outgrow.errors import DataError

SUM_TOLERANCE = 1e-4
ANSWER_FILES = {"half_a": "anchors.parquet", "half_b": "half_b.parquet", "test": "test.parquet"}
"""By part of the split, the table of a source's answers; on half A they are held-out answers, the anchors."""
INSTEAD = " instead."
"""The end of a sentence in `Targets.origin` about a fall-back."""


@dataclass(frozen=True)
class WeakLabels:
    """Probability votes of several sources on the same items; a row of zeros is an abstention."""

    items: list[str]
    sources: tuple[str, ...]
    probs: Float[np.ndarray, "item source class"]

    def __post_init__(self) -> None:
        if self.probs.shape[:2] != (len(self.items), len(self.sources)):
            raise DataError(
                f"weak labels: {len(self.items)} items and {len(self.sources)} sources do not fit an array"
                f" of shape {self.probs.shape}"
            )
        _check_distributions(self.probs, self.items, self.sources)

    @property
    def n_classes(self) -> int:
        return int(self.probs.shape[2])

    @property
    def voted(self) -> Bool[np.ndarray, "item source"]:
        """Where a source did not abstain."""
        return np.asarray(self.probs.any(axis=2))

    @property
    def hard(self) -> Int[np.ndarray, "item source"]:
        """Each source's most probable class (the first one on a tie); -1 = abstention."""
        return np.where(self.voted, self.probs.argmax(axis=2), -1)

    def only(self, sources: Sequence[str]) -> "WeakLabels":
        """The same items as seen by `sources`, in that order."""
        missing = [name for name in sources if name not in self.sources]
        if missing:
            raise DataError(f"no source named `{missing[0]}`; there are {', '.join(self.sources)}")
        pick = [self.sources.index(name) for name in sources]
        return WeakLabels(self.items, tuple(sources), self.probs[:, pick])

    def take(self, index: Int[np.ndarray, "row"]) -> "WeakLabels":
        """The items at `index`, in that order."""
        return WeakLabels([self.items[i] for i in index.tolist()], self.sources, self.probs[index])

    def save(self, path: Path) -> None:
        """Write the long table: `item`, `source`, `probs`; abstentions are left out."""
        item, source = np.nonzero(self.voted)
        table = pa.table(
            {
                "item": pa.array(self.items).take(pa.array(item)),
                "source": pa.array(self.sources).take(pa.array(source)),
                "probs": pa.FixedSizeListArray.from_arrays(self.probs[item, source].ravel(), self.n_classes),
            },
            # The order of items and sources, and items without votes, must survive the journey.
            metadata={"items": pack_names(self.items), "sources": pack_names(self.sources)},
        )
        pq.write_table(table, path)

    @staticmethod
    def load(path: Path) -> "WeakLabels":
        """Read what `save` wrote."""
        try:
            table = pq.read_table(path)
            items, sources = (unpack_names(table.schema.metadata[key]) for key in (b"items", b"sources"))
            votes = table["probs"].combine_chunks()
        except (OSError, pa.ArrowInvalid, KeyError, TypeError) as error:
            raise DataError(f"{path}: not a readable label table ({error})") from error
        probs = np.zeros((len(items), len(sources), votes.type.list_size))
        item_row = {name: i for i, name in enumerate(items)}
        source_row = {name: i for i, name in enumerate(sources)}
        rows = [item_row[name] for name in table["item"].to_pylist()]
        columns = [source_row[name] for name in table["source"].to_pylist()]
        probs[rows, columns] = votes.flatten().to_numpy().reshape(len(rows), votes.type.list_size)
        return WeakLabels(items, tuple(sources), probs)


def join(tables: Sequence[WeakLabels]) -> WeakLabels:
    """Put several sources' labels of the *same* items side by side."""
    first = tables[0]
    for table in tables[1:]:
        if table.items != first.items or table.n_classes != first.n_classes:
            raise DataError(f"sources {first.sources} and {table.sources} did not label the same items")
    sources = tuple(name for table in tables for name in table.sources)
    if len(set(sources)) < len(sources):
        raise DataError(f"two sources share a name among {sources}")
    return WeakLabels(first.items, sources, np.concatenate([table.probs for table in tables], axis=1))


@dataclass(frozen=True)
class Anchors:
    """Items whose gold is known and on which the sources voted without having trained on them."""

    labels: WeakLabels
    gold: Int[np.ndarray, "item"]


@dataclass(frozen=True)
class Targets:
    """Rows to train on: a distribution over the classes and a weight, for an item of a task."""

    items: list[str]
    probs: Float[np.ndarray, "row class"]
    weight: Float[np.ndarray, "row"]
    origin: tuple[str, ...] = ()
    """What the targets were made of and what had to be done otherwise, one sentence each."""
    prior: Float[np.ndarray, "class"] | None = None
    """Class shares of the labels, where `probs` are evidence that was divided by them; None = the mean of `probs`."""

    @property
    def class_shares(self) -> Float[np.ndarray, "class"]:
        """How frequent each class is among the labels, by weight."""
        if self.prior is not None:
            return self.prior
        return np.asarray(self.weight @ self.probs / self.weight.sum())

    def collapse(self) -> "Targets":
        """One row per item: the weighted mean of its rows, with the sum of their weights.

        Exact for every loss that is linear in the target. Items keep their first-seen order.
        """
        order = {name: i for i, name in enumerate(dict.fromkeys(self.items))}
        if len(order) == len(self.items):
            return self
        rows = np.asarray([order[name] for name in self.items])
        weight = np.bincount(rows, self.weight, minlength=len(order))
        total = np.zeros((len(order), self.probs.shape[1]))
        np.add.at(total, rows, self.weight[:, None] * self.probs)
        return Targets(list(order), total / weight[:, None], weight, self.origin, self.prior)

    @property
    def n_items(self) -> int:
        """Different items with a weight above 0."""
        return len({name for name, weight in zip(self.items, self.weight.tolist(), strict=True) if weight > 0})

    def keep(self, row: Bool[np.ndarray, "row"]) -> "Targets":
        """The rows marked true."""
        items = [name for name, is_kept in zip(self.items, row.tolist(), strict=True) if is_kept]
        return Targets(items, self.probs[row], self.weight[row], self.origin, self.prior)

    def save(self, path: Path) -> None:
        """Write the table `item`, `probs`, `weight`."""
        probs = pa.FixedSizeListArray.from_arrays(self.probs.ravel(), self.probs.shape[1])
        table = pa.table({"item": self.items, "probs": probs, "weight": self.weight})
        about = {"origin": pack_names(self.origin)}
        if self.prior is not None:
            about["prior"] = json.dumps(self.prior.tolist()).encode()
        pq.write_table(table.replace_schema_metadata(about), path)

    @staticmethod
    def load(path: Path) -> "Targets":
        """Read what `save` wrote."""
        table = pq.read_table(path)
        votes = table["probs"].combine_chunks()
        prior = table.schema.metadata.get(b"prior")
        return Targets(
            items=table["item"].to_pylist(),
            probs=votes.flatten().to_numpy().reshape(len(table), votes.type.list_size),
            weight=table["weight"].to_numpy(),
            origin=tuple(unpack_names(table.schema.metadata[b"origin"])),
            prior=None if prior is None else np.asarray(json.loads(prior)),
        )


def _check_distributions(
    probs: Float[np.ndarray, "item source class"], items: list[str], sources: tuple[str, ...]
) -> None:
    total = probs.sum(axis=2)
    bad = ~np.isfinite(total) | (probs < 0).any(axis=2) | ((total != 0) & (abs(total - 1) > SUM_TOLERANCE))
    if bad.any():
        item, source = np.argwhere(bad)[0]
        raise DataError(
            f"source `{sources[source]}`, item `{items[item]}`: {probs[item, source].tolist()} is not a"
            " probability distribution (needs finite values >= 0 that sum to 1)"
        )


def pack_names(names: Sequence[str]) -> bytes:
    """Names as one value of a Parquet file's metadata, where an order must survive the journey."""
    return "\x1f".join(names).encode()


def unpack_names(packed: bytes) -> list[str]:
    """What `pack_names` packed."""
    return packed.decode().split("\x1f") if packed else []


def one_hot(gold: Int[np.ndarray, "item"], n_classes: int) -> Float[np.ndarray, "item class"]:
    """Gold as distributions; a row of zeros where gold is unknown (-1)."""
    return np.asarray(np.eye(n_classes + 1)[gold][:, :n_classes])
