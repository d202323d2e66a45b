"""Plots: every source's accuracy, the agreement of pairs, and confusion matrices."""

from collections.abc import Sequence

import numpy as np

from outgrow.metrics.estimate import show, show_number
from outgrow.render import canvas
from outgrow.render.canvas import Axes, Drawing, Legend, LegendMark, Pixels
from outgrow.render.charts import dot, heat_map, name_line
from outgrow.text_format import short
from outgrow.trust_report.findings import SourceTrust, Trust
from outgrow.trust_report.trust_tables import important
from outgrow.trust_report.trust_text import printable

MOST_DOTS, MOST_CELLS, MOST_MATRICES = 20, 10, 6
LINE, FOOT, HEAD, NAMES = 26, 48, 30, 170


def trust_plots(trust: Trust) -> dict[str, Drawing]:
    """The plots that are not empty, by name."""
    drawings = (accuracies(trust), pair_cells(trust), confusions(trust))
    return {plot.name: plot for plot in drawings if plot is not None}


def _clean(name: str) -> str:
    """A name, shortened and without control characters."""
    return printable(short(name))


# ---- accuracies -----------------------------------------------------------------------------------------


def accuracies(trust: Trust) -> Drawing | None:
    """Accuracy given a vote of each source, by gold and without gold, with intervals and a tick at chance."""
    shown = [source for source in important(trust.sources) if source.by_gold.defined or source.by_agreement.defined]
    shown = shown[:MOST_DOTS]
    if not shown:
        return None
    marks = [
        LegendMark("by gold", canvas.BLUE, "o"),
        LegendMark("without gold", canvas.ORANGE, "D"),
        LegendMark("chance", canvas.SOFT, "|"),
    ]
    with canvas.style():
        fig = canvas.figure(canvas.width(), HEAD + LINE * len(shown) + FOOT)
        _accuracy_axes(canvas.axes(fig, NAMES, HEAD, canvas.width() - NAMES - 16, LINE * len(shown)), shown)
        Legend(marks).draw(fig)
        words = "; ".join(f"{_clean(source.name)}: {_both(source)}" for source in shown)
        return canvas.drawing(
            fig,
            "accuracies",
            f"Accuracy given a vote. {words}",
            "Share of right votes among the votes of a source. Where both are shown, gold checks the estimate. A"
            " source at chance carries no information; below chance it is adversarial.",
        )


def _accuracy_axes(ax: Axes, shown: Sequence[SourceTrust]) -> None:
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(len(shown), 0)
    ax.set_yticks([])
    ax.grid(axis="x")
    ax.spines[["left"]].set_visible(False)
    ax.set_xlabel("accuracy given a vote")
    for row, source in enumerate(shown):
        name_line(ax, _clean(source.name), row + 0.5, NAMES)
        if row:
            ax.axhline(row, color=canvas.FAINT, lw=0.8)
        ax.plot([source.chance], [row + 0.5], "|", color=canvas.SOFT, ms=LINE - 8, mew=2)
        dot(ax, source.by_gold, row + 0.32, canvas.BLUE, "o")
        dot(ax, source.by_agreement, row + 0.68, canvas.ORANGE, "D")


def _both(source: SourceTrust) -> str:
    by_gold = [f"by gold {show(source.by_gold, 2)}"] if source.by_gold.defined else []
    return ", ".join([*by_gold, f"without gold {show(source.by_agreement, 2)}"])


# ---- pairs ----------------------------------------------------------------------------------------------

CELL, BELOW = 60, 84


def pair_cells(trust: Trust) -> Drawing | None:
    """A heat map of the share of equal votes for the sources with most votes."""
    paired = {name for pair in trust.pairs for name in (pair.first, pair.second)}
    names = [source.name for source in trust.sources if source.name in paired][:MOST_CELLS]
    if len(names) < 2:
        return None
    position = {name: index for index, name in enumerate(names)}
    matrix = np.full((len(names), len(names)), np.nan)
    np.fill_diagonal(matrix, 1)
    words = []
    for pair in trust.pairs:
        if pair.first in position and pair.second in position:
            first, second = position[pair.first], position[pair.second]
            matrix[first, second] = matrix[second, first] = pair.agreement
            words.append(f"{_clean(pair.first)} and {_clean(pair.second)}: {show_number(pair.agreement, 2)}")
    cell = min(CELL, (canvas.width() - NAMES - 8) / len(names))
    side, clean = cell * len(names), [_clean(name) for name in names]
    with canvas.style():
        fig = canvas.figure(NAMES + side + 8, side + 94)
        heat_map(canvas.axes(fig, NAMES, 6, side, side), matrix, clean, clean, (NAMES - 12, BELOW))
        return canvas.drawing(
            fig,
            "pairs",
            f"Share of equal votes. {'; '.join(words)}",
            "Share of equal votes on common items, for the sources with most votes.",
        )


# ---- confusion matrices ---------------------------------------------------------------------------------

COLUMNS, LEFT = 2, 92


def confusions(trust: Trust) -> Drawing | None:
    """Confusion matrices of the sources with most votes: a row per true class, a column per vote."""
    shown = [source for source in important(trust.sources) if source.confusion is not None][:MOST_MATRICES]
    if not shown or (not trust.sources[0].by_agreement.defined and not trust.sources[0].by_gold.defined):
        return None
    room = canvas.width() / COLUMNS
    longest = max(len(name) for source in shown if source.confusion for name in source.confusion.classes)
    below, side = 32 + min(68, 4 * longest), room - LEFT - 14
    with canvas.style():
        fig = canvas.figure(canvas.width(), -(-len(shown) // COLUMNS) * (side + below + HEAD))
        for index, source in enumerate(shown):
            row, column = divmod(index, COLUMNS)
            _matrix(
                canvas.axes(fig, column * room + LEFT, row * (side + below + HEAD) + HEAD, side, side), source, side
            )
        return canvas.drawing(
            fig,
            "confusions",
            f"Share of votes for each true class. {_matrix_words(shown)}",
            "The votes of each source (columns) on items of each true class (rows).",
        )


def _matrix(ax: Axes, source: SourceTrust, side: Pixels) -> None:
    if source.confusion is None:
        return
    matrix = np.asarray([[np.nan if cell is None else cell for cell in row] for row in source.confusion.rows])
    names = [_clean(name) for name in source.confusion.classes]
    heat_map(ax, matrix, names, names, (LEFT - 14, 78))
    ax.set_title(canvas.shortened(_clean(source.name), side), loc="left", weight="bold")


def _matrix_words(shown: Sequence[SourceTrust]) -> str:
    parts = []
    for source in shown:
        if source.confusion is not None:
            right = (
                f"{_clean(name)} {show_number(row[index], 2)}"
                for index, (name, row) in enumerate(zip(source.confusion.classes, source.confusion.rows, strict=True))
                if row[index] is not None
            )
            parts.append(f"{_clean(source.name)} right on {', '.join(right)}")
    return "; ".join(parts)
