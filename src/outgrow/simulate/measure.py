"""Summaries of the excess risks of all repetitions, with intervals.

Every interval is a bootstrap over repetitions, with the same resamples for every number. Naive fine-tuning and the
oracle use, for each number of labels, the penalty of the grid with the lowest mean risk. This choice uses the truth,
which a real study does not have, so their risks are lower bounds.

The rate of the mean risk is the slope of its logarithm. The fit uses the numbers of demonstrations where the mean is
below half of the source's risk and has an effective size of at least `ENOUGH` repetitions: for more demonstrations,
contexts too rare for a simulation dominate the mean. For many demonstrations the mean behaves like exp(−n r)/√n
(Bahadur and Rao 1960). The factor √n appears slowly. Before that r lies between the slopes of log risk and of log(risk
√n).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from outgrow.config.simulation import Simulation
from outgrow.metrics.bootstrap import resampled_sums
from outgrow.metrics.estimate import TAILS, Estimate, undefined
from outgrow.simulate.mixture import Decay, Mixture, decay, excess_risk, risk_bound, segment_floor

PENALTIES = (1e-6, *(base * 10.0**power for power in range(-3, 2) for base in (1, 2, 5)), 100.0)
"""Penalties per label of the squared distance to the source's mean. The inputs have variance 1/3, so 1/3 halves it."""
ROUNDING = 1e-30
"""Risks below this are rounding errors."""
ENOUGH = 100
"""Effective number of repetitions below which a mean is marked and enters no rate."""
DIGITS = 6
"""Significant digits of a result."""


class RiskDraws(NamedTuple):
    """Excess risks of each repetition, and the log odds of the target against each rival."""

    refined: Float[np.ndarray, "rep count"]
    bootstrapped: Float[np.ndarray, "rep"]
    naive: Float[np.ndarray, "rep size penalty"]
    oracle: Float[np.ndarray, "rep size penalty"]
    odds: Float[np.ndarray, "rep count rival"]


@dataclass(frozen=True)
class RiskPoint:
    """A student's excess risk with a number of weak labels."""

    student: str
    labels: int | None
    """Number of labels; None if the student uses none."""
    risk: Estimate
    typical: Estimate
    """log10 of the risk's geometric mean."""
    penalty: float | None = None
    """The best penalty of the grid, per label; None if the student has no penalty."""


@dataclass(frozen=True)
class Rate:
    """A rate per demonstration, measured and expected."""

    what: str
    measured: Estimate
    expected: float


@dataclass(frozen=True)
class SimulationResult:
    """The results of a simulation."""

    name: str
    repetitions: int
    source: float
    """Excess risk of the source's mean."""
    weak: float
    """Excess risk of the weak supervisor."""
    floor: float
    """Excess risk of the best point on the segment between both."""
    points: tuple[RiskPoint, ...]
    penalties: tuple[float, ...]
    naive: dict[int, tuple[float, ...]]
    """Mean risk of naive fine-tuning at each penalty, by the number of weak labels."""
    rates: tuple[Rate, ...]
    fitted: tuple[int, ...]
    """Numbers of demonstrations in the fit of the rate."""
    bound: tuple[float, ...]
    """The bound on the mean risk for each number of demonstrations; empty if `refine` is `draw`."""

    def of(self, student: str) -> list[RiskPoint]:
        """The points of a student, fewest labels first."""
        return [point for point in self.points if point.student == student]

    @property
    def crossing(self) -> int | None:
        """The fewest demonstrations from which refinement's interval lies below the floor of naive fine-tuning."""
        crossing = None
        for point in reversed(self.of("refinement")):
            if point.risk.high is None or point.risk.high >= self.floor:
                break
            crossing = point.labels
        return crossing


def measure(
    settings: Simulation, mixture: Mixture, risk_draws: RiskDraws, counts: UInt8[np.ndarray, "draw rep"]
) -> SimulationResult:
    """All numbers of the report; `counts` are the resamples of the repetitions."""
    source, expected = float(excess_risk(mixture.source, mixture.gold)), decay(mixture)
    demonstrations = np.asarray(settings.demonstrations)
    is_usable = usable(risk_draws.refined, source)
    logs = np.log(np.maximum(_means(counts, risk_draws.refined), ROUNDING))
    sizes = zip(settings.weak_labels, risk_draws.naive.mean(axis=0), strict=True)
    return SimulationResult(
        name=settings.name,
        repetitions=settings.repetitions,
        source=kept(source),
        weak=kept(float(excess_risk(mixture.weak, mixture.gold))),
        floor=kept(segment_floor(mixture)),
        points=_points(settings, risk_draws, counts),
        penalties=tuple(kept(penalty) for penalty in PENALTIES),
        naive={size: tuple(kept(risk) for risk in risks) for size, risks in sizes},
        rates=(
            *_speeds(logs, demonstrations, is_usable, expected, settings),
            _drift(risk_draws, counts, settings, expected),
        ),
        fitted=tuple(demonstrations[is_usable].tolist()),
        bound=() if settings.refine == "draw" else _bound(mixture, expected, demonstrations),
    )


def usable(risks: Float[np.ndarray, "rep count"], source: float) -> Bool[np.ndarray, "count"]:
    """Where a rate can be fitted: the risk is falling, and neither few repetitions nor rounding dominate the mean."""
    means = risks.mean(axis=0)
    return np.asarray((means < source / 2) & (means > 100 * ROUNDING) & (behind(risks) >= ENOUGH))


def behind(risks: Float[np.ndarray, "rep *column"]) -> Float[np.ndarray, "*column"]:
    """Effective number of repetitions of a mean, (Σ r)²/Σ r²: n for equal risks, 1 if a single risk dominates."""
    scaled = risks / np.maximum(risks.max(axis=0), np.finfo(float).tiny)
    return np.asarray(scaled.sum(axis=0) ** 2 / np.maximum(np.square(scaled).sum(axis=0), np.finfo(float).tiny))


def slopes(
    logs: Float[np.ndarray, "draw count"], counts: Int[np.ndarray, "count"] | Float[np.ndarray, "count"]
) -> Float[np.ndarray, "draw"]:
    """Least-squares slope of each row against the counts."""
    centred = counts - counts.mean()
    return np.asarray(logs @ centred / np.square(centred).sum())


def _points(settings: Simulation, drawn: RiskDraws, counts: UInt8[np.ndarray, "draw rep"]) -> tuple[RiskPoint, ...]:
    rows: list[tuple[str, int | None, float | None]] = [("bootstrapping", None, None)]
    columns = [drawn.bootstrapped]
    for student, risks in (("naive", drawn.naive), ("oracle", drawn.oracle)):
        for index, best_penalty in enumerate(risks.mean(axis=0).argmin(axis=-1)):
            rows.append((student, settings.weak_labels[index], kept(PENALTIES[best_penalty])))
            columns.append(risks[:, index, best_penalty])
    rows += [("refinement", n_demonstrations, None) for n_demonstrations in settings.demonstrations]
    table = np.column_stack([*columns, drawn.refined])
    means, typical = _means(counts, table), _means(counts, np.log10(np.maximum(table, ROUNDING)))
    points = []
    for column, (student, labels, penalty) in enumerate(rows):
        note = "" if behind(table[:, column]) >= ENOUGH else f"effective number of repetitions below {ENOUGH}"
        risk, typical_risk = (_estimate(draws[:, column], len(table), note) for draws in (means, typical))
        points.append(RiskPoint(student, labels, risk, typical_risk, penalty))
    return tuple(points)


def _speeds(
    logs: Float[np.ndarray, "draw count"],
    counts: Int[np.ndarray, "count"],
    is_usable: Bool[np.ndarray, "count"],
    expected: Decay,
    settings: Simulation,
) -> list[Rate]:
    """Rates of the mean risk, with and without the square root."""
    rate = kept(float(expected.rate.min()))
    names = ("log mean risk falls by", "log of mean risk times root n falls by")
    if is_usable.sum() < 3:
        no_rate = undefined("fewer than three numbers of demonstrations are usable", settings.repetitions, 1)
        return [Rate(name, no_rate, rate) for name in names]
    fitted_counts = counts[is_usable]
    slope_draws = (-slopes(logs[:, is_usable] + extra, fitted_counts) for extra in (0.0, np.log(fitted_counts) / 2))
    note = f"fitted from n = {fitted_counts[0]} to {fitted_counts[-1]}"
    return [
        Rate(name, _estimate(draws, settings.repetitions, note), rate)
        for name, draws in zip(names, slope_draws, strict=True)
    ]


def _drift(drawn: RiskDraws, counts: UInt8[np.ndarray, "draw rep"], settings: Simulation, expected: Decay) -> Rate:
    """Growth of the mean log odds of the target against its closest rival per demonstration, from the prior's on."""
    rival = int(expected.drift.argmin())
    prior = np.asarray(settings.shares)
    start = np.log(prior[0]) - np.log(np.delete(prior, 0)[rival])
    longest = settings.demonstrations[-1]
    draws = (_means(counts, drawn.odds[:, -1:, rival])[:, 0] - start) / longest
    note = f"over {longest} demonstrations, against component {rival + 2}"
    measured = _estimate(draws, settings.repetitions, note)
    return Rate("mean log odds of the target grow by", measured, kept(float(expected.drift[rival])))


def _bound(mixture: Mixture, expected: Decay, counts: Int[np.ndarray, "count"]) -> tuple[float, ...]:
    return tuple(kept(value) for value in risk_bound(mixture, expected, counts))


def _means(
    counts: UInt8[np.ndarray, "draw rep"], values: Float[np.ndarray, "rep column"]
) -> Float[np.ndarray, "draw column"]:
    return np.asarray(resampled_sums(counts, values) / len(values))


def _estimate(draws: Float[np.ndarray, "draw"], repetitions: int, note: str = "") -> Estimate:
    """`metrics.estimate.from_draws` with `DIGITS` *significant* digits, because risks may be tiny."""
    low, high = np.quantile(draws[1:], TAILS)
    return Estimate(kept(draws[0]), kept(low), kept(high), repetitions, 1, note)


def kept(value: float) -> float:
    """The number without the digits that depend on the order of summation."""
    return float(f"{value:.{DIGITS}g}") + 0.0
