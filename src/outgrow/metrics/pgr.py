"""Performance gap recovered: what share of the way from its supervisor to its ceiling a student has gone.

    PGR = (P_student − P_weak) / (P_ceiling − P_weak)

(Burns et al. 2023, arXiv 2312.09390). 0 = no better than the supervisor, 1 = as good as the same student trained on
gold; below 0 and above 1 are possible. With several supervisors it is computed against each and averaged (Cui et al.
2025, arXiv 2406.03199, section 5). P is the mean over seeds, so a PGR is a ratio of means, which is steadier than
a mean of ratios.

A ratio over a gap that is not there is no number. The rule: PGR against a supervisor is *undefined* unless the 95 %
interval of the paired difference ceiling − supervisor lies above zero: else the gap is within noise, or the ceiling is
below the supervisor. With one seed that interval covers items only, and another seed would often close the gap: there
it is widened (by square and add) as if every row varied by `SEED_SPREAD` from seed to seed. Near accuracies of 0 and 1
the interval of the gap is widened too (`proportion.py`), and so is the PGR's own: PGR = 1 − (P_ceiling − P_student) /
gap reaches as far as the interval of ceiling − student does. The average is over the supervisors that have one; its
note names those left out; with none it is undefined.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Float

from outgrow.metrics.bootstrap import difference, mean_over_seeds, over_seeds, paired, seeds_with, stretch, stretched
from outgrow.metrics.estimate import TAILS, Estimate, from_draws, show, undefined, widened
from outgrow.metrics.proportion import difference_from_draws, near_edge

SEED_SPREAD = 0.02
"""Standard deviation over seeds that a row's score is taken to have where there is one seed, which cannot show it: the
largest for which `bench/coverage.py` measures that nulls are undefined."""


@dataclass(frozen=True)
class Recovered:
    """PGR of one student: averaged over supervisors, and against each."""

    average: Estimate
    by_supervisor: dict[str, Estimate]


@dataclass(frozen=True)
class _Against:
    estimate: Estimate
    draws: Float[np.ndarray, "draw"] | None = None
    """Of the ratio of means, before they are stretched."""
    linear: Float[np.ndarray, "draw seed"] | None = None
    """Values per seed whose mean is PGR, for small changes; the draws are stretched by them."""
    reach: tuple[float, float] | None = None
    """The least extent of the interval, where an accuracy is near 0 or 1."""


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
    seeds: Float[np.ndarray, "draw seed"],
    n: int,
    groups: int | None = None,
) -> Recovered:
    """PGR from resampled accuracies per seed (NaN = the row has no such seed; see `metrics.bootstrap`).

    Each supervisor is compared over the seeds that student, supervisor and ceiling all have. `groups` are the
    independent groups that the `n` items form; by default every item is one.
    """
    apart = n if groups is None else groups
    against = {name: _against(student, values, ceiling, seeds, n, apart) for name, values in weak.items()}
    return Recovered(
        _average(against, n, seeds_with(student)), {name: comparison.estimate for name, comparison in against.items()}
    )


def _against(
    student: Float[np.ndarray, "draw seed"],
    weak: Float[np.ndarray, "draw seed"],
    ceiling: Float[np.ndarray, "draw seed"],
    seeds: Float[np.ndarray, "draw seed"],
    n: int,
    groups: int,
) -> _Against:
    trio = paired(student, weak, ceiling)
    shared = seeds_with(trio[0])
    if not shared:
        return _Against(undefined("no seed has student, supervisor and ceiling", n))
    student, weak, ceiling = trio
    reached, floor, top = (over_seeds(values, seeds) for values in trio)
    gap = difference_from_draws(top, floor, n, groups, shared, difference(ceiling, weak, seeds))
    gap = _for_other_seeds(gap) if shared == 1 else gap
    if gap.low is None or gap.low <= 0 or gap.value is None or gap.value <= 0:
        return _Against(undefined(_no_gap(gap), n, shared))
    draws, reach = recovered_share(*(mean_over_seeds(values, seeds) for values in trio)), None
    linear = (student - weak - draws[0] * (ceiling - weak)) / gap.value
    if near_edge(reached, groups) or near_edge(top, groups):
        left = difference_from_draws(top, reached, n, groups, shared, difference(ceiling, student, seeds))
        ends = (left.low or 0.0, left.high or 0.0)  # there is an interval, as there is one of the gap
        reach = 1 - ends[1] / gap.value, 1 - ends[0] / gap.value
    return _Against(_reaching(from_draws(stretched(draws, stretch(linear)), n, shared), reach), draws, linear, reach)


def _for_other_seeds(gap: Estimate) -> Estimate:
    """The interval of a difference under one seed, widened by what two rows may vary over seeds."""
    if gap.value is None or gap.low is None or gap.high is None:
        return gap
    half = NormalDist().inv_cdf(TAILS[1]) * SEED_SPREAD * math.sqrt(2)
    below, above = math.hypot(gap.value - gap.low, half), math.hypot(gap.high - gap.value, half)
    return widened(gap, gap.value - below, gap.value + above)


def _reaching(estimate: Estimate, reach: tuple[float, float] | None) -> Estimate:
    return estimate if reach is None else widened(estimate, *reach)


def _no_gap(gap: Estimate) -> str:
    below = gap.high is not None and gap.high < 0
    why = "the ceiling is below the supervisor" if below else "the gap to the ceiling is within noise"
    for_seeds = " (one seed: widened for what another may change)" if gap.seeds == 1 else ""
    return f"{why}: {show(gap, signed=True)}{for_seeds}"


def _average(against: Mapping[str, _Against], n: int, seeds: int) -> Estimate:
    defined = [comparison for comparison in against.values() if comparison.draws is not None]
    left_out = [name for name, comparison in against.items() if comparison.draws is None]
    if not defined:
        reasons = list(dict.fromkeys(comparison.estimate.note for comparison in against.values()))
        return undefined("; ".join(reasons) or "no supervisor to compare with", n, seeds)
    note = f"without {', '.join(left_out)} (undefined)" if left_out else ""
    seeds = min(comparison.estimate.seeds for comparison in defined)
    reaches = [comparison.reach for comparison in defined if comparison.reach is not None]
    reach = None
    if len(reaches) == len(defined):
        low, high = np.mean(reaches, axis=0)
        reach = float(low), float(high)
    draws = np.mean([comparison.draws for comparison in defined if comparison.draws is not None], axis=0)
    factor = _common_stretch([comparison.linear for comparison in defined if comparison.linear is not None], seeds)
    return _reaching(from_draws(stretched(draws, factor), n, seeds, note), reach)


def _common_stretch(linear: Sequence[Float[np.ndarray, "draw seed"]], seeds: int) -> Float[np.ndarray, ""]:
    """The stretch of the mean over supervisors; their largest stretch if they lack different seeds."""
    together = np.mean(linear, axis=0)
    return (
        stretch(together)
        if seeds_with(together) == seeds
        else np.asarray(np.max([stretch(per_seed) for per_seed in linear]))
    )
