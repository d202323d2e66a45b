"""Lines of dots with intervals: several measures of each thing on one axis, in all and, where there is room, apart.

Selections, reward models, agreement and labels are all drawn like this; what each shows is said by a `DotChart`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from outgrow.metrics.estimate import Estimate, show
from outgrow.render.canvas import (
    FAINT,
    INK,
    NARROW,
    SOFT,
    Pixels,
    axes,
    figure,
    page_size,
    shortened,
    style,
    svg,
)
from outgrow.reporting.results_analyses import WHOLE
from outgrow.reporting.tables.of_results import behind

BESIDE = 3
"""Capabilities in a row of panels."""
LEFT, RIGHT, GAP, HEAD, FOOT, AXIS = 190, 16, 18, 26, 48, 30
"""Pixels for the names, at the right edge, between panels, for a panel's title, for an axis with and without words."""
STEP, ABOVE = 7, 18
"""Pixels between the measures of one line; for a name above them, on a telephone."""


class Series(NamedTuple):
    """A measure: its name, colour and shape; shapes tell apart what colours do not."""

    title: str
    colour: str
    shape: str


class DotLine(NamedTuple):
    """A thing, and by block the estimates of it, one for each series."""

    name: str
    dots: Mapping[str, Sequence[Estimate]]


@dataclass(frozen=True)
class DotChart:
    """What is drawn; all numbers lie within 0 … 1."""

    name: str
    title: str
    """For those who cannot see it."""
    axis: str
    series: tuple[Series, ...]
    lines: tuple[DotLine, ...]
    capabilities: tuple[str, ...] = ()
    guide: float | None = None
    """A value to compare with."""

    @property
    def height(self) -> Pixels:
        """Of a line."""
        return STEP * len(self.series) + 10


def dot_chart(chart: DotChart, width: int) -> str | None:
    """The drawing, or None if no number is defined. Capabilities have panels of their own on a wide page only."""
    if not any(one.defined for line in chart.lines for one in line.dots[WHOLE]):
        return None
    narrow = width == NARROW
    below = [] if narrow else list(_rows(chart.capabilities))
    legend = 19 * len(chart.series) + 8 if narrow else 30
    tall = (chart.height + ABOVE * narrow) * len(chart.lines)
    first, block = legend + HEAD + tall + FOOT, HEAD + tall + AXIS
    with style():
        fig = figure(width, first + block * len(below))
        left = 8 if narrow else LEFT
        ax = axes(fig, left, legend + HEAD, width - left - RIGHT, tall)
        _panel(ax, chart, WHOLE, "mean over the capabilities" if chart.capabilities else "", ABOVE * narrow)
        _names(ax, chart, width)
        ax.set_xlabel(f"{chart.axis} ({_size(chart)})" if not narrow else chart.axis)
        for number, names in enumerate(below):
            _panels(fig, chart, names, first + HEAD + number * block, width)
        handles = [
            Line2D([], [], ls="", marker=one.shape, color=one.colour, ms=7, mew=0, label=one.title)
            for one in chart.series
        ]
        columns = 1 if narrow else len(chart.series)
        fig.legend(handles=handles, loc="upper left", ncols=columns, bbox_to_anchor=(0, 1), borderpad=0)
        return svg(fig, f"{chart.name}-{page_size(width)}", f"{chart.title} ({_size(chart)}). {_words(chart)}")


def _rows(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), BESIDE):
        yield names[start : start + BESIDE]


def _panels(fig: Figure, chart: DotChart, names: Sequence[str], top: Pixels, width: int) -> None:
    """Some capabilities side by side."""
    wide = (width - LEFT - RIGHT - GAP * (BESIDE - 1)) / BESIDE
    for number, name in enumerate(names):
        ax = axes(fig, LEFT + number * (wide + GAP), top, wide, chart.height * len(chart.lines))
        _panel(ax, chart, name, shortened(name, wide), 0)
        if number == 0:
            _names(ax, chart, width)


def _panel(ax: Axes, chart: DotChart, block: str, title: str, above: Pixels) -> None:
    """The dots of one block; `above`: room for the name of each line."""
    height = chart.height + above
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(height * len(chart.lines), 0)
    ax.set_yticks([])
    ax.grid(axis="x")
    ax.spines[["left"]].set_visible(False)
    ax.set_title(title, loc="left", weight="bold")
    if chart.guide is not None:
        ax.axvline(chart.guide, color=SOFT, lw=1.2, ls=(0, (4, 3)))
    for number, line in enumerate(chart.lines):
        if number:
            ax.axhline(number * height, color=FAINT, lw=0.8)
        for place, (one, series) in enumerate(zip(line.dots[block], chart.series, strict=True)):
            _dot(ax, one, series, number * height + above + 5 + STEP * (place + 0.5))


def _dot(ax: Axes, one: Estimate, series: Series, y: Pixels) -> None:
    if one.value is None:
        return
    if one.low is not None and one.high is not None:
        ax.plot([one.low, one.high], [y, y], color=series.colour, lw=1.6, alpha=0.55, solid_capstyle="butt")
    ax.plot([one.value], [y], series.shape, ms=6.5, color=series.colour, mew=0)


def _names(ax: Axes, chart: DotChart, width: int) -> None:
    """At the left of the lines or, on a telephone, above them."""
    at_left = ax.get_yaxis_transform()
    for number, line in enumerate(chart.lines):
        if width == NARROW:
            y = number * (chart.height + ABOVE) + 15
            ax.text(0, y, shortened(line.name, width - 24), transform=at_left, size=12, color=INK)
        else:
            ax.annotate(
                shortened(line.name, LEFT - 14),
                (0, (number + 0.5) * chart.height),
                (-9, 0),
                xycoords=at_left,
                textcoords="offset points",
                ha="right",
                va="center",
                size=12,
                color=INK,
            )


def _size(chart: DotChart) -> str:
    """What is behind the numbers in all."""
    return behind(one for line in chart.lines for one in line.dots[WHOLE])


def _words(chart: DotChart) -> str:
    parts = []
    for line in chart.lines:
        values = zip(chart.series, line.dots[WHOLE], strict=True)
        parts.append(f"{line.name}: {', '.join(f'{series.title} {show(one, 2)}' for series, one in values)}")
    return "; ".join(parts)
