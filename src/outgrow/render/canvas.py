"""Matplotlib figures as inline SVG, and shared parts of plots: axes in pixels, legends, labels of points.

Figures are measured in pixels (72 dpi, so one point is one unit of the drawing). Every plot has one layout, `width()`
pixels wide at most, which the page scales. Within `for_paper()` it is narrower, in a serif font, and also a PDF. Text
stays text in the reader's sans-serif font; matplotlib lays it out with DejaVu Sans, which is wider than most fonts, so
it fits. The same figure gives the same bytes.

Matplotlib is imported at the first figure.
"""

import io
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from outgrow.metrics.estimate import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes
    from matplotlib.figure import Figure as Figure
else:
    Axes = Figure = Any

WIDTH = 600
"""Pixels, of the page. A telephone shows a plot at no less than 460 pixels (`page.css`), so 12 pixels become 9."""
COLUMN = 410
"""Pixels, of a paper: on a column of 3.4 inches, 12 pixels become a font of 7 points."""
TEXT, SMALL = 13, 12
"""Font sizes in pixels."""
Pixels = float | int
INK, SOFT, FAINT, PAPER, GREY = "#1c2430", "#5b6675", "#d9dee5", "#ffffff", "#c3cad3"
BLUE, ORANGE, GREEN, PURPLE, SKY, RED = "#0072b2", "#e69f00", "#009e73", "#b5609a", "#56b4e9", "#d55e00"
"""The palette of Okabe and Ito, safe for colour-blind readers; purple is darker, for white text."""
FONT = "DejaVu Sans"
FONT_STACK = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "outgrow",
    "font.family": FONT,
    "font.size": TEXT,
    # Names of models and methods may contain dollar signs, which are not formulas.
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": SOFT,
    "axes.titlecolor": INK,
    "axes.titlesize": TEXT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "grid.color": "#e9edf2",
    "legend.frameon": False,
    "legend.fontsize": SMALL,
    "figure.dpi": 72,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


PAPER_STYLE = {
    "svg.fonttype": "path",
    "font.family": "STIXGeneral",
    "font.size": TEXT + 1,
    "xtick.labelsize": SMALL + 1,
    "ytick.labelsize": SMALL + 1,
    "legend.fontsize": SMALL + 1,
    "text.color": "black",
    "axes.labelcolor": "black",
    "axes.edgecolor": "black",
    "xtick.color": "black",
    "ytick.color": "black",
    "xtick.major.size": 3,
    "pdf.fonttype": 42,
}
"""What differs in a paper: a font like Times, as shapes, since a reader may not have it; black ink; ticks."""
_PAPER: ContextVar[bool] = ContextVar("for_paper", default=False)


@dataclass(frozen=True)
class Drawing:
    """A plot as an `<svg>` element."""

    name: str
    """Also the name of its file."""
    svg: str
    caption: str = ""
    pdf: bytes = b""
    """The same as PDF; only within `for_paper()`."""


def width() -> Pixels:
    """Width of a plot in pixels, at most."""
    return COLUMN if _PAPER.get() else WIDTH


@contextmanager
def for_paper() -> Iterator[None]:
    """A context in which plots are drawn for one column of a paper."""
    token = _PAPER.set(True)
    try:
        yield
    finally:
        _PAPER.reset(token)


@contextmanager
def style() -> Iterator[None]:
    """A context for drawing that restores matplotlib's settings and ignores characters that its font lacks."""
    import matplotlib

    settings = {**STYLE, **PAPER_STYLE} if _PAPER.get() else STYLE
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        yield


def figure(across: Pixels, height: Pixels) -> Figure:
    """An empty figure of this size in pixels."""
    from matplotlib.figure import Figure

    return Figure(figsize=(round(across) / 72, height / 72), dpi=72)


def axes(fig: Figure, left: Pixels, top: Pixels, width: Pixels, height: Pixels) -> Axes:
    """Axes at a position in pixels from the upper left corner."""
    total_width, total_height = fig.get_size_inches() * 72
    bounds = (left / total_width, 1 - (top + height) / total_height, width / total_width, height / total_height)
    return fig.add_axes(bounds)


def drawing(fig: Figure, name: str, description: str, caption: str = "") -> Drawing:
    """The figure as SVG. `description` is for screen readers; `name` makes the ids of its elements unique."""
    file = io.StringIO()
    no_metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    fig.savefig(file, format="svg", metadata=no_metadata)
    text = file.getvalue()
    text = text[text.index("<svg") :]
    width, height = (round(size * 72) for size in fig.get_size_inches())
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        f' viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' role="img" aria-label="{escape(description)}"><title>{escape(description)}</title>'
    )
    body = text[text.index(">") + 1 :]
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = body.replace("url(#", f"url(#{name}-").replace('xlink:href="#', f'xlink:href="#{name}-')
    body = body.replace(f"'{FONT}'", FONT_STACK)
    return Drawing(name, head + body.strip(), caption, _pdf(fig) if _PAPER.get() else b"")


def _pdf(fig: Figure) -> bytes:
    """The figure as PDF, with its fonts and without a date."""
    file = io.BytesIO()
    fig.savefig(file, format="pdf", metadata={"Creator": None, "Producer": None, "CreationDate": None})
    return file.getvalue()


def shortened(text: str, width: Pixels, size: Pixels = TEXT) -> str:
    """`text` shortened to `width` pixels, with an ellipsis."""
    n_characters = max(3, int(width / (0.6 * size)))
    return text if len(text) <= n_characters else text[: n_characters - 1].rstrip() + "…"


LONGEST = 3.0
"""An axis of ratios goes at most so far beyond the numbers; a longer interval ends in an arrow."""


def interval(
    ax: Axes,
    low: float | None,
    high: float | None,
    at: float,
    colour: str,
    *,
    upright: bool = False,
    within: tuple[float, float] | None = None,
    **look: Any,
) -> None:
    """Draw a line from `low` to `high`; nothing without an interval.

    What is outside `within`, the limits of the axis, is replaced by an arrow at the limit.
    """
    if low is None or high is None:
        return
    bottom, top = within or (low, high)
    ends, place = [max(low, bottom), min(high, top)], [at, at]
    x, y = (place, ends) if upright else (ends, place)
    ax.plot(x, y, color=colour, **{"lw": 1.6, "alpha": 0.55, "solid_capstyle": "butt", **look})
    for end, limit, marker in ((low, bottom, "v" if upright else "<"), (high, top, "^" if upright else ">")):
        if end < bottom or end > top:
            tip = ([at], [limit]) if upright else ([limit], [at])
            ax.plot(*tip, marker, ms=5, color=colour, mew=0, alpha=look.get("alpha", 0.55), clip_on=False)


def ratio_limits(estimates: Iterable[Estimate], *shown: float) -> tuple[float, float]:
    """Limits of an axis that hold every number, the numbers `shown`, and every interval that is not very long."""
    known = [estimate for estimate in estimates if estimate.value is not None]
    values = [*shown, *(estimate.value for estimate in known if estimate.value is not None)]
    low, high = min(values), max(values)
    lows = [estimate.low for estimate in known if estimate.low is not None]
    highs = [estimate.high for estimate in known if estimate.high is not None]
    return min(low, max(min([*lows, low]), low - LONGEST)), max(high, min(max([*highs, high]), high + LONGEST))


# ---- legends --------------------------------------------------------------------------------------------


class LegendMark(NamedTuple):
    """An entry of a legend."""

    label: str
    colour: str
    marker: str = ""
    """A marker of matplotlib; empty: a filled bar."""
    line: str | tuple[int, tuple[int, ...]] = ""
    """A line style of matplotlib."""
    hollow: bool = False


class Legend:
    """A legend above a plot, in as many columns as fit."""

    def __init__(self, marks: Sequence[LegendMark], room: Pixels | None = None) -> None:
        across = width() if room is None else room
        self.marks = [mark._replace(label=shortened(mark.label, across - 40, SMALL)) for mark in marks]
        longest = max((len(mark.label) for mark in self.marks), default=0)
        self.columns = max(1, min(len(self.marks), int(across // (48 + 0.6 * SMALL * longest))))
        self.height = 20 * -(-len(self.marks) // self.columns) + 8

    def draw(self, fig: Figure) -> None:
        """Draw the legend at the upper left corner."""
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        handles: list[Any] = []
        for mark in self.marks:
            if not mark.marker and not mark.line:
                handles.append(Patch(color=mark.colour, label=mark.label))
                continue
            face, size = "none" if mark.hollow else mark.colour, 11 if mark.marker == "|" else 7
            handles.append(
                Line2D(
                    *([], []),
                    color=mark.colour,
                    marker=mark.marker or None,
                    ls=mark.line,
                    lw=1.6,
                    ms=size,
                    mfc=face,
                    mew=1.6 if mark.hollow or mark.marker == "|" else 0,
                    label=mark.label,
                )
            )
        fig.legend(
            handles=handles,
            loc="upper left",
            ncols=self.columns,
            bbox_to_anchor=(0, 1),
            borderpad=0,
            columnspacing=1.2,
        )


# ---- labels of points -----------------------------------------------------------------------------------

LIFTS = (6, -17, 21, -32, 36, -47, 51, 66, 81)
"""Vertical distances of a name from its point in pixels, best first."""


class NamedPoint(NamedTuple):
    """A point in the units of the axes."""

    name: str
    x: float
    y: float


class LabelBox(NamedTuple):
    """The box of a name in pixels."""

    left: Pixels
    bottom: Pixels
    right: Pixels
    top: Pixels

    def meets(self, other: "LabelBox") -> bool:
        """Whether the boxes overlap."""
        beside = self.right <= other.left or other.right <= self.left
        return not (beside or self.top <= other.bottom or other.top <= self.bottom)


def name_points(ax: Axes, points: Sequence[NamedPoint], widest: Pixels) -> None:
    """Draw each name at the nearest free position next to its point, in the given order."""
    used: list[LabelBox] = []
    bounds = ax.get_window_extent()
    for point in points:
        name = shortened(point.name, widest, SMALL)
        x, y = ax.transData.transform((point.x, point.y))
        width = 0.6 * SMALL * len(name)
        boxes = [
            LabelBox(x + dx - (width if dx < 0 else 0), y + dy, x + dx + (0 if dx < 0 else width), y + dy + SMALL)
            for dy in LIFTS
            for dx in (8, -8)
        ]
        within_bounds = [
            box for box in boxes if bounds.x0 <= box.left and box.right <= bounds.x1 and box.bottom >= bounds.y0
        ]
        free = [box for box in within_bounds if not any(box.meets(used_box) for used_box in used)]
        place = (free or within_bounds or boxes)[0]
        used.append(place)
        ax.annotate(name, (place.left, place.bottom + 2), xycoords="figure pixels", size=SMALL, color=INK)
