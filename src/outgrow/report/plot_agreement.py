"""Heat map of the supervisors' agreement."""

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from outgrow.metrics.estimate import show, show_number
from outgrow.report.canvas import BLUE, INK, NARROW, PAPER, axes, figure, page_size, shortened, style, svg
from outgrow.report.results import Results


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
        blues = LinearSegmentedColormap.from_list("blues", ["#f2f7fb", "#9cc6e3", BLUE, "#0b3a5e"])
        # Cells as shapes; an image would be embedded pixels.
        edges = np.arange(len(names) + 1) - 0.5
        ax.pcolormesh(edges, edges, np.ma.masked_invalid(matrix), cmap=blues, vmin=0, vmax=1, ec=PAPER, lw=2)
        ax.invert_yaxis()
        for row, column in np.ndindex(*matrix.shape):
            value = matrix[row, column]
            colour = PAPER if value > 0.55 else INK
            text = "–" if np.isnan(value) else show_number(float(value), 2)
            ax.text(column, row, text, ha="center", va="center", color=colour, size=min(13, cell / 3.2))
        short = [shortened(name, left - 12, 11) for name in names]
        ax.set_yticks(range(len(names)), short, color=INK)
        ax.set_xticks(range(len(names)), short, rotation=30, ha="right", rotation_mode="anchor", color=INK)
        ax.spines[:].set_visible(False)
        words = "; ".join(f"{pair.first} and {pair.second}: {show(pair.agreement, 2)}" for pair in results.pairs)
        return svg(fig, f"agreement-{page_size(width)}", f"Agreement of the supervisors. {words}")
