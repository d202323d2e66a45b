"""Several combiners on the same votes: labels, expected accuracy, and how far they differ item by item.

With p_m the posterior of combiner m on an item and p̄ their mean over M combiners,

    H(p̄)  =  mean_m H(p_m)  +  [ H(p̄) − mean_m H(p_m) ]
    total      doubt               dispute (Jensen–Shannon divergence)

in nats. Posteriors are calibrated first by a temperature (`combiners/temperature_scaling.py`). With enough gold, which
no fit has seen, the temperature is fitted to gold. Otherwise it is that at which the mean probability of the labels is
their accuracy in simulated tables like this one (`combiners/simulated_accuracy.py`). Memory holds one posterior at a
time and the sum of all.

Combiners are fitted in a fixed order (`Comparison` in their records). A combiner that would take minutes on a table of
this size (`TableLimits`) is fitted only if it is named: a posterior of every item costs items × classes, a matrix per
source costs sources × classes².
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.special import entr

from outgrow.combiners import COMBINERS, fit_by, fit_names, section_named
from outgrow.combiners.bayesian_dawid_skene import BayesianFit
from outgrow.combiners.fit import Fit
from outgrow.combiners.one_sided import of_rules
from outgrow.combiners.simulated_accuracy import SimulatedQuality, SimulatedShare, simulated_quality
from outgrow.combiners.table_size import n_entries, too_large
from outgrow.combiners.temperature_scaling import (
    LEAST_SOURCES,
    temperature_by_accuracy,
    temperature_by_gold,
    with_temperature,
)
from outgrow.combiners.votes import Votes
from outgrow.errors import ConfigError, DataError, suggest
from outgrow.extensions import function_of
from outgrow.vote_table import VoteTable

SEED = 0
TIE = 1e-9
NO_LABEL = -1


@dataclass(frozen=True)
class CombinerAnswer:
    """The result of one combiner: the label of each item (−1 = none), and how accurate it claims to be."""

    name: str
    label: Int[np.ndarray, "item"]
    own: float
    """Mean of its posterior's maximum before calibration: the accuracy that it claims."""
    simulated: SimulatedShare | None
    """Accuracy of its labels as in simulated tables; `None` with gold, or fewer than two sources."""
    temperature: float


@dataclass(frozen=True)
class CombinerAnswers:
    """The results of all combiners on the same votes. `base` is the name of the first combiner that was fitted."""

    votes: Votes
    base: str
    fit: Fit
    """The base combiner's fit, before calibration."""
    posterior: Float[np.ndarray, "item class"]
    """The base combiner's posterior, calibrated."""
    simulated: SimulatedQuality | None
    """Accuracy, recall and precision of the base's labels as in simulated tables."""
    each: tuple[CombinerAnswer, ...]
    mean: Float[np.ndarray, "item class"]
    """p̄, the mean posterior of all combiners."""
    doubt: Float[np.ndarray, "item"]
    dispute: Float[np.ndarray, "item"]
    notes: tuple[str, ...]

    @property
    def weight(self) -> Float[np.ndarray, "source"]:
        """Weight of each source's vote relative to an independent source's; 1 where it was not estimated."""
        return self.fit.weight if isinstance(self.fit, BayesianFit) else np.ones(len(self.votes.sources))


Tempering = Callable[[str, Fit], float]
"""The temperature of a combiner's posteriors, by its name and its fit."""


def ask(table: VoteTable, names: Sequence[str] | None, temperature_of: Tempering | None = None) -> CombinerAnswers:
    """Fit combiners to the votes. The first one that can be fitted is the base.

    Args:
        names: the combiners; None takes those that suit the table.
        temperature_of: the temperature of a combiner's posteriors; by default that of simulated tables like this
            one, for a table without gold of three sources or more.

    Raises `ConfigError` for an unknown name, `DataError` if no combiner can be fitted.
    """
    votes = Votes.of_table(table)
    voted = table.n_per_item > 0
    n_voting = int((table.n_per_source > 0).sum())
    is_simulated = n_voting >= 2 and not (table.gold >= 0).any()
    chosen, notes = _chosen(votes, names)
    base: tuple[str, Fit, Float[np.ndarray, "item class"], SimulatedQuality | None] | None = None
    each: list[CombinerAnswer] = []
    mean, doubt = np.zeros((len(table.items), table.n_classes)), np.zeros(len(table.items))
    for name in chosen:
        try:
            fit, fit_notes = _fit(name, votes)
        except (ConfigError, DataError) as error:
            notes.append(f"`{name}` could not be fitted: {error}.")
            continue
        simulated = simulated_quality(table, fit.posterior, by_class=base is None) if is_simulated else None
        if temperature_of is not None:
            temperature = temperature_of(name, fit)
        elif simulated is not None and n_voting >= LEAST_SOURCES:
            temperature = temperature_by_accuracy(fit.posterior[voted], simulated.accuracy.mean)
        else:
            temperature = 1.0
        posterior = fit.posterior if temperature == 1 else with_temperature(fit.posterior, temperature)
        base = base or (name, fit, posterior, simulated)
        notes += fit_notes
        share = None if simulated is None else simulated.accuracy
        own = _mean(fit.posterior.max(axis=1)[voted])
        each.append(CombinerAnswer(name, labels_of(posterior), own, share, temperature))
        mean += posterior
        doubt += entr(posterior).sum(axis=1)
    if base is None:
        raise DataError(f"no combiner could be fitted to these votes: {' '.join(notes)}")
    mean, doubt = mean / len(each), doubt / len(each)
    dispute = np.maximum(entr(mean).sum(axis=1) - doubt, 0)
    return CombinerAnswers(votes, *base, tuple(each), mean, doubt, dispute, tuple(notes))


def by_gold(gold: Int[np.ndarray, "item"]) -> Tempering:
    """Temperatures that maximise the likelihood of gold, which no fit has seen."""
    with_gold = np.flatnonzero(gold >= 0)
    return lambda _, fit: temperature_by_gold(fit.posterior[with_gold], gold[with_gold])


def labels_of(posterior: Float[np.ndarray, "item class"]) -> Int[np.ndarray, "item"]:
    """The most probable class of each item, −1 for a tie."""
    label = posterior.argmax(axis=1)
    top = posterior[np.arange(len(label)), label]
    ties = (posterior >= (top - TIE)[:, None]).sum(axis=1) > 1
    return np.where(ties, NO_LABEL, label)


def _chosen(votes: Votes, names: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """The combiners to fit, and notes on those left out."""
    if names is not None:
        for name in names:
            if name not in fit_names():
                raise ConfigError(f"no combiner of votes is called `{name}`; {suggest(name, fit_names())}")
        return list(dict.fromkeys(names)), []
    if of_rules(votes):
        return asked_of_rules(), [
            "At least half of the sources vote for one class or abstain, as rules do. Abstentions count as evidence,"
            " and combiners that ignore them are not fitted."
        ]
    chosen, notes = [], []
    for name in usually_asked():
        size = too_large(name, votes)
        if size:
            notes.append(f"`{name}` was not fitted: there are {size}. Name it to fit it.")
        else:
            chosen.append(name)
    return chosen, notes


def usually_asked() -> list[str]:
    """The combiners that are compared, in their order."""
    places = {record.name: record.compared.place for record in COMBINERS.values()}
    return _in_order(places)


def asked_of_rules() -> list[str]:
    """The same where sources are rules for one class each."""
    compared = {record.compared.of_rules_as or record.name: record.compared for record in COMBINERS.values()}
    return _in_order({name: places.of_rules for name, places in compared.items()})


def _in_order(places: Mapping[str, int | None]) -> list[str]:
    return [name for _, name in sorted((place, name) for name, place in places.items() if place is not None)]


def _fit(name: str, votes: Votes) -> tuple[Fit, list[str]]:
    """A combiner's fit and notes on it. With very many votes the fit may be to a sample of the rows.

    Models that count soft votes by their shares take stated probabilities for accuracies; they get the hard votes.
    """
    section = section_named(name)
    record = COMBINERS.of(section)
    votes = votes if record.averaged.of_soft else votes.hardened()
    if section.needs_gold:
        raise ConfigError(f"`{name}` learns from gold, and this report only checks with gold; choose another combiner")
    entries, most = n_entries(votes), record.limits.sampled
    if record.fit_sample is not None and entries > most:
        n_rows = int(votes.n_rows * most // entries)
        sample = np.sort(np.random.default_rng(SEED).permutation(votes.n_rows)[:n_rows])
        return function_of(record.fit_sample)(votes, sample), [
            f"`{name}` was fitted to {n_rows} different rows of votes, drawn at random."
        ]
    fit: Fit = fit_by(section)(votes)
    return fit, [] if fit.converged else [f"`{name}` did not converge within its iterations."]


def _mean(values: Float[np.ndarray, "some"]) -> float:
    return float(values.mean()) if len(values) else float("nan")
