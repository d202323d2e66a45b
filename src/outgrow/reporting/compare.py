"""The paired difference of two rows, of one study or of two: the same items, the same seeds.

A seed counts if both rows have a result under it, an item of a seed if both rows are tested on it. Of two studies with
test sets of different sizes these are the items of the smaller one, since draws are nested. Within one study the
estimate is that of the report.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from outgrow.errors import ConfigError, DataError, suggest
from outgrow.metrics.bootstrap import Resamples, difference, draw_items, draw_seeds, over_seeds, paired, seeds_with
from outgrow.metrics.estimate import Estimate
from outgrow.metrics.proportion import difference_from_draws
from outgrow.metrics.text_score import mean_value
from outgrow.reporting.evidence.row_answers import accuracy_counts
from outgrow.reporting.evidence.texts import score_counts
from outgrow.reporting.frame import BOOTSTRAP_SEED, Frame
from outgrow.reporting.rows import Counts, seed_values
from outgrow.reporting.topics.supervisors import MEAN_VOTE, mean_vote

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
    there = np.stack(
        [_there(first)[one][shared.first] & _there(second)[other][shared.second] for one, other in shared.seeds]
    )
    if not there.any():
        raise DataError(f"`{first.name}` and `{second.name}` were tested on no common item under a common seed")
    counts = [
        _counts(row)[[pair[side] for pair in shared.seeds]][:, places] * there[..., None]
        for side, (row, places) in enumerate(((first, shared.first), (second, shared.second)))
    ]
    group = np.unique(first.frame.test.group[shared.first], return_inverse=True)[1]
    resamples = _resamples(first.frame, second.frame, len(shared.seeds), group)
    value = first.frame.text_score.value if first.frame.of_texts else mean_value
    values = seed_values(resamples.items, np.stack(counts), value)
    left, right = paired(values[:, 0], values[:, 1])
    return _difference(left, right, resamples, there, group)


def _difference(
    left: Float[np.ndarray, "draw seed"],
    right: Float[np.ndarray, "draw seed"],
    resamples: Resamples,
    there: Bool[np.ndarray, "seed item"],
    group: Int[np.ndarray, "item"],
) -> Estimate:
    seeds = resamples.seeds
    items = np.asarray(there[np.isfinite(left[0])].any(axis=0))
    return difference_from_draws(
        over_seeds(left, seeds),
        over_seeds(right, seeds),
        int(items.sum()),
        len(np.unique(group[items])),
        seeds_with(left),
        difference(left, right, seeds),
    )


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


def row_index(frame: Frame, name: str) -> int:
    """The place of a row in the study. Raises `ConfigError` with the nearest name."""
    names = [row.name for row in frame.study.rows]
    if name not in names:
        raise ConfigError(f"no row named `{name}`; {suggest(name, names)}")
    return names.index(name)


def _mean_vote_of(frame: Frame) -> Int[np.ndarray, "seed item"]:
    if frame.of_texts or len(frame.floor) < 2:
        raise ConfigError(f"`{MEAN_VOTE}` is the row of several supervisors that vote")
    return mean_vote(frame, frame.test)


def _there(row: RowOfFrame) -> Bool[np.ndarray, "seed item"]:
    """The items that the row is measured on."""
    frame = row.frame
    if row.name == MEAN_VOTE:
        return np.asarray(_mean_vote_of(frame) >= 0)
    place = row_index(frame, row.name)
    only = [frame.study.rows[place]]
    if frame.of_texts:
        return frame.scored(only, [frame.texts[place]])[0].there
    return frame.scored(only, [frame.votes[place]])[0].there


def _counts(row: RowOfFrame) -> Counts:
    """The row's counts per item, as in the main table."""
    frame, test = row.frame, row.frame.test
    if row.name == MEAN_VOTE:
        hard = _mean_vote_of(frame)
        return accuracy_counts(hard, hard >= 0, test)
    place = row_index(frame, row.name)
    if frame.of_texts:
        return score_counts(frame.texts[place], test.answers, frame.text_score, test.capabilities)
    return accuracy_counts(frame.votes[place].hard, frame.votes[place].there, test)
