"""Selected labels beside all of them: accuracy, length, diversity, and where they lie among the answers' vectors.

Accuracy and length are means over labels, in each capability, and are resampled by item; the difference of two
accuracies is that of the same draw. A capability of which nothing is kept is left out of both averages. Distinct texts
are a share of what there is: a smaller set repeats itself less, so compare selections of one size.

The shift of a selection is measured on the plane of the two principal components of all answers' vectors:

    |mean of the kept − mean of all| / √(mean squared distance of all from their mean)

k random ones of n would have the root mean square √((n − k) / (k (n − 1))).
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from outgrow.graph.step import Step
from outgrow.metrics.diversity import distinct_share
from outgrow.metrics.estimate import Estimate
from outgrow.reporting.evidence.labels import LabelReader, SelectionRecord
from outgrow.reporting.evidence.row_provenance import SharedStep, identity, last_selection, reward_model, shared
from outgrow.reporting.measure.tally import LabelContext, Marks, SeedCounts, records
from outgrow.reporting.results_analyses import WHOLE, KeptMeasures, SelectionResult
from outgrow.select import SELECTIONS

Vectors = Float[np.ndarray, "_ 2"]
Columns = dict[str, dict[str, Estimate]]
"""By field of `KeptMeasures`, in all and by capability."""
NOTHING = "nothing of it is kept"


def find_selections(reader: LabelReader) -> tuple[SelectionResult, ...]:
    """Every row's last selection, once for rows that share it."""
    ground, planes = LabelContext.of(reader.frame), planes_of(reader)
    found = []
    for one in shared(reader.frame.study, last_selection, identity):
        kept = [reader.kept(step) for step in one.found]
        if any(there is not None for there in kept):
            vectors = [planes.get(step.inputs["targets"].identity) for step in one.found]
            found.append(_selection(one, ground, kept, vectors))
    return tuple(found)


def planes_of(reader: LabelReader) -> dict[str, Vectors]:
    """By identity of the targets, where their answers lie, if some reward model has read them."""
    steps = [step for one in shared(reader.frame.study, reward_model, identity) for step in one.found]
    planes = {step.inputs["targets"].identity: reader.vectors(step) for step in steps}
    return {name: plane for name, plane in planes.items() if plane is not None}


def _selection(
    one: SharedStep[Step],
    ground: LabelContext,
    kept: Sequence[SelectionRecord | None],
    vectors: Sequence[Vectors | None],
) -> SelectionResult:
    kind = one.found[0].params["select"]["type"]
    return SelectionResult(
        methods=one.methods,
        type=kind,
        by=SELECTIONS[kind].by,
        oracle=SELECTIONS[kind].sees_gold,
        sizes={name: _size(name, kept) for name in dict.fromkeys([WHOLE, *ground.names])},
        measured=records(KeptMeasures, means(ground, kept) | looks(ground, kept, vectors)),
    )


def _size(name: str, kept: Sequence[SelectionRecord | None]) -> tuple[float, float]:
    """Labels and labels kept of a capability, on average over the seeds."""
    sizes = [seed.sizes.get(name, (0, 0)) for seed in kept if seed is not None]
    labels, left = np.mean(sizes, axis=0).tolist()
    return labels, left


# ---- what is resampled ----------------------------------------------------------------------------------


def means(ground: LabelContext, kept: Sequence[SelectionRecord | None]) -> Columns:
    """Accuracies, their difference and, of texts, lengths."""
    counts = ground.counts([None if seed is None else _counted(seed) for seed in kept])
    draws = ground.apart(counts)
    # What is not kept of at all has nothing to be compared with.
    both = {name: np.where(np.isfinite(one[:, :1]), one, np.nan) for name, one in draws.items()}
    among = counts[..., 1] > 0
    fields = ["kept", "everything", "words_kept", "words"][: len(counts)]
    columns = {
        field: ground.estimates({name: one[:, number] for name, one in both.items()}, among[number], NOTHING)
        for number, field in enumerate(fields)
    }
    apart = {name: one[:, 0] - one[:, 1] for name, one in both.items()}
    return {**columns, "difference": ground.estimates(apart, among[1], NOTHING)}


def _counted(seed: SelectionRecord) -> SeedCounts:
    labels, everything = seed.labels, np.ones(len(seed.labels.item), dtype=np.bool_)
    lengths = np.asarray([len(one) for one in labels.words], dtype=np.float64)
    numbers = [labels.value] * 2 + ([lengths] * 2 if labels.texts else [])
    return SeedCounts(labels.item, np.stack(numbers), np.stack([seed.kept, everything] * (len(numbers) // 2)))


# ---- what is not ----------------------------------------------------------------------------------------


class SelectedLabels(NamedTuple):
    """One seed's selection, and where all rows of its targets lie, if that is known."""

    selection: SelectionRecord
    plane: Vectors | None


def looks(ground: LabelContext, kept: Sequence[SelectionRecord | None], vectors: Sequence[Vectors | None]) -> Columns:
    """Of texts, the share of different ones; the shift, where vectors are known."""
    seeds = [
        None if seed is None else (seed.labels.item, SelectedLabels(seed, plane))
        for seed, plane in zip(kept, vectors, strict=True)
    ]
    measures: dict[str, Callable[[SelectedLabels, Marks], float | None]] = {
        "distinct_kept": lambda seen, mine: _distinct(seen, mine & seen.selection.kept),
        "distinct": lambda seen, mine: _distinct(seen, mine) if (mine & seen.selection.kept).any() else None,
        "shift": lambda seen, mine: _shift(seen, mine)[0],
        "shift_by_chance": lambda seen, mine: _shift(seen, mine)[1],
    }
    among = np.zeros(ground.part.of_seed.shape, dtype=np.bool_)
    for number, seed in enumerate(kept):
        among[number, seed.labels.item[seed.kept] if seed is not None else []] = True
    values = {field: ground.each(seeds, measure) for field, measure in measures.items()}
    return {
        field: ground.plain(found, among)
        for field, found in values.items()
        if any(np.isfinite(one).any() for one in found.values())
    }


def _distinct(seen: SelectedLabels, mine: Marks) -> float | None:
    texts = seen.selection.labels.texts
    return distinct_share([texts[row] for row in np.flatnonzero(mine).tolist()]) if texts else None


def _shift(seen: SelectedLabels, mine: Marks) -> tuple[float, float] | tuple[None, None]:
    if seen.plane is None:
        return None, None
    points = seen.plane[seen.selection.labels.row]
    known = mine & np.isfinite(points).all(axis=1)
    return shift(points[known], seen.selection.kept[known]) or (None, None)


def shift(points: Float[np.ndarray, "label 2"], kept: Marks) -> tuple[float, float] | None:
    """How far the centre of the kept points is from that of all, in units of their spread, and what chance would do.

    None where nothing is kept, or all points are one.
    """
    n, k = len(points), int(kept.sum())
    if not k or n < 2:
        return None
    centred = points - points.mean(axis=0)
    spread = math.sqrt((centred**2).sum(axis=1).mean())
    if not spread:
        return None
    return float(np.linalg.norm(centred[kept].mean(axis=0))) / spread, math.sqrt((n - k) / (k * (n - 1)))
