"""Tables over the studies of a suite or a sweep.

    sweep                 a line per study and row: the values of the keys, score, PGR, best supervisor, ceiling
    pgr, versus_naive     a line per row, a column per study, the mean over the studies
    by_KEY                a line per row and value of one key: the mean over the values of the other keys
    KEY_by_KEY            the headline's row, one key down and one across (interaction)
    weak_strong_pgr       students (a swept `student`) down, supervisors across: PGR of the student that learns from
                          this supervisor alone (Burns et al. 2023)

Intervals within a study are over items and seeds; those of means are Student intervals over the studies, and estimate
the result of another study of this kind.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import t as student_t

from outgrow.config.suite import STUDY
from outgrow.metrics.estimate import LEVEL, Estimate, undefined
from outgrow.render.table import Cell, Column, Line, Table
from outgrow.reporting.results import Results, RowResult, highest

STUDENTS = "student"
WITHIN = "in brackets 95 % intervals: within a study over items and seeds, in the last column over the studies."
Pick = Callable[[RowResult], Estimate | None]


@dataclass(frozen=True)
class Sweep:
    """The results of each study, and where it stands."""

    name: str
    points: Mapping[str, Mapping[str, str]]
    """By study, the name of the value of every key."""
    results: Mapping[str, Results]
    """By study; studies that were not run are missing."""

    @property
    def keys(self) -> list[str]:
        """The swept keys, in order."""
        return list(dict.fromkeys(key for point in self.points.values() for key in point))

    def values(self, key: str) -> list[str]:
        """The values of a key, in the order of the file."""
        return list(dict.fromkeys(point[key] for point in self.points.values() if key in point))

    def where(self, labels: Mapping[str, str]) -> list[Results]:
        """The results of the studies with these values."""
        return [
            results
            for study, results in self.results.items()
            if all(self.points[study].get(key) == label for key, label in labels.items())
        ]

    @property
    def metric(self) -> str:
        """The title of the metric, `score` where studies differ in it."""
        titles = {results.about.metric_title for results in self.results.values()}
        return titles.pop() if len(titles) == 1 else "score"


def sweep_tables(sweep: Sweep) -> tuple[Table, ...]:
    """All tables that have lines."""
    made = [pgr_table(sweep.results), accuracy_table(sweep.results), long_table(sweep)]
    if sweep.keys != [STUDY]:
        made += [by_key(sweep, key) for key in sweep.keys if len(sweep.values(key)) > 1]
        made += [interaction(sweep, *pair) for pair in combinations(sweep.keys, 2)]
        made += [weak_strong(sweep)]
    return tuple(table for table in made if table.lines)


# ---- a column per study ---------------------------------------------------------------------------------


def pgr_table(results: Mapping[str, Results]) -> Table:
    """PGR of each row in each study, and its mean over the studies."""
    caption = f"Performance gap recovered, mean over supervisors; {WITHIN}"
    return _side_by_side(results, "pgr", "PGR over the studies", caption, lambda row: row.pgr)


def accuracy_table(results: Mapping[str, Results]) -> Table:
    """Paired difference of accuracy to plain naive for each row in each study, and its mean."""
    caption = f"Test accuracy minus that of naive multi-weak without self-training, paired within a study; {WITHIN}"
    return _side_by_side(
        results, "versus_naive", "Difference to naive", caption, lambda row: row.versus_plain_naive, True
    )


def _side_by_side(
    results: Mapping[str, Results], name: str, title: str, caption: str, pick: Pick, signed: bool = False
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


# ---- a line per study or value ---------------------------------------------------------------------------


def long_table(sweep: Sweep) -> Table:
    """For further work with pandas or a spreadsheet."""
    columns = (
        *(Column(key, key) for key in sweep.keys),
        Column("row", "row"),
        Column("score", sweep.metric),
        Column("pgr", "PGR"),
        Column("floor", "best supervisor"),
        Column("ceiling", "ceiling"),
    )
    lines = tuple(_long_lines(sweep))
    caption = "A line per study and method; in brackets 95 % intervals over items and seeds."
    return Table("sweep", "Every study and row", caption, columns, lines)


def _long_lines(sweep: Sweep) -> Iterator[Line]:
    for study, results in sweep.results.items():
        floor, ceiling = highest(results.of("floor")), results.ceiling()
        ends = [row.score if row else None for row in (floor, ceiling)]
        for row in results.of("method"):
            place = (sweep.points[study].get(key, "") for key in sweep.keys)
            yield Line((*place, row.name, row.score, row.pgr, *ends))


def reference_rows(results: Results) -> dict[str, Estimate]:
    """Scores that a curve is read against: the ceiling and the best supervisor."""
    rows = {"ceiling": results.ceiling(), "best supervisor": highest(results.of("floor"))}
    return {name: row.score for name, row in rows.items() if row is not None}


def of_value(studies: list[Results], name: str, pick: Pick) -> Estimate | None:
    """A number of a row at one value of a key: that of its study, or the mean over several."""
    cells = [pick(row) for results in studies for row in results.rows if row.name == name]
    found = [cell for cell in cells if cell is not None]
    return None if not found else found[0] if len(studies) == 1 else over_studies(list(found))


def of_reference(studies: list[Results], name: str) -> Estimate | None:
    """The same of a row of `reference_rows`."""
    found = [scores[name] for results in studies if name in (scores := reference_rows(results))]
    return None if not found else found[0] if len(studies) == 1 else over_studies(list(found))


def by_key(sweep: Sweep, key: str) -> Table:
    """Score and PGR of every row against one key."""
    values = sweep.values(key)
    studies = {value: sweep.where({key: value}) for value in values}
    columns = [Column("row", "")]
    columns += [Column(f"score_{value}", value, sweep.metric) for value in values]
    columns += [Column(f"pgr_{value}", value, "PGR") for value in values]
    names = dict.fromkeys(row.name for results in sweep.results.values() for row in results.of("method"))
    lines = [
        Line((name, *(of_reference(studies[value], name) for value in values), *[None] * len(values)))
        for name in ("ceiling", "best supervisor")
    ]
    for name in names:
        scores = [of_value(studies[value], name, lambda row: row.score) for value in values]
        lines.append(Line((name, *scores, *(of_value(studies[value], name, lambda row: row.pgr) for value in values))))
    other = "" if len(sweep.keys) == 1 else " Mean over the other keys, with Student intervals over the studies."
    caption = f"By `{key}`; in brackets 95 % intervals.{other}"
    return Table(f"by_{safe(key)}", f"Against {key}", caption, tuple(columns), tuple(lines))


def safe(key: str) -> str:
    """The last part of a key, for names of tables and files."""
    return "".join(letter if letter.isalnum() else "_" for letter in key.rpartition(".")[2])


def headline_pgr(results: Results) -> Estimate:
    """PGR of the row that the headline is about."""
    row = results.headline
    return row.pgr if row is not None and row.pgr is not None else undefined("no result")


def headline_score(results: Results) -> Estimate:
    """Score of the same row."""
    return results.headline.score if results.headline is not None else undefined("no result")


def interaction(sweep: Sweep, down: str, across: str) -> Table:
    """Score and PGR of the headline's row for every two values."""
    values = sweep.values(across)
    columns = [Column("value", down)]
    columns += [Column(f"score_{value}", value, f"{sweep.metric}, {across}") for value in values]
    columns += [Column(f"pgr_{value}", value, f"PGR, {across}") for value in values]
    lines = [
        Line((value, *(at_cell(sweep, down, value, across, other, pick) for pick in PICKS for other in values)))
        for value in sweep.values(down)
    ]
    rows = {results.headline.name for results in sweep.results.values() if results.headline is not None}
    caption = f"Of the row {' or '.join(sorted(rows))}, which the headline is about; in brackets 95 % intervals."
    name = f"{safe(down)}_by_{safe(across)}"
    lines = [line for line in lines if any(isinstance(cell, Estimate) for cell in line.cells)]
    return Table(name, f"{down} by {across}", caption, tuple(columns), tuple(lines))


PICKS = (headline_score, headline_pgr)


def at_cell(
    sweep: Sweep, down: str, value: str, across: str, other: str, pick: Callable[[Results], Estimate]
) -> Estimate | None:
    """A number of the studies with both values: of one, or the mean of several."""
    found: list[Estimate | None] = [pick(results) for results in sweep.where({down: value, across: other})]
    return None if not found else found[0] if len(found) == 1 else over_studies(found)


def weak_strong(sweep: Sweep) -> Table:
    """PGR of every student on the labels of every single supervisor."""
    key = STUDENTS if STUDENTS in sweep.keys else next((k for k in sweep.keys if k.startswith("student.")), "")
    students = sweep.values(key) if key else []
    columns, rows = [Column("student", "student"), Column("ceiling", "ceiling")], []
    names = dict.fromkeys(name for results in sweep.results.values() for name in results.about.supervisors)
    columns += [Column(f"pgr_{name}", name, "PGR on the labels of") for name in names]
    for student in students:
        studies = sweep.where({key: student})
        cells: list[Cell] = [single_pgr(studies, name) for name in names]
        if any(cells):
            rows.append(Line((student, of_reference(studies, "ceiling"), *cells)))
    caption = (
        "Performance gap recovered by a student that learns from one supervisor alone (the rows `single`); undefined"
        " where the student's ceiling is not clearly above the supervisor. In brackets 95 % intervals."
    )
    return Table("weak_strong_pgr", "Students and supervisors", caption, tuple(columns), tuple(rows))


def single_pgr(studies: list[Results], supervisor: str) -> Estimate | None:
    """PGR of the plain row that learns from this supervisor alone."""
    found: list[Estimate | None] = [
        next(
            (
                row.pgr
                for row in results.of("method")
                if row.source == supervisor and row.variant == "plain" and not row.oracle
            ),
            None,
        )
        for results in studies
    ]
    defined = [pgr for pgr in found if pgr is not None]
    return None if not defined else defined[0] if len(studies) == 1 else over_studies(list(defined))
