"""Stacked bars of whom the students follow where the weak label is wrong."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from outgrow.metrics.estimate import show_number
from outgrow.render.canvas import (
    GREEN,
    INK,
    NARROW,
    PAPER,
    RED,
    Pixels,
    axes,
    figure,
    page_size,
    shortened,
    style,
    svg,
)
from outgrow.reporting.results import CopyResult, Results
from outgrow.reporting.tables.supervisors import PART_TITLES

COPY_COLOURS = {"gold": GREEN, "the weak label": RED, "neither": "#c3cad3"}


def copying(results: Results, width: int) -> str | None:
    """Whom the students follow on items whose weak label is wrong: gold, the weak label, or neither."""
    parts = [(part, _copy_rows(results, part)) for part in ("test", "half_b")]
    parts = [(part, rows) for part, rows in parts if rows]
    if not parts:
        return None
    narrow = width == NARROW
    row_height = 38 if narrow else 22
    legend, head, left = 40, 34, 6 if narrow else 230
    blocks = [head + row_height * len(rows) + 14 for _, rows in parts]
    with style():
        fig = figure(width, legend + sum(blocks))
        top = float(legend)
        for (part, rows), block in zip(parts, blocks, strict=True):
            ax = axes(fig, left, top + head, width - left - 6, row_height * len(rows))
            ax.set_title(
                f"On {PART_TITLES[part]}", loc="left", weight="bold", x=0 if narrow else -left / (width - left)
            )
            _copy_bars(ax, rows, row_height, narrow, width)
            top += block
        handles = [Patch(color=colour, label=name) for name, colour in COPY_COLOURS.items()]
        fig.legend(handles=handles, loc="upper left", ncols=3, bbox_to_anchor=(0, 1), borderpad=0, columnspacing=1.2)
        return svg(fig, f"copying-{page_size(width)}", _copy_words(parts))


def _copy_rows(results: Results, part: str) -> list[CopyResult]:
    """The first weak label's (the mean vote's, or the only supervisor's) rows with all supervisors."""
    alone = {row.name for row in results.rows if row.source is not None}
    rows = [one for one in results.copying if one.part == part and one.follows_gold.defined]
    return [one for one in rows if one.weak == rows[0].weak and (one.row not in alone or len(alone) == len(rows))]


def _copy_bars(ax: Axes, rows: Sequence[CopyResult], row_height: Pixels, narrow: bool, width: int) -> None:
    ax.set_xlim(0, 1)
    ax.set_ylim(row_height * len(rows), 0)
    ax.axis("off")
    ax.title.set_visible(True)
    thick = 15
    for number, one in enumerate(rows):
        bottom = row_height * (number + 1)
        y = bottom - thick / 2 - 2
        if narrow:
            ax.text(0, bottom - thick - 7, shortened(one.row, width - 12), size=12)
        else:
            ax.text(-0.012, y, shortened(one.row, 216), ha="right", va="center", size=12)
        start = 0.0
        shares = (one.follows_gold, one.follows_weak, one.neither)
        for share, (name, colour) in zip(shares, COPY_COLOURS.items(), strict=True):
            size = share.value or 0.0
            ax.barh(y, size, left=start, height=thick, color=colour, lw=0)
            if size > 0.09:
                ink = INK if name == "neither" else PAPER
                ax.text(start + size / 2, y, show_number(size, 2), ha="center", va="center", size=11, color=ink)
            start += size


def _copy_words(parts: Sequence[tuple[str, Sequence[CopyResult]]]) -> str:
    words = [
        f"{one.row} on {PART_TITLES[part]}: gold {show_number(one.follows_gold.value, 2)},"
        f" weak label {show_number(one.follows_weak.value, 2)}, neither {show_number(one.neither.value, 2)}"
        for part, rows in parts
        for one in rows
    ]
    return f"Whom students follow where the weak label is wrong. {'; '.join(words)}"
