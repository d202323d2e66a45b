"""SLU-F1 by slot type, for the most important rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from outgrow.metrics.bootstrap import Resamples
from outgrow.metrics.estimate import Estimate, show_number, undefined
from outgrow.metrics.slu_f1 import read_answers, slu_counts
from outgrow.metrics.text_score import counts_slots, slot_value
from outgrow.render import canvas
from outgrow.render.canvas import Axes, Drawing, Legend, LegendMark
from outgrow.render.charts import name_line
from outgrow.render.table import Column, Line, Table
from outgrow.reporting.evidence.row_answers import EvaluatedItems
from outgrow.reporting.evidence.texts import TextAnswers
from outgrow.reporting.frame import Frame
from outgrow.reporting.results import Results, RowResult, highest
from outgrow.reporting.rows import MISSING, seed_values, seeds_estimate
from outgrow.reporting.topic import INTERVALS, TEXTS, TopicRecord, results_table
from outgrow.reporting.topics.text_quality import slot_counts

DRAWS = 501
"""The sample and 500 resamples, since there may be many types."""


@dataclass(frozen=True)
class SlotTypeResult:
    """The slots of one type."""

    type: str
    items: int
    """Different test items whose gold has a slot of this type."""
    f1: dict[str, Estimate]
    """SLU-F1 over the slots of this type, by row: supervisors, naive, best method, ceiling."""


# ---- measure --------------------------------------------------------------------------------------------


def find_slot_types(frame: Frame) -> tuple[SlotTypeResult, ...]:
    """The most frequent type first; nothing if the metric counts no slots."""
    if not counts_slots(frame.task.metric):
        return ()
    names = important_rows(frame.rows, frame.baseline)
    rows = frame.study.rows
    texts = {
        row.name: given for row, given in zip(rows, frame.scored(rows, frame.texts), strict=True) if row.name in names
    }
    return slot_types(texts, frame.test, frame.on_test, frame.task.metric)


def important_rows(rows: Sequence[RowResult], baseline: str | None) -> list[str]:
    """The names of supervisors, naive, the best method and the ceiling."""
    best = highest([row for row in rows if row.ranked])
    naive = [row for row in rows if row.method == baseline and row.variant == "plain"]
    chosen = [*(row for row in rows if row.role in ("floor", "ceiling")), *naive, *([best] if best else [])]
    return [row.name for row in rows if row in chosen and row.score.defined]


def slot_types(
    texts: Mapping[str, TextAnswers], part: EvaluatedItems, resamples: Resamples, metric: str = "slu_f1"
) -> tuple[SlotTypeResult, ...]:
    """SLU-F1 of every type in gold, for the rows in `texts` by name.

    A type that only a model names has no line: there it can only be wrong, which the total score counts.
    """
    some = Resamples(resamples.seeds[:DRAWS], resamples.items[:DRAWS])
    items = _items_by_type(part)
    types = sorted(items, key=lambda name: (-len(items[name]), name))
    by_row = {row: _f1_by_type(given, part, items, types, some, metric) for row, given in texts.items()}
    return tuple(
        SlotTypeResult(name, len(items[name]), {row: by_row[row][place] for row in by_row})
        for place, name in enumerate(types)
    )


def _items_by_type(part: EvaluatedItems) -> dict[str, set[int]]:
    """By type, the items whose gold has a slot of it."""
    items: dict[str, set[int]] = {}
    for item, slots in enumerate(read_answers(part.answers).slots):
        for slot in slots:
            items.setdefault(slot.type, set()).add(item)
    return items


def _f1_by_type(
    texts: TextAnswers,
    part: EvaluatedItems,
    items: Mapping[str, set[int]],
    types: Sequence[str],
    resamples: Resamples,
    metric: str,
) -> list[Estimate]:
    """One estimate per type; n is the number of the row's items whose gold has it."""
    if not texts.seeds.any():
        return [undefined(MISSING)] * len(types)
    values = seed_values(resamples.items, _counts_by_type(texts, part, types, metric), slot_value)
    estimates = []
    for place, name in enumerate(types):
        among = texts.there & np.isin(np.arange(part.n), list(items[name]))
        estimates.append(seeds_estimate(values[:, place], among, resamples))
    return estimates


def _counts_by_type(
    texts: TextAnswers, part: EvaluatedItems, types: Sequence[str], metric: str
) -> Float[np.ndarray, "type seed item 3"]:
    """Types are resampled as rows are."""
    counts = np.zeros((len(types), *texts.there.shape, 3))
    for seed, has_result in enumerate(texts.there):
        slots = slot_counts(texts, part, seed, slu_counts, metric)
        column = {name: place for place, name in enumerate(slots.types)}
        for place, name in enumerate(types):
            if name in column:
                counts[place, seed, has_result] = slots.counts[:, column[name]]
    return counts


# ---- table ----------------------------------------------------------------------------------------------


def slot_types_table(results: Results, found: tuple[SlotTypeResult, ...]) -> Iterator[Table]:
    """A line per type, a column per row."""
    rows = list(found[0].f1) if found else []
    columns = [
        Column("type", "slot type"),
        Column("items", "items"),
        *(Column(f"f1_{name}", name, "SLU-F1") for name in rows),
    ]
    lines = [Line((slot.type, slot.items, *slot.f1.values())) for slot in found]
    caption = f"Items: different test items whose gold has a slot of the type. {INTERVALS}"
    yield results_table(results, "slot_types", "SLU-F1 by slot type", caption, columns, lines)


# ---- plot -----------------------------------------------------------------------------------------------

SHOWN = 15
"""Types in the plot; the table has all."""
MARKS = {
    "supervisors": (canvas.ORANGE, "o"),
    "naive": (canvas.PURPLE, "s"),
    "best student": (canvas.BLUE, "D"),
    "ceiling": (canvas.GREEN, "|"),
}
"""Colour and shape of a dot."""
LINE, NAMES = 26, 180
CAPTION = (
    "SLU-F1 of the most frequent slot types; in brackets, the test items that have one. The line through the best"
    " student is its 95 % interval."
)


def slot_types_plot(results: Results, found: tuple[SlotTypeResult, ...]) -> Iterator[Drawing | None]:
    """A line of dots for each of the most frequent types."""
    shown = [slot for slot in found if any(f1.defined for f1 in slot.f1.values())][:SHOWN]
    if not shown:
        return
    kinds = {name: _kind(results, name) for name in shown[0].f1}
    legend = Legend([LegendMark(kind, *MARKS[kind]) for kind in MARKS if kind in kinds.values()])
    with canvas.style():
        fig = canvas.figure(canvas.width(), legend.height + LINE * len(shown) + 50)
        ax = canvas.axes(fig, NAMES, legend.height, canvas.width() - NAMES - 16, LINE * len(shown))
        ax.set_xlim(-0.02, 1.02)
        ax.set_ylim(LINE * len(shown), 0)
        for place, slot in enumerate(shown):
            y = LINE * (place + 0.5)
            name_line(ax, f"{slot.type} ({slot.items})", y, NAMES)
            ax.plot([0, 1], [y, y], color=canvas.FAINT, lw=1, zorder=0)
            _dots(ax, slot, kinds, y)
        ax.set_yticks([])
        ax.grid(axis="x")
        ax.spines[["left"]].set_visible(False)
        ax.set_xlabel("SLU-F1")
        legend.draw(fig)
        yield canvas.drawing(fig, "slot_types", f"SLU-F1 by slot type. {_description(shown)}", CAPTION)


def _kind(results: Results, name: str) -> str:
    row = results.named(name)
    if row.role == "floor":
        return "supervisors"
    if row.role == "ceiling":
        return "ceiling"
    return "naive" if row.method == results.about.baseline and row.variant == "plain" else "best student"


def _dots(ax: Axes, slot: SlotTypeResult, kinds: Mapping[str, str], y: float) -> None:
    for name, f1 in slot.f1.items():
        if f1.value is None:
            continue
        colour, marker = MARKS[kinds[name]]
        if kinds[name] == "best student":
            canvas.interval(ax, f1.low, f1.high, y, colour)
        if kinds[name] == "supervisors":
            ax.plot([f1.value], [y], marker, ms=6, color=colour, alpha=0.75, mec=canvas.SOFT, mew=0.4)
        else:
            size, edge = (15, 2.6) if marker == "|" else (7, 0.0)
            ax.plot([f1.value], [y], marker, ms=size, color=colour, mew=edge)


def _description(shown: Sequence[SlotTypeResult]) -> str:
    parts = []
    for slot in shown:
        values = ", ".join(f"{name} {show_number(f1.value, 2)}" for name, f1 in slot.f1.items())
        parts.append(f"{slot.type}: {values}")
    return "; ".join(parts)


SLOT_TYPES = TopicRecord(
    name="slot_types",
    summary="SLU-F1 by slot type",
    heading="The texts",
    measure=find_slot_types,
    tables=slot_types_table,
    plots=slot_types_plot,
    kinds=TEXTS,
)
