"""Performance gap recovered: what share of the way from its supervisor to its ceiling a student has gone.

    PGR = (P_student − P_weak) / (P_ceiling − P_weak)

(Burns et al. 2023, arXiv 2312.09390). 0 = no better than the supervisor, 1 = as good as the same student trained on
gold; below 0 and above 1 are possible. With several supervisors it is computed against each and averaged (Cui et al.
2025, arXiv 2406.03199, section 5). P is the mean over seeds, so a PGR is a ratio of means, which is steadier than
a mean of ratios.

A ratio over a gap that is not there is no number. The rule: PGR against a supervisor is *undefined* unless the 95 %
interval of the paired difference ceiling − supervisor lies above zero: else the gap is within noise, or the ceiling is
below the supervisor. Near accuracies of 0 and 1 that interval is widened (`proportion.py`), and so is
the PGR's own: PGR = 1 − (P_ceiling − P_student) / gap reaches as far as the interval of ceiling − student does. The
average is over the supervisors that have one; its note names those left out; with none it is undefined.
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
    """PGR of one student: averaged over supervisors, and against each."""

    average: Estimate
    by_supervisor: dict[str, Estimate]


@dataclass(frozen=True)
class _Against:
    estimate: Estimate
    draws: Float[np.ndarray, "draw"] | None = None
    reach: tuple[float, float] | None = None
    """How far the interval goes at least, where an accuracy is near 0 or 1."""


def recovered_share(
    student: Float[np.ndarray, "*draw"], weak: Float[np.ndarray, "*draw"], ceiling: Float[np.ndarray, "*draw"]
) -> Float[np.ndarray, "*draw"]:
    """The bare formula; NaN where the gap is exactly zero."""
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
    """PGR from resampled accuracies per seed (NaN = the row has no such seed; see `metrics.bootstrap`).

    Each supervisor is compared over the seeds that student, supervisor and ceiling all have. `groups` are the
    independent groups that the `n` items form; by default every item is one.
    """
    apart = n if groups is None else groups
    against = {name: _against(student, values, ceiling, seeds, n, apart) for name, values in weak.items()}
    return Recovered(_average(against, n, seeds_with(student)), {name: one.estimate for name, one in against.items()})


def _against(
    student: Float[np.ndarray, "draw seed"],
    weak: Float[np.ndarray, "draw seed"],
    ceiling: Float[np.ndarray, "draw seed"],
    seeds: Int[np.ndarray, "draw seed"],
    n: int,
    groups: int,
) -> _Against:
    trio = paired(student, weak, ceiling)
    shared = seeds_with(trio[0])
    if not shared:
        return _Against(undefined("no seed has student, supervisor and ceiling", n))
    reached, floor, top = (over_seeds(values, seeds) for values in trio)
    gap = difference_from_draws(top, floor, n, groups, shared)
    if gap.low is None or gap.low <= 0 or gap.value is None or gap.value <= 0:
        return _Against(undefined(_no_gap(gap), n, shared))
    draws, reach = recovered_share(reached, floor, top), None
    if near_edge(reached, groups) or near_edge(top, groups):
        left = difference_from_draws(top, reached, n, groups, shared)
        ends = (left.low or 0.0, left.high or 0.0)  # there is an interval, as there is one of the gap
        reach = 1 - ends[1] / gap.value, 1 - ends[0] / gap.value
    return _Against(_reaching(from_draws(draws, n, shared), reach), draws, reach)


def _reaching(estimate: Estimate, reach: tuple[float, float] | None) -> Estimate:
    return estimate if reach is None else widened(estimate, *reach)


def _no_gap(gap: Estimate) -> str:
    below = gap.high is not None and gap.high < 0
    why = "the ceiling is below the supervisor" if below else "the gap to the ceiling is within noise"
    return f"{why}: {show(gap, signed=True)}"


def _average(against: Mapping[str, _Against], n: int, seeds: int) -> Estimate:
    defined = [one for one in against.values() if one.draws is not None]
    draws = [one.draws for one in defined if one.draws is not None]
    left_out = [name for name, one in against.items() if one.draws is None]
    if not draws:
        reasons = list(dict.fromkeys(one.estimate.note for one in against.values()))
        return undefined("; ".join(reasons) or "no supervisor to compare with", n, seeds)
    note = f"without {', '.join(left_out)} (undefined)" if left_out else ""
    seeds = min(one.estimate.seeds for one in defined)
    reaches = [one.reach for one in defined if one.reach is not None]
    reach = None
    if len(reaches) == len(defined):
        low, high = np.mean(reaches, axis=0)
        reach = float(low), float(high)
    return _reaching(from_draws(np.mean(draws, axis=0), n, seeds, note), reach)
