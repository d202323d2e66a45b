"""Heat map of transfer: what a student of one capability can do in the others."""

import numpy as np
from matplotlib.patches import Rectangle

from outgrow.metrics.estimate import show
from outgrow.render.canvas import INK, NARROW, axes, figure, page_size, style, svg
from outgrow.render.heat_map import draw_cells
from outgrow.reporting.results import Results, RowResult
from outgrow.reporting.tables.analyses import transfer_rows
from outgrow.reporting.tables.of_results import behind

LINE = 34
"""Pixels of a row."""
COLUMN = 92
"""Pixels of a column, where there is room."""
BELOW = 112
"""Pixels of a name below a column, which is turned."""


def transfer(results: Results, width: int) -> str | None:
    """A line per student, a column per capability that it is tested on; its own capability is framed."""
    rows, names = [row for _, row in transfer_rows(results)], list(results.about.capabilities)
    if not any(_number(row, name) is not None for row in rows for name in names):
        return None
    matrix = np.asarray([[_number(row, name) for name in names] for row in rows], dtype=np.float64)
    left = 104 if width == NARROW else 190
    cell = min(COLUMN, (width - left - 8) / len(names))
    with style():
        fig = figure(round(left + cell * len(names) + 8), LINE * len(rows) + 0.5 * BELOW + 44)
        ax = axes(fig, left, 6, cell * len(names), LINE * len(rows))
        draw_cells(ax, matrix, [row.name for row in rows], names, (left - 12, BELOW))
        for number, row in enumerate(rows):
            own = results.analyses.alone.get(row.name)
            if own is not None:
                ax.add_patch(
                    Rectangle((names.index(own) - 0.47, number - 0.46), 0.94, 0.92, fill=False, ec=INK, lw=1.6)
                )
        ax.set_xlabel(f"tested on ({behind(row.score for row in rows)})")
        words = "; ".join(
            f"{row.name} on {name}: {show(row.capabilities[name].score, 2)}" for row in rows for name in names
        )
        return svg(fig, f"transfer-{page_size(width)}", f"Students of one capability, tested on all. {words}")


def _number(row: RowResult, name: str) -> float | None:
    found = row.capabilities.get(name)
    return None if found is None else found.score.value
