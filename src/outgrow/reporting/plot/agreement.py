"""Heat map of the supervisors' agreement."""

import numpy as np

from outgrow.metrics.estimate import show
from outgrow.render.canvas import NARROW, axes, figure, page_size, style, svg
from outgrow.render.heat_map import draw_cells
from outgrow.reporting.results import Results


def agreement(results: Results, width: int) -> str | None:
    """How often two supervisors give the same answer, or how alike their texts are (paper 1, figures 3a and 3b)."""
    names = results.about.supervisors
    if not any(pair.agreement.defined for pair in results.pairs):
        return None
    matrix = np.eye(len(names))
    for pair in results.pairs:
        first, second = names.index(pair.first), names.index(pair.second)
        matrix[first, second] = matrix[second, first] = (
            np.nan if pair.agreement.value is None else pair.agreement.value
        )
    left = 96 if width == NARROW else 130
    cell = min(72, (width - left - 8) / len(names))
    with style():
        fig = figure(round(left + cell * len(names) + 8), cell * len(names) + 64)
        ax = axes(fig, left, 6, cell * len(names), cell * len(names))
        draw_cells(ax, matrix, names, names, (left - 12, left - 12))
        words = "; ".join(f"{pair.first} and {pair.second}: {show(pair.agreement, 2)}" for pair in results.pairs)
        return svg(fig, f"agreement-{page_size(width)}", f"Agreement of the supervisors. {words}")
