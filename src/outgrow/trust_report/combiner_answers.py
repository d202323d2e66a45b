"""Several combiners on the same votes: labels, expected accuracy, and how far they differ item by item.

With p_m the posterior of combiner m on an item and p̄ their mean over M combiners,

    H(p̄)  =  mean_m H(p_m)  +  [ H(p̄) − mean_m H(p_m) ]
    total      doubt               dispute (Jensen–Shannon divergence)

in nats. Posteriors are calibrated first by a temperature (`combiners/temperature_scaling.py`). With enough gold, which
no fit has seen, the temperature is fitted to gold. Otherwise it is fitted to hidden votes, on tables with at most
`MOST_TEMPERED` votes × classes. Votes of rules are not calibrated this way: one rule does not predict another as an
annotator predicts another. Memory holds one posterior at a time and the sum of all.

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
from outgrow.combiners.fit import Fit
from outgrow.combiners.held_out_votes import HeldOut, hold_out, predict
from outgrow.combiners.temperature_scaling import (
    LEAST_SOURCES,
    temperature_by_gold,
    temperature_by_votes,
    with_temperature,
)
from outgrow.combiners.votes import Votes
from outgrow.errors import ConfigError, DataError, OutgrowError, suggest
from outgrow.extensions import function_of
from outgrow.vote_table import VoteTable

MOST_TEMPERED = 100_000
"""Votes × classes up to which temperatures are fitted to hidden votes: this needs five more fits per combiner."""
SEED = 0
LEAST_VOTES = 20
TIE = 1e-9
NO_LABEL = -1


@dataclass(frozen=True)
class CombinerAnswer:
    """The result of one combiner: the label of each item (−1 = none) and the mean of its posterior's maximum."""

    name: str
    label: Int[np.ndarray, "item"]
    expected: float
    of_base: float
    """Mean probability that it gives to the base combiner's label, over items with such a label."""
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
    each: tuple[CombinerAnswer, ...]
    mean: Float[np.ndarray, "item class"]
    """p̄, the mean posterior of all combiners."""
    doubt: Float[np.ndarray, "item"]
    dispute: Float[np.ndarray, "item"]
    notes: tuple[str, ...]


Tempering = Callable[[str, Fit], float]
"""The temperature of a combiner's posteriors."""


def ask(table: VoteTable, names: Sequence[str] | None, temperature_of: Tempering | None = None) -> CombinerAnswers:
    """Fit combiners to the votes. The first one that can be fitted is the base.

    Args:
        names: the combiners; None takes those that suit the table.
        temperature_of: the temperature of a combiner's posteriors; by default fitted to hidden votes.

    Raises `ConfigError` for an unknown name, `DataError` if no combiner can be fitted.
    """
    votes = Votes.of_table(table)
    voted = table.n_per_item > 0
    temperature_of = temperature_of or by_hidden_votes(votes)
    chosen, notes = _chosen(votes, names)
    base: tuple[str, Fit, Float[np.ndarray, "item class"]] | None = None
    each: list[CombinerAnswer] = []
    mean, doubt = np.zeros((len(table.items), table.n_classes)), np.zeros(len(table.items))
    for name in chosen:
        try:
            fit, fit_notes = _fit(name, votes)
        except (ConfigError, DataError) as error:
            notes.append(f"`{name}` could not be fitted: {error}.")
            continue
        temperature = temperature_of(name, fit)
        posterior = fit.posterior if temperature == 1 else with_temperature(fit.posterior, temperature)
        base = base or (name, fit, posterior)
        notes += fit_notes
        label = labels_of(posterior)
        rows = np.flatnonzero(voted & ((each[0].label if each else label) != NO_LABEL))
        of_base = _mean(posterior[rows, (each[0].label if each else label)[rows]])
        each.append(CombinerAnswer(name, label, _mean(posterior.max(axis=1)[voted]), of_base, temperature))
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


def by_hidden_votes(votes: Votes) -> Tempering:
    """Temperatures that maximise the likelihood of hidden votes; 1 for too few sources, too many votes, or rules."""
    held_out: HeldOut | None = None
    if len(votes.sources) >= LEAST_SOURCES and _size(votes) <= MOST_TEMPERED and not of_rules(votes):
        held_out = hold_out(votes)

    def temperature_of(name: str, fit: Fit) -> float:
        if held_out is None or not len(held_out.item):
            return 1.0
        try:
            section = section_named(name)
            prediction = predict(held_out, fit_by(section, intervals=False), reads_silence=section.reads_silence)
        except OutgrowError:
            # A model that can be fitted to all votes may fail on four fifths of them.
            return 1.0
        return temperature_by_votes(held_out, prediction)

    return temperature_of


def _size(votes: Votes) -> int:
    """Votes × classes."""
    return int(votes.n_votes.sum()) * votes.n_classes


def labels_of(posterior: Float[np.ndarray, "item class"]) -> Int[np.ndarray, "item"]:
    """The most probable class of each item, −1 for a tie."""
    label = posterior.argmax(axis=1)
    top = posterior[np.arange(len(label)), label]
    ties = (posterior >= (top - TIE)[:, None]).sum(axis=1) > 1
    return np.where(ties, NO_LABEL, label)


def of_rules(votes: Votes) -> bool:
    """Whether at least half of the sources vote for one class only, and abstain on some items."""
    enough_votes = votes.n_votes >= LEAST_VOTES
    one_class = (votes.counts(votes.weight) > 0).sum(axis=1) == 1
    abstains = votes.n_votes < votes.weight.sum()
    return bool(enough_votes.any()) and bool((one_class & abstains)[enough_votes].mean() >= 0.5)


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


def too_large(name: str, votes: Votes) -> str:
    """The size for which a combiner would take minutes; empty if it would not."""
    limits = COMBINERS.of(section_named(name)).limits
    n_rows, n_sources, n_classes = len(votes.values), len(votes.sources), votes.n_classes
    if n_sources * n_classes**2 > limits.matrices:
        return f"{n_sources} sources of {n_classes} classes"
    if n_sources > limits.sources or n_rows * n_classes * n_sources**2 > limits.meetings:
        return f"{n_sources} sources"
    if max(_entries(votes), n_rows * n_classes) > limits.entries:
        return f"{_entries(votes)} different votes for {n_classes} classes"
    return ""


def _entries(votes: Votes) -> int:
    return int(np.count_nonzero(votes.voted)) * (1 if not votes.soft else votes.n_classes)


def _fit(name: str, votes: Votes) -> tuple[Fit, list[str]]:
    """A combiner's fit and notes on it. With very many votes the fit may be to a sample of the rows."""
    section = section_named(name)
    record = COMBINERS.of(section)
    if section.needs_gold:
        raise ConfigError(f"`{name}` learns from gold, and this report only checks with gold; choose another combiner")
    entries, most = _entries(votes), record.limits.sampled
    if record.fit_sample is not None and entries > most:
        n_rows = int(len(votes.values) * most // entries)
        sample = np.sort(np.random.default_rng(SEED).permutation(len(votes.values))[:n_rows])
        return function_of(record.fit_sample)(votes, sample), [
            f"`{name}` was fitted to {n_rows} different rows of votes, drawn at random."
        ]
    fit: Fit = fit_by(section)(votes)
    return fit, [] if fit.converged else [f"`{name}` did not converge within its iterations."]


def _mean(values: Float[np.ndarray, "some"]) -> float:
    return float(values.mean()) if len(values) else float("nan")
