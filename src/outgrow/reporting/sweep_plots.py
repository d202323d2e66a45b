"""Plots of a sweep: score and PGR against each key, and heat maps of PGR.

A key whose values are numbers is an axis, logarithmic where they span more than a factor of 8; so is a swept student
whose models have known sizes (the scaling curve: accuracy of the ceiling and of the rows against the student's size).
The values of any other key stand side by side in the order of the file.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from outgrow.config.suite import STUDY
from outgrow.metrics.estimate import Estimate, show
from outgrow.render import canvas
from outgrow.render.canvas import Axes, Drawing, Legend, LegendMark
from outgrow.render.charts import heat_map
from outgrow.reporting.sweep_tables import (
    STUDENTS,
    Sweep,
    at_cell,
    headline_pgr,
    of_reference,
    of_value,
    safe,
    single_pgr,
)

HEIGHT, LEFT, RIGHT, FOOT = 250, 56, 20, 74
COLOURS = (canvas.BLUE, canvas.ORANGE, canvas.PURPLE, canvas.SKY, canvas.RED)
REFERENCES = {"ceiling": canvas.GREEN, "best supervisor": canvas.SOFT}
LOGARITHMIC = 8
"""The span, as a factor, from which an axis is logarithmic."""
MOST_ROWS = len(COLOURS)


@dataclass(frozen=True)
class Position:
    """A value of a key on the axis."""

    label: str
    x: float


@dataclass(frozen=True)
class KeyAxis:
    """The values of a key from left to right."""

    title: str
    positions: Sequence[Position]
    is_number: bool

    @property
    def is_logarithmic(self) -> bool:
        """Whether its numbers span orders of magnitude."""
        places = [position.x for position in self.positions]
        return self.is_number and min(places) > 0 and max(places) / min(places) > LOGARITHMIC


def sweep_plots(sweep: Sweep) -> Iterator[Drawing]:
    """Curves of every key with several values; heat maps of every two keys and of students and supervisors.

    None of a suite, whose studies have no order.
    """
    if sweep.keys == [STUDY]:
        return
    keys = [key for key in sweep.keys if len(sweep.values(key)) > 1]
    for key in keys:
        yield from curves(sweep, key)
    for index, down in enumerate(keys):
        for across in keys[index + 1 :]:
            yield from _interaction_map(sweep, down, across)
    yield from _weak_strong_map(sweep)


# ---- curves ---------------------------------------------------------------------------------------------


def curves(sweep: Sweep, key: str) -> Iterator[Drawing]:
    """Score, with ceiling and best supervisor, and PGR against one key."""
    axis = key_axis(sweep, key)
    studies = {value: sweep.where({key: value}) for value in sweep.values(key)}
    rows = shown_rows(sweep)
    scores = {
        name: [of_value(studies[position.label], name, lambda row: row.score) for position in axis.positions]
        for name in rows
    }
    references = {
        name: [of_reference(studies[position.label], name) for position in axis.positions] for name in REFERENCES
    }
    pgr = {
        name: [of_value(studies[position.label], name, lambda row: row.pgr) for position in axis.positions]
        for name in rows
    }
    several = "" if len(sweep.keys) == 1 else " Means over the other keys."
    yield _curve(
        f"score_by_{safe(key)}",
        axis,
        {**references, **scores},
        sweep.metric,
        f"Test {sweep.metric} against {key}.{several}",
    )
    if any(estimate and estimate.defined for line in pgr.values() for estimate in line):
        caption = f"Performance gap recovered against {key}: 0 is the supervisors, 1 the ceiling.{several}"
        yield _curve(f"pgr_by_{safe(key)}", axis, pgr, "PGR", caption)


def shown_rows(sweep: Sweep) -> list[str]:
    """Plain rows of several supervisors, the headline's first; with one supervisor, whatever there is."""
    headlines = [results.headline.name for results in sweep.results.values() if results.headline is not None]
    rows = [row for results in sweep.results.values() for row in results.of("method") if row.variant == "plain"]
    joint = [row.name for row in rows if row.source is None and not row.oracle]
    return list(dict.fromkeys([*headlines, *joint]))[:MOST_ROWS]


def key_axis(sweep: Sweep, key: str) -> KeyAxis:
    """Numbers as they are, students by the size of their models, anything else by its place."""
    labels = sweep.values(key)
    sizes = {label: _student_size(sweep, key, label) for label in labels} if key.partition(".")[0] == STUDENTS else {}
    numbers = {label: _number(label) for label in labels}
    for title, found in (("millions of weights of the student", sizes), (key, numbers)):
        places = [x for label in labels if (x := found.get(label)) is not None]
        if len(set(places)) == len(labels) > 1:
            ordered = sorted(zip(places, labels, strict=True))
            return KeyAxis(title, [Position(label, x) for x, label in ordered], True)
    return KeyAxis(key, [Position(label, float(index)) for index, label in enumerate(labels)], False)


def _student_size(sweep: Sweep, key: str, label: str) -> float | None:
    weights = [
        facts.weights
        for results in sweep.where({key: label})
        if (facts := results.about.models.get("ceiling")) is not None and facts.weights is not None
    ]
    return weights[0] / 1e6 if weights else None


def _number(label: str) -> float | None:
    try:
        return float(label)
    except ValueError:
        return None


def _curve(
    name: str, axis: KeyAxis, lines: Mapping[str, Sequence[Estimate | None]], title: str, caption: str
) -> Drawing:
    own = iter(COLOURS)
    colours = {line: REFERENCES[line] if line in REFERENCES else next(own) for line in lines}
    legend = Legend([LegendMark(line, colour, "o", "-") for line, colour in colours.items()])
    with canvas.style():
        fig = canvas.figure(canvas.WIDTH, legend.height + HEIGHT + FOOT)
        ax = canvas.axes(fig, LEFT, legend.height + 10, canvas.WIDTH - LEFT - RIGHT, HEIGHT)
        if axis.is_logarithmic:
            ax.set_xscale("log")
        for index, (line, estimates) in enumerate(lines.items()):
            _line(ax, axis, estimates, colours[line], index - (len(lines) - 1) / 2)
        _ticks(ax, axis)
        ax.set_ylabel(title)
        ax.grid(axis="y")
        legend.draw(fig)
        told = "; ".join(_told(line, axis, estimates) for line, estimates in lines.items())
        return canvas.drawing(fig, name, f"{caption} {told}", f"{caption} Lines are 95 % intervals.")


def _line(ax: Axes, axis: KeyAxis, estimates: Sequence[Estimate | None], colour: str, shift: float) -> None:
    """Points are moved aside a little, so that intervals of several lines stay apart."""
    places = np.asarray([position.x for position in axis.positions])
    factor, width = 0.012 * shift, 0.008 * shift * max(float(np.ptp(places)), 1.0)
    moved = places * (1 + factor) if axis.is_logarithmic else places + width
    shown = [(x, one) for x, one in zip(moved.tolist(), estimates, strict=True) if one is not None and one.defined]
    ax.plot([x for x, _ in shown], [one.value or 0.0 for _, one in shown], "o-", color=colour, ms=5, lw=1.6, mew=0)
    for x, one in shown:
        canvas.interval(ax, one.low, one.high, x, colour, upright=True)


def _ticks(ax: Axes, axis: KeyAxis) -> None:
    from matplotlib.ticker import NullLocator

    places = [position.x for position in axis.positions]
    ax.xaxis.set_minor_locator(NullLocator())
    if axis.is_number:
        ax.set_xticks(places, [f"{x:.3g}" for x in places])
    else:
        labels = [canvas.shortened(position.label, 130) for position in axis.positions]
        ax.set_xticks(places, labels, rotation=20, ha="right", rotation_mode="anchor")
    ax.set_xlabel(axis.title)


def _told(line: str, axis: KeyAxis, estimates: Sequence[Estimate | None]) -> str:
    numbers = (
        f"{position.label} {show(one, 2)}"
        for position, one in zip(axis.positions, estimates, strict=True)
        if one is not None
    )
    return f"{line}: {', '.join(numbers)}"


# ---- heat maps ------------------------------------------------------------------------------------------

NAMES, CELL = 130, 84


def _interaction_map(sweep: Sweep, down: str, across: str) -> Iterator[Drawing]:
    rows, columns = sweep.values(down), sweep.values(across)
    cells = [[at_cell(sweep, down, row, across, column, headline_pgr) for column in columns] for row in rows]
    caption = f"Performance gap recovered by the headline's row: {down} (rows) and {across} (columns)."
    yield from _map(f"pgr_{safe(down)}_by_{safe(across)}", cells, rows, columns, caption)


def _weak_strong_map(sweep: Sweep) -> Iterator[Drawing]:
    """Students from the lowest ceiling up, supervisors from the lowest score up, as in Burns et al."""
    key = STUDENTS if STUDENTS in sweep.keys else next((k for k in sweep.keys if k.startswith("student.")), "")
    if not key:
        return
    students = sorted(sweep.values(key), key=lambda label: _value(of_reference(sweep.where({key: label}), "ceiling")))
    scores = {row.name: _value(row.score) for results in sweep.results.values() for row in results.of("floor")}
    supervisors = sorted(scores, key=scores.__getitem__)
    cells = [[single_pgr(sweep.where({key: student}), name) for name in supervisors] for student in students]
    caption = (
        "Performance gap recovered by students (rows, weakest ceiling first) on the labels of one supervisor (columns,"
        " weakest first); empty where the ceiling is not clearly above the supervisor."
    )
    yield from _map("weak_strong_pgr", cells, students, supervisors, caption)


def _value(estimate: Estimate | None) -> float:
    return -1.0 if estimate is None or estimate.value is None else estimate.value


def _map(
    name: str, cells: Sequence[Sequence[Estimate | None]], rows: Sequence[str], columns: Sequence[str], caption: str
) -> Iterator[Drawing]:
    matrix = np.asarray([[np.nan if one is None or one.value is None else one.value for one in row] for row in cells])
    if not matrix.size or not np.isfinite(matrix).any():
        return
    cell = min(CELL, (canvas.WIDTH - NAMES - 8) / len(columns))
    height = min(cell, 48) * len(rows)
    with canvas.style():
        fig = canvas.figure(NAMES + cell * len(columns) + 8, height + 90)
        ax = canvas.axes(fig, NAMES, 6, cell * len(columns), height)
        heat_map(ax, matrix, rows, columns, (NAMES - 12, NAMES - 12))
        told = "; ".join(
            f"{row}, {column}: {show(one, 2)}"
            for row, line in zip(rows, cells, strict=True)
            for column, one in zip(columns, line, strict=True)
            if one is not None
        )
        yield canvas.drawing(fig, name, f"{caption} {told}", caption)
