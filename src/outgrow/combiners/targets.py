"""A student's targets by any combiner: its own rows, or the posterior of its fit."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from outgrow.combiners import COMBINERS, fit_by
from outgrow.combiners.combiner_record import CombinerSection
from outgrow.combiners.fit import Fit, most_probable
from outgrow.combiners.keep_all import without_votes
from outgrow.combiners.temperature_scaling import temperature_scaled
from outgrow.combiners.vote import fit_vote, fit_weighted_vote
from outgrow.combiners.votes import Votes
from outgrow.errors import DataError
from outgrow.extensions import function_of
from outgrow.labels import INSTEAD, Anchors, Targets, WeakLabels

LEAST_VOTES = 20
"""With fewer votes it is no sign of anything that a source votes for one class only."""
MOST_NAMED = 12
"""With more sources than this the sentence about their accuracies gives the range."""


def combine_labels(section: CombinerSection, labels: WeakLabels, anchors: Anchors | None = None) -> Targets:
    """The targets by the combiner that `section` names; `anchors` are the sources' answers to items with known gold.

    Raises `ConfigError` and `DataError` where they cannot be made.
    """
    record = COMBINERS.of(section)
    if record.targets is not None:
        own: Targets = function_of(record.targets)(labels, anchors, **section.options)
        return own
    votes = Votes.of(labels, anchors, hard=section.hard_votes)
    chosen, notes = chosen_by(section, votes)
    try:
        fit = fit_by(chosen, intervals=False)(votes)
    except DataError as error:
        if record.instead is None:
            raise
        gold = anchors if section.uses_gold else None
        instead: Targets = function_of(record.instead)(labels, gold, str(error).partition(";")[0])
        return instead
    return targets_of(labels, votes, chosen, fit, notes)


def calibrated_targets(section: CombinerSection, labels: WeakLabels, anchors: Anchors | None = None) -> Targets:
    """The same with posteriors that one temperature calibrates, by gold of the anchors or by held-out votes."""
    votes = Votes.of(labels, anchors, hard=section.hard_votes)
    chosen, notes = chosen_by(section, votes)
    scaled = temperature_scaled(votes, chosen, fit_by(chosen, intervals=False)(votes))
    targets = targets_of(labels, votes, chosen, scaled.fit, notes)
    return replace(targets, origin=(*targets.origin, scaled.sentence))


def chosen_by(section: CombinerSection, votes: Votes) -> tuple[CombinerSection, tuple[str, ...]]:
    """The section itself, or the one that it chooses for these votes and the reason."""
    record = COMBINERS.of(section)
    if record.choose is None:
        return section, ()
    choice = function_of(record.choose)(votes)
    return choice.section, (choice.why,)


def targets_of(
    labels: WeakLabels, votes: Votes, section: CombinerSection, fit: Fit, notes: tuple[str, ...] = ()
) -> Targets:
    """One row of weight 1 for every item with a vote, and sentences on the sources and the fit."""
    voted = np.asarray(labels.voted.any(axis=1))
    names = [name for name, has_vote in zip(labels.items, voted.tolist(), strict=True) if has_vote]
    silent = () if section.reads_silence else one_sided(votes)
    origin = (*notes, *fit_notes(section, fit), *silent, *fit.notes, *without_votes(int((~voted).sum())))
    posterior = fit.posterior[voted]
    prior = posterior.mean(axis=0) if section.divides_prior else None
    return Targets(names, COMBINERS.of(section).targets_from(section, posterior), np.ones(len(names)), origin, prior)


def fit_notes(section: CombinerSection, fit: Fit) -> tuple[str, ...]:
    """Sentences on the accuracies and the convergence of a fit."""
    if len(fit.sources) <= MOST_NAMED:
        values = ", ".join(f"{name} {value:.2f}" for name, value in zip(fit.sources, fit.accuracy, strict=True))
    else:
        values = f"{fit.accuracy.min():.2f} … {fit.accuracy.max():.2f} of {len(fit.sources)} sources"
    accuracies = f"Accuracies as `{section.type}` estimates them: {values}."
    if fit.converged or len(fit.objective) < 2:
        return (accuracies,)
    return accuracies, f"`{section.type}` had not converged after {len(fit.objective) - 1} rounds."


def one_sided(votes: Votes) -> tuple[str, ...]:
    """A sentence on sources that vote for one class only or abstain: their silence is evidence."""
    n_classes = (votes.counts(votes.weight)[:, : votes.n_classes] > 0).sum(axis=1)
    abstains = (votes.n_votes >= LEAST_VOTES) & (votes.n_votes < votes.weight.sum())
    rules = [name for name, is_rule in zip(votes.sources, (n_classes == 1) & abstains, strict=True) if is_rule]
    if not rules:
        return ()
    named = ", ".join(rules[:MOST_NAMED]) + (" …" if len(rules) > MOST_NAMED else "")
    return (
        f"Sources that vote for one class only or abstain: {named}. Their silence may be more informative than their"
        " votes: `combine: dawid_skene` with `abstentions: counted` uses it.",
    )


def vote_instead(labels: WeakLabels, anchors: Anchors | None, why: str) -> Targets:
    """Targets where a model cannot be fitted: a weighted vote, without anchors the majority; `why` is noted."""
    votes = Votes.of(labels, anchors, hard=True)
    has_gold = anchors is not None and len(anchors.gold) > 0
    posterior = fit_weighted_vote(votes).posterior if has_gold else most_probable(fit_vote(votes).posterior)
    voted = np.asarray(labels.voted.any(axis=1))
    names = [name for name, has_vote in zip(labels.items, voted.tolist(), strict=True) if has_vote]
    instead = f"{why}; {'weighted' if has_gold else 'majority'} vote{INSTEAD}"
    return Targets(names, posterior[voted], np.ones(len(names)), (*without_votes(int((~voted).sum())), instead))


def mean_vote(labels: WeakLabels) -> Float[np.ndarray, "item class"]:
    """The mean of the voting sources' distributions; zeros where no source votes. The reference of tuning."""
    count = labels.voted.sum(axis=1, keepdims=True)
    return np.asarray(labels.probs.sum(axis=1) / np.maximum(1, count))
