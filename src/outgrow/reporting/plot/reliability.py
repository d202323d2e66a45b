"""Reliability curves of a few telling rows."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from outgrow.metrics.estimate import show
from outgrow.render.canvas import BLUE, FAINT, NARROW, axes, figure, page_size, shortened, style, svg
from outgrow.reporting.headline import best_method, ceiling_of, highest, plain_naive
from outgrow.reporting.results import Results, RowResult


def reliability(results: Results, width: int) -> str | None:
    """Accuracy against confidence for a few telling rows; on the diagonal a probability means what it says."""
    rows = _telling_rows(results)
    if not rows:
        return None
    columns = 2 if width == NARROW else min(5, max(3, len(rows)))
    lines = -(-len(rows) // columns)
    room = (width - 44) / columns
    side = room - 24
    with style():
        fig = figure(width, lines * (side + 62) + 8)
        for number, row in enumerate(rows):
            line, column = divmod(number, columns)
            ax = axes(fig, 40 + column * room, 26 + line * (side + 62), side, side)
            _reliability_panel(ax, row, first=column == 0, last=number >= len(rows) - columns)
        return svg(fig, f"reliability-{page_size(width)}", _reliability_words(rows))


def _telling_rows(results: Results) -> list[RowResult]:
    candidates = [
        highest(results.of("floor")),
        plain_naive(results),
        best_method(results),
        ceiling_of(results),
        highest(results.of("untouched")),
    ]
    rows = [row for row in candidates if row is not None and row.calibration is not None]
    return list({row.name: row for row in rows}.values())


def _reliability_panel(ax: Axes, row: RowResult, first: bool, last: bool) -> None:
    curve = row.calibration.curve if row.calibration else ()
    ax.plot([0, 1], [0, 1], color=FAINT, lw=1.5)
    for point in curve:
        if point.accuracy.low is not None and point.accuracy.high is not None:
            ax.plot([point.confidence] * 2, [point.accuracy.low, point.accuracy.high], color=BLUE, lw=1.3, alpha=0.6)
    known = [(point.confidence, point.accuracy.value) for point in curve if point.accuracy.value is not None]
    ax.plot(*zip(*known, strict=True), "o-", color=BLUE, ms=4.5, lw=1.5, clip_on=False)
    ax.set(xlim=(0, 1), ylim=(0, 1), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    ax.set_xticklabels(["0", ".5", "1"])
    ax.set_yticklabels(["0", ".5", "1"] if first else [])
    ax.grid()
    ax.set_title(shortened(row.name, ax.get_window_extent().width + 16, 12), loc="left", pad=6)
    if last:
        ax.set_xlabel("confidence")
    if first:
        ax.set_ylabel("accuracy", labelpad=2)


def _reliability_words(rows: Sequence[RowResult]) -> str:
    parts = [f"{row.name}: calibration error {show(row.calibration.ece)}" for row in rows if row.calibration]
    return f"Reliability curves, accuracy against confidence. {'; '.join(parts)}"
