"""The report of a suite or a sweep: one page, its tables and its plots."""

from outgrow.render.html_page import style_sheet, template
from outgrow.reporting.headline import make_headline
from outgrow.reporting.report_folder import PAGE
from outgrow.reporting.sweep_plots import sweep_plots
from outgrow.reporting.sweep_tables import Sweep, sweep_tables


def sweep_files(sweep: Sweep) -> dict[str, str]:
    """The text of every file, by its path in the report's folder."""
    tables, drawings = sweep_tables(sweep), tuple(sweep_plots(sweep))
    page = template("reporting/sweep.html").render(
        name=sweep.name,
        css=style_sheet(),
        keys={key: sweep.values(key) for key in sweep.keys},
        studies={study: make_headline(results).headline for study, results in sweep.results.items()},
        missing=len(sweep.points) - len(sweep.results),
        tables=tables,
        drawings=drawings,
    )
    files = {PAGE: page}
    for table in tables:
        files |= {f"tables/{name}": text for name, text in table.files().items()}
    for drawing in drawings:
        files[f"figures/{drawing.name}.svg"] = drawing.svg + "\n"
    return files
