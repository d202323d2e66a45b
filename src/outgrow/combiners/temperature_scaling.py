"""Posteriors that mean what they say: one temperature for all of a combiner's posteriors.

    q_i[c] ∝ p_i[c]^(1/T)        T > 1: less sure, T < 1: surer; the most probable class stays

Label models take their sources for independent and are too sure where they are not; a majority does not say how sure
it is. T is found

* by gold, where there is enough (`enough_gold`): the most likely T for gold of items whose own gold the fit had not
  seen (`cross_fit.py`);
* else by votes: the most likely T >= 1 for votes that the fit had not seen (`held_out_votes.py`), where it foretells
  them better than T = 1 by `SURE` standard errors. It needs `LEAST_SOURCES`, and sources that name more than one
  class.

Either way ln T ~ N(0, ½²) a priori, so that a few items do not move it far. An item whose gold is known keeps it.
`before` and `after` say how well calibrated the posteriors are where gold shows it; `after` by temperatures that were
found without the item's fold. Where those do not make the log-loss less, or ln T is 0 within `EXACT`, T is 1 and no
posterior is changed.

By votes alone T allows for whatever makes a posterior foretell votes badly. It cannot allow for errors that all
sources make together on the same items with the same wrong class. And it only makes less sure: that a posterior should
be surer cannot be told from sources that err more.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize_scalar

from outgrow.combiners.cross_fit import FOLDS, CrossFitted, cross_fitted, enough_gold, gold_folds
from outgrow.combiners.fit import Fit
from outgrow.combiners.fits import without_intervals
from outgrow.combiners.held_out_votes import Guess, HeldOut, guesses, hold_out, log_chances
from outgrow.combiners.rule_vote import leaving_silence
from outgrow.combiners.votes import Votes
from outgrow.metrics.calibration import (
    ECE_BINS,
    bin_indicators,
    brier,
    equal_mass_bins,
    expected_calibration_error,
    log_loss,
)

FLOOR = 1e-9
"""What a posterior of zero counts as; with a temperature it is no veto any more."""
LOG_TEMPERATURES = (-2.0, 3.5)
"""Search range of ln T."""
SPREAD = 0.5
"""Standard deviation of ln T a priori."""
EXACT = 1e-2
"""ln T is found to this."""
SURE = 3.0
LEAST_SOURCES = 3
"""Below, a posterior without one of the sources is hardly one."""


class TemperatureFit(NamedTuple):
    """How well posteriors fit gold, over `n` items."""

    n: int
    accuracy: float
    """Classes that tie share an item."""
    log_loss: float
    """Nats per item."""
    brier: float
    """0 … 2."""
    ece: float


@dataclass(frozen=True)
class CalibratedFit:
    """A fit with tempered posteriors."""

    fit: Fit
    temperature: float
    by: Literal["gold", "votes", "nothing"]
    """What T was found by. `nothing`: too few sources, or no vote to foretell; the posteriors are as they were."""
    before: TemperatureFit | None
    """Without the items' own gold; `None` where there is not enough."""
    after: TemperatureFit | None

    @property
    def sentence(self) -> str:
        """What was done, for `Targets.origin`."""
        if self.by == "nothing":
            return "Posteriors are as the combiner has them, not tempered."
        shown, one, other = f"held-out {self.by}", self.before, self.after
        if self.temperature == 1:
            told = (
                f"Posteriors are as the combiner has them: by {shown} no other temperature is surely better than T = 1"
            )
            if one is None:
                return f"{told}."
            return (
                f"{told}; on {one.n} items with gold log-loss {one.log_loss:.3f}, Brier {one.brier:.3f},"
                f" ECE {one.ece:.3f}."
            )
        told = f"Posteriors tempered by {shown}: T = {self.temperature:.2f}"
        if one is None or other is None:
            return f"{told}."
        return (
            f"{told}; on {one.n} items with gold, each by a T found without it, log-loss {one.log_loss:.3f} →"
            f" {other.log_loss:.3f}, Brier {one.brier:.3f} → {other.brier:.3f}, ECE {one.ece:.3f} → {other.ece:.3f}."
        )


def temperature_scaled(
    votes: Votes, fit_by: Callable[[Votes], Fit], *, fit: Fit | None = None, reads_silence: bool = False
) -> CalibratedFit:
    """The posteriors of `fit_by(votes)` with the temperature that gold, or the votes, show.

    Args:
        fit: `fit_by(votes)`, where it is there already.
        reads_silence: `fit_by` takes an abstention for something said (`READS_SILENCE`).
    """
    fit = fit_by(votes) if fit is None else fit
    again = without_intervals(fit_by)
    plain = leaving_silence(votes)
    if enough_gold(plain):
        found = cross_fitted(gold_folds(plain), again)
        temperature = temperature_by_gold(found.posterior, found.gold)
        before, after = calibration(found.posterior, found.gold), calibration(_without_own_fold(found), found.gold)
        if abs(np.log(temperature)) <= EXACT or after.log_loss >= before.log_loss:
            return CalibratedFit(fit, 1.0, "gold", before, before)
        return CalibratedFit(_with_gold(votes, fit, temperature), temperature, "gold", before, after)
    held = hold_out(plain) if len(votes.sources) >= LEAST_SOURCES else None
    if held is None or not len(held.item):
        return CalibratedFit(fit, 1.0, "nothing", None, None)
    temperature = temperature_by_votes(held, guesses(held, again, reads_silence=reads_silence))
    return CalibratedFit(_with_gold(votes, fit, temperature), temperature, "votes", None, None)


def with_temperature(probs: Float[np.ndarray, "row class"], temperature: float) -> Float[np.ndarray, "row class"]:
    """p^(1/T), normalised."""
    logs = np.log(np.maximum(probs, FLOOR)) / temperature
    power = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(power / power.sum(axis=1, keepdims=True))


def temperature_by_gold(posterior: Float[np.ndarray, "known class"], gold: Int[np.ndarray, "known"]) -> float:
    """The T under which gold is most probable."""
    return _best(lambda temperature: float(log_loss(with_temperature(posterior, temperature), gold).sum()))


def temperature_by_votes(held: HeldOut, guess: Guess) -> float:
    """The T >= 1 under which the hidden votes are most probable, each T with its own matrices; 1 if not surely better.

    Votes of sources that only ever say one class are no guide: how often their rules are right is all that they show.
    """
    guide = held.share * (held.matrix[held.source] > 0)

    def gain(temperature: float) -> Float[np.ndarray, "hidden"]:
        return np.asarray(guide * log_chances(held, with_temperature(guess, temperature)))

    found = _best(lambda temperature: -float(gain(temperature).sum()), least=0.0)
    more = np.bincount(held.item, gain(found) - gain(1.0))
    surely = more.sum() > SURE * float(np.sqrt((more**2).sum()))
    return found if surely and np.log(found) > EXACT else 1.0


def calibration(posterior: Float[np.ndarray, "known class"], gold: Int[np.ndarray, "known"]) -> TemperatureFit:
    """Accuracy, log-loss, Brier score and expected calibration error."""
    top = posterior.max(axis=1)
    first = posterior == top[:, None]
    right = first[np.arange(len(gold)), gold] / first.sum(axis=1)
    bins = bin_indicators(equal_mass_bins(top, ECE_BINS), ECE_BINS)
    ece = expected_calibration_error((top - right) @ bins, np.asarray(float(len(gold))))
    return TemperatureFit(
        n=len(gold),
        accuracy=float(right.mean()),
        log_loss=float(log_loss(posterior, gold).mean()),
        brier=float(brier(posterior, gold).mean()),
        ece=float(ece),
    )


def _best(loss: Callable[[float], float], least: float = LOG_TEMPERATURES[0]) -> float:
    """The temperature of the least loss in nats, with the prior of ln T."""
    found = minimize_scalar(
        lambda log: loss(float(np.exp(log))) + (log / SPREAD) ** 2 / 2,
        bounds=(least, LOG_TEMPERATURES[1]),
        method="bounded",
        options={"xatol": EXACT},
    )
    return float(np.exp(found.x))


def _without_own_fold(found: CrossFitted) -> Float[np.ndarray, "known class"]:
    """Posteriors tempered by the other folds' gold."""
    tempered = np.empty_like(found.posterior)
    for number in range(FOLDS):
        here = found.fold == number
        temperature = temperature_by_gold(found.posterior[~here], found.gold[~here])
        tempered[here] = with_temperature(found.posterior[here], temperature)
    return tempered


def _with_gold(votes: Votes, fit: Fit, temperature: float) -> Fit:
    """The fit with tempered posteriors; what gold says stays, and so does the balance where nobody voted."""
    if temperature == 1:
        return fit
    stays = ((votes.gold >= 0) | ~votes.voted.any(axis=1))[votes.row_of]
    posterior = np.where(stays[:, None], fit.posterior, with_temperature(fit.posterior, temperature))
    return replace(fit, posterior=posterior)
