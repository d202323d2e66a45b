"""What it tells that a weak label and the strong model's own answer agree: how right each is where they do and do not.

Selection by agreement, and every reward model, rest on the hope that labels with which the strong model agrees are
right more often. Here gold says whether they are. Values are the task's metric against gold, so that with a metric of
0 and 1 the columns are P(agree), P(weak right | agree), P(weak right | disagree) and P(strong right | disagree).
Labels to whose item the strong model has no answer are left out.
"""

from collections.abc import Sequence

import numpy as np

from outgrow.reporting.evidence.labels import LabelComparison, LabelReader
from outgrow.reporting.evidence.row_provenance import comparison, same_comparison, shared
from outgrow.reporting.measure.tally import LabelContext, SeedCounts, records
from outgrow.reporting.results_analyses import ConsistencyMeasures, ConsistencyResult

NEVER = "it does not happen"


def find_consistency(reader: LabelReader) -> tuple[ConsistencyResult, ...]:
    """For every table of labels that a selection holds against the strong model's answers."""
    ground, found = LabelContext.of(reader.frame), []
    for one in shared(reader.frame.study, comparison, same_comparison):
        compared = [reader.compared(there) for there in one.found]
        if any(there is not None for there in compared):
            found.append(ConsistencyResult(one.methods, consistency(ground, compared)))
    return tuple(found)


def consistency(ground: LabelContext, compared: Sequence[LabelComparison | None]) -> dict[str, ConsistencyMeasures]:
    """In all and by capability."""
    counts = ground.counts([None if one is None else _counted(one) for one in compared])
    draws, among = ground.apart(counts), counts[..., 1] > 0
    fields = ["agreeing", "weak_if_agree", "weak_if_not", "strong_if_not"]
    columns = {
        field: ground.estimates({name: one[:, number] for name, one in draws.items()}, among[number], NEVER)
        for number, field in enumerate(fields)
    }
    return records(ConsistencyMeasures, columns)


def _counted(one: LabelComparison) -> SeedCounts:
    agree = one.agree
    numbers = [agree.astype(np.float64), one.weak, one.weak, one.strong]
    return SeedCounts(one.item, np.stack(numbers), np.stack([np.ones_like(agree), agree, ~agree, ~agree]))
