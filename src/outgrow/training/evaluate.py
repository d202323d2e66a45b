"""Evaluations during training: which items, how a student of classes is scored, and which weights are kept.

`EvaluationPlan` says when, which items are held out, and by what the weights are chosen. `ClassEvaluations` scores
the answers of a student of classes; texts are scored in `text_evaluation.py`. The gold of learned items and of the
test items is for the curve only (`evaluations.py`).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from outgrow.data.task import Split, Task
from outgrow.errors import DataError
from outgrow.evaluations import FILE, EvaluatedPart, Evaluation, Evaluations, is_due
from outgrow.training.sampling import holdout_rows


@dataclass(frozen=True)
class EvaluationPlan:
    """The evaluations of one training."""

    keep: str
    number: int
    items: Sequence[str]
    """Those of half B, then the test items."""
    part: Sequence[EvaluatedPart]

    @property
    def chooses(self) -> bool:
        """Whether the weights of the best evaluation are kept, and not the last ones."""
        return self.keep != "last"

    def due(self, update: int, updates: int) -> bool:
        """Whether there is an evaluation after this update."""
        return is_due(update, updates, self.number)

    def held_out(self, names: Iterable[str]) -> Bool[np.ndarray, "item"]:
        """Which of these items are not learned."""
        held = {item for item, part in zip(self.items, self.part, strict=True) if part == "held_out"}
        return np.asarray([name in held for name in names], dtype=bool)

    def noted(self, each: Sequence[Evaluation] = ()) -> Evaluations:
        """These evaluations with their items."""
        return Evaluations(self.items, self.part, list(each))


def plan_of(section: Mapping[str, Any] | None, task: Task, split: Split, seed: int) -> EvaluationPlan | None:
    """From `config.evaluations.EvaluationsSection` as a dictionary; whole groups are held out, drawn by `seed`."""
    if section is None:
        return None
    held = holdout_rows([task.items.groups[row] for row in split.half_b.tolist()], section["holdout"], seed)
    if not held.any():
        raise DataError("evaluations: half B has one separate item, so none can be held out; raise task.sizes")
    half_b: list[EvaluatedPart] = ["held_out" if one else "learned" for one in held.tolist()]
    test: list[EvaluatedPart] = ["test"] * len(split.test)
    rows = np.concatenate([split.half_b, split.test]).tolist()
    items = [task.items.ids[row] for row in rows]
    return EvaluationPlan(section["keep"], section["number"], items, [*half_b, *test])


# ---- classes --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ClassEvaluations:
    """The evaluations of a student of classes or options."""

    plan: EvaluationPlan
    weak: Float[np.ndarray, "item class"]
    """The mean vote on every item of the plan; zeros where there is none."""
    gold: Int[np.ndarray, "item"]
    """-1 where it is unknown."""

    def evaluation(self, update: int, probs: Float[np.ndarray, "item class"]) -> Evaluation:
        """The mean vote's probability of the class answered, and whether it is right."""
        answer = probs.argmax(axis=1)
        weak = np.take_along_axis(self.weak, answer[:, None], axis=1)[:, 0].astype(np.float64)
        right = (answer == self.gold).astype(np.float64)
        return Evaluation(
            update, np.where(self.weak.any(axis=1), weak, np.nan), np.where(self.gold >= 0, right, np.nan)
        )


# ---- records --------------------------------------------------------------------------------------------


def with_evaluations(log: Iterable[Mapping[str, Any]], evaluations: Evaluations | None) -> list[dict[str, Any]]:
    """A training's log, with the means of the evaluations on the lines of their updates."""
    if evaluations is None:
        return [dict(line) for line in log]
    lines = {int(line["step"]): dict(line) for line in log}
    for one in evaluations.each:
        lines.setdefault(one.update, {"step": one.update}).update(evaluations.means(one))
    return [lines[step] for step in sorted(lines)]


def save_evaluations(evaluations: Evaluations | None, kept: int, folder: Path) -> None:
    """Write `evaluations.parquet`, and the update whose weights are kept to `chosen.json`."""
    if evaluations is None:
        return
    evaluations.save(folder / FILE)
    path = folder / "chosen.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["chosen"] |= {"updates": kept}
    path.write_text(json.dumps(record, indent=1))
