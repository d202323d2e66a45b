"""`Result`: what a study found, as `api.run` and `api.load` return it; `ResultRow`: one of its rows.

result["naive"].score                      a row: its score, PGR, predictions, trained student
result.predictions("naive", seed=0)        items, votes, target, answer, gold
result.table("main").to_latex()            a table of the report
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outgrow.errors import ConfigError, DataError, suggest
from outgrow.graph.event import StepOutcome
from outgrow.graph.store import Store
from outgrow.study.build import Study
from outgrow.text_format import short

if TYPE_CHECKING:
    import pandas as pd

    from outgrow.deliver.study_student import StudyStudent
    from outgrow.metrics.estimate import Estimate
    from outgrow.render.table import Table
    from outgrow.reporting.evidence.row_answers import PartName
    from outgrow.reporting.frame import Frame
    from outgrow.reporting.results import Results, RowResult


@dataclass(frozen=True)
class Result:
    """What a study found, and where its report lies."""

    folder: Path
    outcomes: Mapping[str, StepOutcome] = field(repr=False)
    load: "Callable[[], Results]" = field(repr=False)
    """Loads `results` at the first use."""
    study: Study = field(repr=False)
    store: Store = field(repr=False)
    notes: tuple[str, ...] = ()
    """Remarks on the report's place, one sentence each."""

    def __repr__(self) -> str:
        states = Counter(outcome.state for outcome in self.outcomes.values())
        counts = ", ".join(f"{count} {state}" for state, count in states.items())
        return f"Result({short(self.report, 150)}; steps: {counts})"

    @cached_property
    def results(self) -> "Results":
        """Everything that was found."""
        return self.load()

    @cached_property
    def frame(self) -> "Frame":
        """Items, answers and resamples, from which the report is measured."""
        from outgrow.reporting.frame import make_frame

        return make_frame(self.study, self.store, self.outcomes)

    # ---- how it ended ------------------------------------------------------------------------------------

    @property
    def failed(self) -> list[StepOutcome]:
        """Steps that could not be finished, without those that only had to wait for them."""
        return [outcome for outcome in self.outcomes.values() if outcome.state == "failed"]

    @property
    def complaints(self) -> list[str]:
        """The errors, one sentence each; equal errors of several seeds once."""
        return list(dict.fromkeys(outcome.error for outcome in self.failed))

    @property
    def complete(self) -> bool:
        """Whether every step has a result."""
        return all(outcome.state in ("cached", "done") for outcome in self.outcomes.values())

    @property
    def interrupted(self) -> bool:
        """Whether the run was stopped before its end."""
        return any(outcome.state == "interrupted" for outcome in self.outcomes.values())

    @property
    def report(self) -> Path:
        """The report's HTML file."""
        return self.folder / "report.html"

    # ---- tables ------------------------------------------------------------------------------------------

    @property
    def tables(self) -> list[str]:
        """The names that `table` takes."""
        return list(self._tables)

    def table(self, name: str = "main") -> "Table":
        """One of the report's tables: `to_pandas()`, `to_latex()`, `to_markdown()`, `to_csv()`."""
        if name not in self._tables:
            raise ConfigError(f"no table named `{name}`; {suggest(name, self._tables)}")
        return self._tables[name]

    def to_pandas(self, table: str = "main") -> "pd.DataFrame":
        """One of the report's tables as a data frame; every measured number with its interval, n and seeds."""
        return self.table(table).to_pandas()

    def to_latex(self, table: str = "main") -> str:
        """One of the report's tables for the booktabs package."""
        return self.table(table).to_latex()

    def to_json(self) -> dict[str, Any]:
        """Everything the study found, as plain data."""
        ended = {"failed": self.complaints, "interrupted": self.interrupted}
        from outgrow.reporting.collect import results_as_data

        return {"report": str(self.report), **ended, "results": results_as_data(self.results)}

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    @cached_property
    def _tables(self) -> "dict[str, Table]":
        from outgrow.reporting.topics import make_tables

        return {table.name: table for table in make_tables(self.results)}

    # ---- rows --------------------------------------------------------------------------------------------

    @property
    def rows(self) -> list[str]:
        """The names of all rows, as in the main table's lines and variants."""
        return [row.name for row in self.study.rows]

    def __getitem__(self, row: str) -> "ResultRow":
        """The row of that name; `mean vote` is that of all supervisors. Raises `ConfigError` with the nearest name."""
        from outgrow.reporting.topics.supervisors import MEAN_VOTE

        if row not in (*self.rows, MEAN_VOTE):
            raise ConfigError(f"no row named `{row}`; {suggest(row, self.rows)}")
        return ResultRow(self, row)

    def predictions(self, row: str, seed: int | None = None, part: "PartName | None" = None) -> "pd.DataFrame":
        """What the row learned and answered under a seed, item by item (`reporting/predictions.py`).

        Columns: `part` (`half_b` or `test`), `item`, `text`, a `vote.NAME` for every supervisor, `target`, `answer`,
        `confidence`, `gold`. By default under the study's first seed, and both parts.
        """
        from outgrow.reporting.predictions import predictions

        return predictions(self.frame, self[row].name, self._seed_index(seed), part)

    def student(self, row: str, seed: int | None = None) -> "StudyStudent":
        """The model that the row trained under a seed (by default the first): its folder, and `predict(items)`."""
        from outgrow.deliver.study_student import student_of
        from outgrow.reporting.frame import row_index

        index = self._seed_index(seed)
        answers = self.study.rows[row_index(self.frame, row)].steps[index]
        return student_of(row, self._seeds[index], answers, self.store, self.study.pool)

    def curves(self, *rows: str) -> "pd.DataFrame":
        """The loss of every update of the rows' trainings (by default of all): `row`, `seed`, `step`, `loss`, …"""
        from outgrow.reporting.training_log import training_log

        return training_log(self.study, self.store, [self[row].name for row in rows] or self.rows)

    def to_dataset(self, folder: str | Path, *, licence: str | None = None, texts: bool = True) -> Path:
        """Write the results as a data set that `datasets.load_dataset(folder, "predictions")` loads; returns `folder`.

        It has answers, weak labels, targets, items and scores as Parquet, a card, and Croissant metadata. `licence` is
        what you state, such as `cc-by-4.0`; without it no licence is stated. Without `texts` prompts are left out.
        """
        from outgrow.deliver.study_dataset import write_dataset

        place, scores = Path(folder), self.table("main").to_markdown()
        return write_dataset(self.frame, self.results, scores, place, licence=licence, texts=texts)

    @property
    def _seeds(self) -> list[int]:
        return list(dict.fromkeys(self.study.experiment.seeds))

    def _seed_index(self, seed: int | None) -> int:
        if seed is not None and seed not in self._seeds:
            raise ConfigError(f"the study has no seed {seed}; it has {', '.join(map(str, self._seeds))}")
        return 0 if seed is None else self._seeds.index(seed)


@dataclass(frozen=True)
class ResultRow:
    """One row of a study, such as `result["naive"]`."""

    result: Result = field(repr=False)
    name: str

    def __repr__(self) -> str:
        from outgrow.metrics.estimate import show

        about = self.result.results.about
        pgr = "" if self.pgr is None else f", PGR {show(self.pgr, 2)}"
        return f"ResultRow({self.name} of {about.name}: {about.metric_title} {show(self.score)}{pgr})"

    @property
    def score(self) -> "Estimate":
        """In the study's metric, on the test items."""
        from outgrow.reporting.topics.supervisors import MEAN_VOTE, SUPERVISORS

        if self.name != MEAN_VOTE:
            return self._row.score
        found = [source for source in SUPERVISORS.of(self.result.results) if source.name == MEAN_VOTE]
        if not found:
            raise DataError(f"`{MEAN_VOTE}` is the row of several supervisors that vote")
        return found[0].test

    @property
    def pgr(self) -> "Estimate | None":
        """Performance gap recovered; None of a row that is no method."""
        return self._row.pgr if self.name in self.result.rows else None

    @property
    def _row(self) -> "RowResult":
        return self.result.results.named(self.name)

    def predictions(self, seed: int | None = None, part: "PartName | None" = None) -> "pd.DataFrame":
        """`Result.predictions` of this row."""
        return self.result.predictions(self.name, seed, part)

    def student(self, seed: int | None = None) -> "StudyStudent":
        """`Result.student` of this row."""
        return self.result.student(self.name, seed)
