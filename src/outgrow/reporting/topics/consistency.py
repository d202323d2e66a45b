"""Agreement of weak labels with the strong model's own answers: how right each is where they agree and where not.

Selection by agreement, and every reward model, assume that labels with which the strong model agrees are right more
often. Gold shows whether they are. Values are the task's metric against gold; with a metric of 0 and 1 the columns are
P(agree), P(weak right | agree), P(weak right | disagree) and P(strong right | disagree). Labels of items to which the
strong model has no answer are left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from outgrow.metrics.estimate import Estimate
from outgrow.render.canvas import BLUE, GREEN, ORANGE, Drawing
from outgrow.render.charts import DotLine, Series
from outgrow.render.table import Column, Table
from outgrow.reporting.evidence.label_reader import LabelComparison, LabelReader
from outgrow.reporting.evidence.row_provenance import comparison, same_comparison, shared
from outgrow.reporting.frame import Frame
from outgrow.reporting.results import Results
from outgrow.reporting.tally import LabelContext, SeedCounts, records
from outgrow.reporting.topic import CapabilityLine, TopicRecord, label_chart, listed_methods, tables_by_capability

NEVER = "there is no such label"
FIELDS = ("agreeing", "weak_if_agree", "weak_if_not", "strong_if_not")


@dataclass(frozen=True)
class ConsistencyMeasures:
    """Agreement of weak labels with the strong model's own answers."""

    agreeing: Estimate
    """Share of the labels."""
    weak_if_agree: Estimate
    """Accuracy of the labels where they agree: there, of both."""
    weak_if_not: Estimate
    strong_if_not: Estimate
    """Accuracy of the strong model's own answers where they do not."""


@dataclass(frozen=True)
class ConsistencyResult:
    """Labels compared with the strong model's own answers."""

    methods: tuple[str, ...]
    measured: Mapping[str, ConsistencyMeasures]


def find_consistency(frame: Frame) -> tuple[ConsistencyResult, ...]:
    """For every table of labels that a selection compares with the strong model's answers."""
    reader, context, results = LabelReader(frame), LabelContext.of(frame), []
    for pair in shared(frame.study, comparison, same_comparison):
        compared = [reader.compared(seed) for seed in pair.found]
        if any(seed is not None for seed in compared):
            results.append(ConsistencyResult(pair.methods, consistency(context, compared)))
    return tuple(results)


def consistency(context: LabelContext, compared: Sequence[LabelComparison | None]) -> dict[str, ConsistencyMeasures]:
    """In total and by capability."""
    counts = context.counts([None if seed is None else _counted(seed) for seed in compared])
    draws, among = context.means_by_capability(counts), counts[..., 1] > 0
    columns = {
        field: context.estimates({name: draw[:, place] for name, draw in draws.items()}, among[place], NEVER)
        for place, field in enumerate(FIELDS)
    }
    return records(ConsistencyMeasures, columns)


def _counted(seed: LabelComparison) -> SeedCounts:
    agree = seed.agree
    numbers = [agree.astype(np.float64), seed.weak, seed.weak, seed.strong]
    return SeedCounts(seed.item, np.stack(numbers), np.stack([np.ones_like(agree), agree, ~agree, ~agree]))


def consistency_tables(results: Results, found: tuple[ConsistencyResult, ...]) -> list[Table]:
    """A line per table of labels."""
    columns = [
        Column("rows", "row"),
        Column("agreeing", "they agree"),
        Column("weak_if_agree", "where they agree", "accuracy of the weak label"),
        Column("weak_if_not", "where they do not", "accuracy of the weak label"),
        Column("strong_if_not", "where they do not", "accuracy of the strong answer"),
    ]
    caption = "Weak labels and the strong model's own answers to the same items, both against gold."
    lines = [_table_line(labels) for labels in found]
    title = "Agreement with the strong model"
    return tables_by_capability(results, "consistency", title, caption, columns, lines)


def _table_line(labels: ConsistencyResult) -> CapabilityLine:
    def cells(capability: str) -> tuple[Estimate, ...]:
        return tuple(getattr(labels.measured[capability], field) for field in FIELDS)

    return CapabilityLine(lambda _: (listed_methods(labels.methods),), cells)


CAPTION = (
    "Weak labels and the strong model's own answers to the same items. Agreement is useful if labels are right more"
    " often with it than without."
)


def consistency_plot(results: Results, found: tuple[ConsistencyResult, ...]) -> Iterator[Drawing | None]:
    """Accuracy where they agree, and of both where they do not."""
    yield label_chart(
        results,
        name="consistency",
        title="Accuracy where the strong model agrees with a weak label, and where it does not",
        axis="accuracy against gold",
        series=(
            Series("both, where they agree", GREEN, "^"),
            Series("weak label, where they do not", ORANGE, "o"),
            Series("strong answer, where they do not", BLUE, "D"),
        ),
        lines=[
            DotLine(
                listed_methods(labels.methods),
                {
                    key: (part.weak_if_agree, part.weak_if_not, part.strong_if_not)
                    for key, part in labels.measured.items()
                },
            )
            for labels in found
        ],
        caption=CAPTION,
    )


CONSISTENCY = TopicRecord(
    name="consistency",
    summary="Accuracy of weak labels where the strong model agrees, and where not",
    heading="What was selected",
    measure=find_consistency,
    tables=consistency_tables,
    plots=consistency_plot,
)
