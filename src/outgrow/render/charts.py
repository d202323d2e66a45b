"""Dot charts and heat maps of numbers in 0 … 1."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from outgrow.metrics.estimate import Estimate, show, show_number
from outgrow.render import canvas
from outgrow.render.canvas import Axes, Drawing, Figure, Legend, LegendMark, Pixels

PANELS = 2
"""Small panels per row."""
NAMES, RIGHT, GAP, HEAD, FOOT, AXIS = 180, 16, 18, 26, 50, 32
"""Pixels: width of names, right margin, gap of panels, height of a title, of an axis with and without a label."""
STEP = 8
"""Pixels between the dots of one line."""


class Series(NamedTuple):
    """A measure with its colour and marker."""

    title: str
    colour: str
    shape: str


class DotLine(NamedTuple):
    """A line of the chart: by panel, one estimate per series."""

    name: str
    dots: Mapping[str, Sequence[Estimate]]


@dataclass(frozen=True)
class DotChart:
    """Several measures per line on one axis, with intervals: a large panel, and smaller ones below it."""

    name: str
    title: str
    axis: str
    series: tuple[Series, ...]
    lines: tuple[DotLine, ...]
    panels: tuple[str, ...] = ("",)
    """Keys of the dots; the first one is the large panel."""
    panel_title: str = ""
    """Title of the large panel."""
    sample: str = ""
    """The number of items, as text."""
    guide: float | None = None
    """A reference value, drawn as a dashed line."""
    caption: str = ""

    @property
    def line_height(self) -> Pixels:
        """Height of a line in pixels."""
        return STEP * len(self.series) + 10


def dot_chart(chart: DotChart) -> Drawing | None:
    """The drawing; None if the large panel has no defined number."""
    first, *small_panels = chart.panels
    if not any(estimate.defined for line in chart.lines for estimate in line.dots[first]):
        return None
    small_rows = [small_panels[start : start + PANELS] for start in range(0, len(small_panels), PANELS)]
    legend = Legend([LegendMark(series.title, series.colour, series.shape) for series in chart.series])
    height = chart.line_height * len(chart.lines)
    large_height, small_height = legend.height + HEAD + height + FOOT, HEAD + height + AXIS
    with canvas.style():
        fig = canvas.figure(canvas.width(), large_height + small_height * len(small_rows))
        ax = canvas.axes(fig, NAMES, legend.height + HEAD, canvas.width() - NAMES - RIGHT, height)
        _panel(ax, chart, first, chart.panel_title)
        _names(ax, chart)
        ax.set_xlabel(f"{chart.axis} ({chart.sample})" if chart.sample else chart.axis)
        for row, names in enumerate(small_rows):
            _small_panels(fig, chart, names, large_height + HEAD + row * small_height)
        legend.draw(fig)
        size = f" ({chart.sample})" if chart.sample else ""
        return canvas.drawing(fig, chart.name, f"{chart.title}{size}. {_description(chart)}", chart.caption)


def _small_panels(fig: Figure, chart: DotChart, names: Sequence[str], top: Pixels) -> None:
    width = (canvas.width() - NAMES - RIGHT - GAP * (PANELS - 1)) / PANELS
    for column, name in enumerate(names):
        ax = canvas.axes(fig, NAMES + column * (width + GAP), top, width, chart.line_height * len(chart.lines))
        _panel(ax, chart, name, canvas.shortened(name, width))
        ax.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
        if column == 0:
            _names(ax, chart)


def _panel(ax: Axes, chart: DotChart, panel: str, title: str) -> None:
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(chart.line_height * len(chart.lines), 0)
    ax.set_yticks([])
    ax.grid(axis="x")
    ax.spines[["left"]].set_visible(False)
    ax.set_title(title, loc="left", weight="bold")
    if chart.guide is not None:
        ax.axvline(chart.guide, color=canvas.SOFT, lw=1.2, ls=(0, (4, 3)))
    for row, line in enumerate(chart.lines):
        if row:
            ax.axhline(row * chart.line_height, color=canvas.FAINT, lw=0.8)
        for index, (estimate, series) in enumerate(zip(line.dots[panel], chart.series, strict=True)):
            dot(ax, estimate, row * chart.line_height + 5 + STEP * (index + 0.5), series.colour, series.shape)


def dot(ax: Axes, estimate: Estimate, y: float, colour: str, shape: str) -> None:
    """Draw an estimate with its interval; nothing if it is undefined."""
    if estimate.value is not None:
        canvas.interval(ax, estimate.low, estimate.high, y, colour)
        ax.plot([estimate.value], [y], shape, ms=6.5, color=colour, mew=0)


def _names(ax: Axes, chart: DotChart) -> None:
    for row, line in enumerate(chart.lines):
        name_line(ax, line.name, (row + 0.5) * chart.line_height, NAMES)


def name_line(ax: Axes, name: str, y: float, room: Pixels) -> None:
    """Draw a name at the left of the axes, in `room` pixels."""
    ax.annotate(
        canvas.shortened(name, room - 14),
        (0, y),
        (-9, 0),
        xycoords=ax.get_yaxis_transform(),
        textcoords="offset points",
        ha="right",
        va="center",
        size=canvas.TEXT,
        color=canvas.INK,
    )


def _description(chart: DotChart) -> str:
    parts = []
    for line in chart.lines:
        values = zip(chart.series, line.dots[chart.panels[0]], strict=True)
        parts.append(f"{line.name}: {', '.join(f'{series.title} {show(estimate, 2)}' for series, estimate in values)}")
    return "; ".join(parts)


# ---- heat maps ------------------------------------------------------------------------------------------

DARK = 0.55
"""Numbers above this value are printed in white."""
SMALLEST = 12
"""Font size of a number in a small cell, in pixels."""


def heat_map(
    ax: Axes,
    matrix: Float[np.ndarray, "row column"],
    rows: Sequence[str],
    columns: Sequence[str],
    room: tuple[Pixels, Pixels],
) -> None:
    """Fill the axes with cells and their numbers, the first row on top; NaN is an empty cell.

    `room`: pixels for the names of rows and of columns.
    """
    from matplotlib.colors import LinearSegmentedColormap

    blues = LinearSegmentedColormap.from_list("blues", ["#f2f7fb", "#9cc6e3", canvas.BLUE, "#0b3a5e"])
    # Cells are shapes, because an image would embed pixels.
    down, across = (np.arange(size + 1) - 0.5 for size in matrix.shape)
    ax.pcolormesh(across, down, np.ma.masked_invalid(matrix), cmap=blues, vmin=0, vmax=1, ec=canvas.PAPER, lw=2)
    ax.invert_yaxis()
    cell = ax.get_window_extent().width / len(columns)
    for row, column in np.ndindex(*matrix.shape):
        value = matrix[row, column]
        colour = canvas.PAPER if value > DARK else canvas.INK
        text = "–" if np.isnan(value) else show_number(float(value), 2)
        ax.text(
            column, row, text, ha="center", va="center", color=colour, size=min(canvas.TEXT, max(SMALLEST, cell / 3.2))
        )
    ax.set_yticks(range(len(rows)), [canvas.shortened(name, room[0], canvas.SMALL) for name in rows], color=canvas.INK)
    short = [canvas.shortened(name, room[1], canvas.SMALL) for name in columns]
    ax.set_xticks(range(len(columns)), short, rotation=30, ha="right", rotation_mode="anchor", color=canvas.INK)
    ax.spines[:].set_visible(False)
