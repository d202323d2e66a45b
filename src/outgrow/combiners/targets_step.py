"""The steps that make targets: from a study's labels, and from gold for the ceiling."""

from pathlib import Path
from typing import Any

import numpy as np

from outgrow.combiners import COMBINERS
from outgrow.combiners.combiner_record import CombinerSection
from outgrow.combiners.targets import calibrated_targets, combine_labels
from outgrow.data.task import Split, Task
from outgrow.errors import DataError
from outgrow.graph.step import Job
from outgrow.labels import Anchors, Targets, WeakLabels, one_hot

GOLD = "gold"
ANCHORS = "anchors.parquet"


def make_targets(job: Job, *, combine: dict[str, Any], anchors: bool = True) -> None:
    """Combine the `labels` of half B by the combiner named in `combine["type"]`; `anchors`: with half A's gold."""
    _save(job, combine_labels(section_of(combine), *_labels(job, anchors)))


def make_calibrated_targets(job: Job, *, combine: dict[str, Any], anchors: bool = True) -> None:
    """The same with calibrated posteriors."""
    _save(job, calibrated_targets(section_of(combine), *_labels(job, anchors)))


def section_of(combine: dict[str, Any]) -> CombinerSection:
    """The section behind a step's parameter."""
    return COMBINERS.named(combine["type"]).section.model_validate(combine)


def _labels(job: Job, anchors: bool) -> tuple[WeakLabels, Anchors | None]:
    return WeakLabels.load(job.inputs["labels"] / "half_b.parquet"), read_anchors(job) if anchors else None


def _save(job: Job, targets: Targets) -> None:
    if not targets.items:
        raise DataError("no item of half B has a vote: there is nothing to train on")
    targets.save(job.out / "targets.parquet")


def read_anchors(job: Job) -> Anchors | None:
    """The sources' held-out answers to half A with its gold, where they were kept."""
    if not (job.inputs["labels"] / ANCHORS).is_file():
        return None
    return anchors_in(job.inputs["labels"], Task.load(job.inputs["pool"]))


def anchors_in(folder: Path, task: Task) -> Anchors | None:
    """The same from the folder of the step `labels`."""
    if not (folder / ANCHORS).is_file():
        return None
    labels = WeakLabels.load(folder / ANCHORS)
    gold = dict(zip(task.items.ids, task.items.gold.tolist(), strict=True))
    return Anchors(labels, np.asarray([gold[name] for name in labels.items], dtype=np.int64))


def add_half_a_gold(job: Job) -> None:
    """Half A's gold as one-hot targets of weight 1, before the input `targets` if there is one."""
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    items = task.items.take(split.half_a[task.items.gold[split.half_a] >= 0])
    if not len(items):
        raise DataError("no item of half A has gold, and this row learns it")
    note = half_a_note(len(items))
    gold = Targets(items.ids, one_hot(items.gold, task.n_classes), np.ones(len(items)), (note,))
    if "targets" in job.inputs:
        gold = _joined(gold, Targets.load(job.inputs["targets"] / "targets.parquet"))
    gold.save(job.out / "targets.parquet")


def half_a_note(n_items: int) -> str:
    """What targets say of half A's gold among them."""
    return f"Items of half A learned with their gold: {n_items}."


def _joined(gold: Targets, labels: Targets) -> Targets:
    """Rows of half A, then rows of half B; the class shares are those of half B's labels."""
    return Targets(
        [*gold.items, *labels.items],
        np.concatenate([gold.probs, labels.probs]),
        np.concatenate([gold.weight, labels.weight]),
        (*gold.origin, *labels.origin),
        labels.prior,
    )


def make_gold(job: Job) -> None:
    """Gold of half B as one-hot targets, and as labels of a source named `gold`."""
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    items = task.items.take(split.half_b)
    missing = np.flatnonzero(items.gold < 0)
    if len(missing):
        raise DataError(
            f"item `{items.ids[missing[0]]}` has no gold, and the ceiling needs it for every item of half B"
        )
    probs = one_hot(items.gold, task.n_classes)
    Targets(items.ids, probs, np.ones(len(items))).save(job.out / "targets.parquet")
    WeakLabels(items.ids, (GOLD,), probs[:, None]).save(job.out / "half_b.parquet")
