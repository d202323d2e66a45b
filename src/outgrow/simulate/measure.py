"""From the excess risks of all repetitions to numbers with intervals.

Every interval is a bootstrap over repetitions, the same resamples for every number. Naive fine-tuning and the oracle
get, for every number of labels, the penalty of the grid whose mean risk is the lowest: chosen by the truth, which a
real study does not have. What they cannot do then is out of their reach.

The rate of the mean risk is the slope of its logarithm over those numbers of demonstrations where the mean is below
half of the source's risk and still rests on a hundred repetitions or more: far out, the mean is made by contexts so
rare that a simulation does not meet them. For many demonstrations the mean behaves like exp(−n r)/√n (Bahadur and Rao
1960), but the √n takes a while to set in; until then r lies between the slopes of log risk and of log(risk √n).
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
"""Of the squared distance to the source's mean, per label. The inputs have variance 1/3, so 1/3 goes half the way."""
ROUNDING = 1e-30
"""Risks below this are noise of the arithmetic."""
ENOUGH = 100
"""Repetitions that a mean must rest on, or it is marked and used for no rate."""
DIGITS = 6
"""Significant digits kept."""


class RiskDraws(NamedTuple):
    """Excess risks of every repetition, and the log odds of the target against each rival."""

    refined: Float[np.ndarray, "rep count"]
    bootstrapped: Float[np.ndarray, "rep"]
    naive: Float[np.ndarray, "rep size penalty"]
    oracle: Float[np.ndarray, "rep size penalty"]
    odds: Float[np.ndarray, "rep count rival"]


@dataclass(frozen=True)
class RiskPoint:
    """A student's excess risk with so many weak labels."""

    student: str
    labels: int | None
    """Labels that it used; None: it uses none."""
    risk: Estimate
    typical: Estimate
    """log10 of the risk's geometric mean."""
    penalty: float | None = None
    """The best of the grid, per label; None: the student has none."""


@dataclass(frozen=True)
class Rate:
    """A speed per demonstration, measured and expected."""

    what: str
    measured: Estimate
    expected: float


@dataclass(frozen=True)
class SimulationResult:
    """All that a simulation found."""

    name: str
    repetitions: int
    source: float
    """Excess risk of the source's mean."""
    weak: float
    """Excess risk of the weak supervisor."""
    floor: float
    """Excess risk of the best point between both."""
    points: tuple[RiskPoint, ...]
    penalties: tuple[float, ...]
    naive: dict[int, tuple[float, ...]]
    """By the number of weak labels, naive fine-tuning's mean risk at every penalty."""
    rates: tuple[Rate, ...]
    fitted: tuple[int, ...]
    """Demonstrations over which the rate of the mean was fitted."""
    bound: tuple[float, ...]
    """For every number of demonstrations, what the mean risk does not exceed; empty for labels that are drawn."""

    def of(self, student: str) -> list[RiskPoint]:
        """A student's points, fewest labels first."""
        return [point for point in self.points if point.student == student]

    @property
    def crossing(self) -> int | None:
        """The fewest demonstrations from which on refinement is clearly below the floor of naive fine-tuning."""
        crossing = None
        for point in reversed(self.of("refinement")):
            if point.risk.high is None or point.risk.high >= self.floor:
                break
            crossing = point.labels
        return crossing


def measure(
    settings: Simulation, mixture: Mixture, drawn: RiskDraws, counts: UInt8[np.ndarray, "draw rep"]
) -> SimulationResult:
    """Everything that the report tells; `counts` are the resamples of the repetitions."""
    source, expected = float(excess_risk(mixture.source, mixture.gold)), decay(mixture)
    demonstrations = np.asarray(settings.demonstrations)
    steady = usable(drawn.refined, source)
    logs = np.log(np.maximum(_means(counts, drawn.refined), ROUNDING))
    sizes = zip(settings.weak_labels, drawn.naive.mean(axis=0), strict=True)
    return SimulationResult(
        name=settings.name,
        repetitions=settings.repetitions,
        source=kept(source),
        weak=kept(float(excess_risk(mixture.weak, mixture.gold))),
        floor=kept(segment_floor(mixture)),
        points=_points(settings, drawn, counts),
        penalties=tuple(kept(penalty) for penalty in PENALTIES),
        naive={size: tuple(kept(risk) for risk in risks) for size, risks in sizes},
        rates=(*_speeds(logs, demonstrations, steady, expected, settings), _drift(drawn, counts, settings, expected)),
        fitted=tuple(demonstrations[steady].tolist()),
        bound=() if settings.refine == "draw" else _bound(mixture, expected, demonstrations),
    )


def usable(risks: Float[np.ndarray, "rep count"], source: float) -> Bool[np.ndarray, "count"]:
    """Where a rate may be fitted: inference is under way, and the mean is made neither by few nor by rounding."""
    means = risks.mean(axis=0)
    return np.asarray((means < source / 2) & (means > 100 * ROUNDING) & (behind(risks) >= ENOUGH))


def behind(risks: Float[np.ndarray, "rep *column"]) -> Float[np.ndarray, "*column"]:
    """How many repetitions a mean rests on: (Σ r)²/Σ r², all of them if they are equal, one if one makes it all."""
    scaled = risks / np.maximum(risks.max(axis=0), np.finfo(float).tiny)
    return np.asarray(scaled.sum(axis=0) ** 2 / np.maximum(np.square(scaled).sum(axis=0), np.finfo(float).tiny))


def slopes(
    logs: Float[np.ndarray, "draw count"], counts: Int[np.ndarray, "count"] | Float[np.ndarray, "count"]
) -> Float[np.ndarray, "draw"]:
    """Least squares slope of each row against the counts."""
    centred = counts - counts.mean()
    return np.asarray(logs @ centred / np.square(centred).sum())


def _points(settings: Simulation, drawn: RiskDraws, counts: UInt8[np.ndarray, "draw rep"]) -> tuple[RiskPoint, ...]:
    rows: list[tuple[str, int | None, float | None]] = [("bootstrapping", None, None)]
    columns = [drawn.bootstrapped]
    for student, risks in (("naive", drawn.naive), ("oracle", drawn.oracle)):
        for place, best in enumerate(risks.mean(axis=0).argmin(axis=-1)):
            rows.append((student, settings.weak_labels[place], kept(PENALTIES[best])))
            columns.append(risks[:, place, best])
    rows += [("refinement", number, None) for number in settings.demonstrations]
    table = np.column_stack([*columns, drawn.refined])
    means, typical = _means(counts, table), _means(counts, np.log10(np.maximum(table, ROUNDING)))
    found = []
    for column, (student, labels, penalty) in enumerate(rows):
        note = "" if behind(table[:, column]) >= ENOUGH else f"the mean rests on fewer than {ENOUGH} repetitions"
        risk, usual = (_estimate(of[:, column], len(table), note) for of in (means, typical))
        found.append(RiskPoint(student, labels, risk, usual, penalty))
    return tuple(found)


def _speeds(
    logs: Float[np.ndarray, "draw count"],
    counts: Int[np.ndarray, "count"],
    steady: Bool[np.ndarray, "count"],
    expected: Decay,
    settings: Simulation,
) -> list[Rate]:
    """Rates of the mean risk, with and without the square root."""
    rate = kept(float(expected.rate.min()))
    names = ("log mean risk falls by", "log of mean risk times root n falls by")
    if steady.sum() < 3:
        none = undefined("fewer than three numbers of demonstrations can be used", settings.repetitions, 1)
        return [Rate(name, none, rate) for name in names]
    some = counts[steady]
    found = (-slopes(logs[:, steady] + extra, some) for extra in (0.0, np.log(some) / 2))
    note = f"fitted from n = {some[0]} to {some[-1]}"
    return [
        Rate(name, _estimate(draws, settings.repetitions, note), rate)
        for name, draws in zip(names, found, strict=True)
    ]


def _drift(drawn: RiskDraws, counts: UInt8[np.ndarray, "draw rep"], settings: Simulation, expected: Decay) -> Rate:
    """The mean log odds of the target against its closest rival grow linearly, from the prior's on."""
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
    """Like `metrics.estimate.from_draws`, but with so many *significant* digits: risks may be tiny."""
    low, high = np.quantile(draws[1:], TAILS)
    return Estimate(kept(draws[0]), kept(low), kept(high), repetitions, 1, note)


def kept(value: float) -> float:
    """The number without the digits that depend on the order of summation."""
    return float(f"{value:.{DIGITS}g}") + 0.0
