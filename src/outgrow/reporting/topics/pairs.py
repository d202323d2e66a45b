"""The paired difference of every two rows, on the test items and seeds that both have.

`outgrow.compare` (`reporting/compare.py`) uses the same functions, so both give the same numbers. Rows that are
measured on the same items are resampled once, and a pair of them is the difference of two arrays. A file of answers
need not have every item. Its pairs are measured again, on the items that both rows have.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from operator import itemgetter

import numpy as np
from jaxtyping import Bool, Float, Int

from outgrow.errors import ConfigError
from outgrow.metrics.bootstrap import Resamples, difference, over_seeds, paired
from outgrow.metrics.estimate import Estimate, undefined
from outgrow.metrics.proportion import difference_from_draws
from outgrow.metrics.text_score import mean_value
from outgrow.render.table import Column, Line, Table
from outgrow.reporting.evidence.row_answers import accuracy_counts
from outgrow.reporting.frame import Frame, row_index
from outgrow.reporting.results import Results
from outgrow.reporting.rows import Counts, Value, seed_values
from outgrow.reporting.topic import INTERVALS, TopicRecord, results_table, sample_size
from outgrow.reporting.topics.supervisors import MEAN_VOTE, mean_vote

MOST_ROWS = 60
"""Rows up to which a report lists every pair (1770); their number grows with the square."""
NO_COMMON_ITEM = "both were tested on no common item under a common seed"
BY_CHANCE = "Of many pairs some are expected to exclude zero by chance."

Marked = Bool[np.ndarray, "seed item"]


@dataclass(frozen=True)
class RowPair:
    """Score of the first row minus that of the second."""

    first: str
    second: str
    difference: Estimate


@dataclass(frozen=True)
class RowPairs:
    """Every two rows that have a result."""

    rows: tuple[str, ...]
    """In the order of the study; the mean vote is the last one."""
    pairs: tuple[RowPair, ...]
    """Each two rows once, the earlier one first; none if there are more than `MOST_ROWS` rows."""


# ---- rows -----------------------------------------------------------------------------------------------


def measured_items(frame: Frame, name: str) -> Marked:
    """The test items that a row is measured on. Raises `ConfigError` for an unknown row."""
    if name == MEAN_VOTE:
        return np.asarray(_mean_vote(frame) >= 0)
    place = row_index(frame, name)
    only = [frame.study.rows[place]]
    if frame.of_texts:
        return frame.scored(only, [frame.texts[place]])[0].there
    return frame.scored(only, [frame.votes[place]])[0].there


def row_counts(frame: Frame, name: str) -> Counts:
    """The row's counts per test item, as in the main table. Raises `ConfigError` for an unknown row."""
    if name == MEAN_VOTE:
        hard = _mean_vote(frame)
        return accuracy_counts(hard, hard >= 0, frame.test)
    return frame.counts[row_index(frame, name)]


def score_value(frame: Frame) -> Value:
    """The score of summed counts in the study's metric."""
    return frame.text_score.value if frame.of_texts else mean_value


def _has_mean_vote(frame: Frame) -> bool:
    return not frame.of_texts and len(frame.floor) > 1


def _mean_vote(frame: Frame) -> Int[np.ndarray, "seed item"]:
    if not _has_mean_vote(frame):
        raise ConfigError(f"`{MEAN_VOTE}` is the row of several supervisors that vote")
    return mean_vote(frame, frame.test)


# ---- measure --------------------------------------------------------------------------------------------


def paired_differences(
    first: Float[np.ndarray, "draw pair seed"],
    second: Float[np.ndarray, "draw pair seed"],
    resamples: Resamples,
    there: Marked,
    group: Int[np.ndarray, "item"],
) -> list[Estimate]:
    """First minus second for each pair of resampled scores, all measured on the items marked in `there`."""
    left, right = paired(first, second)
    scores = (over_seeds(side, resamples.seeds) for side in (left, right))
    draws = np.stack([*scores, difference(left, right, resamples.seeds)])
    has_seed = np.isfinite(left[0])
    sizes = {seeds.tobytes(): _sizes(there[seeds], group) for seeds in np.unique(has_seed, axis=0)}
    return [
        difference_from_draws(
            draws[0, :, pair], draws[1, :, pair], *sizes[seeds.tobytes()], int(seeds.sum()), draws[2, :, pair]
        )
        for pair, seeds in enumerate(has_seed)
    ]


def _sizes(there: Marked, group: Int[np.ndarray, "item"]) -> tuple[int, int]:
    """How many different items there are, and how many groups they belong to."""
    items = there.any(axis=0)
    return int(items.sum()), len(np.unique(group[items]))


def find_pairs(frame: Frame) -> RowPairs:
    """Every two rows of the study that have a result."""
    names = [row.name for row in frame.study.rows] + ([MEAN_VOTE] if _has_mean_vote(frame) else [])
    items = {name: measured_items(frame, name) for name in names}
    rows = tuple(name for name in names if items[name].any())
    if len(rows) > MOST_ROWS:
        return RowPairs(rows, ())
    found: dict[tuple[str, str], Estimate] = {}
    counts = {name: row_counts(frame, name) for name in rows}
    for common, pairs in _by_common_items(rows, items):
        found |= dict(_differences(frame, counts, common, pairs))
    return RowPairs(rows, tuple(RowPair(*pair, found[pair]) for pair in combinations(rows, 2)))


def _by_common_items(
    rows: Sequence[str], items: Mapping[str, Marked]
) -> Iterator[tuple[Marked, list[tuple[str, str]]]]:
    """Pairs that are measured on the same items, with these items."""
    batches: dict[bytes, tuple[Marked, list[tuple[str, str]]]] = {}
    for first, second in combinations(rows, 2):
        common = items[first] & items[second]
        batches.setdefault(common.tobytes(), (common, []))[1].append((first, second))
    yield from batches.values()


def _differences(
    frame: Frame, counts: Mapping[str, Counts], common: Marked, pairs: Sequence[tuple[str, str]]
) -> Iterator[tuple[tuple[str, str], Estimate]]:
    """The differences of pairs that are measured on the same items: those with the same first row at once."""
    if not common.any():
        yield from ((pair, undefined(NO_COMMON_ITEM)) for pair in pairs)
        return
    place = {name: index for index, name in enumerate(dict.fromkeys(name for pair in pairs for name in pair))}
    stacked = np.stack([counts[name] * common[..., None] for name in place])
    values = seed_values(frame.on_test.items, stacked, score_value(frame))
    for first, group in groupby(pairs, itemgetter(0)):
        same_first = list(group)
        others = values[:, [place[second] for _, second in same_first]]
        own = np.broadcast_to(values[:, [place[first]]], others.shape)
        yield from zip(
            same_first, paired_differences(own, others, frame.on_test, common, frame.test.group), strict=True
        )


# ---- table ----------------------------------------------------------------------------------------------


def pairs_table(results: Results, found: RowPairs) -> Iterator[Table]:
    """One line for each two rows."""
    metric = results.about.metric_title
    columns = [Column("first", "row"), Column("second", "minus"), Column("difference", metric, signed=True)]
    lines = [Line((pair.first, pair.second, pair.difference)) for pair in found.pairs]
    size = sample_size((pair.difference for pair in found.pairs), "different test items")
    yield results_table(
        results,
        "pairs",
        "Difference of every two rows",
        f"Test {metric} of the first row minus that of the second, on the items and seeds that both have. {INTERVALS}"
        f" {size and f'n = {size}. '}{BY_CHANCE}",
        columns,
        lines,
    )


def notes(results: Results, found: RowPairs) -> Iterator[str]:
    """How to read a difference; or why there is none."""
    if len(found.rows) > MOST_ROWS:
        yield (
            f"The study has {len(found.rows)} rows; pairs are listed for up to {MOST_ROWS}."
            " outgrow.compare(a, b) gives the difference of any two."
        )
    if found.pairs:
        covers = " With one seed the interval covers items only." if len(results.about.seeds) == 1 else ""
        yield (
            f"Test {results.about.metric_title} of the first row minus that of the second, paired by item and seed,"
            f" with its 95 % interval.{covers} {BY_CHANCE}"
        )


PAIRS = TopicRecord(
    name="pairs",
    summary="Paired difference of every two rows",
    heading="Any two rows compared",
    measure=find_pairs,
    tables=pairs_table,
    notes=notes,
)
