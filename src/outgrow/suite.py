"""A suite of studies: runs them one after another, then compares them.

The table over all studies has a row per method and variant and a column per study. The last column is the mean over
the studies with a Student interval over them. It estimates the result on another data set of this kind, unlike the
intervals within a study.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import t as student_t

from outgrow import api
from outgrow.api_types import Result
from outgrow.config.override import Word
from outgrow.config.suite import read_suite
from outgrow.config.user_code import refuse_code
from outgrow.graph.runner import Event
from outgrow.metrics.estimate import LEVEL, Estimate
from outgrow.render.table import Column, Line, Table
from outgrow.reporting.report_folder import (
    beside,
    drop_incomplete,
    holds_finished,
    refuse_to_replace,
    write_folder,
)
from outgrow.reporting.results import Results, RowResult
from outgrow.study.checks import require_ready


@dataclass(frozen=True)
class SuiteResult:
    """The results of each study by name, and the tables over all studies."""

    folder: Path
    results: dict[str, Result]
    tables: tuple[Table, ...]


def run_suite(
    path: str | Path,
    *words: Word,
    jobs: int = 1,
    code: bool = True,
    replace: bool = False,
    on_event: Callable[[Event], None] = lambda event: None,
    on_study: Callable[[str], None] = lambda name: None,
) -> SuiteResult:
    """Run every study of a suite file to its report, then write the tables over all of them.

    Shared steps run once. `code` and `replace` are those of `api.run`. `on_study` is called with the name of each
    study before it starts. No study runs after an interrupted one. Raises `ConfigError` and `DataError` for bad input,
    before the first study if possible.
    """
    suite = read_suite(path, words, code)
    settings = {"suite": suite.name, "studies": list(suite.studies)}
    for experiment in suite.studies.values() if not code else ():
        refuse_code(experiment, experiment.name)
    require_ready(list(suite.studies.values()))
    api.require_place(list(suite.studies.values()), replace)
    if not replace:
        refuse_to_replace(suite.folder, settings)
    results: dict[str, Result] = {}
    for name, experiment in suite.studies.items():
        on_study(name)
        results[name] = api.run_experiment(experiment, jobs=jobs, replace=replace, on_event=on_event)
        if results[name].interrupted:
            break
    study_results = {name: result.results for name, result in results.items()}
    tables = (pgr_table(study_results), accuracy_table(study_results))
    complete = len(results) == len(suite.studies) and all(result.complete for result in results.values())
    folder = suite.folder if complete or not holds_finished(suite.folder) else beside(suite.folder)
    files = {name: text for table in tables for name, text in table.files().items()}
    write_folder(folder, files, settings, complete=complete)
    if complete:
        drop_incomplete(folder)
    return SuiteResult(folder, results, tables)


def pgr_table(results: dict[str, Results]) -> Table:
    """PGR of each row in each study, and its mean over the studies."""
    caption = (
        "Performance gap recovered, mean over supervisors; in brackets 95 % intervals: within a study over items and"
        " seeds, in the last column over the studies."
    )
    return _table(results, "pgr", "PGR over the studies", caption, lambda row: row.pgr)


def accuracy_table(results: dict[str, Results]) -> Table:
    """Paired difference of accuracy to plain naive for each row in each study, and its mean."""
    caption = (
        "Test accuracy minus that of naive multi-weak without self-training, paired within a study; in brackets 95 %"
        " intervals: within a study over items and seeds, in the last column over the studies."
    )
    return _table(results, "versus_naive", "Difference to naive", caption, lambda row: row.versus_plain_naive, True)


def _table(
    results: dict[str, Results],
    name: str,
    title: str,
    caption: str,
    pick: Callable[[RowResult], Estimate | None],
    signed: bool = False,
) -> Table:
    studies = [Column(study, study, signed=signed, best="high") for study in results]
    columns = (Column("row", ""), *studies, Column("mean", f"mean of {len(results)}", signed=signed, best="high"))
    estimates = {
        study: {row.name: pick(row) for row in results_of_study.of("method")}
        for study, results_of_study in results.items()
    }
    names = dict.fromkeys(row for rows in estimates.values() for row in rows)
    lines = []
    for row in names:
        cells = [rows.get(row) for rows in estimates.values()]
        if any(cells):
            lines.append(Line((row, *cells, over_studies(cells)), ranked=True))
    return Table(name, title, caption, columns, tuple(lines))


def over_studies(cells: list[Estimate | None]) -> Estimate:
    """Mean over the studies where the row is defined, with a Student interval over studies."""
    values = np.asarray([cell.value for cell in cells if cell is not None and cell.value is not None])
    seeds = max((cell.seeds for cell in cells if cell is not None), default=0)
    left_out = len(cells) - len(values)
    note = f"without {left_out} of {len(cells)} studies, where it is undefined" if left_out else ""
    if not len(values):
        return Estimate(None, None, None, 0, seeds, "undefined in every study")
    mean = round(float(values.mean()), 6)
    if len(values) < 2:
        return Estimate(mean, None, None, len(values), seeds, note)
    half_width = float(student_t.ppf((1 + LEVEL) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return Estimate(mean, round(mean - half_width, 6), round(mean + half_width, 6), len(values), seeds, note)
