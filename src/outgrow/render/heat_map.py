"""A matrix as coloured cells with their numbers: heat maps of shares within 0 … 1."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from outgrow.metrics.estimate import show_number
from outgrow.render.canvas import BLUE, INK, PAPER, Pixels, shortened

DARK = 0.55
"""From this value on, numbers are white."""
LETTER, SMALLEST = 11, 9
"""Of a name, and of a number in a small cell, in pixels."""


def draw_cells(
    ax: Axes,
    matrix: Float[np.ndarray, "row column"],
    rows: Sequence[str],
    columns: Sequence[str],
    room: tuple[Pixels, Pixels],
) -> None:
    """Fill the axes with cells, the first row on top; NaN is an empty one. `room`: for names beside rows and below."""
    blues = LinearSegmentedColormap.from_list("blues", ["#f2f7fb", "#9cc6e3", BLUE, "#0b3a5e"])
    # Cells as shapes; an image would be embedded pixels.
    down, across = (np.arange(size + 1) - 0.5 for size in matrix.shape)
    ax.pcolormesh(across, down, np.ma.masked_invalid(matrix), cmap=blues, vmin=0, vmax=1, ec=PAPER, lw=2)
    ax.invert_yaxis()
    cell = ax.get_window_extent().width / len(columns)
    for row, column in np.ndindex(*matrix.shape):
        value = matrix[row, column]
        colour = PAPER if value > DARK else INK
        text = "–" if np.isnan(value) else show_number(float(value), 2)
        ax.text(column, row, text, ha="center", va="center", color=colour, size=min(13, max(SMALLEST, cell / 3.2)))
    ax.set_yticks(range(len(rows)), [shortened(one, room[0], LETTER) for one in rows], color=INK)
    short = [shortened(one, room[1], LETTER) for one in columns]
    ax.set_xticks(range(len(columns)), short, rotation=30, ha="right", rotation_mode="anchor", color=INK)
    ax.spines[:].set_visible(False)
