"""Two measures against each other: what was learned of the weak labels, and what was kept of the model."""

from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from outgrow.metrics.estimate import show_number
from outgrow.report.canvas import (
    BLUE,
    GREEN,
    INK,
    NARROW,
    ORANGE,
    Pixels,
    axes,
    figure,
    page_size,
    shortened,
    style,
    svg,
)
from outgrow.report.results import Results, Role, RowResult

MARKS: dict[Role, tuple[str, str, str]] = {
    "floor": ("supervisors", ORANGE, "o"),
    "untouched": ("untouched student", INK, "o"),
    "ceiling": ("ceiling", GREEN, "^"),
    "method": ("students", BLUE, "D"),
}
"""What a role is called, and the colour and shape of its marks: shapes tell apart what colours do not."""
LETTER = 11
LIFTS = (6, -16, 20, -30, 34, -44, 48, 62, 76)
"""Where a name may stand above or below its mark, in pixels, the best first."""
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
        _name_all(ax, rows, across, up, side)
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


class Box(NamedTuple):
    """A name's place in pixels."""

    left: Pixels
    bottom: Pixels
    right: Pixels
    top: Pixels

    def meets(self, other: "Box") -> bool:
        beside = self.right <= other.left or other.right <= self.left
        return not (beside or self.top <= other.bottom or other.top <= self.bottom)


def _name_all(ax: Axes, rows: list[RowResult], across: str, up: str, side: int) -> None:
    """Every name at the nearest place beside its mark that no earlier name has taken."""
    taken: list[Box] = []
    bounds = ax.get_window_extent()
    for row in rows:
        name = shortened(row.name, 0.45 * side, LETTER)
        x, y = ax.transData.transform((_number(row, across), _number(row, up)))
        width = 0.6 * LETTER * len(name)
        boxes = [
            Box(x + dx - (width if dx < 0 else 0), y + dy, x + dx + (0 if dx < 0 else width), y + dy + LETTER)
            for dy in LIFTS
            for dx in (8, -8)
        ]
        inside = [box for box in boxes if bounds.x0 <= box.left and box.right <= bounds.x1 and box.bottom >= bounds.y0]
        free = [box for box in inside if not any(box.meets(other) for other in taken)]
        place = (free or inside or boxes)[0]
        taken.append(place)
        ax.annotate(name, (place.left, place.bottom + 2), xycoords="figure pixels", size=LETTER, color=INK)


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
