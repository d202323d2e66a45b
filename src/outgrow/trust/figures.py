"""Drawings: every source's accuracy, the agreement of pairs, and what each source takes for what."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from matplotlib.axes import Axes

from outgrow.metrics.estimate import Estimate, show, show_number
from outgrow.render.canvas import (
    BLUE,
    FAINT,
    INK,
    NARROW,
    ORANGE,
    SOFT,
    Pixels,
    axes,
    figure,
    page_size,
    shortened,
    style,
    svg,
)
from outgrow.render.heat_map import draw_cells
from outgrow.text_format import short
from outgrow.trust.trust_report import SourceTrust, Trust
from outgrow.trust.trust_tables import important
from outgrow.trust.trust_text import printable

MOST_DOTS, MOST_CELLS, MOST_NARROW, MOST_MATRICES = 20, 12, 6, 6
LINE, FOOT, HEAD = 26, 44, 30


@contextmanager
def drawing() -> Iterator[None]:
    """The house's style; names stay text in the reader's own font, whatever letters matplotlib's lacks."""
    with style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        yield


def _name(name: str, width: Pixels, size: Pixels = 12) -> str:
    return shortened(_clean(name), width, size)


def _clean(name: str) -> str:
    """A name that is neither long nor steers a terminal."""
    return printable(short(name))


def accuracies(found: Trust, width: int) -> str | None:
    """Every source's accuracy given a vote, by gold and without, with intervals; a tick where chance is."""
    shown = [one for one in important(found.sources) if one.by_gold.defined or one.by_agreement.defined][:MOST_DOTS]
    if not shown:
        return None
    left = 110 if width == NARROW else 220
    with drawing():
        fig = figure(width, HEAD + LINE * len(shown) + FOOT)
        ax = axes(fig, left, HEAD, width - left - 16, LINE * len(shown))
        _accuracy_axes(ax, shown, left)
        handles = [
            ax.plot([], [], "o", color=BLUE, ms=7, mew=0, label="by gold")[0],
            ax.plot([], [], "D", color=ORANGE, ms=6, mew=0, label="without gold")[0],
            ax.plot([], [], "|", color=SOFT, ms=10, mew=2, label="chance")[0],
        ]
        fig.legend(handles=handles, loc="upper left", ncols=3, bbox_to_anchor=(0, 1), borderpad=0, columnspacing=1)
        words = "; ".join(f"{_clean(one.name)}: {_both(one)}" for one in shown)
        return svg(fig, f"accuracies-{page_size(width)}", f"Accuracy given a vote. {words}")


def _accuracy_axes(ax: Axes, shown: list[SourceTrust], left: Pixels) -> None:
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(len(shown), 0)
    ax.grid(axis="x")
    ax.spines[["left"]].set_visible(False)
    ax.set_yticks(np.arange(len(shown)) + 0.5, [_name(one.name, left - 14) for one in shown], color=INK, size=12)
    ax.set_xlabel("accuracy given a vote")
    for row, one in enumerate(shown):
        if row:
            ax.axhline(row, color=FAINT, lw=0.8)
        ax.plot([one.chance], [row + 0.5], "|", color=SOFT, ms=LINE - 8, mew=2)
        _dot(ax, one.by_gold, row + 0.32, "o", BLUE)
        _dot(ax, one.by_agreement, row + 0.68, "D", ORANGE)


def _dot(ax: Axes, one: Estimate, y: float, shape: str, colour: str) -> None:
    if one.value is None:
        return
    if one.low is not None and one.high is not None:
        ax.plot([one.low, one.high], [y, y], color=colour, lw=1.6, alpha=0.6, solid_capstyle="butt")
    ax.plot([one.value], [y], shape, color=colour, ms=6, mew=0)


def _both(one: SourceTrust) -> str:
    told = [f"by gold {show(one.by_gold, 2)}"] if one.by_gold.defined else []
    return ", ".join([*told, f"without gold {show(one.by_agreement, 2)}"])


def pair_cells(found: Trust, width: int) -> str | None:
    """The share of same answers of the sources with most votes, as coloured cells."""
    paired = {name for pair in found.pairs for name in (pair.first, pair.second)}
    most = MOST_NARROW if width == NARROW else MOST_CELLS
    names = [one.name for one in found.sources if one.name in paired][:most]
    if len(names) < 2:
        return None
    place = {name: number for number, name in enumerate(names)}
    matrix = np.full((len(names), len(names)), np.nan)
    np.fill_diagonal(matrix, 1)
    words = []
    for pair in found.pairs:
        if pair.first in place and pair.second in place:
            first, second = place[pair.first], place[pair.second]
            matrix[first, second] = matrix[second, first] = pair.agreement
            words.append(f"{_clean(pair.first)} and {_clean(pair.second)}: {show_number(pair.agreement, 2)}")
    left = 100 if width == NARROW else 150
    cell = min(60, (width - left - 8) / len(names))
    with drawing():
        fig = figure(round(left + cell * len(names) + 8), cell * len(names) + 90)
        ax = axes(fig, left, 6, cell * len(names), cell * len(names))
        clean = [_clean(name) for name in names]
        draw_cells(ax, matrix, clean, clean, (left - 12, 84))
        return svg(fig, f"pairs-{page_size(width)}", f"Share of same answers. {'; '.join(words)}")


def confusions(found: Trust, width: int) -> str | None:
    """What the sources with most votes say (columns) of every true class (rows)."""
    shown = [one for one in important(found.sources) if one.confusion is not None][:MOST_MATRICES]
    if not shown or (not found.sources[0].by_agreement.defined and not found.sources[0].by_gold.defined):
        return None
    columns = 1 if width == NARROW else 3
    room = width / columns
    longest = max(len(name) for one in shown if one.confusion for name in one.confusion.classes)
    left, below = (84 if columns == 1 else 92), 30 + min(66, 4 * longest)
    side = room - left - 14
    rows = -(-len(shown) // columns)
    with drawing():
        fig = figure(width, rows * (side + below + HEAD))
        for number, one in enumerate(shown):
            row, column = divmod(number, columns)
            ax = axes(fig, column * room + left, row * (side + below + HEAD) + HEAD, side, side)
            _matrix(ax, one, left, side)
        return svg(fig, f"confusions-{page_size(width)}", f"Share said of each true class. {_matrix_words(shown)}")


def _matrix(ax: Axes, one: SourceTrust, left: Pixels, side: Pixels) -> None:
    if one.confusion is None:
        return
    matrix = np.asarray([[np.nan if cell is None else cell for cell in row] for row in one.confusion.rows])
    names = [_clean(name) for name in one.confusion.classes]
    draw_cells(ax, matrix, names, names, (left - 14, 78))
    ax.set_title(_name(one.name, side), loc="left", weight="bold")


def _matrix_words(shown: list[SourceTrust]) -> str:
    parts = []
    for one in shown:
        if one.confusion is not None:
            right = (
                f"{_clean(name)} {show_number(row[number], 2)}"
                for number, (name, row) in enumerate(zip(one.confusion.classes, one.confusion.rows, strict=True))
                if row[number] is not None
            )
            parts.append(f"{_clean(one.name)} right on {', '.join(right)}")
    return "; ".join(parts)


DRAWINGS = {"accuracies": accuracies, "pairs": pair_cells, "confusions": confusions}
