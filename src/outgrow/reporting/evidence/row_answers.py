"""Gold, and every row's answers that are classes or options, as arrays over all items of a part.

Seeds have different test items. Arrays run over their union (`EvaluatedItems.ids`); `EvaluatedItems.of_seed` marks the
items of each seed. Items without gold are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from outgrow.data.task import Split, Task
from outgrow.errors import DataError
from outgrow.graph.step import Step
from outgrow.graph.store import Store
from outgrow.labels import WeakLabels
from outgrow.metrics.accuracy import answers, is_correct
from outgrow.metrics.calibration import brier, confidence, log_loss
from outgrow.reporting.evidence.steps import record

PartName = Literal["test", "half_b"]


@dataclass(frozen=True)
class EvaluatedItems:
    """The items that answers are measured on, over all seeds."""

    name: PartName
    ids: list[str]
    gold: Int[np.ndarray, "item"]
    prompts: list[str]
    answers: list[str]
    """Gold texts; empty unless the task is of kind *generate*."""
    keys: list[str]
    """Bare answers for measures of content; the gold texts where the task has no keys."""
    allowed: list[list[str]]
    """The options of each item; an empty list if any text may be right."""
    capabilities: list[str]
    """The capability of each item of a mixture; empty names for any other task."""
    group: Int[np.ndarray, "item"]
    """Items of one question, passage or premise share a number: 0, 1, …"""
    of_seed: Bool[np.ndarray, "seed item"]

    @property
    def n(self) -> int:
        return len(self.ids)

    @property
    def n_groups(self) -> int:
        return int(self.group.max(initial=-1)) + 1

    def groups_of(self, items: Bool[np.ndarray, "item"]) -> int:
        """How many groups the marked items belong to."""
        return len(np.unique(self.group[items]))

    def of_capability(self, name: str) -> Bool[np.ndarray, "item"]:
        """The items of a capability."""
        return np.asarray([capability == name for capability in self.capabilities], dtype=np.bool_)


@dataclass(frozen=True)
class RowAnswers:
    """One row's answers under every seed, where they are classes or options."""

    there: Bool[np.ndarray, "seed item"]
    """Where the seed has the item and the row a result."""
    hard: Int[np.ndarray, "seed item"]
    """-1: abstention, or not there."""
    confidence: Float[np.ndarray, "seed item"]
    brier: Float[np.ndarray, "seed item"]
    log_loss: Float[np.ndarray, "seed item"]

    @property
    def answered(self) -> Bool[np.ndarray, "seed item"]:
        """Where there is an answer and no abstention."""
        return np.asarray(self.hard >= 0)

    @property
    def seeds(self) -> Bool[np.ndarray, "seed"]:
        """Which seeds have a result."""
        return np.asarray(self.there.any(axis=1))


def read_part(
    task: Task, splits: Sequence[Split | None], name: PartName, *, unlabelled: bool = False
) -> EvaluatedItems:
    """The union of the seeds' items of one part, also those without gold if `unlabelled`; a seed without a split has
    none."""
    rows = [_rows(split, name) for split in splits]
    union = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *rows]))
    union = union if unlabelled else union[task.items.gold[union] >= 0]
    of_seed = np.stack([np.isin(union, mine) for mine in rows])
    items = task.items.take(union)
    group = np.unique(items.groups, return_inverse=True)[1] if items.ids else np.zeros(0, dtype=np.int64)
    return EvaluatedItems(
        name=name,
        ids=items.ids,
        gold=items.gold,
        prompts=items.prompts,
        answers=items.answers or [],
        keys=items.keys or [],
        allowed=items.allowed or [[]] * len(items),
        capabilities=items.capabilities or [""] * len(items),
        group=group,
        of_seed=of_seed,
    )


def read_split(store: Store, step: Step) -> Split | None:
    """A seed's split, if it was made."""
    return Split.load(store.path(step)) if record(store, step) else None


def read_answers(store: Store, steps: Sequence[Step], part: EvaluatedItems) -> RowAnswers:
    """One step per seed; a step that is not finished leaves its seed empty."""
    position = {name: i for i, name in enumerate(part.ids)}
    shape = part.of_seed.shape
    result = RowAnswers(
        there=np.zeros(shape, dtype=bool),
        hard=np.full(shape, -1),
        confidence=np.zeros(shape),
        brier=np.zeros(shape),
        log_loss=np.zeros(shape),
    )
    for seed, step in enumerate(steps):
        path = store.path(step) / f"{part.name}.parquet"
        if record(store, step) is None or not path.is_file():
            continue
        labels = WeakLabels.load(path)
        mine = part.of_seed[seed]
        probs = _in_order(labels, position, mine, path)
        gold = part.gold[mine]
        result.there[seed] = mine
        result.hard[seed, mine] = answers(probs)
        result.confidence[seed, mine] = confidence(probs)
        result.brier[seed, mine] = brier(probs, gold)
        result.log_loss[seed, mine] = log_loss(probs, gold)
    return result


def read_mean_vote(store: Store, rows: Sequence[Sequence[Step]], part: EvaluatedItems) -> Int[np.ndarray, "seed item"]:
    """The class that the mean of all supervisors prefers; -1 where a seed lacks one of them."""
    position = {name: i for i, name in enumerate(part.ids)}
    hard = np.full(part.of_seed.shape, -1)
    for seed in range(len(part.of_seed)):
        steps = [steps[seed] for steps in rows]
        paths = [store.path(step) / f"{part.name}.parquet" for step in steps]
        if not all(record(store, step) and path.is_file() for step, path in zip(steps, paths, strict=True)):
            continue
        mine = part.of_seed[seed]
        probs = np.stack([_in_order(WeakLabels.load(path), position, mine, path) for path in paths])
        hard[seed, mine] = answers(np.asarray(probs.sum(axis=0)))
    return hard


def accuracy_counts(
    hard: Int[np.ndarray, "seed item"], there: Bool[np.ndarray, "seed item"], part: EvaluatedItems
) -> Bool[np.ndarray, "seed item 2"]:
    """(right, 1) for every item that is there: the accuracy is the ratio of their sums."""
    return np.stack([is_correct(hard, part.gold) & there, there], axis=-1)


def _rows(split: Split | None, name: PartName) -> Int[np.ndarray, "row"]:
    if split is None:
        return np.zeros(0, dtype=np.int64)
    return split.test if name == "test" else split.half_b


def _in_order(
    labels: WeakLabels, position: dict[str, int], mine: Bool[np.ndarray, "item"], path: Path
) -> Float[np.ndarray, "mine class"]:
    """The probabilities of the items marked in `mine`, in the order of the part."""
    row = np.full(len(mine), -1)
    for index, item in enumerate(labels.items):
        if item in position:
            row[position[item]] = index
    if (row[mine] < 0).any():
        name = list(position)[int(np.flatnonzero(mine & (row < 0))[0])]
        raise DataError(f"{path}: has no answer for item `{name}`; delete the folder to have the step run again")
    return np.asarray(labels.probs[row[mine], 0])
