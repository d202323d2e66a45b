"""From a matplotlib figure to inline SVG: same bytes every time, readable text, described for those who cannot see it.

Figures are measured in pixels of the page (72 dpi, so one point is one unit of the drawing), and every plot is drawn
twice, for a wide page and for a telephone: a wide plot shrunk to a third has letters nobody can read. Text stays text
in the reader's own sans-serif font; matplotlib lays it out with DejaVu Sans, which is wider than most, so it fits.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDE, NARROW = 960, 332
"""Widths in pixels: what the page has room for at 1280 and at 390 pixels."""
Pixels = float | int
INK, SOFT, FAINT, PAPER = "#1c2430", "#5b6675", "#d9dee5", "#ffffff"
BLUE, ORANGE, GREEN, PURPLE, SKY, RED = "#0072b2", "#e69f00", "#009e73", "#b5609a", "#56b4e9", "#d55e00"
"""Okabe and Ito's palette, told apart with any kind of colour vision; its purple a little darker, for white text."""
VARIANT_COLOURS = {
    "plain": BLUE,
    "self_training": ORANGE,
    "matching": GREEN,
    "self_training+matching": PURPLE,
    "two_views": SKY,
}
FONT = "DejaVu Sans"
FONT_STACK = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "outgrow",
    "font.family": FONT,
    "font.size": 12,
    # Names of models and methods may hold dollar signs; they are no formulas.
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": SOFT,
    "axes.titlecolor": INK,
    "axes.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "grid.color": "#e9edf2",
    "legend.frameon": False,
    "legend.fontsize": 11,
    "figure.dpi": 72,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


@contextmanager
def style() -> Iterator[None]:
    """Draw within this; matplotlib's settings are as before afterwards."""
    with matplotlib.rc_context(STYLE):
        yield


def figure(width: int, height: Pixels) -> Figure:
    """An empty figure of so many pixels."""
    return Figure(figsize=(width / 72, height / 72), dpi=72)


def axes(fig: Figure, left: Pixels, top: Pixels, width: Pixels, height: Pixels) -> Axes:
    """Axes at a place given in pixels from the upper left corner."""
    total_width, total_height = fig.get_size_inches() * 72
    place = (left / total_width, 1 - (top + height) / total_height, width / total_width, height / total_height)
    return fig.add_axes(place)


def svg(fig: Figure, name: str, description: str) -> str:
    """The figure as an `<svg>` element; `name` keeps its ids apart from those of other figures on the page."""
    file = io.StringIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    fig.savefig(file, format="svg", metadata=nothing)
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
    return head + body.replace(f"'{FONT}'", FONT_STACK).strip()


def shortened(text: str, width: Pixels, size: Pixels = 12) -> str:
    """As much of `text` as fits into so many pixels, with an ellipsis where something is left out."""
    fits = max(3, int(width / (0.6 * size)))
    return text if len(text) <= fits else text[: fits - 1].rstrip() + "…"


def page_size(width: int) -> str:
    """The word for a width, in names of drawings."""
    return "wide" if width == WIDE else "narrow"
