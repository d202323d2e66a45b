"""`Frame`: what every measurement of a study stands on. `Findings`: what is measured of votes, or of texts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from outgrow.data.task import Split, Task
from outgrow.errors import DataError
from outgrow.graph.event import StepOutcome
from outgrow.graph.store import Store
from outgrow.metrics.bootstrap import Resamples, draw_items, draw_seeds
from outgrow.reporting.evidence.missing import reason, record
from outgrow.reporting.evidence.votes import EvaluatedItems, read_part, read_split
from outgrow.reporting.measure.rows import baseline_name
from outgrow.reporting.results import CopyResult, PairResult, RowResult, SlotTypeResult, SupervisorResult
from outgrow.study.build import Row, Study
from outgrow.supervise.sources import SOURCES

BOOTSTRAP_SEED = 20_240_603
"""Any fixed number would do; it has nothing to do with the study's seeds."""


@dataclass(frozen=True)
class Frame:
    """A study, its items, and the one set of resamples behind every interval."""

    study: Study
    store: Store
    outcomes: Mapping[str, StepOutcome]
    """How the steps ended, as far as it is known."""
    task: Task
    splits: list[Split | None]
    test: EvaluatedItems
    half_b: EvaluatedItems
    on_test: Resamples
    on_half_b: Resamples
    baseline: str | None
    """The method that others are compared with."""

    @property
    def floor(self) -> list[Row]:
        """The supervisors' rows."""
        return [row for row in self.study.rows if row.role == "floor"]

    @property
    def is_floor(self) -> list[int]:
        """The numbers of the supervisors' rows."""
        return [number for number, row in enumerate(self.study.rows) if row.role == "floor"]

    def is_file(self, row: Row) -> bool:
        """Whether a supervisor's answers lie in a file: nobody need have asked it about every item."""
        section = self.study.experiment.supervisors.get(row.source or row.name)
        return row.role == "floor" and section is not None and SOURCES.of(section).is_file


class Findings(NamedTuple):
    """What has been measured; empty where this kind of task has no such thing."""

    rows: tuple[RowResult, ...]
    supervisors: tuple[SupervisorResult, ...]
    pairs: tuple[PairResult, ...]
    copying: tuple[CopyResult, ...] = ()
    slot_types: tuple[SlotTypeResult, ...] = ()


def make_frame(study: Study, store: Store, outcomes: Mapping[str, StepOutcome]) -> Frame:
    """Read the items and draw the resamples. Raises `DataError` if the items are not there."""
    if record(store, study.pool) is None:
        raise DataError(f"there is nothing to report: the items are not there ({reason(study.pool, outcomes)})")
    task = Task.load(store.path(study.pool))
    splits = [read_split(store, step) for step in study.splits]
    test, half_b = read_part(task, splits, "test"), read_part(task, splits, "half_b")
    generator = np.random.default_rng(BOOTSTRAP_SEED)
    n_resamples = study.experiment.bootstrap
    drawn = draw_seeds(len(splits), n_resamples, generator)
    on_test, on_half_b = (
        Resamples(drawn, draw_items(max(1, part.n_groups), n_resamples, generator)[:, part.group])
        for part in (test, half_b)
    )
    baseline = baseline_name(study.experiment)
    return Frame(study, store, outcomes, task, splits, test, half_b, on_test, on_half_b, baseline)
