"""The labels of half B: accuracy, confidence and diversity.

Every table that some row learns from is measured: supervisors' labels, labels rewritten by the strong model, the
strong model's own answers (`self_bootstrap`), labels with noise. Training on one's own answers can fail in two ways
that show here before any training: the labels are more confident than accurate, and there are fewer different ones.
Gold is measured too, for its diversity.

    confidence        mean over the labels of e^(mean log-probability per piece), by the model that wrote them
    overconfidence    confidence − accuracy, paired
    distinct …        `metrics.diversity`; answers are those of `metrics.readable.answer_in`

Items without a label are left out. Diversity is measured on one seed's labels of one capability, and averaged; it has
no interval.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Float

from outgrow.graph.step import Step
from outgrow.metrics.diversity import distinct_ngrams, distinct_share, entropy_in_bits
from outgrow.metrics.estimate import Estimate, show_percent
from outgrow.metrics.readable import answer_in
from outgrow.render.canvas import GREEN, ORANGE, PURPLE, Drawing
from outgrow.render.charts import DotLine, Series
from outgrow.render.table import Column, Table
from outgrow.reporting.evidence.label_reader import LabelReader, LabelRows
from outgrow.reporting.evidence.row_provenance import LabelSource, shared_sources
from outgrow.reporting.frame import Frame
from outgrow.reporting.results import Results
from outgrow.reporting.tally import ByCapability, LabelContext, Marks, SeedCounts, records
from outgrow.reporting.topic import (
    TEXTS,
    CapabilityLine,
    TopicRecord,
    label_chart,
    listed_methods,
    tables_by_capability,
)

GOLD = "gold"
"""The name of gold as labels."""
UNTOLD = "their writer gave no probabilities"
Cell = TypeVar("Cell")


@dataclass(frozen=True)
class LabelMeasures:
    """A table of labels."""

    accuracy: Estimate
    confidence: Estimate
    """Mean over the labels of the geometric mean of their pieces' probabilities."""
    overconfidence: Estimate
    """Confidence less accuracy."""
    words: Estimate
    distinct: Estimate
    """Share of different texts."""
    unigrams: Estimate
    """Different words among all words."""
    bigrams: Estimate
    entropy: Estimate
    """Of the answers, in bits."""


@dataclass(frozen=True)
class LabelsResult:
    """One source's labels of half B, as methods learn them."""

    name: str
    methods: tuple[str, ...]
    measured: Mapping[str, LabelMeasures]
    """In total (`WHOLE`) and by capability."""


# ---- measure --------------------------------------------------------------------------------------------


def find_labels(frame: Frame) -> tuple[LabelsResult, ...]:
    """Gold, then the labels of every source of every row, each table once."""
    reader, results = LabelReader(frame), []
    for shared in shared_sources(frame.study):
        tables = [reader.written(source) for source in shared.found]
        if any(table is not None for table in tables):
            results.append(LabelsResult(title(shared.found[0]), shared.methods, measures(reader, tables)))
    gold = [reader.gold(seed) for seed in range(len(frame.splits))]
    return (LabelsResult(GOLD, (), measures(reader, gold)), *results) if results else ()


def title(source: LabelSource) -> str:
    """The source of the labels, and how they were changed."""
    step: Step | None = source.step
    name, changes = source.name, []
    while step is not None and step.name in ("refined", "noised"):
        if step.name == "noised":
            changes.append(f"{show_percent(step.params['noise'])} exchanged")
            step = step.inputs["labels"]
        elif "texts" in step.inputs:
            changes.append(f"rewritten ({step.params['refine']['type']})")
            step = step.inputs["texts"]
        else:
            name, step = "student's own answers", None
    return ", ".join([name, *reversed(changes)])


def measures(reader: LabelReader, tables: Sequence[LabelRows | None]) -> dict[str, LabelMeasures]:
    """In total and by capability."""
    context = LabelContext.of(reader.frame)
    counts = context.counts([None if table is None else _counted(table) for table in tables])
    draws, among = context.means_by_capability(counts), counts[0, ..., 1] > 0
    has_confidence = any(table is not None and (table.confidence < 1).any() for table in tables)
    accuracy, confidence, length = ({name: draw[:, place] for name, draw in draws.items()} for place in range(3))
    confidence = (
        confidence if has_confidence else {name: np.full_like(draw, np.nan) for name, draw in confidence.items()}
    )
    columns = {
        "accuracy": context.estimates(accuracy, among),
        "confidence": context.estimates(confidence, among, UNTOLD),
        "overconfidence": context.estimates(_difference(confidence, accuracy), among, UNTOLD),
        "words": context.estimates(length, among),
    }
    diversity = _diversity(reader, context, tables)
    return records(LabelMeasures, columns | {key: context.plain(values, among) for key, values in diversity.items()})


def _difference(first: ByCapability, second: ByCapability) -> ByCapability:
    return {name: first[name] - second[name] for name in first}


def _counted(table: LabelRows) -> SeedCounts:
    lengths = [float(len(words)) for words in table.words]
    numbers = np.stack([table.value, table.confidence, np.asarray(lengths, dtype=np.float64)])
    return SeedCounts(table.item, numbers, np.ones(numbers.shape, dtype=np.bool_))


def _diversity(
    reader: LabelReader, context: LabelContext, tables: Sequence[LabelRows | None]
) -> dict[str, dict[str, Float[np.ndarray, "seed"]]]:
    """By measure and capability, a number for every seed."""
    part, metrics = reader.frame.half_b, reader.frame.task.metrics or {"": reader.frame.task.metric}

    def entropy(table: LabelRows, mine: Marks) -> float | None:
        rows = zip(_some(table.texts, mine), table.item[mine].tolist(), strict=True)
        return entropy_in_bits(
            [answer_in(metrics[part.capabilities[item]], text, part.allowed[item]) for text, item in rows]
        )

    measured: dict[str, Callable[[LabelRows, Marks], float | None]] = {
        "distinct": lambda table, mine: distinct_share(_some(table.texts, mine)),
        "unigrams": lambda table, mine: distinct_ngrams(_some(table.words, mine), 1),
        "bigrams": lambda table, mine: distinct_ngrams(_some(table.words, mine), 2),
        "entropy": entropy,
    }
    seeds = [None if table is None else (table.item, table) for table in tables]
    return {key: context.each(seeds, measure) for key, measure in measured.items()}


def _some(column: Sequence[Cell], mine: Marks) -> list[Cell]:
    return [column[row] for row in np.flatnonzero(mine).tolist()]


# ---- tables and plot ------------------------------------------------------------------------------------


def labels_tables(results: Results, found: tuple[LabelsResult, ...]) -> list[Table]:
    """A line per source."""
    columns = [
        Column("labels", "labels"),
        Column("learned_by", "learned by"),
        Column("accuracy", "accuracy"),
        Column("confidence", "confidence"),
        Column("overconfidence", "confidence − accuracy", signed=True),
        Column("words", "words", digits=1),
        Column("distinct", "texts", "distinct"),
        Column("unigrams", "words", "distinct"),
        Column("bigrams", "pairs of words", "distinct"),
        Column("entropy", "entropy of the answers (bits)", digits=2),
    ]
    caption = (
        "Labels of half B, each source's best; items without one are left out. Confidence: the mean of the labels'"
        " geometric mean probability per piece, by the model that wrote them. Answers: the option, the final answer,"
        " or the text. Diversity has no interval, as a resample repeats items."
    )
    return tables_by_capability(
        results, "labels", "The labels", caption, columns, [_table_line(labels) for labels in found]
    )


def _table_line(labels: LabelsResult) -> CapabilityLine:
    def cells(capability: str) -> tuple[Estimate, ...]:
        part = labels.measured[capability]
        return (
            *(part.accuracy, part.confidence, part.overconfidence, part.words),
            *(part.distinct, part.unigrams, part.bigrams, part.entropy),
        )

    return CapabilityLine(lambda _: (labels.name, listed_methods(labels.methods)), cells)


CAPTION = (
    "The labels of each source for half B. Where confidence is above accuracy, the labels are overconfident; the fewer"
    " distinct texts, the more they repeat themselves. Gold shows the diversity of right labels."
)


def labels_plot(results: Results, found: tuple[LabelsResult, ...]) -> Iterator[Drawing | None]:
    """Accuracy, confidence and diversity of every source's labels."""
    yield label_chart(
        results,
        name="labels",
        title="Accuracy, confidence and diversity of the labels",
        axis="labels of half B",
        series=(
            Series("accuracy", GREEN, "^"),
            Series("confidence", ORANGE, "o"),
            Series("share of distinct texts", PURPLE, "s"),
        ),
        lines=[
            DotLine(
                labels.name,
                {key: (part.accuracy, part.confidence, part.distinct) for key, part in labels.measured.items()},
            )
            for labels in found
        ],
        caption=CAPTION,
    )


LABELS = TopicRecord(
    name="labels",
    summary="Accuracy, confidence and diversity of every source's labels",
    heading="The supervisors",
    measure=find_labels,
    tables=labels_tables,
    plots=labels_plot,
    kinds=TEXTS,
)
