"""Supervisors among themselves, and whether students copy their errors."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from outgrow.metrics.bootstrap import Resamples, over_seeds, seed_means, seeds_with
from outgrow.metrics.error_correlation import error_correlation, weak_is_wrong
from outgrow.metrics.estimate import Estimate, from_draws, undefined
from outgrow.metrics.proportion import share_from_draws
from outgrow.reporting.evidence.votes import EvaluatedItems, RowAnswers
from outgrow.reporting.results import CopyResult, PairResult
from outgrow.study.build import Row

Hard = Int[np.ndarray, "seed item"]


def pair_results(
    names: Sequence[str], hard: Sequence[Hard], part: EvaluatedItems, resamples: Resamples
) -> list[PairResult]:
    """Agreement and error correlation of every two supervisors on the items that both answered."""
    return [
        _pair(names[first], names[second], hard[first], hard[second], part, resamples)
        for first, second in combinations(range(len(names)), 2)
    ]


def _pair(first: str, second: str, left: Hard, right: Hard, part: EvaluatedItems, resamples: Resamples) -> PairResult:
    both = np.asarray((left >= 0) & (right >= 0))
    wrong = left != part.gold, right != part.gold
    values = np.stack([left == right, wrong[0], wrong[1], wrong[0] & wrong[1]])
    means = seed_means(resamples.items, values, both[None])
    seeds, n = seeds_with(means[:, 0]), int(both.any(axis=0).sum())
    if not seeds:
        nothing = undefined("no item that both answered")
        return PairResult(first, second, nothing, nothing)
    phi = error_correlation(means[:, 1], means[:, 2], means[:, 3])
    return PairResult(
        first,
        second,
        share_from_draws(
            over_seeds(means[:, 0], resamples.seeds), n, part.groups_of(np.asarray(both.any(axis=0))), seeds
        ),
        from_draws(over_seeds(phi, resamples.seeds), n, seeds, "" if np.isfinite(phi[0]).any() else "no errors"),
    )


class StudentAnswers(NamedTuple):
    """A row and its answers on one part."""

    row: Row
    answers: RowAnswers


def copy_results(
    students: Sequence[StudentAnswers], weak: Mapping[str, Hard], part: EvaluatedItems, resamples: Resamples
) -> list[CopyResult]:
    """Whom every student follows where each weak label (by name) is wrong."""
    students = [student for student in students if student.answers.seeds.any()]
    if not students:
        return []
    return [result for name in weak for result in _copied_from(name, weak[name], students, part, resamples)]


def _copied_from(
    name: str, weak: Hard, students: Sequence[StudentAnswers], part: EvaluatedItems, resamples: Resamples
) -> list[CopyResult]:
    wrong = np.asarray([weak_is_wrong(labels, part.gold) for labels in weak])
    among = np.stack([wrong & student.answers.there for student in students])
    hard = np.stack([student.answers.hard for student in students])
    gold = seed_means(resamples.items, hard == part.gold, among)
    copied = seed_means(resamples.items, hard == weak, among)
    results = []
    for number, (row, _) in enumerate(students):
        items = among[number].any(axis=0)
        follows = (gold[:, number], copied[:, number], 1 - gold[:, number] - copied[:, number])
        shares = [_share(draws, resamples, int(items.sum()), part.groups_of(items)) for draws in follows]
        results.append(CopyResult(row.name, row.role, row.variant, part.name, name, *shares))
    return results


def _share(per_seed: np.ndarray, resamples: Resamples, n: int, groups: int) -> Estimate:
    seeds = seeds_with(per_seed)
    if not seeds:
        return undefined("the weak label is never wrong here", n)
    return share_from_draws(over_seeds(per_seed, resamples.seeds), n, groups, seeds)
