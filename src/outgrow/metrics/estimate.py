"""`Estimate`: a number with its interval, its n and its seeds.

Intervals come from resamples (`bootstrap.py`); those of shares near 0 and 1 are widened by `proportion.py`. An
undefined number has `value` None and a reason in `note`; tables print "undefined". Measured numbers are formatted here
only.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

LEVEL = 0.95
"""Share of the resamples within an interval."""
TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
UNDEFINED = "undefined"
MINUS = "\N{MINUS SIGN}"
DECIMALS = 6
"""Decimals of a measured number; later ones depend on the order of summation."""


@dataclass(frozen=True)
class Estimate:
    """A measured number; `low` and `high` bound its 95 % interval (None: no interval)."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    """Number of different items."""
    seeds: int
    """Number of seeds."""
    note: str = ""
    """Why it is undefined, or a remark."""

    @property
    def defined(self) -> bool:
        return self.value is not None

    @property
    def clear(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def undefined(note: str, n: int = 0, seeds: int = 0) -> Estimate:
    """An undefined number with its reason."""
    return Estimate(None, None, None, n, seeds, note)


def from_draws(draws: Float[np.ndarray, "resample"], n: int, seeds: int, note: str = "") -> Estimate:
    """The first draw is the value; the 2.5 % and 97.5 % quantiles of the others are the interval.

    Draws that are not finite (a resample without an item of the kind) are left out. If fewer than half remain, there
    is no interval.
    """
    value, resampled = draws[0], draws[1:]
    if not np.isfinite(value):
        return undefined(note or "nothing to measure", n, seeds)
    resampled = resampled[np.isfinite(resampled)]
    if len(resampled) < max(1, len(draws) // 2):
        return Estimate(_rounded(value), None, None, n, seeds, note)
    low, high = np.quantile(resampled, TAILS)
    return Estimate(_rounded(value), _rounded(low), _rounded(high), n, seeds, note)


def widened(estimate: Estimate, low: float, high: float) -> Estimate:
    """The estimate with its interval extended to contain `low` and `high`; unchanged if it has no interval."""
    if estimate.low is None or estimate.high is None:
        return estimate
    return replace(estimate, low=min(estimate.low, _rounded(low)), high=max(estimate.high, _rounded(high)))


def show_number(value: float | None, digits: int = 3, signed: bool = False) -> str:
    """`0.753`, `−0.012`, with `signed` also `+0.012`; None is `undefined`.

    >>> show_number(-0.0004, digits=2)
    '0.00'
    """
    if value is None:
        return UNDEFINED
    text = f"{abs(value):.{digits}f}"
    if not float(text):
        return text
    return (MINUS if value < 0 else "+" if signed else "") + text


def show_interval(estimate: Estimate, digits: int = 3, signed: bool = False) -> str:
    """`[0.741, 0.765]`; empty without an interval."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"[{show_number(estimate.low, digits, signed)}, {show_number(estimate.high, digits, signed)}]"


def show(estimate: Estimate, digits: int = 3, signed: bool = False) -> str:
    """`0.753 [0.741, 0.765]`.

    >>> show(Estimate(-0.02, -0.03, -0.01, n=100, seeds=3))
    '−0.020 [−0.030, −0.010]'
    """
    return f"{show_number(estimate.value, digits, signed)} {show_interval(estimate, digits, signed)}".rstrip()


def show_percent(value: float | None) -> str:
    """`81 %`; None is `undefined`."""
    return UNDEFINED if value is None else f"{show_number(100 * value, digits=0)} %"


def _rounded(value: float) -> float:
    return round(float(value), DECIMALS) + 0.0  # + 0.0 turns −0.0 into 0.0.
