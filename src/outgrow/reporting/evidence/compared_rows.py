"""The rows that topics about single items look at: the mean vote, the headline's method, the ceiling."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from outgrow.metrics.bootstrap import over_seeds, seed_means, seeds_with
from outgrow.metrics.estimate import Estimate, undefined
from outgrow.metrics.proportion import share_from_draws
from outgrow.reporting.about import headline_name
from outgrow.reporting.frame import Frame
from outgrow.reporting.topics.supervisors import MEAN_VOTE, mean_vote


class ComparedRow(NamedTuple):
    """A row's answers to the test items."""

    name: str
    hard: Int[np.ndarray, "seed item"]
    """-1: abstention, or not there."""
    there: Bool[np.ndarray, "seed item"]


def compared_rows(frame: Frame) -> list[ComparedRow]:
    """Of a study of votes; rows without a result are left out."""
    return [row for row in _rows(frame) if row.there.any()]


def _rows(frame: Frame) -> Iterator[ComparedRow]:
    if len(frame.floor) > 1:
        hard = mean_vote(frame, frame.test)
        yield ComparedRow(MEAN_VOTE, hard, np.asarray(hard >= 0))
    headline = headline_name(frame.study.experiment)
    rows = list(zip(frame.study.rows, frame.votes, strict=True))
    shown = [pair for pair in rows if pair[0].role == "method" and pair[0].method == headline][:1]
    shown += [pair for pair in rows if pair[0].role == "ceiling"][:1]
    for row, given in shown:
        yield ComparedRow(row.name, given.hard, given.there)


def accuracies(frame: Frame, rows: list[ComparedRow], among: Bool[np.ndarray, "seed item"]) -> tuple[Estimate, ...]:
    """Each row's accuracy on some of the test items, with paired intervals."""
    part, resamples = frame.test, frame.on_test
    marked = np.stack([row.there & among for row in rows])
    means = seed_means(resamples.items, np.stack([row.hard == part.gold for row in rows]), marked)
    return tuple(_share(means[:, place], marked[place], frame) for place in range(len(rows)))


def _share(per_seed: Float[np.ndarray, "draw seed"], among: Bool[np.ndarray, "seed item"], frame: Frame) -> Estimate:
    seeds, items = seeds_with(per_seed), np.asarray(among.any(axis=0))
    if not seeds:
        return undefined("no such item")
    groups = frame.test.groups_of(items)
    return share_from_draws(over_seeds(per_seed, frame.on_test.seeds), int(items.sum()), groups, seeds)
