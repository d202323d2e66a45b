"""Performance gap recovered: the share of the gap between supervisor and ceiling that a student recovers.

    PGR = (P_student − P_weak) / (P_ceiling − P_weak)

(Burns et al. 2023, arXiv 2312.09390). 0 = no better than the supervisor, 1 = as good as the same student trained on
gold; below 0 and above 1 are possible. With several supervisors it is computed against each and averaged (Cui et al.
2025, arXiv 2406.03199, section 5). P is the mean over seeds, so a PGR is a ratio of means, which has less
variance than a mean of ratios.

PGR against a supervisor is *undefined* unless the 95 % interval of the paired difference ceiling − supervisor lies
above zero. Otherwise the gap is within noise, or the ceiling is below the supervisor. Near accuracies of 0 and 1 that
interval is widened (`proportion.py`), and so is that of the PGR, by the interval of ceiling − student in PGR = 1 −
(P_ceiling − P_student) / gap. The average is over the supervisors with a defined PGR. Its note names the others.
Without any it is undefined.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from outgrow.metrics.bootstrap import over_seeds, paired, seeds_with
from outgrow.metrics.estimate import Estimate, from_draws, show, undefined, widened
from outgrow.metrics.proportion import difference_from_draws, near_edge


@dataclass(frozen=True)
class Recovered:
    """PGR of one student: the average over supervisors, and against each."""

    average: Estimate
    by_supervisor: dict[str, Estimate]


@dataclass(frozen=True)
class _Against:
    estimate: Estimate
    draws: Float[np.ndarray, "draw"] | None = None
    min_range: tuple[float, float] | None = None
    """The interval's minimal range, if an accuracy is near 0 or 1."""


def recovered_share(
    student: Float[np.ndarray, "*draw"], weak: Float[np.ndarray, "*draw"], ceiling: Float[np.ndarray, "*draw"]
) -> Float[np.ndarray, "*draw"]:
    """The formula; NaN where the gap is zero."""
    gap = ceiling - weak
    share = np.full(gap.shape, np.nan)
    np.divide(student - weak, gap, out=share, where=gap != 0)
    return share


def performance_gap_recovered(
    student: Float[np.ndarray, "draw seed"],
    weak: Mapping[str, Float[np.ndarray, "draw seed"]],
    ceiling: Float[np.ndarray, "draw seed"],
    seeds: Int[np.ndarray, "draw seed"],
    n: int,
    groups: int | None = None,
) -> Recovered:
    """PGR from resampled accuracies per seed (NaN = a missing seed; see `metrics.bootstrap`).

    Each supervisor is compared over the seeds of student, supervisor and ceiling. `groups` is the number of
    independent groups among the `n` items; by default `n`.
    """
    n_groups = n if groups is None else groups
    against = {name: _against(student, values, ceiling, seeds, n, n_groups) for name, values in weak.items()}
    return Recovered(
        _average(against, n, seeds_with(student)), {name: result.estimate for name, result in against.items()}
    )


def _against(
    student: Float[np.ndarray, "draw seed"],
    weak: Float[np.ndarray, "draw seed"],
    ceiling: Float[np.ndarray, "draw seed"],
    seeds: Int[np.ndarray, "draw seed"],
    n: int,
    groups: int,
) -> _Against:
    per_seed = paired(student, weak, ceiling)
    shared = seeds_with(per_seed[0])
    if not shared:
        return _Against(undefined("no seed has student, supervisor and ceiling", n))
    student_mean, weak_mean, ceiling_mean = (over_seeds(values, seeds) for values in per_seed)
    gap = difference_from_draws(ceiling_mean, weak_mean, n, groups, shared)
    if gap.low is None or gap.low <= 0 or gap.value is None or gap.value <= 0:
        return _Against(undefined(_no_gap(gap), n, shared))
    draws, min_range = recovered_share(student_mean, weak_mean, ceiling_mean), None
    if near_edge(student_mean, groups) or near_edge(ceiling_mean, groups):
        to_ceiling = difference_from_draws(ceiling_mean, student_mean, n, groups, shared)
        ends = (to_ceiling.low or 0.0, to_ceiling.high or 0.0)  # defined, because that of the gap is
        min_range = 1 - ends[1] / gap.value, 1 - ends[0] / gap.value
    return _Against(_with_range(from_draws(draws, n, shared), min_range), draws, min_range)


def _with_range(estimate: Estimate, min_range: tuple[float, float] | None) -> Estimate:
    return estimate if min_range is None else widened(estimate, *min_range)


def _no_gap(gap: Estimate) -> str:
    below = gap.high is not None and gap.high < 0
    reason = "the ceiling is below the supervisor" if below else "the gap to the ceiling is within noise"
    return f"{reason}: {show(gap, signed=True)}"


def _average(against: Mapping[str, _Against], n: int, seeds: int) -> Estimate:
    defined = [result for result in against.values() if result.draws is not None]
    draws = [result.draws for result in defined if result.draws is not None]
    left_out = [name for name, result in against.items() if result.draws is None]
    if not draws:
        reasons = list(dict.fromkeys(result.estimate.note for result in against.values()))
        return undefined("; ".join(reasons) or "no supervisor to compare with", n, seeds)
    note = f"without {', '.join(left_out)} (undefined)" if left_out else ""
    seeds = min(result.estimate.seeds for result in defined)
    ranges = [result.min_range for result in defined if result.min_range is not None]
    min_range = None
    if len(ranges) == len(defined):
        low, high = np.mean(ranges, axis=0)
        min_range = float(low), float(high)
    return _with_range(from_draws(np.mean(draws, axis=0), n, seeds, note), min_range)
