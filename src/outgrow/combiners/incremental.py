"""New votes into a finished combination: `start` once, `update` as votes come in, one file in between.

What a `State` keeps: all votes, compact; what every item's class is thought to be; and, for the models that can look
at new votes alone (`LOOKS_NEAR`), the expected counts behind their parameters. There are two ways:

    by default    The combiner is fitted to all votes, old and new: what came when does not matter, and the posterior
                  is that of `start` on all of them. `one_coin` and `dawid_skene` climb until nothing moves
                  (`run_em_accelerated.py`), from the mean vote. To go on from the old counts would save little, as a
                  climb takes few passes over the different rows of votes, and may end on another hill where votes are
                  few.
    `near=True`   Only items with new votes, or new gold, are looked at again; all others stay as they were last
                  thought to be. Proportional to the new votes, but for copying the table. The others' posteriors
                  are stale: `Updated.stale` says by how much, on a sample.

With `near` the fit's `log_likelihood` is that of the items looked at. Gold comes with a vote table and stays. The
posterior is that of the combiner, not tempered: `temperature_scaling.py` is for after.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from outgrow.combiners.dawid_skene import ConfusionModel, OneCoinModel
from outgrow.combiners.em import EmResult, by_item, naive_bayes, read
from outgrow.combiners.em_accelerated import (
    AcceleratedResult,
    ExpectedCounts,
    balance_of,
    by_mean_vote,
    nothing_counted,
    run_em_accelerated,
)
from outgrow.combiners.fit import Fit, counted_interval, fit_of
from outgrow.combiners.fits import fit_by
from outgrow.combiners.merge_votes import Merged, merge_votes
from outgrow.combiners.vote_fits import counts_by
from outgrow.combiners.votes import Votes
from outgrow.errors import ConfigError
from outgrow.vote_table import VoteTable

LOOKS_NEAR = ("one_coin", "dawid_skene")
SMOOTHING = 1.0
"""The default of both models."""
SAMPLE = 2000
SEED = 0


@dataclass(frozen=True, eq=False)
class State:
    """A combination that can go on."""

    method: str
    source: str | None
    """The source, where the method is `single`."""
    table: VoteTable
    posterior: Float[np.ndarray, "item class"]
    counted: ExpectedCounts | None
    """Expected counts of all items; `None` for combiners that cannot look at new votes alone."""


class Updated(NamedTuple):
    """The new state, its fit, and what it took."""

    state: State
    fit: Fit
    n_new: int
    """Votes that were new or replaced others."""
    n_again: int
    """Votes that were there already, and ignored."""
    passes: int
    """How often the looked-at votes were read; 0 = the combiner was fitted to all."""
    stale: float
    """Largest distance between what an untouched item is said to be and what it should be now; 0 = none is stale."""


def start(table: VoteTable, method: str = "dawid_skene", *, source: str | None = None) -> tuple[State, Fit]:
    """A state from votes, and the combiner's fit. `source` is for `single`."""
    fitting = fit_by(method, source)
    votes = Votes.of_table(table)
    if method not in LOOKS_NEAR:
        fit = fitting(votes)
        return State(method, source, table, fit.posterior, None), fit
    nothing = nothing_counted(len(table.sources), table.n_classes)
    end = run_em_accelerated(votes, _model(method, table), SMOOTHING, by_mean_vote(votes), nothing)
    fit = _fit(method, votes, table, end)
    return State(method, source, table, fit.posterior, end.counted), fit


def update(state: State, new: VoteTable, *, overwrite: bool = False, near: bool = False) -> Updated:
    """The state after new votes.

    Args:
        overwrite: votes and gold that contradict the old ones replace them; otherwise they are a `DataError`.
        near: look again only at items with new votes; `ConfigError` for combiners other than `LOOKS_NEAR`.
    """
    if near and state.counted is None:
        raise ConfigError(
            f"`{state.method}` cannot look at new votes alone; leave `near` out, or start with one of:"
            f" {', '.join(LOOKS_NEAR)}"
        )
    merged = merge_votes(state.table, new, overwrite=overwrite)
    if near and len(merged.touched):
        return _look_near(state, merged)
    again, fit = start(merged.table, state.method, source=state.source)
    return Updated(again, fit, merged.n_new, merged.n_again, 0, 0.0)


def _look_near(state: State, merged: Merged) -> Updated:
    """The touched items' part of the counts is taken out, and put in again until it rests."""
    begin = _as_left(state, merged)
    touched = merged.touched
    known_before = touched[touched < len(state.table.items)]
    base = begin.minus(_widened(_counts_of(state, known_before), len(merged.table.sources)))
    votes = Votes.of_table(merged.table.take(touched))
    end = run_em_accelerated(votes, _model(state.method, merged.table), SMOOTHING, begin, base)
    small = _fit(state.method, votes, merged.table, end)
    unseen = np.empty((len(merged.table.items) - len(state.posterior), votes.n_classes))
    posterior = np.concatenate([state.posterior, unseen])
    posterior[touched] = small.posterior
    fit = replace(
        small,
        posterior=posterior,
        interval=counted_interval(small.accuracy, merged.table.n_per_source.astype(float)),
    )
    found = State(state.method, None, merged.table, posterior, end.counted)
    return Updated(found, fit, merged.n_new, merged.n_again, end.passes, _staleness(found, touched, small))


def _as_left(state: State, merged: Merged) -> ExpectedCounts:
    """The old counts, with nothing counted of new sources."""
    if state.counted is None:
        raise ValueError("a state without counts")
    return _widened(state.counted, len(merged.table.sources))


def _widened(counted: ExpectedCounts, n_sources: int) -> ExpectedCounts:
    more = np.zeros((n_sources - len(counted.counts), *counted.counts.shape[1:]))
    return ExpectedCounts(np.concatenate([counted.counts, more]), counted.shares)


def _counts_of(state: State, items: np.ndarray) -> ExpectedCounts:
    """What some items, as they are thought to be, put into the counts."""
    votes, posterior = Votes.of_table(state.table.take(items)), state.posterior[items]
    rows = np.zeros((len(votes.heard), votes.n_classes))
    # Items with equal votes need not have equal posteriors here, as some may be staler; their sum is what counts.
    np.add.at(rows, votes.row_of, posterior)
    return ExpectedCounts(counts_by(votes, rows), posterior.sum(axis=0))


def _model(method: str, table: VoteTable) -> OneCoinModel | ConfusionModel:
    n_sources, n_classes = len(table.sources), table.n_classes
    if method == "one_coin":
        return OneCoinModel(np.full(n_sources, 1 / n_classes), n_classes, SMOOTHING)
    return ConfusionModel(np.full((n_sources, n_classes, n_classes), 1 / n_classes), SMOOTHING)


def _fit(method: str, votes: Votes, table: VoteTable, end: AcceleratedResult) -> Fit:
    learnt = _model(method, table).learn(end.counted.counts)
    fit = fit_of(votes, EmResult(learnt, balance_of(end.counted.shares, SMOOTHING), (), end.converged))
    return replace(fit, objective=(fit.log_likelihood,))


def _staleness(state: State, touched: np.ndarray, fit: Fit) -> float:
    """How far a sample of untouched items is from what the new parameters say of them."""
    others = np.setdiff1d(np.flatnonzero(state.table.n_per_item), touched)
    if not len(others):
        return 0.0
    kept = np.sort(np.random.default_rng(SEED).choice(others, min(SAMPLE, len(others)), replace=False))
    votes = Votes.of_table(state.table.take(kept))
    fresh, _ = read(votes, naive_bayes(fit.confusion), np.log(fit.balance))
    return float(np.abs(by_item(votes, fresh) - state.posterior[kept]).max())
