"""The cascade of a student: which answers it may give alone, from its answers to held-out items.

Held-out items are test items with gold; without any, items whose combined label the student did not learn.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from outgrow.data.task import Split, Task
from outgrow.deliver.training_data_step import HELD_OUT
from outgrow.labels import WeakLabels
from outgrow.metrics.cascade import certified, items_needed


def cascade_of(data: Path, answered: Path, *, accuracy: float, level: float, holdout: float) -> dict[str, Any]:
    """The card's facts; `threshold` is None if no share can be certified. `holdout` only entered the training data."""
    task, test = Task.load(data), WeakLabels.load(answered / "test.parquet")
    probs = test.probs[:, 0]
    truth, against = _truth(task, data, test.items)
    held = truth >= 0
    confidence = probs.max(axis=1)
    learned = WeakLabels.load(answered / "half_b.parquet").probs[:, 0].max(axis=1)
    right = probs.argmax(axis=1) == truth
    found = certified(confidence[held], right[held], np.append(learned, confidence[~held]), accuracy, level)
    n_held = int(held.sum())
    about = {
        "accuracy": accuracy,
        "level": level,
        "against": against,
        "n_held": n_held,
        "needed": items_needed(accuracy, 1 - level),
    }
    if found is None:
        return {**about, "threshold": None, "share": 0.0}
    return {**about, **found._asdict(), "share": found.n / n_held}


def _truth(task: Task, data: Path, names: list[str]) -> tuple[np.ndarray, str]:
    """The class that counts as right for each item, -1 = none, and what it is."""
    gold = task.items.gold[Split.load(data).test]
    if (gold >= 0).any() or not (data / HELD_OUT).is_file():
        return gold, "gold"
    table = pq.read_table(data / "combined.parquet", columns=["item", "label"])
    label_of = dict(zip(table["item"].to_pylist(), table["label"].to_pylist(), strict=True))
    held = set(json.loads((data / HELD_OUT).read_text()))
    class_of = {name: index for index, name in enumerate(task.classes)}
    return np.asarray([class_of[label_of[name]] if name in held else -1 for name in names]), "the combined labels"
