"""Where the kept labels lie among all: a cloud of answers for every selection, on the same two axes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from outgrow.metrics.estimate import show_percent
from outgrow.render.canvas import BLUE, NARROW, Pixels, axes, figure, page_size, shortened, style, svg
from outgrow.render.point_labels import NamedPoint, name_points
from outgrow.reporting.results import Results
from outgrow.reporting.results_analyses import Cloud

LEFT_OUT = "#c3cad3"
GAP, LEGEND, HEAD, WORDS = 14, 30, 26, 18
"""Pixels between panels, for the legend, for a panel's title, for a line of words below it."""


class Panel(NamedTuple):
    """One selection."""

    cloud: Cloud
    name: str
    kept: tuple[bool, ...]


def cloud(results: Results, width: int) -> str | None:
    """A panel for every selection; the names of capabilities stand on the first one of each cloud."""
    panels = [Panel(one, name, kept) for one in results.analyses.clouds for name, kept in one.kept.items()]
    if not panels:
        return None
    narrow = width == NARROW
    beside = 2 if narrow else 3
    side = (width - 4 - GAP * (beside - 1)) / beside
    tall, lines = side if narrow else 0.78 * side, 2 if narrow else 1
    rows = -(-len(panels) // beside)
    with style():
        fig = figure(width, LEGEND + rows * (HEAD + tall + lines * WORDS))
        for number, panel in enumerate(panels):
            down, right = divmod(number, beside)
            top = LEGEND + HEAD + down * (HEAD + tall + lines * WORDS)
            ax = axes(fig, 2 + right * (side + GAP), top, side, tall)
            _panel(ax, panel, side)
            if number == 0 or panels[number - 1].cloud is not panel.cloud:
                name_points(ax, _centres(panel.cloud), 0.6 * side)
                ax.set_xlabel(_behind(panel.cloud, "\n" if narrow else "; "), size=10, loc="left")
        handles = [_mark(BLUE, "kept"), _mark(LEFT_OUT, "left out")]
        fig.legend(handles=handles, loc="upper left", ncols=2, bbox_to_anchor=(0, 1), borderpad=0)
        return svg(fig, f"cloud-{page_size(width)}", f"Answers of the labels, as a probe reads them. {_words(panels)}")


def _panel(ax: Axes, panel: Panel, side: Pixels) -> None:
    points, kept = np.asarray(panel.cloud.points).reshape(-1, 2), np.asarray(panel.kept, dtype=np.bool_)
    low, high = points.min(axis=0), points.max(axis=0)
    room = 0.06 * np.maximum(high - low, 1e-6)
    ax.set_xlim(low[0] - room[0], high[0] + room[0])
    ax.set_ylim(low[1] - room[1], high[1] + room[1])
    for marks, colour in ((~kept, LEFT_OUT), (kept, BLUE)):
        ax.plot(*points[marks].T, "o", ms=4, color=colour, alpha=0.65, mew=0)
    ax.set_title(shortened(panel.name, side), loc="left", weight="bold")
    ax.set_xticks([])
    ax.set_yticks([])


def _behind(found: Cloud, between: str) -> str:
    across, up = (show_percent(share) for share in found.explained)
    return f"{len(found.points)} of {found.labels} labels{between}variance {across} across, {up} up"


def _centres(found: Cloud) -> list[NamedPoint]:
    """The names of the capabilities above their answers; none where the task is no mixture."""
    names = [name for name in dict.fromkeys(found.capabilities) if name]
    middles = []
    for name in names:
        mine = [point for point, one in zip(found.points, found.capabilities, strict=True) if one == name]
        middles.append(NamedPoint(name, float(np.median(mine, axis=0)[0]), float(np.max(mine, axis=0)[1])))
    return middles


def _mark(colour: str, name: str) -> Line2D:
    return Line2D([], [], ls="", marker="o", color=colour, ms=7, mew=0, label=name)


def _words(panels: Sequence[Panel]) -> str:
    first = panels[0].cloud
    parts = [f"{panel.name} keeps {sum(panel.kept)} of {len(panel.kept)}" for panel in panels]
    return f"{len(first.points)} of {first.labels} labels, seed {first.seed}: {'; '.join(parts)}"
