"""Score and PGR of rows that differ in one number: against the quality of the labels, and against their share."""

from collections.abc import Sequence
from itertools import cycle
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from outgrow.metrics.estimate import Estimate, show, show_number, show_percent
from outgrow.render.canvas import (
    BLUE,
    GREEN,
    INK,
    NARROW,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    SOFT,
    axes,
    figure,
    page_size,
    shortened,
    style,
    svg,
)
from outgrow.reporting.results import Results
from outgrow.reporting.results_analyses import CurvePoint, Setting
from outgrow.reporting.tables.of_results import behind

LOOKS = ((BLUE, "D"), (ORANGE, "o"), (GREEN, "^"), (PURPLE, "s"), (SKY, "v"), (RED, "P"))
TALL, LEFT, RIGHT, BETWEEN, HEAD, FOOT = 230, 56, 16, 70, 26, 52
ASIDE = 0.008
"""By how much of the whole share neighbouring lines are drawn apart."""


class PlottedRow(NamedTuple):
    """A row on one panel."""

    across: float
    up: Estimate
    remark: str
    """Beside it."""


class Curve(NamedTuple):
    """Rows that are joined, and by panel where they are."""

    title: str
    points: tuple[CurvePoint, ...]


def curve_noise(results: Results, width: int) -> str | None:
    """Against the measured accuracy of the labels; beside every point, the share that was exchanged."""
    return _curves(results, "noise", "accuracy of the labels learned", width)


def curve_share(results: Results, width: int) -> str | None:
    """Against the share of the labels: as many updates on fewer different ones, or fewer updates too."""
    return _curves(results, "share", "share of the labels, drawn at random", width)


def _curves(results: Results, setting: Setting, axis: str, width: int) -> str | None:
    lines = lines_of([point for point in results.analyses.curves if point.setting == setting])
    panels = {results.about.metric_title: "score", "PGR": "pgr"}
    there = {title: key for title, key in panels.items() if any(_spots(results, line, key) for line in lines)}
    if not there:
        return None
    narrow = width == NARROW
    legend = 19 * len(lines) + 8
    wide = width - LEFT - RIGHT if narrow else (width - LEFT - RIGHT - BETWEEN) / 2
    block, beside = HEAD + TALL + FOOT, 1 if narrow else len(there)
    with style():
        fig = figure(
            round(LEFT + RIGHT + wide * beside + BETWEEN * (beside - 1)), legend + block * (len(there) // beside)
        )
        for number, (title, key) in enumerate(there.items()):
            down, right = divmod(number, beside)
            ax = axes(fig, LEFT + right * (wide + BETWEEN), legend + HEAD + down * block, wide, TALL)
            _panel(ax, results, lines, key)
            ax.set_title(f"{title} ({_size(results, lines)})", loc="left", weight="bold")
            ax.set_xlabel(axis)
        handles = [
            Line2D([], [], marker=shape, color=colour, ms=7, mew=0, label=shortened(line.title, wide))
            for line, (colour, shape) in zip(lines, cycle(LOOKS))
        ]
        fig.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, 1), borderpad=0)
        return svg(fig, f"curve_{setting}-{page_size(width)}", f"Rows against the {axis}. {_words(results, lines)}")


def _size(results: Results, lines: Sequence[Curve]) -> str:
    return behind(results.named(point.row).score for line in lines for point in line.points)


def lines_of(points: Sequence[CurvePoint]) -> list[Curve]:
    """By series and line, in the order of their numbers; the row with all labels stands in every line of a series."""
    names = dict.fromkeys((point.series, point.line) for point in points if point.line)
    several = len({series for series, _ in names}) > 1
    found = []
    for series, line in names:
        mine = [point for point in points if point.series == series and point.line in (line, "")]
        title = line if line != "noise" and not several else series if line == "noise" else f"{series}: {line}"
        found.append(Curve(title, tuple(sorted(mine, key=lambda point: point.value))))
    return found


def _spots(results: Results, line: Curve, key: str) -> list[PlottedRow]:
    """Where its rows are on a panel; a row that lacks one of the two numbers is left out."""
    found = []
    for point in line.points:
        row = results.named(point.row)
        up = row.score if key == "score" else row.pgr
        across = point.accuracy.value if point.setting == "noise" else point.value
        if up is not None and up.value is not None and across is not None:
            found.append(PlottedRow(across, up, show_percent(point.value) if point.setting == "noise" else ""))
    return found


def _panel(ax: Axes, results: Results, lines: Sequence[Curve], key: str) -> None:
    ax.grid()
    if key == "pgr":
        ax.axhline(0, color=INK, lw=1)
    for number, (line, (colour, shape)) in enumerate(zip(lines, cycle(LOOKS))):
        # Lines of one share would hide each other's intervals.
        spots, aside = _spots(results, line, key), ASIDE * (number - (len(lines) - 1) / 2)
        if line.points[0].setting == "noise":
            aside = 0.0
        _line(ax, [one._replace(across=one.across + aside) for one in spots], colour, shape)
    ax.margins(x=0.1, y=0.12)
    low, high = ax.get_ylim()
    values = [one.up.value for line in lines for one in _spots(results, line, key) if one.up.value is not None]
    # An interval of a ratio may be absurdly long.
    ax.set_ylim(max(low, min(values) - 1), min(high, max(values) + 1))


def _line(ax: Axes, spots: Sequence[PlottedRow], colour: str, shape: str) -> None:
    known = [(one, one.up.value) for one in spots if one.up.value is not None]
    ax.plot([one.across for one, _ in known], [value for _, value in known], color=colour, lw=1.6, alpha=0.8)
    for one, value in known:
        if one.up.low is not None and one.up.high is not None:
            ax.plot([one.across] * 2, [one.up.low, one.up.high], color=colour, lw=1.6, alpha=0.5)
        ax.plot([one.across], [value], shape, ms=7, color=colour, mew=0)
        if one.remark:
            ax.annotate(one.remark, (one.across, value), (6, 6), textcoords="offset points", size=10, color=SOFT)


def _words(results: Results, lines: Sequence[Curve]) -> str:
    parts = []
    for line in lines:
        values = [f"{show_number(one.across, 2)}: {show(one.up, 2)}" for one in _spots(results, line, "score")]
        parts.append(f"{line.title}, {results.about.metric_title} at {', '.join(values)}")
    return "; ".join(parts)
