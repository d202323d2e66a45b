"""Names beside points, none on top of another: each at the nearest free place, in the order given."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes

from outgrow.render.canvas import INK, Pixels, shortened

LETTER = 11
LIFTS = (6, -16, 20, -30, 34, -44, 48, 62, 76)
"""Where a name may stand above or below its point, in pixels, the best first."""


class NamedPoint(NamedTuple):
    """A point in the units of the axes."""

    name: str
    x: float
    y: float


class LabelBox(NamedTuple):
    """A name's place in pixels."""

    left: Pixels
    bottom: Pixels
    right: Pixels
    top: Pixels

    def meets(self, other: "LabelBox") -> bool:
        beside = self.right <= other.left or other.right <= self.left
        return not (beside or self.top <= other.bottom or other.top <= self.bottom)


def name_points(ax: Axes, points: Sequence[NamedPoint], widest: Pixels) -> None:
    """Write every name at the nearest place beside its point that no earlier name has taken."""
    taken: list[LabelBox] = []
    bounds = ax.get_window_extent()
    for point in points:
        name = shortened(point.name, widest, LETTER)
        x, y = ax.transData.transform((point.x, point.y))
        width = 0.6 * LETTER * len(name)
        boxes = [
            LabelBox(x + dx - (width if dx < 0 else 0), y + dy, x + dx + (0 if dx < 0 else width), y + dy + LETTER)
            for dy in LIFTS
            for dx in (8, -8)
        ]
        inside = [box for box in boxes if bounds.x0 <= box.left and box.right <= bounds.x1 and box.bottom >= bounds.y0]
        free = [box for box in inside if not any(box.meets(other) for other in taken)]
        place = (free or inside or boxes)[0]
        taken.append(place)
        ax.annotate(name, (place.left, place.bottom + 2), xycoords="figure pixels", size=LETTER, color=INK)
