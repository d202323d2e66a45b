"""The input and the result of every training of a classifier.

A `FitSpec` has the items to learn from, their targets, the reference for held-out answers, and the items to answer.
Students, ceilings and supervisors differ in their spec only.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from outgrow.config.tune import SelectBy
from outgrow.data.task import Task
from outgrow.errors import DataError
from outgrow.evaluations import Evaluations
from outgrow.labels import Targets, WeakLabels
from outgrow.training.evaluate import ClassEvaluations, save_evaluations, with_evaluations
from outgrow.training.grid_search import GridPoint, SearchResult, describe, fold_of


@dataclass(frozen=True)
class Tuning:
    """How a training chooses among the points of its grid."""

    section: Mapping[str, Any]
    """`config.tune.Tune` as a dictionary."""
    select_by: SelectBy
    oracle: bool
    """Whether the choice uses gold that the student must not know."""
    held_out_wanted: bool
    """Cross-validate even without a choice, for the held-out answers."""


@dataclass(frozen=True)
class FitSpec:
    """Items to learn from, targets for them, a yardstick, and items to answer."""

    task: Task
    rows: Int[np.ndarray, "item"]
    """Pool rows of the items that may be learned from."""
    targets: Targets
    """On those items; not every item needs one."""
    yardstick: Float[np.ndarray, "item class"]
    """What held-out answers are compared with; zeros where nothing is known."""
    asked: Int[np.ndarray, "asked"]
    """Pool rows of the items to answer when all is learned."""
    judged: Int[np.ndarray, "judged"] | None = None
    """Pool rows with gold, outside `rows`, whose answers choose among settings; by default the folds of `rows` do."""
    start: Path | None = None
    """`model/` of an earlier training, from whose weights this one goes on."""
    passes: float = 1.0
    """Times the passes over the data that the settings ask for."""
    evaluations: ClassEvaluations | None = None
    """Of the last training, after the search."""

    @cached_property
    def held_out(self) -> Bool[np.ndarray, "item"] | None:
        """Which items the last training does not learn, because they are evaluated only."""
        return None if self.evaluations is None else self.evaluations.plan.held_out(self.ids(self.rows))

    def paced(self, grid: Sequence[GridPoint]) -> list[GridPoint]:
        """The grid with its passes multiplied by `passes`."""
        return [point._replace(epochs=point.epochs * self.passes) for point in grid]

    @cached_property
    def item_of_target(self) -> Int[np.ndarray, "row"]:
        """For each row of the targets, the position of its item in `rows`."""
        place = {self.task.items.ids[row]: index for index, row in enumerate(self.rows.tolist())}
        unknown = [name for name in self.targets.items if name not in place]
        if unknown:
            raise DataError(f"targets.parquet: item `{unknown[0]}` is not among the items to learn from")
        return np.asarray([place[name] for name in self.targets.items], dtype=np.int64)

    def training_rows(self, held: Bool[np.ndarray, "item"] | None = None) -> Bool[np.ndarray, "row"]:
        """The rows of the targets whose items are not held out, weightless ones left out.

        Raises:
            DataError: there is nothing left to learn.
        """
        kept = self.targets.weight > 0
        if held is not None:
            kept = kept & ~held[self.item_of_target]
        if not kept.any():
            raise DataError("there is no target with a weight above 0 to learn from: did every source abstain?")
        return kept

    def folds(self, count: int) -> Int[np.ndarray, "item"]:
        """Each item's fold; items of one group share theirs."""
        return fold_of([self.task.items.groups[row] for row in self.rows.tolist()], count)

    def ids(self, rows: Int[np.ndarray, "row"]) -> list[str]:
        """The names of the items at these pool rows."""
        return [self.task.items.ids[row] for row in rows.tolist()]


class FitResult(NamedTuple):
    """The result of a training; the model itself is in `job.out/model`."""

    answers: Float[np.ndarray, "asked class"]
    grid: Sequence[GridPoint]
    choice: SearchResult
    metrics: Sequence[Mapping[str, float]]
    """One entry per update of the last training: `step`, `loss`, …"""
    truncated: int = 0
    """Items of the pool that were too long for the model and lost their beginning."""
    evaluations: Evaluations | None = None
    kept: int = 0
    """The update whose weights an evaluated training keeps."""


def save_answers(probs: Float[np.ndarray, "item class"], ids: list[str], name: str, path: Path) -> None:
    """Write answers as the labels of the source `name`, summing to 1 in double precision."""
    exact = probs.astype(np.float64)
    WeakLabels(ids, (name,), (exact / exact.sum(axis=1, keepdims=True))[:, None]).save(path)


def save_record(learned: FitResult, tuning: Tuning, folder: Path) -> None:
    """Write `chosen.json`, `metrics.jsonl` and, of an evaluated training, `evaluations.parquet`."""
    record = describe(learned.choice, learned.grid, tuning.select_by, tuning.oracle)
    record["truncated"] = learned.truncated
    (folder / "chosen.json").write_text(json.dumps(record, indent=1))
    metrics = with_evaluations(learned.metrics, learned.evaluations)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in metrics))
    save_evaluations(learned.evaluations, learned.kept, folder)
