"""The study in one picture: supervisors, labels, methods, student, and the scale of scores from floor to ceiling."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from outgrow.metrics.estimate import show_number
from outgrow.render import canvas
from outgrow.render.canvas import Axes, Drawing, Pixels
from outgrow.reporting.results import Results, highest
from outgrow.reporting.topic import TopicRecord
from outgrow.reporting.topics.agreement import AGREEMENT
from outgrow.reporting.topics.supervisors import MEAN_VOTE, SUPERVISORS

SHOWN = 6
LINE, BOX, GAP, DOWN, NAME = 18, 270, 52, 30, 260
"""Pixels: from one line of text to the next, of a box, between boxes side by side and one above the other, and of a
row's name on the scale."""


@dataclass(frozen=True)
class ListBox:
    """A titled list; a line is a text and, at the right edge, a number."""

    title: str
    subtitle: str
    lines: tuple[tuple[str, str], ...]
    colour: str

    @property
    def height(self) -> Pixels:
        """Pixels."""
        return 52 + LINE * len(self.lines) + (8 if self.lines else 0)


# ---- boxes ----------------------------------------------------------------------------------------------


def supervisors_box(results: Results) -> ListBox:
    """The floor."""
    rows = results.of("floor")
    lines = [(row.name, show_number(row.score.value)) for row in rows[:SHOWN]]
    lines += [(f"and {len(rows) - SHOWN} more", "")] if len(rows) > SHOWN else []
    return ListBox("Supervisors", _what_they_learn(results), tuple(lines), canvas.ORANGE)


def _what_they_learn(results: Results) -> str:
    count, untaught = len(results.about.supervisors), len(results.about.untaught)
    if untaught == count:
        return "used without training"
    learn = f"learn {_size(results, 'half_a')} gold labels"
    return f"{count - untaught} of {count} {learn}" if untaught else learn


def labels_box(results: Results) -> ListBox:
    """The supervisors' labels of half B."""
    lines = [_best_labels(results)] if SUPERVISORS.of(results) else []
    agreed = [pair.agreement.value for pair in AGREEMENT.of(results) if pair.agreement.value is not None]
    if agreed:
        text = "similarity of two texts" if results.about.of_texts else "two supervisors agree"
        lines.append((text, show_number(sum(agreed) / len(agreed))))
    return ListBox("Weak labels", f"on {_size(results, 'half_b')} other items", tuple(lines), canvas.ORANGE)


def _best_labels(results: Results) -> tuple[str, str]:
    """The mean vote's accuracy, or the best score of one supervisor."""
    supervisors = SUPERVISORS.of(results)
    last = supervisors[-1]
    if last.name == MEAN_VOTE:
        return "mean vote is right", show_number(last.half_b.value)
    best = max(supervisors, key=lambda supervisor: supervisor.half_b.value or 0.0)
    name = f"best: {best.name}" if len(supervisors) > 1 else best.name
    return name, show_number(best.half_b.value)


def methods_box(results: Results) -> ListBox:
    """Methods by the best score of their rows."""
    scores: dict[str, list[float]] = {}
    for row in results.fair:
        values = scores.setdefault(row.method if row.source is None else "single", [])
        values += [] if row.score.value is None else [row.score.value]
    ordered = sorted(scores, key=lambda name: max(scores[name], default=-1.0), reverse=True)
    lines = [(name, show_number(max(scores[name], default=None))) for name in ordered[:SHOWN]]
    lines += [(f"and {len(ordered) - SHOWN} more", "")] if len(ordered) > SHOWN else []
    return ListBox("Methods", "combine, loss; best variant", tuple(lines), canvas.BLUE)


def student_box(results: Results) -> ListBox:
    """The strong model."""
    row, ceiling, untouched = results.headline, results.ceiling(), highest(results.of("untouched"))
    lines = [(f"with {row.name}", show_number(row.score.value))] if row else []
    lines += [("on gold (ceiling)", show_number(ceiling.score.value))] if ceiling else []
    lines += [("untouched", show_number(untouched.score.value))] if untouched else []
    return ListBox("Student", results.about.student, tuple(lines), canvas.GREEN)


def _size(results: Results, part: str) -> str:
    size = results.about.sizes.get(part)
    return f"{size:,}" if size is not None else "–"


# ---- picture --------------------------------------------------------------------------------------------


def picture(results: Results, found: None) -> Iterator[Drawing | None]:
    """Boxes in the order of the study, clockwise, and the scale of scores."""
    boxes = [supervisors_box(results), labels_box(results), methods_box(results), student_box(results)]
    upper, lower = (max(box.height for box in pair) for pair in (boxes[:2], boxes[2:]))
    right, second = 4 + BOX + GAP, 3 + upper + DOWN
    middle, below = 3 + upper / 2, second + lower / 2
    height = second + lower + 160
    with canvas.style():
        fig = canvas.figure(canvas.WIDTH, height)
        ax = canvas.axes(fig, 0, 0, canvas.WIDTH, height)
        ax.set_xlim(0, canvas.WIDTH)
        ax.set_ylim(height, 0)
        ax.axis("off")
        for box, left, top in zip(boxes, (4, right, right, 4), (3, 3, second, second), strict=True):
            _draw_box(ax, box, left, top, upper if top == 3 else lower)
        _arrow(ax, (right - GAP + 6, middle), (right - 6, middle))
        _arrow(ax, (right + BOX / 2, second - DOWN + 4), (right + BOX / 2, second - 4))
        _arrow(ax, (right - 6, below), (right - GAP + 6, below))
        _scale(ax, results, 24, canvas.WIDTH - 24, second + lower + 90)
        yield canvas.drawing(fig, "study", _description(boxes), _caption(results))


def _caption(results: Results) -> str:
    untaught, about = results.about.untaught, results.about
    if len(untaught) == len(about.supervisors):
        lesson = "Supervisors are used without training, and label one half of the training items"
    elif untaught:
        verb = "it is" if len(untaught) == 1 else "they are"
        lesson = (
            f"Supervisors learn gold on one half of the training items ({', '.join(untaught)}: used as {verb}), and"
            " label the other half"
        )
    else:
        lesson = "Supervisors learn gold on one half of the training items, and label the other half"
    return (
        f"{lesson} for the student. The ceiling is the same student trained on that half's"
        " gold. Dots: every row of the main table."
    )


def _description(boxes: Sequence[ListBox]) -> str:
    parts = [f"{box.title}: {', '.join(f'{text} {number}'.strip() for text, number in box.lines)}" for box in boxes]
    return "The study, from supervisors to student. " + ". ".join(parts)


def _draw_box(ax: Axes, box: ListBox, left: Pixels, top: Pixels, height: Pixels) -> None:
    from matplotlib.patches import FancyBboxPatch

    shape = "round,pad=0,rounding_size=9"
    ax.add_patch(
        FancyBboxPatch(
            (left, top), BOX, height, boxstyle=shape, facecolor=canvas.PAPER, edgecolor=canvas.FAINT, lw=1.3
        )
    )
    ax.plot([left + 14, left + 42], [top + 1, top + 1], color=box.colour, lw=4, solid_capstyle="butt")
    ax.text(left + 14, top + 24, box.title, size=15, weight="bold", va="baseline")
    ax.text(
        left + 14,
        top + 42,
        canvas.shortened(box.subtitle, BOX - 28, canvas.SMALL),
        size=canvas.SMALL,
        color=canvas.SOFT,
        va="baseline",
    )
    for place, (text, value) in enumerate(box.lines):
        y = top + 68 + LINE * place
        ax.text(left + 14, y, canvas.shortened(text, BOX - 28 - 50), size=canvas.TEXT, va="baseline")
        ax.text(left + BOX - 14, y, value, size=canvas.TEXT, ha="right", va="baseline", weight="bold")


def _arrow(ax: Axes, start: tuple[Pixels, Pixels], end: tuple[Pixels, Pixels]) -> None:
    from matplotlib.patches import FancyArrowPatch

    ax.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=14, color=canvas.SOFT, lw=1.6))


# ---- scale of scores ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ScaleMark:
    """A place on the scale of scores."""

    text: str
    value: float
    colour: str
    above: bool


def _marks(results: Results) -> Iterator[ScaleMark]:
    naive, student = results.plain_naive, results.headline
    for row, text, colour, above in (
        (highest(results.of("floor")), "best supervisor", canvas.RED, True),
        (naive if naive is not student else None, "naive", canvas.PURPLE, False),
        (student, student.name if student else "", canvas.BLUE, True),
        (results.ceiling(), "ceiling", canvas.GREEN, False),
    ):
        if row is not None and row.score.value is not None:
            yield ScaleMark(text, row.score.value, colour, above)


def _scale(ax: Axes, results: Results, left: Pixels, right: Pixels, y: Pixels) -> None:
    """The test score from the lowest row to the ceiling."""
    values = [row.score.value for row in results.rows if row.score.value is not None]
    if not values:
        return
    low, high = min(values), max(values)
    room = max(high - low, 0.02) * 0.12
    low, high = max(0.0, low - room), min(1.0, high + room)

    def at(value: float) -> Pixels:
        return left + (right - left) * (value - low) / (high - low)

    ax.plot([left, right], [y, y], color=canvas.FAINT, lw=6, solid_capstyle="round")
    colours = {
        "floor": canvas.ORANGE,
        "method": canvas.BLUE,
        "ceiling": canvas.GREEN,
        "untouched": canvas.SOFT,
        "control": canvas.PURPLE,
    }
    for row in results.rows:
        if row.score.value is not None:
            ax.plot([at(row.score.value)], [y], "o", ms=7, color=colours[row.role], alpha=0.45, mew=0)
    for above in (True, False):
        taken: list[tuple[Pixels, Pixels, int]] = []
        marks = [mark for mark in _marks(results) if mark.above == above]
        for mark in sorted(marks, key=lambda mark: mark.value):
            _draw_mark(ax, mark, at(mark.value), y, (left, right), taken)
    ax.text(left, y + 58, show_number(low, 2), size=canvas.SMALL, color=canvas.SOFT)
    ax.text(
        (left + right) / 2,
        y + 58,
        f"test {results.about.metric_title}",
        size=canvas.SMALL,
        color=canvas.SOFT,
        ha="center",
    )
    ax.text(right, y + 58, show_number(high, 2), size=canvas.SMALL, color=canvas.SOFT, ha="right")


def _draw_mark(
    ax: Axes,
    mark: ScaleMark,
    x: Pixels,
    y: Pixels,
    ends: tuple[Pixels, Pixels],
    taken: list[tuple[Pixels, Pixels, int]],
) -> None:
    """A dot with its label, one level further out for every label on this side that it would touch."""
    text = f"{canvas.shortened(mark.text, NAME)} {show_number(mark.value)}"
    half = 0.33 * canvas.TEXT * len(text)
    middle = min(max(x, ends[0] + half), ends[1] - half)
    levels = [level for left, right, level in taken if left < middle + half and middle - half < right]
    level = next(free for free in range(len(taken) + 1) if free not in levels)
    taken.append((middle - half - 6, middle + half + 6, level))
    sign = -1 if mark.above else 1
    reach = 14 + 16 * level
    ax.plot([x, x], [y, y + sign * reach], color=mark.colour, lw=1.6)
    ax.plot([x], [y], "o", ms=10, color=mark.colour, mec=canvas.PAPER, mew=1.5)
    place = y - reach - 5 if mark.above else y + reach + 14
    ax.text(middle, place, text, size=canvas.TEXT, ha="center", color=canvas.INK, weight="bold")


def notes(results: Results, found: None) -> Sequence[str]:
    """What loading the data left out or changed."""
    return results.about.notes


PICTURE = TopicRecord(
    name="study",
    summary="The study in one picture",
    heading="The study",
    measure=lambda frame: None,
    plots=picture,
    notes=notes,
)
