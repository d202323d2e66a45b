"""Selected labels compared with all of them: accuracy, length, diversity, and the shift among the answers' vectors.

Accuracy and length are means over labels in each capability, resampled by item; the difference of two accuracies is
paired. A capability of which nothing is kept is left out of both averages. A smaller set repeats itself less: compare
the distinct texts of selections of one size only.

The shift of a selection is measured on the plane of the two principal components of all answers' vectors:

    |mean of the kept − mean of all| / √(mean squared distance of all from their mean)

k random ones of n have the root mean square √((n − k) / (k (n − 1))).
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from outgrow.graph.step import Step
from outgrow.metrics.diversity import distinct_share
from outgrow.metrics.estimate import Estimate
from outgrow.render.canvas import BLUE, ORANGE, Drawing
from outgrow.render.charts import DotLine, Series
from outgrow.render.table import Cell, Column, Table
from outgrow.reporting.evidence.label_reader import LabelReader, SelectionRecord
from outgrow.reporting.evidence.row_provenance import SharedStep, identity, last_selection, reward_model, shared
from outgrow.reporting.frame import Frame
from outgrow.reporting.results import WHOLE, Results
from outgrow.reporting.tally import LabelContext, Marks, SeedCounts, records
from outgrow.reporting.topic import CapabilityLine, TopicRecord, label_chart, listed_methods, tables_by_capability
from outgrow.select import SELECTIONS

Vectors = Float[np.ndarray, "_ 2"]
Columns = dict[str, dict[str, Estimate]]
"""By field of `KeptMeasures`, in total and by capability."""
NOTHING = "none of them is kept"


@dataclass(frozen=True)
class KeptMeasures:
    """Selected labels and all labels. The differences of two sets whose items overlap are paired."""

    kept: Estimate
    """Accuracy: the mean of the task's metric against gold."""
    everything: Estimate
    """Of all labels, in the capabilities of which some are kept."""
    difference: Estimate
    words_kept: Estimate | None = None
    """Mean length; texts only, as all that follows."""
    words: Estimate | None = None
    distinct_kept: Estimate | None = None
    """Share of different texts."""
    distinct: Estimate | None = None
    shift: Estimate | None = None
    """Distance of the centre of the kept answers' vectors from the centre of all, in units of their spread."""
    shift_by_chance: Estimate | None = None
    """The same of a random selection of the same size, root mean square."""


@dataclass(frozen=True)
class SelectionResult:
    """Some of the labels, compared with all of them."""

    methods: tuple[str, ...]
    """The methods that learned them."""
    type: str
    """Of `select.SELECTIONS`."""
    by: str
    """What selected, in words."""
    oracle: bool
    sizes: Mapping[str, tuple[float, float]]
    """Labels, and labels kept, with gold or without; means over the seeds."""
    measured: Mapping[str, KeptMeasures]


# ---- measure --------------------------------------------------------------------------------------------


def find_selections(frame: Frame) -> tuple[SelectionResult, ...]:
    """Every row's last selection, once for rows that share it."""
    reader = LabelReader(frame)
    context, planes = LabelContext.of(frame), planes_of(reader)
    results = []
    for selection in shared(frame.study, last_selection, identity):
        kept = [reader.kept(step) for step in selection.found]
        if any(seed is not None for seed in kept):
            vectors = [planes.get(step.inputs["targets"].identity) for step in selection.found]
            results.append(_result(selection, context, kept, vectors))
    return tuple(results)


def planes_of(reader: LabelReader) -> dict[str, Vectors]:
    """By identity of the targets, the vectors of their answers, if some reward model has read them."""
    steps = [step for model in shared(reader.frame.study, reward_model, identity) for step in model.found]
    planes = {step.inputs["targets"].identity: reader.vectors(step) for step in steps}
    return {name: plane for name, plane in planes.items() if plane is not None}


def _result(
    selection: SharedStep[Step],
    context: LabelContext,
    kept: Sequence[SelectionRecord | None],
    vectors: Sequence[Vectors | None],
) -> SelectionResult:
    kind = selection.found[0].params["select"]["type"]
    return SelectionResult(
        methods=selection.methods,
        type=kind,
        by=SELECTIONS[kind].by,
        oracle=SELECTIONS[kind].sees_gold,
        sizes={name: _sizes(name, kept) for name in dict.fromkeys([WHOLE, *context.names])},
        measured=records(KeptMeasures, means(context, kept) | looks(context, kept, vectors)),
    )


def _sizes(name: str, kept: Sequence[SelectionRecord | None]) -> tuple[float, float]:
    """Labels and kept labels of a capability, on average over the seeds."""
    sizes = [seed.sizes.get(name, (0, 0)) for seed in kept if seed is not None]
    n_labels, n_kept = np.mean(sizes, axis=0).tolist()
    return n_labels, n_kept


def means(context: LabelContext, kept: Sequence[SelectionRecord | None]) -> Columns:
    """Accuracies, their difference and, of texts, lengths."""
    counts = context.counts([None if seed is None else _counted(seed) for seed in kept])
    draws = context.means_by_capability(counts)
    # All labels of a capability are compared only where some of them are kept.
    both = {name: np.where(np.isfinite(draw[:, :1]), draw, np.nan) for name, draw in draws.items()}
    among = counts[..., 1] > 0
    fields = ["kept", "everything", "words_kept", "words"][: len(counts)]
    columns = {
        field: context.estimates({name: draw[:, place] for name, draw in both.items()}, among[place], NOTHING)
        for place, field in enumerate(fields)
    }
    differences = {name: draw[:, 0] - draw[:, 1] for name, draw in both.items()}
    return {**columns, "difference": context.estimates(differences, among[1], NOTHING)}


def _counted(seed: SelectionRecord) -> SeedCounts:
    labels, everything = seed.labels, np.ones(len(seed.labels.item), dtype=np.bool_)
    lengths = np.asarray([len(words) for words in labels.words], dtype=np.float64)
    numbers = [labels.value] * 2 + ([lengths] * 2 if labels.texts else [])
    return SeedCounts(labels.item, np.stack(numbers), np.stack([seed.kept, everything] * (len(numbers) // 2)))


class SelectedLabels(NamedTuple):
    """One seed's selection, and the vectors of all rows of its targets, if known."""

    selection: SelectionRecord
    plane: Vectors | None


def looks(context: LabelContext, kept: Sequence[SelectionRecord | None], vectors: Sequence[Vectors | None]) -> Columns:
    """Without resamples: the share of different texts, and the shift where vectors are known."""
    seeds = [
        None if seed is None else (seed.labels.item, SelectedLabels(seed, plane))
        for seed, plane in zip(kept, vectors, strict=True)
    ]
    measures: dict[str, Callable[[SelectedLabels, Marks], float | None]] = {
        "distinct_kept": lambda labels, mine: _distinct(labels, mine & labels.selection.kept),
        "distinct": lambda labels, mine: _distinct(labels, mine) if (mine & labels.selection.kept).any() else None,
        "shift": lambda labels, mine: _shift(labels, mine)[0],
        "shift_by_chance": lambda labels, mine: _shift(labels, mine)[1],
    }
    among = np.zeros(context.part.of_seed.shape, dtype=np.bool_)
    for row, seed in enumerate(kept):
        among[row, seed.labels.item[seed.kept] if seed is not None else []] = True
    values = {field: context.each(seeds, measure) for field, measure in measures.items()}
    return {
        field: context.plain(by_capability, among)
        for field, by_capability in values.items()
        if any(np.isfinite(value).any() for value in by_capability.values())
    }


def _distinct(labels: SelectedLabels, mine: Marks) -> float | None:
    texts = labels.selection.labels.texts
    return distinct_share([texts[row] for row in np.flatnonzero(mine).tolist()]) if texts else None


def _shift(labels: SelectedLabels, mine: Marks) -> tuple[float, float] | tuple[None, None]:
    if labels.plane is None:
        return None, None
    points = labels.plane[labels.selection.labels.row]
    has_vector = mine & np.isfinite(points).all(axis=1)
    return shift(points[has_vector], labels.selection.kept[has_vector]) or (None, None)


def shift(points: Float[np.ndarray, "label 2"], kept: Marks) -> tuple[float, float] | None:
    """The shift of the kept points, and its root mean square by chance.

    None if nothing is kept, or all points are equal.
    """
    n, k = len(points), int(kept.sum())
    if not k or n < 2:
        return None
    centred = points - points.mean(axis=0)
    spread = math.sqrt((centred**2).sum(axis=1).mean())
    if not spread:
        return None
    return float(np.linalg.norm(centred[kept].mean(axis=0))) / spread, math.sqrt((n - k) / (k * (n - 1)))


# ---- tables and plot ------------------------------------------------------------------------------------

SHIFT = (
    " Shift: the distance of the centre of the kept answers' vectors from the centre of all, in units of their spread,"
    " on the plane of two principal components; beside it that of a random selection of the same size."
)


def selections_tables(results: Results, found: tuple[SelectionResult, ...]) -> list[Table]:
    """A line per selection."""
    columns = [
        Column("rows", "row"),
        Column("by", "selected by"),
        Column("labels", "labels", digits=0),
        Column("kept", "kept", digits=0),
        Column("accuracy_kept", "kept", "accuracy"),
        Column("accuracy", "all", "accuracy"),
        Column("difference", "difference", "accuracy", signed=True),
    ]
    texts = results.about.of_texts
    if texts:
        columns += [Column("words_kept", "kept", "words", digits=1), Column("words", "all", "words", digits=1)]
        columns += [Column("distinct_kept", "kept", "distinct texts"), Column("distinct", "all", "distinct texts")]
    with_shift = any(part.shift is not None for selection in found for part in selection.measured.values())
    if with_shift:
        columns += [Column("shift", "measured", "shift"), Column("shift_by_chance", "by chance", "shift")]
    caption = (
        "Accuracy: the mean of the metric of the labels against gold, which no selection but the oracle sees; all"
        " labels of the capabilities of which some are kept. Labels and kept: means over the seeds."
        f"{' Distinct texts: a share of the texts; a smaller set repeats itself less.' * texts}"
        f"{SHIFT * with_shift}"
    )
    lines = [_table_line(selection, texts, with_shift) for selection in found]
    return tables_by_capability(results, "selections", "What the selections keep", caption, columns, lines)


def _table_line(selection: SelectionResult, texts: bool, with_shift: bool) -> CapabilityLine:
    def cells(capability: str) -> tuple[Cell, ...]:
        part = selection.measured[capability]
        return (
            *(part.kept, part.everything, part.difference),
            *((part.words_kept, part.words, part.distinct_kept, part.distinct) if texts else ()),
            *((part.shift, part.shift_by_chance) if with_shift else ()),
        )

    names = listed_methods(selection.methods)
    return CapabilityLine(lambda capability: (names, selection.by, *selection.sizes[capability]), cells)


CAPTION = (
    "Accuracy of the labels that a row's student learned, and of all labels from which they were selected. Gold is"
    " used here only; a selection by gold (oracle) is an upper bound."
)


def selections_plot(results: Results, found: tuple[SelectionResult, ...]) -> Iterator[Drawing | None]:
    """Accuracy of kept labels and of all; without selections of a capability."""
    yield label_chart(
        results,
        name="selections",
        title="Accuracy of the labels that were kept, and of all",
        axis="accuracy of the labels",
        series=(Series("all labels", ORANGE, "o"), Series("kept", BLUE, "D")),
        lines=[
            DotLine(
                f"{'oracle: ' * (selection.oracle and 'oracle' not in selection.methods)}"
                f"{listed_methods(selection.methods)}",
                {key: (part.everything, part.kept) for key, part in selection.measured.items()},
            )
            for selection in found
            if SELECTIONS[selection.type].by_content
        ],
        caption=CAPTION,
    )


SELECTIONS_TOPIC = TopicRecord(
    name="selections",
    summary="Accuracy, length and diversity of selected labels",
    heading="What was selected",
    measure=find_selections,
    tables=selections_tables,
    plots=selections_plot,
    open=True,
)
