"""The paired difference of two rows, of one study or of two: the same items, the same seeds.

A seed counts if both rows have a result under it, an item of a seed if both rows are tested on it. Of two studies with
test sets of different sizes these are the items of the smaller one, since draws are nested. Within one study the
estimate is that of the report.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from outgrow.errors import DataError
from outgrow.metrics.bootstrap import Resamples, draw_items, draw_seeds
from outgrow.metrics.estimate import Estimate
from outgrow.reporting.frame import BOOTSTRAP_SEED, Frame
from outgrow.reporting.rows import seed_values
from outgrow.reporting.topics.pairs import measured_items, paired_differences, row_counts, score_value

Common = Int[np.ndarray, "common"]


class RowOfFrame(NamedTuple):
    """A row by its name, and the study that it belongs to."""

    frame: Frame
    name: str


class SharedItems(NamedTuple):
    """Seeds and test items of two studies, and where each study has them."""

    seeds: list[tuple[int, int]]
    """The index of each shared seed in the first and in the second study."""
    first: Common
    second: Common


def compare_rows(first: RowOfFrame, second: RowOfFrame) -> Estimate:
    """Score of the first row minus that of the second. Raises `ConfigError` and `DataError`."""
    shared = _shared(first.frame, second.frame)
    ours, theirs = (measured_items(row.frame, row.name) for row in (first, second))
    there = np.stack([ours[one][shared.first] & theirs[other][shared.second] for one, other in shared.seeds])
    if not there.any():
        raise DataError(f"`{first.name}` and `{second.name}` were tested on no common item under a common seed")
    counts = [
        row_counts(row.frame, row.name)[[pair[side] for pair in shared.seeds]][:, places] * there[..., None]
        for side, (row, places) in enumerate(((first, shared.first), (second, shared.second)))
    ]
    group = np.unique(first.frame.test.group[shared.first], return_inverse=True)[1]
    resamples = _resamples(first.frame, second.frame, len(shared.seeds), group)
    values = seed_values(resamples.items, np.stack(counts), score_value(first.frame))
    return paired_differences(values[:, :1], values[:, 1:], resamples, there, group)[0]


def _resamples(first: Frame, second: Frame, n_seeds: int, group: Int[np.ndarray, "item"]) -> Resamples:
    """Drawn as those of a report (`frame.make_frame`)."""
    generator = np.random.default_rng(BOOTSTRAP_SEED)
    n_resamples = max(frame.study.experiment.bootstrap for frame in (first, second))
    drawn = draw_seeds(n_seeds, n_resamples, generator)
    return Resamples(drawn, draw_items(int(group.max()) + 1, n_resamples, generator)[:, group])


def _shared(first: Frame, second: Frame) -> SharedItems:
    """Seeds by their number, items by their ids. Raises `DataError` where the studies have different tasks."""
    if (first.task.kind, first.task.metric) != (second.task.kind, second.task.metric):
        raise DataError(
            f"the studies are measured differently: {first.task.metric} of `{first.task.name}`,"
            f" {second.task.metric} of `{second.task.name}`"
        )
    theirs = {seed: index for index, seed in enumerate(dict.fromkeys(second.study.experiment.seeds))}
    mine = enumerate(dict.fromkeys(first.study.experiment.seeds))
    seeds = [(index, theirs[seed]) for index, seed in mine if seed in theirs]
    place = {name: index for index, name in enumerate(second.test.ids)}
    pairs = [(index, place[name]) for index, name in enumerate(first.test.ids) if name in place]
    if not seeds or not pairs:
        raise DataError(f"the studies have no common {'test item' if seeds else 'seed'}, so no difference is paired")
    shared = SharedItems(seeds, *(np.asarray(places) for places in zip(*pairs, strict=True)))
    _refuse_other_items(first, second, shared)
    return shared


def _refuse_other_items(first: Frame, second: Frame, shared: SharedItems) -> None:
    for one, other in zip(shared.first.tolist(), shared.second.tolist(), strict=True):
        if first.test.prompts[one] != second.test.prompts[other] or first.test.gold[one] != second.test.gold[other]:
            raise DataError(f"item `{first.test.ids[one]}` has another text or gold in the second study")
