"""The labels of half B by themselves: how right, how sure of themselves, and how diverse.

Every table that some row learns from is measured: what a supervisor wrote, what the strong model made of it, what the
strong model says alone (`self_bootstrap`), what noise has left. A student that trains on its own answers can get worse
in two ways that show here before it is trained: the labels are surer than they are right, and there are fewer
different ones. Gold stands beside them for its diversity.

    confidence        mean over the labels of e^(mean log-probability per piece), by whoever wrote them
    overconfidence    confidence − accuracy, paired
    distinct …        `metrics.diversity`; answers are those of `metrics.readable.answer_in`

Items without a label are left out. Diversity is that of one seed's labels of one capability, averaged; it has no
interval.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from jaxtyping import Float

from outgrow.graph.step import Step
from outgrow.metrics.diversity import distinct_ngrams, distinct_share, entropy_in_bits
from outgrow.metrics.estimate import show_percent
from outgrow.metrics.readable import answer_in
from outgrow.reporting.evidence.labels import LabelReader, LabelRows
from outgrow.reporting.evidence.row_provenance import LabelSource, shared_sources
from outgrow.reporting.measure.tally import ByCapability, LabelContext, Marks, SeedCounts, records
from outgrow.reporting.results_analyses import GOLD, LabelMeasures, LabelsResult

UNTOLD = "whoever wrote them told no probabilities"
Cell = TypeVar("Cell")


def find_labels(reader: LabelReader) -> tuple[LabelsResult, ...]:
    """Gold, then the labels of every teacher of every row, each table once; nothing of votes."""
    if not reader.of_texts:
        return ()
    found = []
    for one in shared_sources(reader.frame.study):
        tables = [reader.written(source) for source in one.found]
        if any(table is not None for table in tables):
            found.append(LabelsResult(title(one.found[0]), one.methods, measures(reader, tables)))
    gold = [reader.gold(seed) for seed in range(len(reader.frame.splits))]
    return (LabelsResult(GOLD, (), measures(reader, gold)), *found) if found else ()


def title(source: LabelSource) -> str:
    """Who wrote the labels, and what was done to them."""
    step: Step | None = source.step
    name, changes = source.name, []
    while step is not None and step.name in ("refined", "noised"):
        if step.name == "noised":
            changes.append(f"{show_percent(step.params['share'])} exchanged")
            step = step.inputs["labels"]
        elif "texts" in step.inputs:
            changes.append(f"rewritten ({step.params['refine']['type']})")
            step = step.inputs["texts"]
        else:
            name, step = "student's own answers", None
    return ", ".join([name, *reversed(changes)])


def measures(reader: LabelReader, tables: Sequence[LabelRows | None]) -> dict[str, LabelMeasures]:
    """In all and by capability."""
    ground = LabelContext.of(reader.frame)
    counts = ground.counts([None if table is None else _counted(table) for table in tables])
    draws, among = ground.apart(counts), counts[0, ..., 1] > 0
    told = any(table is not None and (table.confidence < 1).any() for table in tables)
    accuracy, sure, length = ({name: one[:, number] for name, one in draws.items()} for number in range(3))
    sure = sure if told else {name: np.full_like(one, np.nan) for name, one in sure.items()}
    columns = {
        "accuracy": ground.estimates(accuracy, among),
        "confidence": ground.estimates(sure, among, UNTOLD),
        "overconfidence": ground.estimates(_less(sure, accuracy), among, UNTOLD),
        "words": ground.estimates(length, among),
    }
    looks = _looks(reader, ground, tables)
    return records(LabelMeasures, columns | {key: ground.plain(values, among) for key, values in looks.items()})


def _less(one: ByCapability, other: ByCapability) -> ByCapability:
    return {name: one[name] - other[name] for name in one}


def _counted(table: LabelRows) -> SeedCounts:
    lengths = [float(len(one)) for one in table.words]
    numbers = np.stack([table.value, table.confidence, np.asarray(lengths, dtype=np.float64)])
    return SeedCounts(table.item, numbers, np.ones(numbers.shape, dtype=np.bool_))


# ---- diversity ------------------------------------------------------------------------------------------


def _looks(
    reader: LabelReader, ground: LabelContext, tables: Sequence[LabelRows | None]
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
    return {key: ground.each(seeds, measure) for key, measure in measured.items()}


def _some(column: Sequence[Cell], mine: Marks) -> list[Cell]:
    return [column[row] for row in np.flatnonzero(mine).tolist()]
