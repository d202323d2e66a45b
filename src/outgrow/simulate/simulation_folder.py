"""Writing a simulation's folder.

    report.html        the whole report, in one file that opens offline
    tables/risk.*      excess risk of every student, as Markdown, CSV, JSON and LaTeX
    tables/rates.*     rates per demonstration, measured and expected
    figures/risk.svg   the figure
    results.json       all measured numbers
    resolved.yaml      the settings with all defaults
    manifest.json      the settings, and the SHA-256 of each file

The same settings give the same bytes.
"""

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from outgrow import __version__
from outgrow.config.simulation import Simulation, dump_simulation, simulation_settings
from outgrow.metrics.estimate import Estimate, show, show_number
from outgrow.render.canvas import Drawing
from outgrow.render.html_page import style_sheet, template
from outgrow.render.table import Cell, Column, Line, Table
from outgrow.reporting.report_folder import refuse_place, refuse_to_replace, write_folder
from outgrow.simulate.measure import SimulationResult
from outgrow.simulate.risk_plot import risk_plot

STUDENTS = ("bootstrapping", "naive", "oracle", "refinement")
"""The students in the order of the table."""


def write_simulation(settings: Simulation, outcome: SimulationResult) -> Path:
    """Write all these files into the settings' folder. Returns the path of the report; raises `DataError`."""
    write_folder(settings.folder, simulation_files(settings, outcome), simulation_settings(settings))
    return settings.folder / "report.html"


def require_place(settings: Simulation, replace: bool) -> None:
    """Check the folder before anything is computed.

    Raises `DataError` if it cannot be written, and without `replace` `ConfigError` if it has another report.
    """
    refuse_place(settings.folder)
    if not replace:
        refuse_to_replace(settings.folder, simulation_settings(settings))


def simulation_files(settings: Simulation, outcome: SimulationResult) -> dict[str, str]:
    """The text of each file, by its path."""
    plot = risk_plot(outcome)
    contents = {
        "report.html": make_page(settings, outcome, plot),
        "results.json": json.dumps(plain_data(outcome), ensure_ascii=False, allow_nan=False, indent=1) + "\n",
        "resolved.yaml": dump_simulation(settings),
        "figures/risk.svg": plot.svg + "\n",
    }
    for table in (risk_table(outcome), rates_table(outcome)):
        contents |= {f"tables/{name}": text for name, text in table.files().items()}
    return contents


def plain_data(outcome: SimulationResult) -> dict[str, Any]:
    """All results as plain data."""
    return asdict(outcome) | {"crossing": outcome.crossing}


# ---- text ----------------------------------------------------------------------------------------------------


def headline(outcome: SimulationResult) -> str:
    """The main result in one sentence."""
    if outcome.crossing is None:
        return "Refinement does not fall below the floor of naive fine-tuning in this simulation"
    return f"From {outcome.crossing} demonstrations on, refinement is below the floor of naive fine-tuning"


def sentences(outcome: SimulationResult) -> list[str]:
    """The numbers behind the headline."""
    naive, refined, rate = outcome.of("naive")[-1], outcome.of("refinement")[-1], outcome.rates[0]
    parts = [
        f"The best mixture of source and weak supervisor has an excess risk of {outcome.floor:.4f}: the floor of naive"
        f" fine-tuning, which has {show(naive.risk, 4)} with {naive.labels} weak labels and the best penalty.",
        f"Refinement has {show(refined.risk, 4)} with {refined.labels} demonstrations of the same supervisor.",
    ]
    if rate.expected == 0:
        parts.append("The bias of the weak supervisor is too large: its labels do not identify the target.")
    elif rate.measured.defined:
        parts.append(
            f"The logarithm of its mean risk falls by {show(rate.measured)} per demonstration; the theoretical limit"
            f" is {rate.expected:.3f}."
        )
    return parts


# ---- tables --------------------------------------------------------------------------------------------------


def risk_table(outcome: SimulationResult) -> Table:
    """Excess risk of each student with each number of labels."""
    columns = (
        Column("student", "student"),
        Column("labels", "labels"),
        Column("risk", "excess risk", digits=4),
        Column("over_floor", "over floor", digits=2),
        Column("typical", "log10, typical", digits=1),
        Column("penalty", "penalty"),
    )
    lines = []
    for student in STUDENTS:
        for point in outcome.of(student):
            share = None if not outcome.floor else round((point.risk.value or 0.0) / outcome.floor, 6)
            penalty = None if point.penalty is None else f"{point.penalty:g}"
            cells: tuple[Cell, ...] = (student, point.labels or 0, point.risk, share, point.typical, penalty)
            lines.append(Line(cells))
    caption = (
        f"Mean over {outcome.repetitions:,} repetitions; in brackets 95 % intervals. Over floor: divided by the floor"
        f" of naive fine-tuning, {outcome.floor:.4f}. Typical: the geometric mean, with risks clipped at 1e-30."
        " Penalty: per label, the best of a grid."
    )
    return Table("risk", "Excess risk", caption, columns, tuple(lines))


def rates_table(outcome: SimulationResult) -> Table:
    """Rates per demonstration, measured and expected."""
    columns = (
        Column("what", ""),
        Column("measured", "measured, per demonstration", digits=4),
        Column("expected", "theory", digits=4),
    )
    lines = tuple(Line((rate.what, rate.measured, rate.expected)) for rate in outcome.rates)
    caption = (
        "Theory gives the limit of the rate for many demonstrations. The mean risk is exp(-rate n) times a factor"
        " that changes slowly from 1 to 1/root n. During this change the slopes without and with the root enclose the"
        " limit. Each demonstration adds the same amount to the mean log odds."
    )
    return Table("rates", "Rate of the inference", caption, columns, lines)


# ---- pages ---------------------------------------------------------------------------------------------------


def make_page(settings: Simulation, outcome: SimulationResult, plot: Drawing) -> str:
    """The HTML report."""
    kinds = (("floor", "bootstrapping"), ("naive", "naive"), ("best", "refinement"), ("ceiling", "oracle"))
    return template("simulate/simulation.html").render(
        settings=settings,
        shares=settings.shares,
        outcome=outcome,
        headline=headline(outcome),
        sentences=sentences(outcome),
        tiles=[(kind, student, outcome.of(student)[-1]) for kind, student in kinds],
        plot=plot,
        tables=(risk_table(outcome), rates_table(outcome)),
        yaml=dump_simulation(settings),
        css=style_sheet(),
        version=__version__,
    )


def terminal_text(outcome: SimulationResult, width: int = 100) -> str:
    """The headline, the sentences and both tables as text for a terminal."""
    from rich.console import Console
    from rich.table import Table as Drawing

    console = Console(file=io.StringIO(), width=width, record=True)
    console.print(headline(outcome), markup=False)
    for sentence in sentences(outcome):
        console.print(sentence, markup=False, highlight=False)
    for table in (risk_table(outcome), rates_table(outcome)):
        drawing = Drawing(title=table.title, title_justify="left")
        for index, column in enumerate(table.columns):
            drawing.add_column(column.title, justify="left" if index == 0 else "right", no_wrap=True)
        for line in table.lines:
            drawing.add_row(*map(_cell, line.cells, table.columns))
        console.print(drawing)
    return console.export_text().rstrip()


def _cell(cell: Cell, column: Column) -> str:
    if isinstance(cell, Estimate):
        return show(cell, column.digits)
    if isinstance(cell, float):
        return show_number(cell, column.digits)
    return "" if cell is None else str(cell)
