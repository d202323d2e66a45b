"""`Frame`: a study's items, answers and scores, from which every topic of the report is measured.

All intervals come from one set of resamples, drawn from a fixed seed: the same folders give the same results, to the
last digit. Answers are read once, when a topic first asks for them. A step that is not finished leaves its row, or the
row's seed, undefined, with the reason as a note.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Bool, Float

from outgrow.data.task import Split, Task
from outgrow.errors import ConfigError, DataError, suggest
from outgrow.graph.event import StepOutcome
from outgrow.graph.store import Store
from outgrow.metrics.bootstrap import Resamples, draw_items, draw_seeds
from outgrow.metrics.estimate import Estimate
from outgrow.metrics.text_score import TaskScore, mean_value, score_of
from outgrow.reporting.evidence.row_answers import (
    EvaluatedItems,
    RowAnswers,
    accuracy_counts,
    read_answers,
    read_part,
    read_split,
)
from outgrow.reporting.evidence.steps import reason, record
from outgrow.reporting.evidence.texts import TextAnswers, read_answers_of_row, score_counts
from outgrow.reporting.results import MissingStep, RowResult
from outgrow.reporting.rows import MISSING, Counts, Measured, baseline_name, measure, row_result, seed_sums
from outgrow.study.build import Row, Study
from outgrow.supervise.sources import SOURCES

BOOTSTRAP_SEED = 20_240_603
"""A fixed number, independent of the study's seeds."""
Given = TypeVar("Given", RowAnswers, TextAnswers)


@dataclass(frozen=True, eq=False)
class Frame:
    """A study, its items, the resamples, and what was read so far."""

    study: Study
    store: Store
    outcomes: Mapping[str, StepOutcome]
    """How the steps ended, as far as known."""
    task: Task
    splits: list[Split | None]
    test: EvaluatedItems
    half_b: EvaluatedItems
    on_test: Resamples
    on_half_b: Resamples
    baseline: str | None
    """The method that others are compared with."""
    label_tables: dict[str, Any] = field(default_factory=dict)
    """Tables of labels that were read (`evidence.labels`)."""

    @property
    def of_texts(self) -> bool:
        """Whether answers are texts."""
        return self.task.kind == "generate"

    @property
    def floor(self) -> list[Row]:
        """The supervisors' rows."""
        return [row for row in self.study.rows if row.role == "floor"]

    def of_floor(self, answers: Sequence[Given]) -> list[Given]:
        """The supervisors' answers, from those of all rows."""
        return [row_answers for row, row_answers in zip(self.study.rows, answers, strict=True) if row.role == "floor"]

    # ---- answers ----------------------------------------------------------------------------------------

    @cached_property
    def votes(self) -> list[RowAnswers]:
        """Every row's answers to the test items, where they are classes or options."""
        return [read_answers(self.store, row.steps, self.test) for row in self.study.rows]

    @cached_property
    def votes_on_half_b(self) -> list[RowAnswers]:
        """Every row's answers to the items of half B."""
        return [read_answers(self.store, row.steps, self.half_b) for row in self.study.rows]

    @cached_property
    def texts(self) -> list[TextAnswers]:
        """Every row's answers to the test items, where they are texts."""
        return [read_answers_of_row(self.store, row.steps, self.test) for row in self.study.rows]

    def is_file(self, row: Row) -> bool:
        """Whether a supervisor is a file of answers, which need not have one for every item."""
        section = self.study.experiment.supervisors.get(row.source or row.name)
        return row.role == "floor" and section is not None and SOURCES.of(section).is_file

    def scored(self, rows: Sequence[Row], answers: Sequence[Given]) -> list[Given]:
        """The answers that count: of a file, only those it has; of any other row, no answer is a wrong one."""
        return [
            replace(given, there=given.there & given.answered) if self.is_file(row) else given
            for row, given in zip(rows, answers, strict=True)
        ]

    def answered_items(
        self, rows: Sequence[Row], answers: Sequence[Given]
    ) -> dict[str, Bool[np.ndarray, "seed item"]]:
        """By row that is a file, the items that it is measured on; `answers` are those that count."""
        return {row.name: given.there for row, given in zip(rows, answers, strict=True) if self.is_file(row)}

    # ---- scores -----------------------------------------------------------------------------------------

    @cached_property
    def text_score(self) -> TaskScore:
        """The metric of texts."""
        return score_of(self.task)

    @cached_property
    def counts(self) -> list[Counts]:
        """Every row's counts per test item, of the answers that count; a score is a function of their sums."""
        rows, test = self.study.rows, self.test
        if self.of_texts:
            texts = self.scored(rows, self.texts)
            return [score_counts(given, test.answers, self.text_score, test.capabilities) for given in texts]
        return [accuracy_counts(given.hard, given.there, test) for given in self.scored(rows, self.votes)]

    @cached_property
    def text_sums(self) -> Float[np.ndarray, "draw row seed part"]:
        """The resampled counts of which every row's score is a function."""
        return seed_sums(self.on_test.items, np.stack(self.counts))

    @cached_property
    def measured(self) -> Measured:
        """Every row's resampled scores on the test items."""
        rows, test = self.study.rows, self.test
        if self.of_texts:
            answered = self.answered_items(rows, self.scored(rows, self.texts))
            scores = self.text_score.value(self.text_sums)
            return Measured(rows, scores, self.on_test, test.of_seed, answered, test.group)
        answered = self.answered_items(rows, self.scored(rows, self.votes))
        return measure(rows, self.counts, mean_value, test, self.on_test, answered)

    @cached_property
    def rows(self) -> tuple[RowResult, ...]:
        """Every row of the main table."""
        results = (row_result(row, self.measured, self.baseline) for row in self.study.rows)
        return tuple(self._with_reasons(row) for row in results)

    # ---- missing results --------------------------------------------------------------------------------

    @cached_property
    def missing(self) -> tuple[MissingStep, ...]:
        """Rows without a result under some seed."""
        return tuple(
            MissingStep(row.name, seed, step.folder, reason(step, self.outcomes))
            for row in self.study.rows
            for seed, step in zip(self.study.experiment.seeds, row.steps, strict=True)
            if record(self.store, step) is None
        )

    def why(self, row: str, seed: int | None = None) -> str:
        """Why a row has no result under a seed, or under the first seed that lacks one."""
        reasons = {step.seed: f"{MISSING}: {step.reason}" for step in self.missing if step.row == row}
        return reasons.get(seed if seed is not None else -1, next(iter(reasons.values()), MISSING))

    def explained(self, estimate: Estimate, row: str, seed: int | None = None) -> Estimate:
        """The estimate, with the reason as its note if the row has no result."""
        return replace(estimate, note=self.why(row, seed)) if estimate.note == MISSING else estimate

    def _with_reasons(self, row: RowResult) -> RowResult:
        seeds, name = self.study.experiment.seeds, row.name
        return replace(
            row,
            score=self.explained(row.score, name),
            per_seed=tuple(map(self.explained, row.per_seed, [name] * len(seeds), seeds)),
            pgr=row.pgr and self.explained(row.pgr, name),
            pgr_per_seed=tuple(
                self.explained(pgr, name, seed) for pgr, seed in zip(row.pgr_per_seed, seeds, strict=False)
            ),
        )


def row_index(frame: Frame, name: str) -> int:
    """The place of a row in the study. Raises `ConfigError` with the nearest name."""
    names = [row.name for row in frame.study.rows]
    if name not in names:
        raise ConfigError(f"no row named `{name}`; {suggest(name, names)}")
    return names.index(name)


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
