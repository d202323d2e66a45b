"""A suite or a sweep: runs its studies one after another, then compares them in one report.

Steps that studies share are computed once, since all have the same store. The report of every study is in its own
folder below that of the report over all of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outgrow import api
from outgrow.api_results import Result
from outgrow.config.override import Word
from outgrow.config.suite import Suite, read_suite
from outgrow.config.user_code import refuse_code
from outgrow.errors import ConfigError, DataError, suggest
from outgrow.graph.runner import Event
from outgrow.render.table import Table
from outgrow.reporting.report_folder import (
    PAGE,
    beside,
    drop_incomplete,
    holds_finished,
    refuse_to_replace,
    write_folder,
)
from outgrow.reporting.sweep_tables import Sweep, sweep_tables
from outgrow.study.checks import require_ready
from outgrow.study.launch import Launch

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SuiteResult:
    """The result of each study by name, and the tables over all studies."""

    folder: Path
    results: dict[str, Result] = field(repr=False)
    points: Mapping[str, Mapping[str, str]] = field(repr=False)
    """By study, the value of every swept key; of a suite its name under `study`."""
    name: str = ""

    def __repr__(self) -> str:
        return f"SuiteResult({self.name}: {len(self.results)} of {len(self.points)} studies; {self.report})"

    def __getitem__(self, study: str) -> Result:
        """One study. Raises `ConfigError` with the nearest name."""
        if study not in self.results:
            raise ConfigError(f"no study named `{study}`; {suggest(study, self.results)}")
        return self.results[study]

    @cached_property
    def sweep(self) -> Sweep:
        """The results as plain data."""
        return Sweep(self.name, self.points, {name: result.results for name, result in self.results.items()})

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """All tables over the studies."""
        return sweep_tables(self.sweep)

    def table(self, name: str = "sweep") -> Table:
        """One of them; `sweep` has a line per study and row."""
        tables = {table.name: table for table in self.tables}
        if name not in tables:
            raise ConfigError(f"no table named `{name}`; {suggest(name, tables)}")
        return tables[name]

    def to_pandas(self, table: str = "sweep") -> "pd.DataFrame":
        """One of them as a data frame."""
        return self.table(table).to_pandas()

    def to_latex(self, table: str = "sweep") -> str:
        """One of them for the booktabs package."""
        return self.table(table).to_latex()

    def to_json(self) -> dict[str, Any]:
        """Everything that every study found, by study."""
        return {name: result.to_json() for name, result in self.results.items()}

    @property
    def complete(self) -> bool:
        """Whether every step of every study has a result."""
        done = len(self.results) == len(self.points)
        return done and all(result.complete for result in self.results.values())

    @property
    def report(self) -> Path:
        """The page over all studies."""
        return self.folder / PAGE

    def _repr_html_(self) -> str:
        return self.tables[0]._repr_html_()


def run_suite(
    source: api.Source,
    *words: Word,
    launch: Launch | None = None,
    code: bool = True,
    replace: bool = False,
    on_event: Callable[[Event], None] = lambda event: None,
    on_study: Callable[[str], None] = lambda name: None,
) -> SuiteResult:
    """Run every study of a suite or a sweep to its report, then write the report over all of them.

    Shared steps run once. `code` and `replace` are those of `api.run`, and so are
    the options in `launch`. `on_study` is called with the name of each
    study before it starts. No study runs after an interrupted one. Raises `ConfigError` and `DataError` for bad input,
    before the first study if possible.
    """
    suite = read_suite(source, words, code)
    for experiment in suite.studies.values() if not code else ():
        refuse_code(experiment, experiment.name)
    require_ready(list(suite.studies.values()))
    _require_place(suite, replace)
    results: dict[str, Result] = {}
    for name, experiment in suite.studies.items():
        on_study(name)
        results[name] = api.run_experiment(experiment, launch=launch or Launch(), replace=replace, on_event=on_event)
        if results[name].interrupted:
            break
    return _write(suite, results)


def report_suite(source: api.Source, *words: Word, replace: bool = False) -> SuiteResult:
    """Write the reports of the finished steps, and run none."""
    suite = read_suite(source, words)
    _require_place(suite, replace)
    return _write(suite, {n: api.write(*api.stored(one), replace) for n, one in suite.studies.items()})


def load_suite(source: api.Source, *words: Word) -> SuiteResult:
    """The results of studies that were run before; those without a finished step are left out. Nothing is written."""
    suite = read_suite(source, words)
    results: dict[str, Result] = {}
    for name, experiment in suite.studies.items():
        try:
            results[name] = api.load_experiment(experiment)
        except DataError as error:
            last = error
    if not results:
        raise last
    return SuiteResult(suite.folder, results, suite.points, suite.name)


def _require_place(suite: Suite, replace: bool) -> None:
    api.require_place(list(suite.studies.values()), replace)
    if not replace:
        refuse_to_replace(suite.folder, _settings(suite))


def _settings(suite: Suite) -> dict[str, Any]:
    return {"suite": suite.name, "studies": list(suite.studies)}


def _write(suite: Suite, results: dict[str, Result]) -> SuiteResult:
    """The report over all studies; one that lacks results does not replace a finished one."""
    from outgrow.reporting.sweep_report import sweep_files

    found = SuiteResult(suite.folder, results, suite.points, suite.name)
    folder = suite.folder if found.complete or not holds_finished(suite.folder) else beside(suite.folder)
    write_folder(folder, sweep_files(found.sweep), _settings(suite), complete=found.complete)
    if found.complete:
        drop_incomplete(folder)
    return SuiteResult(folder, results, suite.points, suite.name)
