"""Capabilities of a mixture: scores and PGR in each, and transfer from one to the others.

Transfer: train on one capability, test on all. If capabilities are independent, a student of one is no better at the
others than the untouched model.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

from outgrow.config.method import Method
from outgrow.metrics.estimate import Estimate, show
from outgrow.metrics.text_score import TaskScore
from outgrow.render.canvas import INK, Drawing, axes, drawing, figure, style, width
from outgrow.render.charts import heat_map
from outgrow.render.table import Column, Line, Table
from outgrow.reporting.frame import Frame
from outgrow.reporting.results import Results, RowResult
from outgrow.reporting.rows import Measured, mean_estimate, recovered, versus
from outgrow.reporting.topic import INTERVALS, TEXTS, TopicRecord, results_table, sample_size, score_columns
from outgrow.select import SELECTIONS
from outgrow.study.build import Row, Study
from outgrow.study.method_rows import expanded, parts_of


@dataclass(frozen=True)
class CapabilityResult:
    """A row's answers to the test items of one capability."""

    score: Estimate
    """In the capability's own metric."""
    pgr: Estimate | None = None
    """Methods only."""
    versus_untouched: Estimate | None = None
    """Paired difference of the score to the untouched student."""


@dataclass(frozen=True)
class Capabilities:
    """Every row in every capability."""

    rows: dict[str, dict[str, CapabilityResult]] = field(default_factory=dict)
    """By row and capability; empty if the task is no mixture."""
    alone: dict[str, str] = field(default_factory=dict)
    """By row that learned one capability only, which one."""


# ---- measure --------------------------------------------------------------------------------------------


def find_capabilities(frame: Frame) -> Capabilities:
    """Scores, PGR, differences to the untouched student, and which rows learned one capability only."""
    if not frame.task.metrics:
        return Capabilities(alone=learned_alone(frame.study))
    measured = by_capability(frame, frame.text_score, frame.text_sums, frame.measured.answered)
    rows = {
        row.name: {name: _result(frame, row, scores) for name, scores in measured.items()} for row in frame.study.rows
    }
    return Capabilities(rows, learned_alone(frame.study))


def by_capability(
    frame: Frame,
    score: TaskScore,
    sums: Float[np.ndarray, "draw row seed part"],
    answered: Mapping[str, Bool[np.ndarray, "seed item"]] | None = None,
) -> dict[str, Measured]:
    """All rows' resampled scores in every capability, from the sums of which their average is made."""
    measured = {}
    for name in frame.task.metrics:
        items = frame.test.of_capability(name)
        values, among = (
            score.value_of(name, sums),
            {row: answered_items & items for row, answered_items in (answered or {}).items()},
        )
        of_seed = frame.test.of_seed & items
        measured[name] = Measured(frame.study.rows, values, frame.on_test, of_seed, among, frame.test.group)
    return measured


def _result(frame: Frame, row: Row, measured: Measured) -> CapabilityResult:
    pgr = recovered(row, measured, row.view)[0] if row.role == "method" else None
    untouched = next((candidate for candidate in measured.rows if candidate.role == "untouched"), None)
    return CapabilityResult(
        frame.explained(mean_estimate(row, measured), row.name),
        pgr and frame.explained(pgr, row.name),
        versus(row, untouched, measured),
    )


def learned_alone(study: Study) -> dict[str, str]:
    """By row, the one capability whose labels all of its trainings saw."""
    methods = {method.name: _only_capability(method) for method in expanded(study.experiment)}
    by_row = {row.name: methods[row.method] for row in study.rows if row.role == "method"}
    return {name: capability for name, capability in by_row.items() if capability is not None}


def _only_capability(method: Method) -> str | None:
    seen = {
        () if part.select is None else SELECTIONS.of(part.select).needs(part.select).capabilities or ()
        for part in parts_of(method)
    }
    names = next(iter(seen))
    return names[0] if len(seen) == 1 and len(names) == 1 else None


# ---- tables ---------------------------------------------------------------------------------------------


def capability_tables(results: Results, found: Capabilities) -> Iterator[Table]:
    """Scores and PGR by capability, and transfer."""
    yield _scores(results, found)
    yield _pgr(results, found)
    yield from _transfer(results, found)


def _scores(results: Results, capabilities: Capabilities) -> Table:
    columns = [
        *score_columns(results),
        *(Column(f"score_{name}", name, metric, best="high") for name, metric in results.about.capabilities.items()),
    ]
    lines = [
        Line(
            (name, results.named(name).score, *(capability.score for capability in row.values())),
            ranked=results.named(name).ranked,
        )
        for name, row in capabilities.rows.items()
    ]
    caption = f"Macro average: the mean over the capabilities. Bold: the highest of the methods. {INTERVALS}"
    return results_table(results, "capabilities", "Every capability", caption, columns, lines)


def _pgr(results: Results, capabilities: Capabilities) -> Table:
    columns = [Column("row", ""), Column("pgr", "macro average", "PGR")]
    columns += [Column(f"pgr_{name}", name, "PGR", best="high") for name in results.about.capabilities]
    lines = [
        Line((row.name, row.pgr, *(capability.pgr for capability in capabilities.rows[row.name].values())))
        for row in results.of("method")
        if row.name in capabilities.rows
    ]
    caption = (
        "Undefined where the interval of ceiling − supervisor does not lie above zero, as it often does with few"
        f" items. {INTERVALS}"
    )
    return results_table(results, "pgr_by_capability", "PGR in every capability", caption, columns, lines)


def transfer_rows(results: Results, found: Capabilities) -> list[tuple[str, RowResult]]:
    """What they learned, and the rows of a transfer matrix; none if no row learned one capability only."""
    naive, ceiling = results.plain_naive, results.ceiling()
    rows = [
        *(("nothing", row) for row in results.of("untouched")),
        *((found.alone[row.name], row) for row in results.of("method") if row.name in found.alone),
        *((("all capabilities", naive),) if naive else ()),
        *((("all, gold", ceiling),) if ceiling else ()),
    ]
    return rows if found.alone else []


def _transfer(results: Results, capabilities: Capabilities) -> Iterator[Table]:
    """Train on one capability, test on another."""
    names, rows = results.about.capabilities, transfer_rows(results, capabilities)
    first = [Column("learned", "learned"), Column("row", "row")]
    scores = [Column(f"on_{name}", name, "tested on") for name in names]
    gains = [Column(f"on_{name}", name, "tested on", signed=True) for name in names]
    of_row = {row.name: list(capabilities.rows.get(row.name, {}).values()) for _, row in rows}
    scored = [Line((what, row.name, *(tested.score for tested in of_row[row.name]))) for what, row in rows]
    gained = [
        Line((what, row.name, *(tested.versus_untouched for tested in of_row[row.name])))
        for what, row in rows
        if any(tested.versus_untouched for tested in of_row[row.name])
    ]
    caption = f"Each capability in its own metric. {INTERVALS}"
    yield results_table(results, "transfer", "Transfer between capabilities", caption, [*first, *scores], scored)
    caption = f"Paired difference to the untouched student; 0 where a capability teaches nothing. {INTERVALS}"
    yield results_table(results, "transfer_gain", "What transfers", caption, [*first, *gains], gained)


# ---- plot -----------------------------------------------------------------------------------------------

LINE, COLUMN, NAMES, BELOW = 34, 92, 180, 112
"""Pixels: of a row, of a column at most, for names beside rows, for turned names below columns."""
CAPTION = (
    "Students of the labels of one capability, tested on all, each in its own metric; framed: the capability that was"
    " learned. If capabilities are independent, a student is as good at the others as the untouched model."
)


def transfer_plot(results: Results, found: Capabilities) -> Iterator[Drawing | None]:
    """A line per student, a column per capability that it is tested on."""
    rows, names = [row for _, row in transfer_rows(results, found)], list(results.about.capabilities)
    scores = {row.name: found.rows.get(row.name, {}) for row in rows}
    if not any(tested.score.defined for row in scores.values() for tested in row.values()):
        return
    matrix = np.asarray([[scores[row.name][name].score.value for name in names] for row in rows], dtype=np.float64)
    cell = min(COLUMN, (width() - NAMES - 8) / len(names))
    with style():
        fig = figure(NAMES + cell * len(names) + 8, LINE * len(rows) + 0.5 * BELOW + 48)
        ax = axes(fig, NAMES, 6, cell * len(names), LINE * len(rows))
        heat_map(ax, matrix, [row.name for row in rows], names, (NAMES - 12, BELOW))
        from matplotlib.patches import Rectangle

        for place, row in enumerate(rows):
            if row.name in found.alone:
                corner = (names.index(found.alone[row.name]) - 0.47, place - 0.46)
                ax.add_patch(Rectangle(corner, 0.94, 0.92, fill=False, ec=INK, lw=1.6))
        ax.set_xlabel(f"tested on ({sample_size(row.score for row in rows)})")
        words = "; ".join(
            f"{row.name} on {name}: {show(scores[row.name][name].score, 2)}" for row in rows for name in names
        )
        yield drawing(fig, "transfer", f"Students of one capability, tested on all. {words}", CAPTION)


CAPABILITIES = TopicRecord(
    name="capabilities",
    summary="Scores and PGR in every capability of a mixture, and transfer between capabilities",
    heading="Results",
    measure=find_capabilities,
    tables=capability_tables,
    plots=transfer_plot,
    kinds=TEXTS,
    open=True,
)
