"""The simulation's figure: risk against labels, the refinement's decay, and what the penalty can do for naive."""

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from outgrow.metrics.estimate import show
from outgrow.render.canvas import (
    BLUE,
    GREEN,
    INK,
    NARROW,
    PURPLE,
    RED,
    SKY,
    SOFT,
    axes,
    figure,
    page_size,
    style,
    svg,
)
from outgrow.simulate.measure import RiskPoint, SimulationResult

COLOURS = {"naive": PURPLE, "refinement": BLUE, "oracle": GREEN}
LEGEND = [
    Line2D([], [], color=BLUE, marker="o", ms=4, lw=1.6, label="refinement"),
    Line2D([], [], color=PURPLE, marker="o", ms=4, lw=1.6, label="naive fine-tuning"),
    Line2D([], [], color=GREEN, marker="o", ms=4, lw=1.6, label="oracle (the target's labels)"),
    Line2D([], [], color=SOFT, lw=1.4, ls=(0, (1, 2)), label="bootstrapping"),
    Line2D([], [], color=RED, lw=1.4, ls=(0, (4, 3)), label="floor of naive"),
    Line2D([], [], color=INK, lw=1.4, ls=(0, (6, 2, 1, 2)), label="bound on refinement"),
    Line2D([], [], color=SKY, lw=1.6, label="refinement in a typical context"),
]


def risk_plot(outcome: SimulationResult, width: int) -> str:
    """Three panels side by side, or below each other on a telephone."""
    narrow = width == NARROW
    panels = (_labels, _decay, _penalties)
    legend = 20 * len(LEGEND) if narrow else 56
    room = width if narrow else width / len(panels)
    height = 210.0
    with style():
        fig = figure(width, legend + (height + 76) * (len(panels) if narrow else 1))
        for number, panel in enumerate(panels):
            left = 54 + (0 if narrow else number * room)
            top = legend + 26 + (number * (height + 76) if narrow else 0)
            panel(axes(fig, left, top, room - 64, height), outcome)
        columns = 1 if narrow else 4
        fig.legend(handles=LEGEND, loc="upper left", ncols=columns, bbox_to_anchor=(0, 1), borderpad=0)
        return svg(fig, f"risk-{page_size(width)}", _words(outcome))


def _labels(ax: Axes, outcome: SimulationResult) -> None:
    for student in ("oracle", "naive", "refinement"):
        _curve(ax, outcome.of(student), COLOURS[student])
    _levels(ax, outcome)
    ax.set_xscale("log", base=2)
    _finish(ax, "Excess risk", "labels used", ax.xaxis)


def _decay(ax: Axes, outcome: SimulationResult) -> None:
    points = outcome.of("refinement")
    counts = [_x(point) for point in points]
    lowest = min(point.risk.low or point.risk.value or 1.0 for point in points)
    if outcome.bound:
        ax.plot(counts, outcome.bound, color=INK, lw=1.4, ls=(0, (6, 2, 1, 2)))
    ax.plot(counts, [10 ** (point.typical.value or 0) for point in points], color=SKY, lw=1.6)
    _curve(ax, points, BLUE)
    _levels(ax, outcome)
    ax.set_ylim(max(lowest / 3, 1e-12), 2 * max((outcome.source, *outcome.bound[:1])))
    _finish(ax, "Refinement", "demonstrations in the context")


def _penalties(ax: Axes, outcome: SimulationResult) -> None:
    sizes, top = list(outcome.naive), 2 * outcome.source
    for number, size in enumerate(dict.fromkeys((sizes[0], sizes[len(sizes) // 3], sizes[-1]))):
        risks, last = outcome.naive[size], size == sizes[-1]
        ax.plot(outcome.penalties, risks, "o-", color=PURPLE, alpha=0.55 + 0.2 * number, ms=3, lw=0.8 + 0.5 * number)
        # Named where the curve begins, or where it comes into sight; the lowest one from below.
        place = next((place for place, risk in enumerate(risks) if place > 1 and risk < 0.93 * top), len(risks) - 1)
        height = min(risks[place], outcome.floor) - top / 40 if last else risks[place] + top / 40
        ax.text(outcome.penalties[place] * 1.2, height, f"{size:,} labels", size=10, va="top" if last else "bottom")
    _levels(ax, outcome)
    ax.set_xscale("log")
    ax.set_xlim(outcome.penalties[1] / 3, outcome.penalties[-1])
    _finish(ax, "Naive fine-tuning", "penalty per label", ax.xaxis)
    ax.set_yscale("linear")
    ax.set_ylim(0, top)


def _curve(ax: Axes, points: list[RiskPoint], colour: str) -> None:
    ax.plot([_x(p) for p in points], [p.risk.value or 0.0 for p in points], "o-", color=colour, ms=4, lw=1.6)
    for point in points:
        if point.risk.low is not None and point.risk.high is not None:
            ax.plot([_x(point)] * 2, [point.risk.low, point.risk.high], color=colour, lw=1.3, alpha=0.6)


def _x(point: RiskPoint) -> int:
    return point.labels or 0


def _levels(ax: Axes, outcome: SimulationResult) -> None:
    ax.axhline(outcome.source, color=SOFT, lw=1.4, ls=(0, (1, 2)))
    ax.axhline(outcome.floor, color=RED, lw=1.4, ls=(0, (4, 3)))


def _finish(ax: Axes, title: str, below: str, *logarithmic: Axis) -> None:
    ax.set_yscale("log")
    ax.set_title(title, loc="left", pad=8, weight="bold")
    ax.set_xlabel(below)
    ax.grid()
    for axis in (ax.yaxis, *logarithmic):
        # The usual labels of such axes are formulas, which this drawing does not have.
        axis.set_major_formatter(FuncFormatter(_tick))
        axis.set_minor_formatter(NullFormatter())


def _tick(value: float, _: int | None) -> str:
    return f"{value:g}"


def _words(outcome: SimulationResult) -> str:
    last = {student: outcome.of(student)[-1] for student in COLOURS}
    parts = [f"{name} with {point.labels} labels {show(point.risk, 4)}" for name, point in last.items()]
    return f"Excess risk against labels: {'; '.join(parts)}; floor of naive fine-tuning {outcome.floor:.4f}."
