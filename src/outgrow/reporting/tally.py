"""Means over labels, of which an item may have several, with intervals over items and seeds.

Labels are counted by item: the sum of a measure, and the number of labels. Both are summed over the items of a
resample and divided (`metrics.text_score.mean_value`), so that all labels of an item are drawn together and two
measures of the same items are paired. A mixture is measured in each capability; the total is the mean over the
capabilities that have a number.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int

from outgrow.metrics.bootstrap import Resamples, seeds_with
from outgrow.metrics.estimate import Estimate
from outgrow.metrics.text_score import mean_value
from outgrow.reporting.evidence.row_answers import EvaluatedItems
from outgrow.reporting.frame import Frame
from outgrow.reporting.results import WHOLE
from outgrow.reporting.rows import seed_values, seeds_estimate

Record = TypeVar("Record")
SeedLabels = TypeVar("SeedLabels")
Items = Int[np.ndarray, "_"]
Marks = Bool[np.ndarray, "_"]
PerSeed = Float[np.ndarray, "draw seed"]
ByCapability = Mapping[str, PerSeed]
"""A measure under every draw and seed, by capability; of a task that is no mixture, under `WHOLE` alone."""


class SeedCounts(NamedTuple):
    """What is measured of one seed's labels."""

    item: Items
    """The labels' places among the items."""
    number: Float[np.ndarray, "measure label"]
    among: Bool[np.ndarray, "measure label"]
    """Which labels each measure is about."""


@dataclass(frozen=True)
class LabelContext:
    """The items that labels are about, and the resamples behind every interval."""

    part: EvaluatedItems
    resamples: Resamples
    names: tuple[str, ...]
    """The capabilities of a mixture; `WHOLE` alone of any other task."""

    @staticmethod
    def of(frame: Frame) -> "LabelContext":
        """Half B."""
        return LabelContext(frame.half_b, frame.on_half_b, tuple(frame.task.metrics) or (WHOLE,))

    def counts(self, seeds: Sequence[SeedCounts | None]) -> Float[np.ndarray, "measure seed item 2"]:
        """(sum, count) over each item's labels; zeros for a seed without labels. At least one seed has labels."""
        measures = next(len(seed.number) for seed in seeds if seed is not None)
        nothing = np.zeros((measures, self.part.n, 2))
        return np.stack([nothing if seed is None else self._counts(seed) for seed in seeds], axis=1)

    def _counts(self, seed: SeedCounts) -> Float[np.ndarray, "measure item 2"]:
        pairs = zip(seed.number, seed.among, strict=True)
        return np.stack([per_item(self.part.n, seed.item, values, among) for values, among in pairs])

    def means_by_capability(
        self, counts: Float[np.ndarray, "measure seed item 2"]
    ) -> dict[str, Float[np.ndarray, "draw measure seed"]]:
        """Means in each capability; NaN where nothing is counted."""
        return {
            name: seed_values(self.resamples.items, counts * self.part.of_capability(name)[:, None], mean_value)
            for name in self.names
        }

    def estimates(
        self, values: ByCapability, among: Bool[np.ndarray, "seed item"], why: str = ""
    ) -> dict[str, Estimate]:
        """In total and by capability. `among`: the items behind the numbers, `why`: the note of an undefined one."""
        estimates = {
            name: seeds_estimate(draws, among & self.part.of_capability(name), self.resamples, _note(draws, why))
            for name, draws in values.items()
        }
        if WHOLE in values:
            return estimates
        left_out = [name for name, estimate in estimates.items() if not estimate.defined]
        note = f"without {', '.join(left_out)} (undefined)" if 0 < len(left_out) < len(estimates) else ""
        together = macro(list(values.values()))
        return {WHOLE: seeds_estimate(together, among, self.resamples, _note(together, why, note)), **estimates}

    def each(
        self, seeds: Sequence[tuple[Items, SeedLabels] | None], measure: Callable[[SeedLabels, Marks], float | None]
    ) -> dict[str, Float[np.ndarray, "seed"]]:
        """A number for every seed's labels of each capability; NaN where there is none.

        `seeds`: the indices of the labels' items, and what `measure` is called with, beside the labels to measure.
        """
        values = {name: np.full(len(seeds), np.nan) for name in self.names}
        for name in self.names:
            mine = self.part.of_capability(name)
            for seed, labels in enumerate(seeds):
                value = None if labels is None else measure(labels[1], mine[labels[0]])
                values[name][seed] = np.nan if value is None else value
        return values

    def plain(
        self, values: Mapping[str, Float[np.ndarray, "seed"]], among: Bool[np.ndarray, "seed item"]
    ) -> dict[str, Estimate]:
        """The same of numbers without resamples: they have no interval."""
        sample = Resamples(self.resamples.seeds[:1], self.resamples.items[:1])
        return LabelContext(self.part, sample, self.names).estimates(
            {name: value[None] for name, value in values.items()}, among
        )


def _note(draws: PerSeed, why: str, otherwise: str = "") -> str:
    return otherwise if seeds_with(draws) else why


def macro(values: Sequence[PerSeed]) -> PerSeed:
    """The mean over capabilities, without undefined ones."""
    stacked = np.stack(list(values))
    defined = np.isfinite(stacked)
    sums = np.where(defined, stacked, 0.0).sum(axis=0)
    return mean_value(np.stack([sums, defined.sum(axis=0)], axis=-1))


def per_item(
    n_items: int, item: Int[np.ndarray, "label"], number: Float[np.ndarray, "label"], among: Bool[np.ndarray, "label"]
) -> Float[np.ndarray, "item 2"]:
    """(sum, count) over each item's labels that are marked."""
    sums = np.bincount(item[among], number[among], minlength=n_items)
    counts = np.bincount(item[among], minlength=n_items)
    return np.stack([sums, counts.astype(np.float64)], axis=-1)


def records(make: Callable[..., Record], columns: Mapping[str, Mapping[str, Estimate]]) -> dict[str, Record]:
    """A record for the total and each capability. `columns`: by field of the record, its numbers."""
    names = next(iter(columns.values()))
    return {name: make(**{key: column[name] for key, column in columns.items()}) for name in names}
