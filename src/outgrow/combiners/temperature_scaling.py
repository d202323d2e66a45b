"""Temperature scaling of posteriors: one temperature for all posteriors of a combiner.

    q_i[c] ∝ p_i[c]^(1/T)        T > 1: less certain, T < 1: more certain; the most probable class stays

Label models assume independent sources and are too certain where they are not; a majority has no probability of its
own. T is fitted

* to gold, where there is enough (`enough_gold`): the most likely T for gold of items that the fit did not use
  (`cross_fit.py`);
* else, of a table of votes, to its labels' accuracy in simulated tables like this one (`simulated_accuracy.py`): the
  T at which the mean probability of the labels is that accuracy (`to_accuracy`);
* else, of a study's weak labels, to votes: the most likely T >= 1 for votes that the fit did not use
  (`held_out_votes.py`), where it predicts them better than T = 1 by `SURE` standard errors. It needs `LEAST_SOURCES`,
  and sources that vote for more than one class.

By gold and by votes ln T ~ N(0, ½²) a priori, so that a few items do not move it far. An item whose gold is known
keeps it. `before` and `after` are the calibration of the posteriors on items with gold; `after` by temperatures that
were fitted without the item's fold. Where those do not reduce the log-loss, or |ln T| <= `EXACT`, T is 1 and no
posterior is changed.

By held-out votes T corrects all that makes a posterior predict votes badly. It cannot correct errors that all sources
make together on the same items with the same wrong class. And it only makes posteriors less certain: votes cannot
show that they should be more certain.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from outgrow.combiners import fit_by
from outgrow.combiners.combiner_record import CombinerSection
from outgrow.combiners.cross_fit import FOLDS, CrossFitted, cross_fitted, enough_gold, gold_folds
from outgrow.combiners.fit import Fit
from outgrow.combiners.held_out_votes import HeldOut, Prediction, hold_out, log_probabilities, predict
from outgrow.combiners.simulated_accuracy import SimulatedShare
from outgrow.combiners.votes import Votes
from outgrow.lazy import optimize
from outgrow.metrics.calibration import (
    ECE_BINS,
    bin_indicators,
    brier,
    equal_mass_bins,
    expected_calibration_error,
    log_loss,
)

FLOOR = 1e-9
"""Lower bound of a posterior before scaling."""
LOG_TEMPERATURES = (-2.0, 3.5)
"""Search range of ln T."""
HOTTEST = 8.0
"""The largest ln T: posteriors are nearly uniform, for labels that are hardly better than chance."""
SPREAD = 0.5
"""Standard deviation of ln T a priori."""
EXACT = 1e-2
"""Precision of ln T."""
SURE = 3.0
WIDE = 0.6
"""An interval of an accuracy that says next to nothing is wider."""
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
    """A fit with calibrated posteriors."""

    fit: Fit
    temperature: float
    by: Literal["gold", "simulations", "votes", "nothing"]
    """What T was fitted to. `nothing`: too few sources, or no vote to predict; the posteriors are unchanged."""
    before: TemperatureFit | None
    """Without the items' own gold; `None` where there is not enough."""
    after: TemperatureFit | None
    expected: SimulatedShare | None = None
    """Accuracy of the labels as in simulated tables, which T was fitted to."""

    @property
    def sentence(self) -> str:
        """A sentence for `Targets.origin`."""
        if self.expected is not None:
            mean, low, high = self.expected
            doubt = (
                " The votes do not show how good the sources are: take the confidences as an order of the items only,"
                " and give gold of some."
            )
            return (
                f"Posteriors calibrated to the accuracy of labels in simulated tables like this one, {mean:.2f}"
                f" [{low:.2f}, {high:.2f}]: T = {self.temperature:.2f}.{doubt if high - low > WIDE else ''}"
            )
        if self.by == "nothing":
            return "Posteriors are as the combiner has them, not calibrated."
        held_out, before, after = f"held-out {self.by}", self.before, self.after
        if self.temperature == 1:
            kept = f"Posteriors are as the combiner has them: on {held_out} no temperature is surely better than T = 1"
            if before is None:
                return f"{kept}."
            return (
                f"{kept}; on {before.n} items with gold log-loss {before.log_loss:.3f}, Brier {before.brier:.3f},"
                f" ECE {before.ece:.3f}."
            )
        scaled = f"Posteriors calibrated on {held_out}: T = {self.temperature:.2f}"
        if before is None or after is None:
            return f"{scaled}."
        return (
            f"{scaled}; on {before.n} items with gold, each by a T fitted without it, log-loss {before.log_loss:.3f} →"
            f" {after.log_loss:.3f}, Brier {before.brier:.3f} → {after.brier:.3f}, ECE {before.ece:.3f} →"
            f" {after.ece:.3f}."
        )


def temperature_scaled(votes: Votes, section: CombinerSection, fit: Fit) -> CalibratedFit:
    """The posteriors of `fit`, which is the section's fit to these votes, with the temperature of gold or votes."""
    refit = fit_by(section, intervals=False)
    plain = votes.without_silence()
    if enough_gold(plain):
        held = cross_fitted(gold_folds(plain), refit)
        temperature = temperature_by_gold(held.posterior, held.gold)
        before, after = calibration(held.posterior, held.gold), calibration(_without_own_fold(held), held.gold)
        if abs(np.log(temperature)) <= EXACT or after.log_loss >= before.log_loss:
            return CalibratedFit(fit, 1.0, "gold", before, before)
        return CalibratedFit(_with_gold(votes, fit, temperature), temperature, "gold", before, after)
    held_out = hold_out(plain) if len(votes.sources) >= LEAST_SOURCES else None
    if held_out is None or not len(held_out.item):
        return CalibratedFit(fit, 1.0, "nothing", None, None)
    prediction = predict(held_out, refit, reads_silence=section.reads_silence)
    temperature = temperature_by_votes(held_out, prediction)
    return CalibratedFit(_with_gold(votes, fit, temperature), temperature, "votes", None, None)


def to_accuracy(votes: Votes, fit: Fit, expected: SimulatedShare) -> CalibratedFit:
    """The posteriors with the T at which the labels' mean probability, where it is not known, is what is expected."""
    open_items = ((votes.gold < 0) & votes.has_vote)[votes.row_of]
    temperature = temperature_by_accuracy(fit.posterior[open_items], expected.mean)
    return CalibratedFit(_with_gold(votes, fit, temperature), temperature, "simulations", None, None, expected)


def with_temperature(probs: Float[np.ndarray, "row class"], temperature: float) -> Float[np.ndarray, "row class"]:
    """p^(1/T), normalised."""
    logs = np.log(np.maximum(probs, FLOOR)) / temperature
    power = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(power / power.sum(axis=1, keepdims=True))


def temperature_by_gold(posterior: Float[np.ndarray, "known class"], gold: Int[np.ndarray, "known"]) -> float:
    """The T under which gold is most probable."""
    return _best(lambda temperature: float(log_loss(with_temperature(posterior, temperature), gold).sum()))


def temperature_by_accuracy(posterior: Float[np.ndarray, "row class"], accuracy: float) -> float:
    """The T at which the mean probability of the most probable class is `accuracy`; the nearest end if no T is."""
    low, high = LOG_TEMPERATURES[0], HOTTEST

    def excess(log: float) -> float:
        return float(with_temperature(posterior, float(np.exp(log))).max(axis=1).mean()) - accuracy

    if excess(low) <= 0 or excess(high) >= 0:
        return float(np.exp(low if excess(low) <= 0 else high))
    return float(np.exp(optimize.brentq(excess, low, high, xtol=EXACT / 100)))


def temperature_by_votes(held: HeldOut, prediction: Prediction) -> float:
    """The T >= 1 under which held-out votes are most probable, each T with its own matrices; 1 if not surely better.

    Votes of sources that vote for one class only are left out: they show how often their rules are right, and no more.
    """
    share = held.share * (held.matrix[held.source] > 0)

    def gain(temperature: float) -> Float[np.ndarray, "vote"]:
        return np.asarray(share * log_probabilities(held, with_temperature(prediction, temperature)))

    best = _best(lambda temperature: -float(gain(temperature).sum()), least=0.0)
    more = np.bincount(held.item, gain(best) - gain(1.0))
    surely = more.sum() > SURE * float(np.sqrt((more**2).sum()))
    return best if surely and np.log(best) > EXACT else 1.0


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
    result = optimize.minimize_scalar(
        lambda log: loss(float(np.exp(log))) + (log / SPREAD) ** 2 / 2,
        bounds=(least, LOG_TEMPERATURES[1]),
        method="bounded",
        options={"xatol": EXACT},
    )
    return float(np.exp(result.x))


def _without_own_fold(held: CrossFitted) -> Float[np.ndarray, "known class"]:
    """Posteriors calibrated by the other folds' gold."""
    scaled = np.empty_like(held.posterior)
    for fold in range(FOLDS):
        here = held.fold == fold
        temperature = temperature_by_gold(held.posterior[~here], held.gold[~here])
        scaled[here] = with_temperature(held.posterior[here], temperature)
    return scaled


def _with_gold(votes: Votes, fit: Fit, temperature: float) -> Fit:
    """The fit with calibrated posteriors; gold stays, and so does the balance where there is no vote."""
    if temperature == 1:
        return fit
    stays = ((votes.gold >= 0) | ~votes.has_vote)[votes.row_of]
    posterior = np.where(stays[:, None], fit.posterior, with_temperature(fit.posterior, temperature))
    return replace(fit, posterior=posterior)
