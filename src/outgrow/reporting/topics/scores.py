"""Scores and performance gap recovered. The main table is laid out like tables 1 and 2 of Cui et al. 2025.

The rows themselves are `Results.rows`, since most topics need them.
"""

from collections.abc import Iterator, Mapping, Sequence

from outgrow.metrics.estimate import UNDEFINED, Estimate, show, show_number
from outgrow.render import canvas
from outgrow.render.canvas import Axes, Drawing, Legend, LegendMark
from outgrow.render.charts import name_line
from outgrow.render.table import Cell, Column, Line, Table
from outgrow.reporting.frame import Frame
from outgrow.reporting.results import Results, RowResult, leaders
from outgrow.reporting.topic import INTERVALS, VARIANT_TITLES, TopicRecord, results_table, sample_size
from outgrow.reporting.topics.chosen import CHOSEN
from outgrow.reporting.topics.supervisors import MEAN_VOTE, SUPERVISORS

NO_NAIVE = "No row has the settings of naive multi-weak, so there is no difference to it; add `naive` to `methods`."
ORACLE = " Settings were chosen on gold (oracle selection)."
ONE, ALL = "One supervisor (weak-to-strong)", "All supervisors (weaks-to-strong)"
BOUND = "Labels or weights chosen by gold (oracle selection: an upper bound)"
CONTROL = "Controls: the student learns half A's gold itself"
GOLD = {"none": "none", "held_out": "A, held out", "half_a": "A", "half_b": "B", "oracle": "B (oracle)"}
"""Which gold a row uses beside its supervisors' labels, in the column `gold`."""
GOLD_CAPTION = (
    " Gold beside the supervisors' labels: A, held out = the supervisors' held-out answers to half A with its gold;"
    " A = all gold of half A; B = gold of half B."
)
GOLD_USED = {
    "none": "It uses no gold beside these labels.",
    "held_out": "Beside these labels it uses the gold of the supervisors' held-out answers to half A.",
    "half_a": "Beside these labels it uses half A's gold to weight the sources or to choose settings.",
    "half_b": "It learns half B's gold.",
    "oracle": "Gold of half B chose its settings, its labels or its weights (oracle selection).",
}
"""The same as a sentence about a method."""
MOST_NAMED = 3
"""Rows that tie and are listed by name."""


def measure(frame: Frame) -> None:
    """Nothing beside the rows."""


def leading(rows: Sequence[RowResult], scores: Mapping[str, Estimate] | None = None) -> str:
    """The names of the rows that lead, or their number if there are many."""
    first = leaders(rows, scores)
    defined = sum((row.score if scores is None else scores[row.name]).defined for row in rows)
    if len(first) == defined > 1:
        return "every row"
    return f"{len(first)} rows" if len(first) > MOST_NAMED else " and ".join(row.name for row in first)


# ---- main table -----------------------------------------------------------------------------------------


def main_table(results: Results) -> Table:
    """Ceiling and supervisors above; below them every method, score and PGR side by side for each variant."""
    metric = results.about.metric_title
    columns = [Column("method", ""), Column("gold", "gold")]
    for variant in results.about.variants:
        group = VARIANT_TITLES[variant]
        columns.append(Column(f"score_{variant}", metric, group, best="high"))
        columns.append(Column(f"pgr_{variant}", "PGR", group, best="high"))
    size = sample_size((row.score for row in results.rows), "different test items")
    return results_table(
        results,
        "main",
        f"{metric[:1].upper()}{metric[1:]} and performance gap recovered",
        f"Test {metric} and PGR (0 = the supervisors, 1 = the ceiling). {INTERVALS} {size and f'n = {size}.'} Bold:"
        " the highest among the rows with several supervisors. PGR is the mean over the supervisors of the row."
        f"{GOLD_CAPTION}{ORACLE if any(settings.oracle for settings in CHOSEN.of(results).settings) else ''}",
        columns,
        [*_reference_lines(results), *_method_lines(results)],
    )


def _reference_lines(results: Results) -> list[Line]:
    titles = {"ceiling": "Student trained on gold (ceiling)", "untouched": "Untouched", "floor": "Supervisors (floor)"}
    rows = [*results.of("ceiling"), *results.of("untouched"), *results.of("floor")]
    lines = [Line((row.name, GOLD[row.gold], *_in_variant(results, row)), titles[row.role]) for row in rows]
    means = [source for source in SUPERVISORS.of(results) if source.name == MEAN_VOTE]
    rest = [None] * (2 * len(results.about.variants) - 1)
    return [*lines, *(Line((mean.name, "", mean.test, *rest), titles["floor"]) for mean in means)]


def _in_variant(results: Results, row: RowResult) -> tuple[Cell, ...]:
    """The score of a reference row is in the first column, that of a two-view ceiling in that of two views."""
    variants = results.about.variants
    own = "two_views" if row.view == "two_views" and "two_views" in variants else variants[0]
    cells: list[Cell] = []
    for variant in variants:
        cells += [row.score if variant == own else None, None]
    return tuple(cells)


def _method_lines(results: Results) -> list[Line]:
    methods: dict[str, dict[str, RowResult]] = {}
    for row in (*results.of("method"), *results.of("control")):
        methods.setdefault(row.method, {})[row.variant] = row
    lines = [_method_line(results, name, rows) for name, rows in methods.items()]
    n_sources = {name: len(next(iter(rows.values())).sources) for name, rows in methods.items()}
    places = {ONE: 2, BOUND: 3, CONTROL: 1}
    return sorted(lines, key=lambda line: (places.get(line.section, 0), n_sources[str(line.cells[0])]))


def _method_line(results: Results, name: str, rows: Mapping[str, RowResult]) -> Line:
    first = next(iter(rows.values()))
    cells: list[Cell] = [name, "B (oracle)" if first.oracle else GOLD[first.gold]]
    for variant in results.about.variants:
        row = rows.get(variant)
        cells += [row.score, row.pgr] if row else [None, None]
    count, total = len(first.sources), len(results.about.supervisors)
    several = ALL if count == total else f"{count} of {total} supervisors (weaks-to-strong-{count})"
    alone = first.source is not None
    section = CONTROL if first.role == "control" else BOUND if first.oracle else ONE if alone else several
    return Line(tuple(cells), section, ranked=first.ranked and not alone)


# ---- further tables -------------------------------------------------------------------------------------


def tables(results: Results, found: None) -> Iterator[Table]:
    """The main table."""
    yield main_table(results)


def comparisons(results: Results, found: None) -> Iterator[Table]:
    """Differences to naive, PGR by supervisor."""
    yield differences(results)
    yield pgr_by_supervisor(results)


def differences(results: Results) -> Table:
    """Every method against naive, item by item; without a naive row only the PGR against the other ceiling."""
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
    caption = (
        f"{NO_NAIVE} {INTERVALS}"
        if naive is None
        else f"Paired difference of test {metric} to {naive}, in the row's own variant and in the plain one."
        f" {INTERVALS} Of many rows some are expected to exclude zero by chance."
    )
    lines = [Line(line) for line in cells if any(line[1:])]
    return results_table(results, "differences", "Difference to naive multi-weak", caption, columns, lines)


def _several_first(results: Results) -> list[RowResult]:
    return sorted(results.of("method"), key=lambda row: row.source is not None)


def pgr_by_supervisor(results: Results) -> Table:
    """PGR against each supervisor."""
    names = results.about.supervisors
    columns = [Column("row", ""), *(Column(f"pgr_{name}", name, "PGR against", best="high") for name in names)]
    lines = [
        Line(
            (row.name, *(row.pgr_by_supervisor.get(name) for name in names)),
            ranked=row.source is None and not row.oracle,
        )
        for row in _several_first(results)
    ]
    caption = f"Undefined where the interval of ceiling − supervisor does not lie above zero. {INTERVALS}"
    return results_table(results, "pgr_by_supervisor", "PGR against each supervisor", caption, columns, lines)


# ---- plot -----------------------------------------------------------------------------------------------

VARIANT_COLOURS = {
    "plain": canvas.BLUE,
    "self_training": canvas.ORANGE,
    "matching": canvas.GREEN,
    "self_training+matching": canvas.PURPLE,
    "two_views": canvas.SKY,
}
BAR, GROUP_GAP, NAMES, NUMBERS = 14, 14, 170, 52
"""Pixels: of a bar, between methods, for names at the left, for numbers at the right."""


def plots(results: Results, found: None) -> Iterator[Drawing | None]:
    """PGR of every method."""
    yield pgr_plot(results)


def pgr_plot(results: Results) -> Drawing | None:
    """PGR of every method in every variant, as bars with intervals; 0 is the supervisors, 1 the ceiling."""
    methods: dict[str, list[RowResult]] = {}
    for row in _several_first(results):
        methods.setdefault(row.method, []).append(row)
    shown = [row.pgr for rows in methods.values() for row in rows if row.pgr is not None]
    if not any(estimate.defined for estimate in shown):
        return None
    variants = [name for name in results.about.variants if any(row.variant == name for row in results.of("method"))]
    group = BAR * len(variants) + GROUP_GAP
    legend = Legend([LegendMark(VARIANT_TITLES[name], VARIANT_COLOURS[name]) for name in variants])
    with canvas.style():
        fig = canvas.figure(canvas.width(), legend.height + group * len(methods) + 50)
        ax = canvas.axes(fig, NAMES, legend.height + 4, canvas.width() - NAMES - NUMBERS, group * len(methods))
        ax.set_ylim(group * len(methods), 0)
        ax.set_xlim(*_limits(shown))
        for place, (method, rows) in enumerate(methods.items()):
            top = place * group + GROUP_GAP
            name_line(ax, method, top + BAR * len(variants) / 2, NAMES)
            for row in rows:
                _bar(ax, row, top + BAR * (variants.index(row.variant) + 0.5))
        _guides(ax)
        legend.draw(fig)
        words = "; ".join(f"{row.name}: {show(row.pgr, 2)}" for rows in methods.values() for row in rows if row.pgr)
        return canvas.drawing(fig, "pgr", f"Performance gap recovered by method. {words}", PGR_CAPTION)


PGR_CAPTION = (
    "Performance gap recovered, mean over supervisors: 0 is the supervisors, the dashed line is the ceiling. Lines are"
    " 95 % intervals; an arrow at the edge: the interval goes on."
)


def _limits(estimates: Sequence[Estimate]) -> tuple[float, float]:
    """Limits that hold every bar and interval, from the supervisors to the ceiling."""
    low, high = canvas.ratio_limits(estimates, 0.0, 1.0)
    return low - (0.03 if low < 0 else 0.0), high + 0.03


def _bar(ax: Axes, row: RowResult, y: float) -> None:
    estimate, colour = row.pgr, VARIANT_COLOURS[row.variant]
    if estimate is None or estimate.value is None:
        ax.text(0.01, y, UNDEFINED, size=canvas.SMALL, color=canvas.SOFT, va="center", style="italic")
        return
    ax.barh(y, estimate.value, height=BAR - 3, color=colour, alpha=0.9, lw=0)
    canvas.interval(ax, estimate.low, estimate.high, y, canvas.INK, within=ax.get_xlim(), lw=1.3, alpha=1)
    number = show_number(estimate.value, 2)
    ax.text(1.008, y, number, transform=ax.get_yaxis_transform(), size=canvas.SMALL, va="center", color=canvas.INK)


def _guides(ax: Axes) -> None:
    ax.set_yticks([])
    ax.grid(axis="x")
    ax.axvline(0, color=canvas.INK, lw=1)
    ax.axvline(1, color=canvas.GREEN, lw=1.4, ls=(0, (4, 3)))
    ax.spines[["left"]].set_visible(False)
    ax.set_xlabel("performance gap recovered")


def notes(results: Results, found: None) -> Iterator[str]:
    """Why there is no plot."""
    if not any(row.pgr is not None and row.pgr.defined for row in results.of("method")):
        yield "No row has a defined performance gap recovered, so there is nothing to plot."


COMPARISONS = TopicRecord(
    name="comparisons",
    summary="Differences to naive, and performance gap recovered by supervisor",
    heading="Results",
    measure=measure,
    tables=comparisons,
)
SCORES = TopicRecord(
    name="scores",
    summary="Score and performance gap recovered of every row",
    heading="Results",
    measure=measure,
    tables=tables,
    plots=plots,
    notes=notes,
    open=True,
    in_terminal=True,
)
