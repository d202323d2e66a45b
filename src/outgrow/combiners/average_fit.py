"""The mean posterior of several combiners, in two halves that fail in different ways.

    q_i = (1 − w) · mean over the models of q_i  +  w · mean over the steady ones of q_i             w: `STEADY`

A model that learns each source's errors class by class predicts votes well, and finds the truth where sources err
independently. Where they share errors it can take the shared error for the class: then it is sure, wrong, and still
predicts held-out votes better than any other. A weighted mean of the votes (`bwa`) does not fail in this way, but
follows the majority where most sources are bad. In the mean each corrects the other where it is less sure, and the
probabilities are less extreme. What the halves are stands in the records (`AveragedPart`): for sources
`bayesian_dawid_skene`, `dawid_skene` and `mace` beside `bwa`, for rules `rule_vote` beside `vote`. Of `FEW` sources or
fewer, `bwa` can follow a single one that is not the best: `vote` stands in its place.

Soft votes: both halves are fitted to the hard votes, each source's most probable class, and the mean of the halves has
half of the weight. The other half is that of `calibrated_pool`, which reads the probabilities:

    q_i = ½ · mean of the halves on the hard votes  +  ½ · calibrated pool of the soft votes

Models that count the shares of soft votes take them for accuracies: sources that state .15 for a class among seventeen
and are right in 60 % of the cases would be worth hardly more than chance.

The steady half leaves out one-sided sources whose rare votes for another class tell nothing (`one_sided.py`): a model
discovers them, a mean of the votes follows them. Sources with the same votes everywhere are one source. A combiner
that cannot be fitted, or would take minutes on a table of this size, is left out and named; its half is then that of
the others. Accuracies are counted with the mean posterior; their intervals contain the accuracies that the combiners
estimate.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from outgrow.combiners import COMBINERS, fit_by, section_named
from outgrow.combiners.dependence import duplicate_sources
from outgrow.combiners.em import LEAST
from outgrow.combiners.fit import Fit, fit_of_posterior
from outgrow.combiners.one_sided import of_rules, one_sided_class, uninformative
from outgrow.combiners.table_size import too_large
from outgrow.combiners.votes import Votes
from outgrow.errors import DataError

STEADY = {"of_sources": 0.55, "of_few": 0.5, "of_rules": 0.5}
"""w: models that are all certain do not overrule a weighted mean of many sources that is nearly so."""
OF_SOFT = 0.5
"""Weight of the combiners that read the probabilities of soft votes."""
LEAST_INFORMATIVE = 3
FEW = 5
"""Distinct sources up to which a weighted mean of the votes is not steady, on simulated independent sources."""

Weights = Callable[[Collection[str]], dict[str, float]]
"""The names of what was fitted -> their weights."""


def fit_averaged(votes: Votes, *, members: Mapping[str, float] | None = None) -> Fit:
    """The mean posterior, by default that of both halves, and of soft votes that of the combiners of soft votes too.

    Args:
        members: combiners, or `single: SOURCE`, with their weights, instead.

    Raises `DataError` where none of the combiners can be fitted, `ConfigError` for one without a posterior.
    """
    votes = votes.without_silence()
    first, copy_of = duplicate_sources(votes)
    distinct = votes.only(first)
    chosen, weights = _of_members(votes, distinct, members) if members else _of_halves(distinct)
    fits: dict[str, Fit] = {}
    left_out: dict[str, str] = {}
    for name, given in chosen.items():
        size = "" if members else too_large(name, given)
        try:
            if size:
                raise DataError(f"{size} would take minutes")
            fits[name] = fit_by(section_named(name), intervals=False)(given)
        except DataError as error:
            left_out[name] = str(error)
    if not fits:
        raise DataError(f"no combiner can be fitted to these votes: {'; '.join(left_out.values())}")
    weight = weights(fits)
    weighted = np.stack([weight[name] * fit.posterior for name, fit in fits.items()])
    posterior = weighted.sum(axis=0) / sum(weight.values())
    whole = [fit.accuracy[copy_of] for fit in fits.values() if len(fit.accuracy) == len(first)]
    notes = tuple(f"`{name}` is left out of the mean: {why}." for name, why in left_out.items())
    return replace(_fit(votes, posterior, whole), notes=notes, converged=all(fit.converged for fit in fits.values()))


def _of_members(votes: Votes, distinct: Votes, members: Mapping[str, float]) -> tuple[dict[str, Votes], Weights]:
    """The votes that each named combiner is fitted to, and the weights of those that were fitted."""
    chosen = {name: votes if section_named(name).only_source else distinct for name in members}
    return chosen, lambda fitted: {name: members[name] for name in fitted}


def _of_halves(votes: Votes) -> tuple[dict[str, Votes], Weights]:
    """The same for both halves, and for the combiners of soft votes."""
    hard, soft = votes.hardened(), of_soft_votes(votes)
    many_sided = informative(hard)
    parts = halves(many_sided)
    chosen = dict.fromkeys(parts.models, hard) | dict.fromkeys(parts.steady, many_sided) | dict.fromkeys(soft, votes)

    def weights(fitted: Collection[str]) -> dict[str, float]:
        of_halves, read = parts.weights(fitted), [name for name in soft if name in fitted]
        share = OF_SOFT if read else 0.0
        return {name: (1 - share) * weight for name, weight in of_halves.items()} | {
            name: share / len(read) for name in read
        }

    return chosen, weights


def of_soft_votes(votes: Votes) -> list[str]:
    """The combiners that read the probabilities of soft votes; none for hard votes."""
    return [record.name for record in COMBINERS.values() if record.averaged.of_soft] if votes.soft else []


def informative(votes: Votes) -> Votes:
    """The votes without uninformative one-sided sources, unless fewer than `LEAST_INFORMATIVE` were left."""
    kept = np.flatnonzero(~uninformative(votes, one_sided_class(votes)))
    return votes.only(kept) if LEAST_INFORMATIVE <= len(kept) < len(votes.sources) else votes


class Halves(NamedTuple):
    """What is averaged."""

    models: list[str]
    steady: list[str]
    share: float
    """Of the steady half."""

    def weights(self, fitted: Collection[str]) -> dict[str, float]:
        """The weights of what was fitted, equal within a half."""
        present = [[name for name in part if name in fitted] for part in (self.models, self.steady)]
        shares = zip((1 - self.share, self.share), present, strict=True)
        return {name: share / len(part) for share, part in shares for name in part}


def halves(votes: Votes) -> Halves:
    """The models, and the steady combiners, for these distinct and informative sources."""
    few = np.count_nonzero(votes.n_votes) <= FEW
    kind = "of_rules" if of_rules(votes) else "of_few" if few else "of_sources"
    parts = {record.name: getattr(record.averaged, kind) for record in COMBINERS.values()}
    models, steady = ([name for name, part in parts.items() if part == half] for half in ("model", "steady"))
    return Halves(models, steady, STEADY[kind])


def _fit(
    votes: Votes, posterior: Float[np.ndarray, "item class"], accuracies: list[Float[np.ndarray, "source"]]
) -> Fit:
    """The fit of a posterior, with intervals that contain the combiners' accuracies."""
    by_row = np.full((votes.n_rows, votes.n_classes), 1 / votes.n_classes)
    by_row[votes.row_of] = posterior
    # Of soft votes the most probable class is right or wrong: its probability is no accuracy.
    fit = fit_of_posterior(votes.hardened(), np.log(np.maximum(by_row, LEAST)))
    low, high = fit.interval.T
    for accuracy in accuracies:
        low, high = np.minimum(low, accuracy), np.maximum(high, accuracy)
    return replace(fit, interval=np.stack([low, high], axis=1))
