"""The picture of the study: supervisors, labels, methods, student, floor and ceiling, with the study's own numbers."""

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from outgrow.metrics.estimate import show_number
from outgrow.render.canvas import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    NARROW,
    ORANGE,
    PAPER,
    PURPLE,
    RED,
    SOFT,
    WIDE,
    Pixels,
    axes,
    figure,
    shortened,
    style,
    svg,
)
from outgrow.reporting.headline import best_method, ceiling_of, highest, plain_naive
from outgrow.reporting.results import MEAN_VOTE, Results

SHOWN = 6
LINE = 17
"""Pixels from one line of text to the next."""


@dataclass(frozen=True)
class ListBox:
    """A titled list; a line is a text and, at the right edge, a number."""

    title: str
    subtitle: str
    lines: tuple[tuple[str, str], ...]
    colour: str

    @property
    def height(self) -> Pixels:
        return 50 + LINE * len(self.lines) + (8 if self.lines else 0)


def picture(results: Results, width: int) -> str:
    """The study as SVG, `WIDE` or `NARROW`."""
    with style():
        boxes = [supervisors_box(results), labels_box(results), methods_box(results), student_box(results)]
        return _wide(results, boxes) if width == WIDE else _narrow(results, boxes)


def supervisors_box(results: Results) -> ListBox:
    """The floor."""
    rows = results.of("floor")
    lines = [(row.name, show_number(row.score.value)) for row in rows[:SHOWN]]
    lines += [(f"and {len(rows) - SHOWN} more", "")] if len(rows) > SHOWN else []
    return ListBox("Supervisors", _lesson(results), tuple(lines), ORANGE)


def _lesson(results: Results) -> str:
    """What the supervisors learn before they label anything."""
    count, untaught = len(results.about.supervisors), len(results.about.untaught)
    if untaught == count:
        return "asked as they are"
    learn = f"learn {_count(results, 'weak')} gold labels"
    return f"{count - untaught} of {count} {learn}" if untaught else learn


def labels_box(results: Results) -> ListBox:
    """What the supervisors say about half B."""
    lines = [_best_labels(results)] if results.supervisors else []
    agreed = [pair.agreement.value for pair in results.pairs if pair.agreement.value is not None]
    if agreed:
        lines.append(
            (
                "two are alike by" if results.about.of_texts else "two of them agree",
                show_number(sum(agreed) / len(agreed)),
            )
        )
    return ListBox("Weak labels", f"on {_count(results, 'half_b')} other items", tuple(lines), ORANGE)


def _best_labels(results: Results) -> tuple[str, str]:
    """How good the labels are: the mean vote's accuracy, or the best score of one supervisor."""
    last = results.supervisors[-1]
    if last.name == MEAN_VOTE:
        return "mean vote is right", show_number(last.half_b.value)
    best = max(results.supervisors, key=lambda one: one.half_b.value or 0.0)
    name = f"best: {best.name}" if len(results.supervisors) > 1 else best.name
    return name, show_number(best.half_b.value)


def methods_box(results: Results) -> ListBox:
    """The rows, by the best score of each method."""
    found: dict[str, list[float]] = {}
    for row in results.fair:
        values = found.setdefault(row.method if row.source is None else "single", [])
        values += [] if row.score.value is None else [row.score.value]
    ordered = sorted(found, key=lambda name: max(found[name], default=-1.0), reverse=True)
    lines = [(name, show_number(max(found[name], default=None))) for name in ordered[:SHOWN]]
    lines += [(f"and {len(ordered) - SHOWN} more", "")] if len(ordered) > SHOWN else []
    return ListBox("Methods", "combine, loss; best variant", tuple(lines), BLUE)


def student_box(results: Results) -> ListBox:
    """The strong model."""
    best, top, bare = best_method(results), ceiling_of(results), highest(results.of("untouched"))
    lines = [("on weak labels", show_number(best.score.value))] if best else []
    lines += [("on gold (ceiling)", show_number(top.score.value))] if top else []
    lines += [("untouched", show_number(bare.score.value))] if bare else []
    return ListBox("Student", results.about.student, tuple(lines), GREEN)


def _count(results: Results, part: str) -> str:
    size = results.about.sizes.get(part)
    return f"{size:,}" if size is not None else "–"


def _describe(results: Results) -> str:
    boxes = [supervisors_box(results), labels_box(results), methods_box(results), student_box(results)]
    parts = [f"{box.title}: {', '.join(f'{text} {number}'.strip() for text, number in box.lines)}" for box in boxes]
    return "The study from left to right. " + ". ".join(parts)


def _wide(results: Results, boxes: list[ListBox]) -> str:
    tallest = max(box.height for box in boxes)
    height = tallest + 156
    fig = figure(WIDE, height)
    ax = _blank(axes(fig, 0, 0, WIDE, height), WIDE, height)
    box_width, gap = 208, 40
    for number, box in enumerate(boxes):
        left = 3 + number * (box_width + gap)
        _draw_box(ax, box, left, 3, box_width, tallest)
        if number:
            _arrow(ax, (left - gap + 6, tallest / 2), (left - 6, tallest / 2))
    _scale(ax, results, 24, WIDE - 24, tallest + 88)
    return svg(fig, "picture-wide", _describe(results))


def _narrow(results: Results, boxes: list[ListBox]) -> str:
    gap = 26
    height = sum(box.height + gap for box in boxes) + 130
    fig = figure(NARROW, height)
    ax = _blank(axes(fig, 0, 0, NARROW, height), NARROW, height)
    top = 3.0
    for number, box in enumerate(boxes):
        _draw_box(ax, box, 3, top, NARROW - 6, box.height)
        top += box.height + gap
        if number < len(boxes) - 1:
            _arrow(ax, (NARROW / 2, top - gap + 4), (NARROW / 2, top - 4))
    _scale(ax, results, 14, NARROW - 14, top + 62)
    return svg(fig, "picture-narrow", _describe(results))


def _blank(ax: Axes, width: Pixels, height: Pixels) -> Axes:
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)
    ax.axis("off")
    return ax


def _draw_box(ax: Axes, box: ListBox, left: Pixels, top: Pixels, width: Pixels, height: Pixels) -> None:
    shape = "round,pad=0,rounding_size=9"
    ax.add_patch(FancyBboxPatch((left, top), width, height, boxstyle=shape, facecolor=PAPER, edgecolor=FAINT, lw=1.3))
    ax.plot([left + 14, left + 42], [top + 1, top + 1], color=box.colour, lw=4, solid_capstyle="butt")
    ax.text(left + 14, top + 24, box.title, size=14, weight="bold", va="baseline")
    ax.text(left + 14, top + 41, shortened(box.subtitle, width - 28, 11), size=11, color=SOFT, va="baseline")
    for number, (text, value) in enumerate(box.lines):
        y = top + 66 + LINE * number
        ax.text(left + 14, y, shortened(text, width - 28 - 46), size=12, va="baseline")
        ax.text(left + width - 14, y, value, size=12, ha="right", va="baseline", weight="bold")


def _arrow(ax: Axes, start: tuple[Pixels, Pixels], end: tuple[Pixels, Pixels]) -> None:
    ax.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=14, color=SOFT, lw=1.6))


@dataclass(frozen=True)
class ScaleMark:
    """A place on the scale of scores."""

    text: str
    value: float
    colour: str
    above: bool


def _marks(results: Results) -> list[ScaleMark]:
    floor, naive, best, top = (
        highest(results.of("floor")),
        plain_naive(results),
        best_method(results),
        ceiling_of(results),
    )
    found = []
    if floor and floor.score.value is not None:
        found.append(ScaleMark("best supervisor", floor.score.value, RED, above=True))
    if naive and naive is not best and naive.score.value is not None:
        found.append(ScaleMark("naive", naive.score.value, PURPLE, above=False))
    if best and best.score.value is not None:
        found.append(ScaleMark("best student", best.score.value, BLUE, above=True))
    if top and top.score.value is not None:
        found.append(ScaleMark("ceiling", top.score.value, GREEN, above=False))
    return found


def _scale(ax: Axes, results: Results, left: Pixels, right: Pixels, y: Pixels) -> None:
    """The test score from the lowest supervisor to the ceiling, with everybody's place on it."""
    values = [row.score.value for row in results.rows if row.score.value is not None]
    if not values:
        return
    low, high = min(values), max(values)
    room = max(high - low, 0.02) * 0.12
    low, high = max(0.0, low - room), min(1.0, high + room)

    def at(value: float) -> Pixels:
        return left + (right - left) * (value - low) / (high - low)

    ax.plot([left, right], [y, y], color=FAINT, lw=6, solid_capstyle="round")
    colours = {"floor": ORANGE, "method": BLUE, "ceiling": GREEN, "untouched": SOFT}
    for row in results.rows:
        if row.score.value is not None:
            ax.plot([at(row.score.value)], [y], "o", ms=7, color=colours[row.role], alpha=0.45, mew=0)
    for above in (True, False):
        taken: list[tuple[Pixels, Pixels, int]] = []
        for mark in sorted((one for one in _marks(results) if one.above == above), key=lambda one: one.value):
            _draw_mark(ax, mark, at(mark.value), y, (left, right), taken)
    ax.text(left, y + 56, show_number(low, 2), size=10, color=SOFT)
    ax.text((left + right) / 2, y + 56, f"test {results.about.metric_title}", size=11, color=SOFT, ha="center")
    ax.text(right, y + 56, show_number(high, 2), size=10, color=SOFT, ha="right")


def _draw_mark(
    ax: Axes,
    mark: ScaleMark,
    x: Pixels,
    y: Pixels,
    ends: tuple[Pixels, Pixels],
    taken: list[tuple[Pixels, Pixels, int]],
) -> None:
    """A dot with its label, one level further out for every label on this side that would touch it."""
    text = f"{mark.text} {show_number(mark.value)}"
    half = 0.31 * 12 * len(text)
    middle = min(max(x, ends[0] + half), ends[1] - half)
    levels = [level for left, right, level in taken if left < middle + half and middle - half < right]
    level = next(number for number in range(len(taken) + 1) if number not in levels)
    taken.append((middle - half - 6, middle + half + 6, level))
    sign = -1 if mark.above else 1
    reach = 14 + 16 * level
    ax.plot([x, x], [y, y + sign * reach], color=mark.colour, lw=1.6)
    ax.plot([x], [y], "o", ms=10, color=mark.colour, mec=PAPER, mew=1.5)
    below = y + reach + 14
    ax.text(middle, y - reach - 5 if mark.above else below, text, size=12, ha="center", color=INK, weight="bold")
