"""`Task`: a named data set of one kind, and `Split`: its three disjoint parts.

A task is one table of items. Each item has a stable id, a prompt, for *choose* its options, gold as a class
index (-1 where there is none), the part of the published data set that it came from, and a group: items of
one group (such as the two halves of a balanced binary question) always land on the same side of a split.

Three index sets carve a study out of a task: supervisors learn gold on `half_a`, label `half_b` for the
student, and all models are measured on `test`.

A task may be a mixture of capabilities: several sets of texts in one table, each with its own metric.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int

from outgrow.errors import DataError

Kind = Literal["classify", "choose", "generate"]
Part = Literal["train", "half_a", "half_b", "test"]
REWARD = ("reward",)
"""The output of a scalar head that scores options."""


@dataclass(frozen=True)
class Items:
    """Rows of a task, column by column; all columns have the same length."""

    ids: list[str]
    prompts: list[str]
    gold: Int[np.ndarray, "item"]
    """Index into the classes (classify) or the item's options (choose), 0 (generate); -1 = unknown."""
    options: list[list[str]] | None = None
    """For *choose* only: the K texts to choose from, K the same for every item."""
    answers: list[str] | None = None
    """For *generate* only: the gold texts; empty where unknown."""
    keys: list[str] | None = None
    """For *generate*: the bare answers that content is judged by; by default the gold texts themselves."""
    parts: list[str] = field(default_factory=list)
    """`train` or `test`: which part of the published data set the item came from; of own data also `half_a` or
    `half_b`, the one part of a study that it may be in. `train` may be in both halves."""
    groups: list[str] = field(default_factory=list)
    """Items of one group are never separated by a split; by default an item is its own group."""
    allowed: list[list[str]] | None = None
    """For *generate*: the answers among which the right one is, such as the options that the prompt lists; an empty
    list where any text may be right."""
    capabilities: list[str] | None = None
    """Of a mixture only: which capability the item belongs to."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", self.answers if self.keys is None else self.keys)
        object.__setattr__(self, "parts", self.parts or ["train"] * len(self.ids))
        object.__setattr__(self, "groups", self.groups or list(self.ids))

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, index: Int[np.ndarray, "row"]) -> "Items":
        """The rows at `index`, in that order."""
        pick = index.tolist()
        return Items(
            ids=[self.ids[i] for i in pick],
            prompts=[self.prompts[i] for i in pick],
            gold=self.gold[index],
            options=None if self.options is None else [self.options[i] for i in pick],
            answers=None if self.answers is None else [self.answers[i] for i in pick],
            keys=None if self.keys is None else [self.keys[i] for i in pick],
            allowed=None if self.allowed is None else [self.allowed[i] for i in pick],
            capabilities=None if self.capabilities is None else [self.capabilities[i] for i in pick],
            parts=[self.parts[i] for i in pick],
            groups=[self.groups[i] for i in pick],
        )

    def rows_of(self, capability: str) -> Int[np.ndarray, "row"]:
        """The row numbers of one capability; of a task that is no mixture, all of them."""
        if self.capabilities is None:
            return np.arange(len(self))
        return np.flatnonzero(np.asarray(self.capabilities, dtype=np.str_) == capability)

    def alone(self, capability: str) -> "Items":
        """One capability's items under the names that they have where it is no part of a mixture."""
        mine = self.take(self.rows_of(capability))
        if self.capabilities is None:
            return mine
        ids, groups = ([name.removeprefix(f"{capability}/") for name in names] for names in (mine.ids, mine.groups))
        return replace(mine, ids=ids, groups=groups, capabilities=None)


@dataclass(frozen=True)
class Task:
    """A data set in one of three kinds. `classes` names the K classes (classify) or positions (choose)."""

    name: str
    kind: Kind
    classes: tuple[str, ...]
    """Empty for *generate*."""
    items: Items
    notes: tuple[str, ...] = ()
    """What loading left out or changed, one sentence each; shown by `outgrow data show` and in the report."""
    metric: str = "accuracy"
    """What answers are measured by; a *generate* task's is one of `metrics.text_score.TEXT_METRICS`, a mixture's
    `macro`."""
    metrics: Mapping[str, str] = field(default_factory=dict)
    """Of a mixture: by capability, which of `TEXT_METRICS` its answers are measured by."""
    rows: int = 0
    """Rows of the table by whose numbers the items are called; 0 where they have names."""
    shuffled: bool = False
    """*choose*: whether the options are in another order than in their table."""

    @property
    def n_classes(self) -> int:
        return len(self.classes)

    def take(self, index: Int[np.ndarray, "row"]) -> "Task":
        """The same task with the items at `index` only."""
        return replace(self, items=self.items.take(index))

    def save(self, folder: Path) -> None:
        """Write `items.parquet` and `task.json`."""
        items = self.items
        columns = {
            "id": items.ids,
            "prompt": items.prompts,
            "gold": items.gold,
            "part": items.parts,
            "group": items.groups,
        }
        columns |= {name: column for name, column in _optional(items).items() if column is not None}
        pq.write_table(pa.table(columns), folder / "items.parquet")
        about = {
            "name": self.name,
            "kind": self.kind,
            "classes": self.classes,
            "notes": self.notes,
            "metric": self.metric,
            "metrics": dict(self.metrics),
            "rows": self.rows,
            **({"shuffled": True} if self.shuffled else {}),
        }
        (folder / "task.json").write_text(json.dumps(about, ensure_ascii=False, indent=1))

    @staticmethod
    def load(folder: Path) -> "Task":
        """Read what `save` wrote."""
        try:
            about = json.loads((folder / "task.json").read_text())
            table = pq.read_table(folder / "items.parquet")
        except (OSError, ValueError, pa.ArrowInvalid) as error:
            raise DataError(f"{folder}: not a readable task folder ({error})") from error
        columns = {name: table[name].to_pylist() for name in table.column_names}
        items = Items(
            ids=columns["id"],
            prompts=columns["prompt"],
            gold=table["gold"].to_numpy().astype(np.int64),
            options=columns.get("options"),
            answers=columns.get("answer"),
            keys=columns.get("key"),
            allowed=columns.get("allowed"),
            capabilities=columns.get("capability"),
            parts=columns["part"],
            groups=columns["group"],
        )
        classes, notes = tuple(about["classes"]), tuple(about["notes"])
        metrics, rows = about.get("metrics", {}), about.get("rows", 0)
        shuffled = about.get("shuffled", False)
        return Task(about["name"], about["kind"], classes, items, notes, about["metric"], metrics, rows, shuffled)


def _optional(items: Items) -> dict[str, list[str] | list[list[str]] | None]:
    """The columns that only some tasks have."""
    return {
        "options": items.options,
        "answer": items.answers,
        "key": items.keys,
        "allowed": items.allowed,
        "capability": items.capabilities,
    }


@dataclass(frozen=True)
class Split:
    """Row numbers of a task's items: three disjoint sets."""

    half_a: Int[np.ndarray, "half_a"]
    half_b: Int[np.ndarray, "half_b"]
    test: Int[np.ndarray, "test"]

    def save(self, folder: Path) -> None:
        """Write `split.json`."""
        rows = {name: getattr(self, name).tolist() for name in ("half_a", "half_b", "test")}
        (folder / "split.json").write_text(json.dumps(rows))

    @staticmethod
    def load(folder: Path) -> "Split":
        """Read what `save` wrote."""
        rows = json.loads((folder / "split.json").read_text())
        return Split(*(np.asarray(rows[name], dtype=np.int64) for name in ("half_a", "half_b", "test")))
