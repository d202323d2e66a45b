"""Rows under every seed, students before and after preference training, and rows without a result."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import stdev

from outgrow.metrics.estimate import Estimate
from outgrow.render.table import Column, Line, Table
from outgrow.reporting.frame import Frame
from outgrow.reporting.results import Results, RowResult
from outgrow.reporting.topic import INTERVALS, TEXTS, TopicRecord, results_table
from outgrow.study.build import Row


def per_seed(results: Results) -> Table:
    """The test score under every seed, and the spread over the seeds."""
    metric, several = results.about.metric_title, len(results.about.seeds) > 1
    columns = [
        Column("row", ""),
        *(Column(f"seed_{seed}", f"seed {seed}", f"test {metric}") for seed in results.about.seeds),
    ]
    if several:
        columns.append(Column("std", "standard deviation"))
    lines = [Line((row.name, *row.per_seed, *([_spread(row)] if several else []))) for row in results.rows]
    caption = "In brackets: 95 % intervals of the bootstrap over this seed's items."
    if several:
        caption += " Standard deviation: over the seeds, with n − 1."
    title = f"{metric[:1].upper()}{metric[1:]} under every seed"
    # Every number has one seed here, which needs no note.
    return replace(results_table(results, "per_seed", title, caption, columns, lines), seeds=0)


def _spread(row: RowResult) -> float | None:
    values = [score.value for score in row.per_seed if score.value is not None]
    return stdev(values) if len(values) > 1 else None


SEEDS = TopicRecord(
    name="seeds",
    summary="Scores under every seed",
    heading="Results",
    measure=lambda frame: None,
    tables=lambda results, found: [per_seed(results)],
)


# ---- preference training --------------------------------------------------------------------------------


def measure_preferences(frame: Frame) -> dict[str, str]:
    """By row that was tuned on preferences, the row of the student that it was before."""
    rows = frame.study.rows
    students = {row.name: row_before(row, rows) for row in rows}
    return {name: before for name, before in students.items() if before}


def row_before(row: Row, rows: Sequence[Row]) -> str:
    """The row of the student from which this row's preference training started; empty if there is none."""
    tuned = row.steps[0].inputs.get("model")
    if tuned is None or tuned.name != "preference":
        return ""
    student = tuned.inputs["student"].identity
    models = {candidate.name: candidate.steps[0].inputs.get("model") for candidate in rows}
    return next((name for name, model in models.items() if model is not None and model.identity == student), "")


def preferences_table(results: Results, before: dict[str, str]) -> Iterator[Table]:
    """Students before and after they were tuned on preferences, under every seed and on average."""
    metric = results.about.metric_title
    columns = [Column("row", "")]
    for place, title in enumerate([*(f"seed {seed}" for seed in results.about.seeds), "average"]):
        columns += [Column(f"score_{place}", metric, title), Column(f"pgr_{place}", "PGR", title)]
    lines = [
        Line((name, *_by_seed(results.named(name))), f"{first}, before and after preference training")
        for tuned, first in before.items()
        for name in (first, tuned)
    ]
    yield results_table(results, "preferences", "What preference training adds", INTERVALS, columns, lines)


def _by_seed(row: RowResult) -> list[Estimate | None]:
    seeds = zip((*row.per_seed, row.score), (*row.pgr_per_seed, row.pgr), strict=True)
    return [cell for pair in seeds for cell in pair]


PREFERENCES = TopicRecord(
    name="preferences",
    summary="Students before and after preference training",
    heading="Results",
    measure=measure_preferences,
    tables=preferences_table,
    kinds=TEXTS,
)


# ---- missing rows ---------------------------------------------------------------------------------------


def missing_table(results: Results) -> Table:
    """Rows without a result, and why."""
    columns = [Column("row", ""), Column("seed", "seed"), Column("step", "step"), Column("reason", "reason")]
    lines = [Line((step.row, step.seed, step.step, step.reason)) for step in results.missing]
    caption = "Run the same command again to compute them."
    return results_table(results, "missing", "Missing rows", caption, columns, lines)


MISSING_ROWS = TopicRecord(
    name="missing",
    summary="Rows without a result, and why",
    heading="Missing rows",
    measure=lambda frame: None,
    tables=lambda results, found: [missing_table(results)],
    open=True,
)
