"""Every combiner of votes in one shape: `FITS[name](votes) -> Fit`, a posterior per item and an accuracy per source.

Label models say themselves what they hold of their sources; of plain votes it is read off (`vote_fits.py`). All take
hard and soft votes with abstentions, and gold for some items. A combiner that cannot be had from these votes raises
an `OutgrowError`: those of `NEEDS_GOLD` without gold, the triplets below three sources that meet.

`READS_SILENCE` names those for which a source's silence says something, as that of a rule does.
"""

from collections.abc import Callable, Mapping
from functools import partial

from outgrow.combiners.bayesian_dawid_skene import fit_bayesian_dawid_skene
from outgrow.combiners.dawid_skene import fit_dawid_skene, fit_one_coin
from outgrow.combiners.fit import Fit
from outgrow.combiners.glad import fit_glad
from outgrow.combiners.mace import fit_mace
from outgrow.combiners.rule_vote import counting_silence, fit_rule_vote, with_accuracy_of_votes
from outgrow.combiners.triplets import LEAST_SOURCES, fit_triplets
from outgrow.combiners.vote_fits import fit_flying_squid, fit_log_pool, fit_single, fit_vote, fit_weighted_vote
from outgrow.combiners.votes import Votes
from outgrow.errors import ConfigError, DataError, suggest

FitBy = Callable[[Votes], Fit]


def _triplets(votes: Votes, *, balanced: bool = False) -> Fit:
    found = fit_triplets(votes, balanced=balanced)
    if found is None:
        raise DataError(f"`triplets` need {LEAST_SOURCES} sources that meet one another; use `vote`")
    return found


def _counted(votes: Votes, *, smoothing: float = 1.0, balanced: bool = False) -> Fit:
    counted = counting_silence(votes)
    return with_accuracy_of_votes(counted, fit_dawid_skene(counted, smoothing=smoothing, balanced=balanced))


FITS: Mapping[str, Callable[..., Fit]] = {
    "bayesian_dawid_skene": fit_bayesian_dawid_skene,
    "one_coin": fit_one_coin,
    "triplets": _triplets,
    "dawid_skene": fit_dawid_skene,
    "mace": fit_mace,
    "glad": fit_glad,
    "vote": fit_vote,
    "weighted_vote": fit_weighted_vote,
    "log_pool": fit_log_pool,
    "flying_squid": fit_flying_squid,
    "rule_vote": fit_rule_vote,
    "dawid_skene_counted": _counted,
}
"""By name; the order is `auto`'s preference among equals."""

NEEDS_GOLD = frozenset({"weighted_vote"})
READS_SILENCE = frozenset({"rule_vote", "dawid_skene_counted"})


def fit_by(method: str, source: str | None = None, *, intervals: bool = True) -> FitBy:
    """The function behind a name, or behind `single` with a source. `intervals`: also those that take long.

    Raises `ConfigError` for an unknown name.
    """
    if method == "single" and source is not None:
        return partial(fit_single, source=source)
    if method not in FITS:
        raise ConfigError(f"no combiner of votes is called `{method}`; {suggest(method, FITS)}")
    return FITS[method] if intervals else without_intervals(FITS[method])


def without_intervals(fitting: Callable[..., Fit]) -> FitBy:
    """The same fit without what is drawn for its intervals, where only posteriors are looked at."""
    bare = fitting.func if isinstance(fitting, partial) else fitting
    return partial(fitting, draws=0) if bare is fit_bayesian_dawid_skene else fitting
