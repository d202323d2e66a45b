"""Two measures against each other: what was learned of the weak labels, and what was kept of the model."""

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from outgrow.metrics.estimate import show_number
from outgrow.render.canvas import (
    BLUE,
    GREEN,
    INK,
    NARROW,
    ORANGE,
    axes,
    figure,
    page_size,
    style,
    svg,
)
from outgrow.render.point_labels import NamedPoint, name_points
from outgrow.reporting.results import Results, Role, RowResult

MARKS: dict[Role, tuple[str, str, str]] = {
    "floor": ("supervisors", ORANGE, "o"),
    "untouched": ("untouched student", INK, "o"),
    "ceiling": ("ceiling", GREEN, "^"),
    "method": ("students", BLUE, "D"),
}
"""What a role is called, and the colour and shape of its marks: shapes tell apart what colours do not."""
ROOM = 0.06
"""Of an axis, beyond the ends of its scale."""


def plane(results: Results, width: int) -> str | None:
    """A mark per row with both intervals, and its name beside it."""
    rows = _shown(results)
    if results.about.plane is None or len(rows) < 2:
        return None
    across, up = results.about.plane
    narrow = width == NARROW
    legend, left, side = (44 if narrow else 26), 54, width - 54 - (16 if narrow else 40)
    height = min(460, side)
    with style():
        fig = figure(width, legend + height + 48)
        ax = axes(fig, left, legend, side, height)
        for bounds, name, put in ((ax.set_xlim, across, ax.set_xlabel), (ax.set_ylim, up, ax.set_ylabel)):
            low, high = results.about.scales.get(name, (0.0, 1.0))
            bounds(low - ROOM * (high - low), high + ROOM * (high - low))
            put(name)
        ax.grid()
        for row in rows:
            _mark(ax, row, across, up)
        name_points(ax, [NamedPoint(row.name, _number(row, across), _number(row, up)) for row in rows], 0.45 * side)
        there = [role for role in MARKS if any(row.role == role for row in rows)]
        fig.legend(
            handles=[_legend_mark(role) for role in there],
            loc="upper left",
            ncols=2 if narrow else 4,
            bbox_to_anchor=(0, 1),
            borderpad=0,
        )
        words = "; ".join(f"{row.name}: {_value(row, across)}, {_value(row, up)}" for row in rows)
        return svg(fig, f"plane-{page_size(width)}", f"{up} against {across}. {words}")


def _shown(results: Results) -> list[RowResult]:
    """Rows that have both measures."""
    names = results.about.plane or ()
    return [row for row in results.rows if names and all(row.measures[name].defined for name in names)]


def _mark(ax: Axes, row: RowResult, across: str, up: str) -> None:
    _, colour, shape = MARKS[row.role]
    one, other, x, y = row.measures[across], row.measures[up], _number(row, across), _number(row, up)
    if one.low is not None and one.high is not None:
        ax.plot([one.low, one.high], [y, y], color=colour, lw=1.2, alpha=0.5)
    if other.low is not None and other.high is not None:
        ax.plot([x, x], [other.low, other.high], color=colour, lw=1.2, alpha=0.5)
    face = "none" if row.role == "untouched" else colour
    ax.plot([x], [y], shape, ms=8, color=colour, mfc=face, mew=1.6)


def _legend_mark(role: Role) -> Line2D:
    name, colour, shape = MARKS[role]
    face = "none" if role == "untouched" else colour
    return Line2D([], [], ls="", marker=shape, color=colour, mfc=face, ms=8, mew=1.6, label=name)


def _number(row: RowResult, name: str) -> float:
    value = row.measures[name].value
    assert value is not None, "only rows that have both measures are drawn"
    return value


def _value(row: RowResult, name: str) -> str:
    return show_number(row.measures[name].value, 2)
