"""Curves over rows that differ in one number: the effect of the labels' quality, number and variety.

    noise    the same method with a share of its labels exchanged (`noise`)
    share    the same method on a random share of its labels: with as many updates as on all of them (fewer different
             labels, seen more often: variety), or with as many passes (fewer updates too: size)

Methods are of one series if their settings are equal, defaults filled in, but for that number and their names. The row
with all labels begins every line of its series. Label measures are those of the last training; score and PGR are
those of the row.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import NamedTuple

import numpy as np

from outgrow.metrics.estimate import Estimate, show, show_number, show_percent, undefined
from outgrow.render import canvas
from outgrow.render.canvas import Axes, Drawing, Legend, LegendMark
from outgrow.render.table import Column, Line, Table
from outgrow.reporting.evidence.label_reader import LabelReader, LabelRows
from outgrow.reporting.evidence.row_provenance import learned_last
from outgrow.reporting.evidence.row_series import CurvePosition, Setting, series_of
from outgrow.reporting.frame import Frame
from outgrow.reporting.results import WHOLE, Results
from outgrow.reporting.rows import MISSING
from outgrow.reporting.tally import LabelContext, SeedCounts
from outgrow.reporting.topic import INTERVALS, TopicRecord, results_table, sample_size
from outgrow.study.build import Row
from outgrow.study.method_rows import expanded

BEGINNING = {"noise": 0.0, "share": 1.0}
"""The number of the row that has all labels unchanged."""


@dataclass(frozen=True)
class LabelCurvePoint:
    """A row of a series in which rows differ in one number only."""

    series: str
    """The name of the row that has all labels unchanged."""
    setting: Setting
    """`noise`: the share of exchanged labels; `share`: the share of the labels, drawn at random."""
    line: str
    """Rows of one line are joined."""
    row: str
    value: float
    accuracy: Estimate
    """Of the labels that it learned."""
    labels: float | None
    """Their number; mean over the seeds. None: not there yet."""


# ---- measure --------------------------------------------------------------------------------------------


def find_curves(frame: Frame) -> tuple[LabelCurvePoint, ...]:
    """The points of every series of at least two numbers."""
    reader = LabelReader(frame)
    methods = {method.name: method for method in expanded(frame.study.experiment)}
    rows = [row for row in frame.study.rows if row.role == "method"]
    settings: tuple[Setting, ...] = ("noise", "share")
    return tuple(
        point for setting in settings for point in _points(reader, setting, series_of(setting, rows, methods))
    )


def _points(reader: LabelReader, setting: Setting, series: Iterable[list[CurvePosition]]) -> Iterator[LabelCurvePoint]:
    context = LabelContext.of(reader.frame)
    for positions in series:
        unchanged = (position.row.name for position in positions if position.value == BEGINNING[setting])
        name = next(unchanged, positions[0].row.name)
        for position in positions:
            accuracy, labels = _learned(reader, context, position.row)
            row = position.row.name
            yield LabelCurvePoint(name, setting, position.line, row, position.value, accuracy, labels)


def _learned(reader: LabelReader, context: LabelContext, row: Row) -> tuple[Estimate, float | None]:
    """The accuracy and the number of the labels of a row's last training."""
    steps = [learned_last(step) for step in row.steps]
    tables = [None if step is None else reader.rows(step) for step in steps]
    finished = [table for table in tables if table is not None]
    if not finished:
        return undefined(MISSING), None
    counts = context.counts([None if table is None else _counted(table) for table in tables])
    draws = {name: draw[:, 0] for name, draw in context.means_by_capability(counts).items()}
    accuracy = context.estimates(draws, counts[0, ..., 1] > 0)[WHOLE]
    return accuracy, float(np.mean([len(table.targets.items) for table in finished]))


def _counted(table: LabelRows) -> SeedCounts:
    return SeedCounts(table.item, table.value[None], np.ones((1, len(table.item)), dtype=np.bool_))


# ---- table ----------------------------------------------------------------------------------------------


def curves_table(results: Results, found: tuple[LabelCurvePoint, ...]) -> Iterator[Table]:
    """A line per row."""
    columns = [
        Column("row", "row"),
        Column("noise", "exchanged", digits=2),
        Column("share", "of the labels", digits=2),
        Column("line", "trained for the"),
        Column("labels", "labels", digits=0),
        Column("accuracy", "accuracy of the labels"),
        Column("score", results.about.metric_title),
        Column("pgr", "PGR"),
    ]
    caption = (
        "Rows whose other settings are equal. Exchanged: the share of labels that were exchanged among items. Of the"
        " labels: a random share, trained for as many updates as all of them (variety) or for as many passes (size)."
        f" {INTERVALS}"
    )
    lines = [_table_line(results, point) for point in found]
    yield results_table(results, "curves", "Quality, variety and number of labels", caption, columns, lines)


def _table_line(results: Results, point: LabelCurvePoint) -> Line:
    row, noise = results.named(point.row), point.setting == "noise"
    what = "labels exchanged" if noise else "labels left out"
    return Line(
        (
            *(point.row, point.value if noise else None, None if noise else point.value),
            *("" if noise else point.line, point.labels, point.accuracy, row.score, row.pgr),
        ),
        f"{point.series}: {what}",
    )


# ---- plots ----------------------------------------------------------------------------------------------

LOOKS = (
    (canvas.BLUE, "D"),
    (canvas.ORANGE, "o"),
    (canvas.GREEN, "^"),
    (canvas.PURPLE, "s"),
    (canvas.SKY, "v"),
    (canvas.RED, "P"),
)
TALL, LEFT, RIGHT, BETWEEN, HEAD, FOOT = 210, 48, 10, 52, 26, 46
OFFSET = 0.008
"""Distance of neighbouring lines, as a part of the axis: lines of one share would hide each other's intervals."""
AXES = {
    "noise": "accuracy of the labels learned",
    "share": "share of the labels, drawn at random",
}
CAPTIONS = {
    "noise": "The same method with some of its labels exchanged among items (per cent beside the points), against the"
    " accuracy of the labels. Lines are 95 % intervals.",
    "share": "The same method on a random share of its labels. With as many updates as on all of them, variety is"
    " lost; with as many passes, updates are lost too. Lines are 95 % intervals.",
}


class PlottedRow(NamedTuple):
    """A row on one panel."""

    across: float
    up: Estimate
    remark: str
    """The text beside it."""


class Curve(NamedTuple):
    """Rows that are joined."""

    title: str
    points: tuple[LabelCurvePoint, ...]


def curves_plots(results: Results, found: tuple[LabelCurvePoint, ...]) -> Iterator[Drawing | None]:
    """Score and PGR against the accuracy of the labels, and against their share."""
    for setting in AXES:
        yield _plot(results, setting, lines_of([point for point in found if point.setting == setting]))


def _plot(results: Results, setting: str, lines: Sequence[Curve]) -> Drawing | None:
    panels = {results.about.metric_title: "score", "PGR": "pgr"}
    panels = {title: key for title, key in panels.items() if any(_spots(results, line, key) for line in lines)}
    if not panels:
        return None
    legend = Legend([LegendMark(line.title, *look, "-") for line, look in zip(lines, cycle(LOOKS))])
    width = (canvas.width() - LEFT - RIGHT - BETWEEN * (len(panels) - 1)) / len(panels)
    size = sample_size(results.named(point.row).score for line in lines for point in line.points)
    with canvas.style():
        fig = canvas.figure(canvas.width(), legend.height + HEAD + TALL + FOOT)
        for place, (title, key) in enumerate(panels.items()):
            ax = canvas.axes(fig, LEFT + place * (width + BETWEEN), legend.height + HEAD, width, TALL)
            _panel(ax, results, lines, key)
            ax.set_title(f"{title} ({size})", loc="left", weight="bold", size=canvas.SMALL)
            ax.set_xlabel(AXES[setting], size=canvas.SMALL)
        legend.draw(fig)
        description = f"Rows against the {AXES[setting]}. {_description(results, lines)}"
        return canvas.drawing(fig, f"curve_{setting}", description, CAPTIONS[setting])


def lines_of(points: Sequence[LabelCurvePoint]) -> list[Curve]:
    """By series and line, in the order of their numbers; the row with all labels is in every line of a series."""
    names = dict.fromkeys((point.series, point.line) for point in points if point.line)
    several = len({series for series, _ in names}) > 1
    curves = []
    for series, line in names:
        mine = [point for point in points if point.series == series and point.line in (line, "")]
        title = line if line != "noise" and not several else series if line == "noise" else f"{series}: {line}"
        curves.append(Curve(title, tuple(sorted(mine, key=lambda point: point.value))))
    return curves


def _spots(results: Results, line: Curve, key: str) -> list[PlottedRow]:
    """Its rows on a panel, without those that lack one of the two numbers."""
    spots = []
    for point in line.points:
        row = results.named(point.row)
        up = row.score if key == "score" else row.pgr
        across = point.accuracy.value if point.setting == "noise" else point.value
        if up is not None and up.value is not None and across is not None:
            spots.append(PlottedRow(across, up, show_percent(point.value) if point.setting == "noise" else ""))
    return spots


def _panel(ax: Axes, results: Results, lines: Sequence[Curve], key: str) -> None:
    ax.grid()
    if key == "pgr":
        ax.axhline(0, color=canvas.INK, lw=1)
    spots = [spot.up for line in lines for spot in _spots(results, line, key)]
    within = canvas.ratio_limits(spots, *([0.0] if key == "pgr" else [])) if spots else (0.0, 1.0)
    for place, (line, (colour, shape)) in enumerate(zip(lines, cycle(LOOKS))):
        offset = 0.0 if line.points[0].setting == "noise" else OFFSET * (place - (len(lines) - 1) / 2)
        moved = [spot._replace(across=spot.across + offset) for spot in _spots(results, line, key)]
        _line(ax, moved, colour, shape, within)
    ax.margins(x=0.1, y=0.12)


def _line(ax: Axes, spots: Sequence[PlottedRow], colour: str, shape: str, within: tuple[float, float]) -> None:
    defined = [(spot, spot.up.value) for spot in spots if spot.up.value is not None]
    ax.plot([spot.across for spot, _ in defined], [value for _, value in defined], color=colour, lw=1.6, alpha=0.8)
    for spot, value in defined:
        canvas.interval(ax, spot.up.low, spot.up.high, spot.across, colour, upright=True, within=within, alpha=0.5)
        ax.plot([spot.across], [value], shape, ms=7, color=colour, mew=0)
        if spot.remark:
            ax.annotate(
                spot.remark,
                (spot.across, value),
                (6, 6),
                textcoords="offset points",
                size=canvas.SMALL,
                color=canvas.SOFT,
            )


def _description(results: Results, lines: Sequence[Curve]) -> str:
    parts = []
    for line in lines:
        values = [f"{show_number(spot.across, 2)}: {show(spot.up, 2)}" for spot in _spots(results, line, "score")]
        parts.append(f"{line.title}, {results.about.metric_title} at {', '.join(values)}")
    return "; ".join(parts)


CURVES = TopicRecord(
    name="curves",
    summary="Rows that differ in the quality, number or variety of their labels",
    heading="Results",
    measure=find_curves,
    tables=curves_table,
    plots=curves_plots,
)
