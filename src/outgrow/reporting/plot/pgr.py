"""Bars of performance gap recovered, with intervals."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from outgrow.metrics.estimate import UNDEFINED, Estimate, show, show_number
from outgrow.render.canvas import (
    GREEN,
    INK,
    NARROW,
    SOFT,
    VARIANT_COLOURS,
    Pixels,
    axes,
    figure,
    page_size,
    shortened,
    style,
    svg,
)
from outgrow.reporting.results import Results, RowResult
from outgrow.reporting.tables.of_results import VARIANT_TITLES

BAR = 13
"""Pixels of a bar."""


def pgr(results: Results, width: int) -> str | None:
    """PGR of every method in every variant, as bars with intervals; 0 is the supervisors, 1 the ceiling."""
    methods = _by_method(results)
    shown = [row.pgr for rows in methods.values() for row in rows if row.pgr is not None]
    if not any(estimate.defined for estimate in shown):
        return None
    narrow = width == NARROW
    variants = [name for name in results.about.variants if any(row.variant == name for row in results.of("method"))]
    head = 30 if narrow else 14
    group = BAR * len(variants) + head
    legend = 18 * len(variants) + 8 if narrow else 26
    left = 10 if narrow else 190
    height = legend + group * len(methods) + 46
    with style():
        fig = figure(width, height)
        ax = axes(fig, left, legend + 4, width - left - 52, group * len(methods))
        ax.set_ylim(group * len(methods), 0)
        low, high = _reach(shown)
        ax.set_xlim(low, high)
        for number, (method, rows) in enumerate(methods.items()):
            top = number * group + head
            _method_name(ax, method, top, narrow, len(variants) * BAR, width)
            for row in rows:
                _bar(ax, row, top + BAR * (variants.index(row.variant) + 0.5))
        _guides(ax, "performance gap recovered")
        handles = [Patch(color=VARIANT_COLOURS[name], label=VARIANT_TITLES[name]) for name in variants]
        fig.legend(
            handles=handles, loc="upper left", ncols=1 if narrow else len(variants), bbox_to_anchor=(0, 1), borderpad=0
        )
        return svg(fig, f"pgr-{page_size(width)}", f"Performance gap recovered by method. {_pgr_words(methods)}")


def _by_method(results: Results) -> dict[str, list[RowResult]]:
    """Methods with all supervisors first."""
    methods: dict[str, list[RowResult]] = {}
    for row in sorted(results.of("method"), key=lambda row: row.source is not None):
        methods.setdefault(row.method, []).append(row)
    return methods


def _reach(estimates: Sequence[Estimate]) -> tuple[float, float]:
    """Limits that hold every bar, and intervals unless they are absurdly long."""
    values = [one.value for one in estimates if one.value is not None]
    lows = [one.low for one in estimates if one.low is not None]
    highs = [one.high for one in estimates if one.high is not None]
    low = min(0.0, max(min([*lows, 0.0]), min(values) - 0.5))
    high = max(1.0, min(max([*highs, 1.0]), max(values) + 0.5))
    return low - (0.03 if low < 0 else 0.0), high + 0.03


def _method_name(ax: Axes, method: str, top: Pixels, narrow: bool, height: Pixels, width: int) -> None:
    if narrow:
        ax.text(0, top - 7, shortened(method, width - 70), transform=_at_left(ax), size=12, weight="bold")
    else:
        text = shortened(method, 178)
        ax.text(-0.015, top + height / 2, text, transform=_at_left(ax), ha="right", va="center", size=12)


def _at_left(ax: Axes) -> object:
    """x in shares of the axes, y in data."""
    return ax.get_yaxis_transform()


def _bar(ax: Axes, row: RowResult, y: Pixels) -> None:
    estimate, colour = row.pgr, VARIANT_COLOURS[row.variant]
    if estimate is None or estimate.value is None:
        ax.text(0.01, y, UNDEFINED, size=10, color=SOFT, va="center", style="italic")
        return
    ax.barh(y, estimate.value, height=BAR - 3, color=colour, alpha=0.9, lw=0)
    if estimate.low is not None and estimate.high is not None:
        ax.plot([estimate.low, estimate.high], [y, y], color=INK, lw=1.3, solid_capstyle="butt")
    ax.text(1.008, y, show_number(estimate.value, 2), transform=_at_left(ax), size=11, va="center", color=INK)


def _guides(ax: Axes, title: str) -> None:
    ax.set_yticks([])
    ax.grid(axis="x")
    ax.axvline(0, color=INK, lw=1)
    ax.axvline(1, color=GREEN, lw=1.4, ls=(0, (4, 3)))
    ax.spines[["left"]].set_visible(False)
    ax.set_xlabel(title)


def _pgr_words(methods: Mapping[str, Sequence[RowResult]]) -> str:
    return "; ".join(f"{row.name}: {show(row.pgr, 2)}" for rows in methods.values() for row in rows if row.pgr)
