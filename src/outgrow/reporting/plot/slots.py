"""SLU-F1 by slot type: a line of dots for each of the most frequent types."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from outgrow.metrics.estimate import show_number
from outgrow.render.canvas import (
    BLUE,
    FAINT,
    GREEN,
    NARROW,
    ORANGE,
    PURPLE,
    SOFT,
    Pixels,
    axes,
    figure,
    page_size,
    shortened,
    style,
    svg,
)
from outgrow.reporting.results import Results, RowResult, SlotTypeResult

SHOWN = 15
"""Types in the drawing; the table has all."""
MARKS = {"supervisors": (ORANGE, "o"), "naive": (PURPLE, "s"), "best student": (BLUE, "D"), "ceiling": (GREEN, "|")}
"""Colour and shape of a dot: shapes tell apart what colours do not."""


def slot_types(results: Results, width: int) -> str | None:
    """F1 of the most frequent slot types; supervisors, naive, the best student with its interval, the ceiling."""
    shown = [one for one in results.slot_types if any(estimate.defined for estimate in one.f1.values())][:SHOWN]
    if not shown:
        return None
    narrow = width == NARROW
    kinds = {name: _kind(results, name) for name in shown[0].f1}
    line, left, legend = (40, 8, 46) if narrow else (26, 190, 28)
    with style():
        fig = figure(width, legend + line * len(shown) + 46)
        ax = axes(fig, left, legend, width - left - 16, line * len(shown))
        ax.set_xlim(-0.02, 1.02)
        ax.set_ylim(line * len(shown), 0)
        for number, one in enumerate(shown):
            y = line * (number + (0.72 if narrow else 0.5))
            _name(ax, one, y, narrow, width)
            _dots(ax, one, kinds, y)
        ax.set_yticks([])
        ax.grid(axis="x")
        ax.spines[["left"]].set_visible(False)
        ax.set_xlabel("SLU-F1")
        there = [kind for kind in MARKS if kind in kinds.values()]
        handles = [_legend_mark(kind) for kind in there]
        fig.legend(handles=handles, loc="upper left", ncols=2 if narrow else 4, bbox_to_anchor=(0, 1), borderpad=0)
        return svg(fig, f"slots-{page_size(width)}", f"SLU-F1 by slot type. {_words(shown)}")


def _kind(results: Results, name: str) -> str:
    """What a row is to the reader."""
    row: RowResult = results.named(name)
    if row.role == "floor":
        return "supervisors"
    if row.role == "ceiling":
        return "ceiling"
    return "naive" if row.method == results.about.baseline and row.variant == "plain" else "best student"


def _name(ax: Axes, one: SlotTypeResult, y: Pixels, narrow: bool, width: int) -> None:
    text = shortened(f"{one.type} ({one.items})", width - 24 if narrow else 178)
    at_left = ax.get_yaxis_transform()
    if narrow:
        ax.text(0, y - 13, text, transform=at_left, size=12)
    else:
        ax.text(-0.012, y, text, transform=at_left, ha="right", va="center", size=12)
    ax.plot([0, 1], [y, y], color=FAINT, lw=1, zorder=0)


def _dots(ax: Axes, one: SlotTypeResult, kinds: dict[str, str], y: Pixels) -> None:
    for name, estimate in one.f1.items():
        if estimate.value is None:
            continue
        colour, marker = MARKS[kinds[name]]
        if kinds[name] == "best student" and estimate.low is not None and estimate.high is not None:
            ax.plot([estimate.low, estimate.high], [y, y], color=colour, lw=1.6, alpha=0.6, solid_capstyle="butt")
        if kinds[name] == "supervisors":
            ax.plot([estimate.value], [y], marker, ms=6, color=colour, alpha=0.75, mec=SOFT, mew=0.4)
        else:
            size, edge = (15, 2.6) if marker == "|" else (7, 0.0)
            ax.plot([estimate.value], [y], marker, ms=size, color=colour, mew=edge)


def _legend_mark(kind: str) -> Line2D:
    colour, marker = MARKS[kind]
    return Line2D([], [], ls="", marker=marker, color=colour, ms=12 if marker == "|" else 7, mew=2, label=kind)


def _words(shown: Sequence[SlotTypeResult]) -> str:
    parts = []
    for one in shown:
        values = ", ".join(f"{name} {show_number(estimate.value, 2)}" for name, estimate in one.f1.items())
        parts.append(f"{one.type}: {values}")
    return "; ".join(parts)
