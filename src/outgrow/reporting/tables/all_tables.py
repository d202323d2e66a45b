"""The report's tables, from `Results`. The first is laid out like tables 1 and 2 of paper 1 (Cui et al. 2025)."""

from collections.abc import Iterable, Sequence
from statistics import stdev

from outgrow.metrics.estimate import Estimate
from outgrow.render.table import Cell, Column, Line, Table
from outgrow.reporting.headline import NO_NAIVE
from outgrow.reporting.results import ChosenSettings, Results, RowResult
from outgrow.reporting.tables.analyses import analysis_tables
from outgrow.reporting.tables.of_results import INTERVALS, NOT_TOLD, VARIANT_TITLES, behind, results_table
from outgrow.reporting.tables.settings import ablation
from outgrow.reporting.tables.supervisors import agreement, error_copying, supervisors
from outgrow.reporting.tables.texts import (
    capability_tables,
    measures,
    models,
    preferences,
    slot_types,
    spending,
    texts,
)

ORACLE = " Settings were chosen on gold (oracle selection)."


def make_tables(results: Results) -> list[Table]:
    """Every table that has lines; the main one comes first."""
    tables = [
        main_table(results),
        *capability_tables(results),
        *analysis_tables(results),
        measures(results),
        ablation(results),
        preferences(results),
        differences(results),
        pgr_by_supervisor(results),
        per_seed(results),
        texts(results),
        slot_types(results),
        models(results),
        supervisors(results),
        agreement(results),
        error_copying(results),
        calibration(results),
        chosen(results),
        origins(results),
        spending(results),
        missing(results),
    ]
    return [table for table in tables if table.lines or table.name == "main"]


def main_table(results: Results) -> Table:
    """Floor and ceiling above; below them every method, score and PGR side by side for each variant."""
    variants, metric = results.about.variants, results.about.metric_title
    columns = [Column("method", "")]
    for variant in variants:
        group = VARIANT_TITLES[variant]
        columns.append(Column(f"score_{variant}", metric, group, best="high"))
        columns.append(Column(f"pgr_{variant}", "PGR", group, best="high"))
    lines = [*_reference_lines(results), *_method_lines(results)]
    return results_table(
        results,
        "main",
        f"{_capital(metric)} and performance gap recovered",
        f"Test {metric} and PGR (0 = the supervisors, 1 = the ceiling). {INTERVALS}"
        f" {_size_of(row.score for row in results.rows)} Bold: the highest among"
        " the rows with several supervisors. PGR is the mean over the supervisors that taught the row."
        f"{ORACLE if any(one.oracle for one in results.chosen) else ''}",
        columns,
        lines,
    )


def _reference_lines(results: Results) -> list[Line]:
    titles = {"ceiling": "Student trained on gold (ceiling)", "untouched": "Untouched", "floor": "Supervisors (floor)"}
    rows = [*results.of("ceiling"), *results.of("untouched"), *results.of("floor")]
    return [Line((row.name, *_in_variant(results, row)), titles[row.role]) for row in rows]


def _in_variant(results: Results, row: RowResult) -> tuple[Cell, ...]:
    """A reference row's score stands in the first column, a two-view ceiling's in that of two views."""
    variants = results.about.variants
    mine = "two_views" if row.view == "two_views" and "two_views" in variants else variants[0]
    cells: list[Cell] = []
    for variant in variants:
        cells += [row.score if variant == mine else None, None]
    return tuple(cells)


def _method_lines(results: Results) -> list[Line]:
    methods: dict[str, dict[str, RowResult]] = {}
    for row in results.of("method"):
        methods.setdefault(row.method, {})[row.variant] = row
    lines = [_method_line(results, name, rows) for name, rows in methods.items()]
    heard = {name: len(next(iter(rows.values())).teachers) for name, rows in methods.items()}
    places = {ONE: 0, BOUND: 2}
    return sorted(lines, key=lambda line: (places.get(line.section, 1), heard[str(line.cells[0])]))


ONE, ALL = "One supervisor (weak-to-strong)", "All supervisors (weaks-to-strong)"
BOUND = "Labels chosen by gold (oracle selection: an upper bound)"


def _method_line(results: Results, name: str, rows: dict[str, RowResult]) -> Line:
    cells: list[Cell] = [name]
    for variant in results.about.variants:
        row = rows.get(variant)
        cells += [row.score, row.pgr] if row else [None, None]
    first = next(iter(rows.values()))
    count, everybody = len(first.teachers), len(results.about.supervisors)
    several = ALL if count == everybody else f"{count} of {everybody} supervisors (weaks-to-strong-{count})"
    alone = first.source is not None
    section = BOUND if first.oracle else ONE if alone else several
    return Line(tuple(cells), section, ranked=not alone and not first.oracle)


def differences(results: Results) -> Table:
    """Every method against naive, item by item; without a naive row nothing but the other ceiling's PGR."""
    naive, metric, rows = results.about.baseline, results.about.metric_title, _several_first(results)
    columns = [Column("row", "")]
    if naive is not None:
        columns += [
            Column("versus_naive", "same variant", f"{metric} minus {naive}", signed=True),
            Column("versus_plain_naive", "plain", f"{metric} minus {naive}", signed=True),
        ]
    if any(row.pgr_main for row in rows):
        columns.append(Column("pgr_main", "PGR against the single-view ceiling"))
    cells = [(row.name, *(getattr(row, column.key) for column in columns[1:])) for row in rows]
    lines = [Line(found) for found in cells if any(found[1:])]
    about = (
        f"Paired difference of test {metric} to {naive}, in the row's own variant and in the plain one. {INTERVALS}"
        " Of many rows some are expected to exclude zero by chance."
    )
    caption = f"{NO_NAIVE} {INTERVALS}" if naive is None else about
    return results_table(results, "differences", "Difference to naive multi-weak", caption, columns, lines)


def _several_first(results: Results) -> list[RowResult]:
    return sorted(results.of("method"), key=lambda row: row.source is not None)


def pgr_by_supervisor(results: Results) -> Table:
    """PGR against each supervisor."""
    names = results.about.supervisors
    columns = [
        Column("row", ""),
        *(Column(f"pgr_{name}", name, "PGR against", best="high") for name in names),
    ]
    lines = [
        Line(
            (row.name, *(row.pgr_by_supervisor.get(name) for name in names)),
            ranked=row.source is None and not row.oracle,
        )
        for row in _several_first(results)
    ]
    caption = f"Undefined where the interval of ceiling − supervisor does not lie above zero. {INTERVALS}"
    return results_table(results, "pgr_by_supervisor", "PGR against each supervisor", caption, columns, lines)


def per_seed(results: Results) -> Table:
    """The test score under every seed, and how far the seeds lie apart."""
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
    table = results_table(results, "per_seed", f"{_capital(metric)} under every seed", caption, columns, lines)
    return Table(table.name, table.title, table.caption, table.columns, table.lines)


def _spread(row: RowResult) -> float | None:
    values = [one.value for one in row.per_seed if one.value is not None]
    return stdev(values) if len(values) > 1 else None


def calibration(results: Results) -> Table:
    """ECE, Brier score, log loss."""
    columns = [
        Column("row", ""),
        Column("ece", "ECE", best="low"),
        Column("brier", "Brier score", best="low"),
        Column("log_loss", "log loss", best="low"),
    ]
    rows = [row for row in results.rows if row.score.defined] if not results.about.of_texts else []
    lines = [
        Line((row.name, *_calibration_cells(row)), ranked=row.role == "method" and not row.oracle) for row in rows
    ]
    untold = "" if all(row.calibration for row in rows) else f"{NOT_TOLD.capitalize()}: the answers are bare choices. "
    caption = f"Expected calibration error over 15 bins of equally many items; lower is better. {untold}{INTERVALS}"
    return results_table(results, "calibration", "Calibration on the test items", caption, columns, lines)


def _calibration_cells(row: RowResult) -> tuple[Cell, ...]:
    found = row.calibration
    return (found.ece, found.brier, found.log_loss) if found else (NOT_TOLD,) * 3


def chosen(results: Results) -> Table:
    """The settings that tuning chose, or what training on texts settled on; where seeds differ, in their order."""
    keys = list(dict.fromkeys(key for one in results.chosen for key in one.settings))
    searched = not results.about.of_texts
    learn_gold = {row.name for row in (*results.of("floor"), *results.of("ceiling"))}
    columns = [Column("row", ""), *(Column(key, key) for key in keys)]
    columns += [Column("by", "chosen by")] if searched else []
    rows: dict[str, list[ChosenSettings]] = {}
    for one in results.chosen:
        rows.setdefault(one.row, []).append(one)
    lines = []
    for name, found in rows.items():
        cells = [_over_seeds(_setting(one.settings.get(key)) for one in found) for key in keys]
        lines.append(Line((name, *cells, *([_by(found, name in learn_gold)] if searched else []))))
    title, how = (
        ("ChosenSettings settings", "Chosen on held-out items")
        if searched
        else ("How training ended", "As each model's training reports it")
    )
    edges = "".join(f" {sentence}" for sentence in results.edges)
    caption = f"{how}; test items are used for no choice. Where seeds differ: in the seeds' order.{edges}"
    return results_table(results, "chosen", title, caption, columns, lines)


def _over_seeds(values: Iterable[str]) -> str:
    values = list(values)
    return values[0] if len(set(values)) == 1 else ", ".join(values)


def _setting(value: str | int | float | bool | None) -> str:
    return "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


YARDSTICKS = {"weak_accuracy": "accuracy", "weak_log_loss": "log loss", "gold_accuracy": "accuracy"}
"""What held-out items measure; whether by weak labels or by gold depends on what the row learns."""


def _by(found: Sequence[ChosenSettings], learn_gold: bool) -> str:
    return _over_seeds(_yardstick(one, learn_gold) for one in found)


def _yardstick(one: ChosenSettings, learn_gold: bool) -> str:
    if one.select_by not in YARDSTICKS:
        return one.select_by
    by = "gold" if learn_gold or one.oracle else "weak labels"
    return f"{YARDSTICKS[one.select_by]} by {by}{' (oracle selection)' if one.oracle else ''}"


def origins(results: Results) -> Table:
    """How the targets of every method were made."""
    columns = [Column("method", ""), Column("how", "targets")]
    lines = [Line((method, sentence)) for method, sentences in results.origins.items() for sentence in sentences]
    return results_table(results, "origins", "How the labels were combined", "", columns, lines)


def missing(results: Results) -> Table:
    """Rows without a result."""
    columns = [Column("row", ""), Column("seed", "seed"), Column("step", "step"), Column("reason", "reason")]
    lines = [Line((one.row, one.seed, one.step, one.reason)) for one in results.missing]
    return results_table(
        results, "missing", "Missing rows", "Run the same command again to fill them in.", columns, lines
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _size_of(estimates: Iterable[Estimate]) -> str:
    """`n = 4123 different test items, 3 seeds.`"""
    found = behind(estimates, "different test items")
    return found and f"n = {found}."
