"""The plot of a simulation: risk against labels, the decay of refinement, and naive fine-tuning at every penalty."""

from typing import Any

from outgrow.metrics.estimate import show
from outgrow.render import canvas
from outgrow.render.canvas import Axes, Drawing, Legend, LegendMark
from outgrow.simulate.measure import RiskPoint, SimulationResult

COLOURS = {"naive": canvas.PURPLE, "refinement": canvas.BLUE, "oracle": canvas.GREEN}
DOTTED, DASHED, DASH_DOT = (0, (1, 2)), (0, (4, 3)), (0, (6, 2, 1, 2))
LEGEND = (
    LegendMark("refinement", canvas.BLUE, "o", "-"),
    LegendMark("naive fine-tuning", canvas.PURPLE, "o", "-"),
    LegendMark("oracle (the target's labels)", canvas.GREEN, "o", "-"),
    LegendMark("bootstrapping", canvas.SOFT, line=DOTTED),
    LegendMark("floor of naive", canvas.RED, line=DASHED),
    LegendMark("bound on refinement", canvas.INK, line=DASH_DOT),
    LegendMark("refinement in a typical context", canvas.SKY, line="-"),
)
TALL, LEFT, HEAD, FOOT = 190.0, 56, 28, 76
"""Pixels: height of a panel, width of the tick labels, height of a title, height of the axis."""
CAPTION = (
    "First: mean excess risk against the number of labels. Second: refinement alone, with the theoretical bound on its"
    " mean, and the risk in a typical context (geometric mean). Third: naive fine-tuning at each penalty. Its mean"
    " risk stays above the floor, the risk of the best point between the source and the weak supervisor. Bars are 95 %"
    " intervals."
)


def risk_plot(outcome: SimulationResult) -> Drawing:
    """Two panels side by side, and a third one below."""
    legend, room = Legend(LEGEND), canvas.width() / 2
    with canvas.style():
        fig = canvas.figure(canvas.width(), legend.height + 2 * (TALL + FOOT) + HEAD)
        top = legend.height + HEAD
        _labels(canvas.axes(fig, LEFT, top, room - LEFT - 16, TALL), outcome)
        _decay(canvas.axes(fig, room + LEFT, top, room - LEFT - 16, TALL), outcome)
        _penalties(canvas.axes(fig, LEFT, top + TALL + FOOT, canvas.width() - LEFT - 16, TALL), outcome)
        legend.draw(fig)
        return canvas.drawing(fig, "risk", _description(outcome), CAPTION)


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
        ax.plot(counts, outcome.bound, color=canvas.INK, lw=1.4, ls=DASH_DOT)
    ax.plot(counts, [10 ** (point.typical.value or 0) for point in points], color=canvas.SKY, lw=1.6)
    _curve(ax, points, canvas.BLUE)
    _levels(ax, outcome)
    ax.set_ylim(max(lowest / 3, 1e-12), 2 * max((outcome.source, *outcome.bound[:1])))
    _finish(ax, "Refinement", "demonstrations in the context")


def _penalties(ax: Axes, outcome: SimulationResult) -> None:
    sizes, top = list(outcome.naive), 2 * outcome.source
    for curve, size in enumerate(dict.fromkeys((sizes[0], sizes[len(sizes) // 3], sizes[-1]))):
        risks, last = outcome.naive[size], size == sizes[-1]
        ax.plot(
            outcome.penalties, risks, "o-", color=canvas.PURPLE, alpha=0.55 + 0.2 * curve, ms=3, lw=0.8 + 0.5 * curve
        )
        # The name is above the first visible point, or below it for the lowest curve.
        labelled = next((index for index, risk in enumerate(risks) if index > 1 and risk < 0.93 * top), len(risks) - 1)
        height = min(risks[labelled], outcome.floor) - top / 40 if last else risks[labelled] + top / 40
        ax.text(
            outcome.penalties[labelled] * 1.2,
            height,
            f"{size:,} labels",
            size=canvas.SMALL,
            va="top" if last else "bottom",
        )
    _levels(ax, outcome)
    ax.set_xscale("log")
    ax.set_xlim(outcome.penalties[1] / 3, outcome.penalties[-1])
    _finish(ax, "Naive fine-tuning", "penalty per label", ax.xaxis)
    ax.set_yscale("linear")
    ax.set_ylim(0, top)


def _curve(ax: Axes, points: list[RiskPoint], colour: str) -> None:
    ax.plot([_x(p) for p in points], [p.risk.value or 0.0 for p in points], "o-", color=colour, ms=4, lw=1.6)
    for point in points:
        canvas.interval(ax, point.risk.low, point.risk.high, _x(point), colour, upright=True, lw=1.3)


def _x(point: RiskPoint) -> int:
    return point.labels or 0


def _levels(ax: Axes, outcome: SimulationResult) -> None:
    ax.axhline(outcome.source, color=canvas.SOFT, lw=1.4, ls=DOTTED)
    ax.axhline(outcome.floor, color=canvas.RED, lw=1.4, ls=DASHED)


def _finish(ax: Axes, title: str, below: str, *logarithmic: Any) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    ax.set_yscale("log")
    ax.set_title(title, loc="left", pad=8, weight="bold")
    ax.set_xlabel(below)
    ax.grid()
    for axis in (ax.yaxis, *logarithmic):
        # The default tick labels of logarithmic axes are formulas.
        axis.set_major_formatter(FuncFormatter(_tick))
        axis.set_minor_formatter(NullFormatter())


def _tick(value: float, _: int | None) -> str:
    return f"{value:g}"


def _description(outcome: SimulationResult) -> str:
    last = {student: outcome.of(student)[-1] for student in COLOURS}
    parts = [f"{name} with {point.labels} labels {show(point.risk, 4)}" for name, point in last.items()]
    return f"Excess risk against labels: {'; '.join(parts)}; floor of naive fine-tuning {outcome.floor:.4f}."
