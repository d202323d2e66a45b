"""The main table's numbers: accuracy, PGR and differences to naive, all from one set of resamples."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from outgrow.config.experiment import Experiment
from outgrow.config.method import CrossEntropy, KeepAll
from outgrow.metrics.accuracy import is_correct
from outgrow.metrics.bootstrap import Resamples, difference, over_seeds, paired, seed_means, seeds_with
from outgrow.metrics.estimate import Estimate, from_draws, undefined
from outgrow.metrics.pgr import performance_gap_recovered
from outgrow.report.evidence import Answers, Part
from outgrow.report.results import RowResult
from outgrow.study import Row

MISSING = "no result"


@dataclass(frozen=True)
class Measured:
    """All rows' resampled accuracies."""

    rows: Sequence[Row]
    per_seed: Float[np.ndarray, "draw row seed"]
    resamples: Resamples
    of_seed: Bool[np.ndarray, "seed item"]

    def of(self, row: Row) -> Float[np.ndarray, "draw seed"]:
        return self.per_seed[:, self.rows.index(row)]

    def n(self, per_seed: Float[np.ndarray, "draw seed"]) -> int:
        """Different items behind a row."""
        return int(self.of_seed[np.isfinite(per_seed[0])].any(axis=0).sum())


def baseline_name(experiment: Experiment) -> str | None:
    """The first method that is naive multi-weak with equal weights (eq. 2), whatever it is called."""
    for method in experiment.methods:
        equal = isinstance(method.combine, KeepAll) and method.combine.weights == "average"
        if equal and isinstance(method.loss, CrossEntropy) and method.rounds == 1:
            return method.name
    return None


def measure(rows: Sequence[Row], found: Sequence[Answers], part: Part, resamples: Resamples) -> Measured:
    """Resampled accuracy of every row under every seed; NaN where a row has no result."""
    correct = np.stack([is_correct(answers.hard, part.gold) for answers in found])
    there = np.stack([answers.there for answers in found])
    return Measured(rows, seed_means(resamples.items, correct, there), resamples, part.of_seed)


def mean_estimate(per_seed: Float[np.ndarray, "draw seed"], measured: Measured) -> Estimate:
    """Mean over the seeds that are there."""
    seeds = seeds_with(per_seed)
    if not seeds:
        return undefined(MISSING)
    return from_draws(over_seeds(per_seed, measured.resamples.seeds), measured.n(per_seed), seeds)


def row_result(row: Row, measured: Measured, baseline: str | None) -> RowResult:
    """Everything about a row but its calibration."""
    per_seed = measured.of(row)
    result = RowResult(
        role=row.role,
        name=row.name,
        method=row.method,
        variant=row.variant,
        source=row.source,
        view=row.view,
        accuracy=mean_estimate(per_seed, measured),
        per_seed=tuple(_one_seed(per_seed[:, seed], measured, seed) for seed in range(per_seed.shape[1])),
    )
    return result if row.role != "method" else _with_comparisons(result, row, measured, baseline)


def _one_seed(draws: Float[np.ndarray, "draw"], measured: Measured, seed: int) -> Estimate:
    if not np.isfinite(draws[0]):
        return undefined(MISSING)
    return from_draws(draws, int(measured.of_seed[seed].sum()), 1)


def _with_comparisons(result: RowResult, row: Row, measured: Measured, baseline: str | None) -> RowResult:
    recovered = {view: _recovered(row, measured, view) for view in {row.view, "main"}}
    own, by_supervisor = recovered[row.view]
    return replace(
        result,
        pgr=own,
        pgr_by_supervisor=by_supervisor,
        pgr_main=recovered["main"][0] if row.view != "main" else None,
        versus_naive=_versus(row, _naive(measured, baseline, row.variant), measured),
        versus_plain_naive=_versus(row, _naive(measured, baseline, "plain"), measured),
        versus_best_supervisor=_versus(row, _best_supervisor(measured), measured),
    )


def _recovered(row: Row, measured: Measured, view: str) -> tuple[Estimate, dict[str, Estimate]]:
    ceiling = next((top for top in measured.rows if top.role == "ceiling" and top.view == view), None)
    if ceiling is None:
        return undefined("there is no ceiling to compare with"), {}
    weak = {
        floor.name: measured.of(floor)
        for floor in measured.rows
        if floor.role == "floor" and row.source in (None, floor.source)
    }
    student = measured.of(row)
    if not seeds_with(student):
        return undefined(MISSING), {}
    found = performance_gap_recovered(
        student, weak, measured.of(ceiling), measured.resamples.seeds, measured.n(student)
    )
    return found.average, found.by_supervisor


def _naive(measured: Measured, baseline: str | None, variant: str) -> Row | None:
    rows = [row for row in measured.rows if row.role == "method" and row.method == baseline and row.variant == variant]
    return rows[0] if rows else None


def _best_supervisor(measured: Measured) -> Row | None:
    means = over_seeds(measured.per_seed[:1], measured.resamples.seeds[:1])[0]
    rows = [number for number, row in enumerate(measured.rows) if row.role == "floor" and np.isfinite(means[number])]
    return measured.rows[max(rows, key=lambda number: float(means[number]))] if rows else None


def _versus(row: Row, other: Row | None, measured: Measured) -> Estimate | None:
    if other is None or other is row:
        return None
    shared, theirs = paired(measured.of(row), measured.of(other))
    if not seeds_with(shared):
        return undefined("no seed has both rows")
    draws = difference(shared, theirs, measured.resamples.seeds)
    return from_draws(draws, measured.n(shared), seeds_with(shared))
