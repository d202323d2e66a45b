"""New votes for a finished combination: `start` once, `update` as votes come in, one file in between.

A `State` holds all votes, compact; the posterior of every item; and, for the models that can be updated from new votes
alone (`updated_locally`), the expected counts behind their parameters. There are two ways:

    by default    The combiner is fitted to all votes, old and new: their order does not matter, and the posterior is
                  that of the combiner on all of them. A start from the old counts would save little, since few passes
                  over the different rows of votes are needed, and may reach another maximum where votes are few.
    `near=True`   Only items with new votes, or new gold, are estimated again; all others keep the posterior of the
                  state. The time is proportional to the new votes, apart from copying the table. The others'
                  posteriors are stale: `Updated.stale` estimates by how much, on a sample.

The state of such a model is that of the converged one (`em_accelerated.py`), as `near` needs. The combiner's fit stops
earlier, where a step gains little likelihood; its posterior may differ a little.

With `near` the fit's `log_likelihood` is that of the items that were read. Gold of a vote table is kept. The posterior
is that of the combiner, before calibration (`temperature_scaling.py`).
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from outgrow.combiners import COMBINERS, fit_by, section_named
from outgrow.combiners.em import EmResult, SourceModel, by_item, naive_bayes, posteriors
from outgrow.combiners.em_accelerated import (
    AcceleratedResult,
    ExpectedCounts,
    balance_of,
    by_mean_vote,
    nothing_counted,
    run_em_accelerated,
)
from outgrow.combiners.fit import Fit, counted_interval, counts_by, fit_of
from outgrow.combiners.merge_votes import Merged, merge_votes
from outgrow.combiners.votes import Votes
from outgrow.errors import ConfigError
from outgrow.extensions import function_of
from outgrow.vote_table import VoteTable

SMOOTHING = 1.0
"""The default of these models."""
SAMPLE = 2000
SEED = 0


@dataclass(frozen=True, eq=False)
class State:
    """A combination that can be updated."""

    method: str
    source: str | None
    """The source, where the method is `single`."""
    table: VoteTable
    posterior: Float[np.ndarray, "item class"]
    """Of the combiner; with `counted` of the converged model."""
    counted: ExpectedCounts | None
    """Expected counts of all items; `None` for combiners that are always fitted to all votes."""


class Updated(NamedTuple):
    """The new state, its fit, and counts."""

    state: State
    fit: Fit
    n_new: int
    """Votes that were new or replaced others."""
    n_again: int
    """Votes that the state had already, ignored."""
    passes: int
    """How often the votes were read; 0 = the combiner was fitted to all."""
    stale: float
    """Largest distance of an untouched item's posterior from that of the new parameters; 0 = none is stale."""


def start(table: VoteTable, method: str = "dawid_skene", *, source: str | None = None) -> tuple[State, Fit]:
    """A state from votes, and the combiner's fit to them. `source` is for `single`."""
    section = section_named(method if source is None else f"{method}: {source}")
    fit: Fit = fit_by(section)(Votes.of_table(table))
    return state_of(table, method, source, fit), fit


def updated_locally() -> list[str]:
    """Combiners that can be updated from new votes alone."""
    return [record.name for record in COMBINERS.values() if record.counted_model is not None]


def state_of(table: VoteTable, method: str, source: str | None, fit: Fit) -> State:
    """The state after the combiner's fit to these votes."""
    if method not in updated_locally():
        return State(method, source, table, fit.posterior, None)
    converged, counted = converged_fit(table, method)
    return State(method, source, table, converged.posterior, counted)


def converged_fit(table: VoteTable, method: str) -> tuple[Fit, ExpectedCounts]:
    """The fit of the converged model, and its expected counts; for the models of `updated_locally`."""
    votes = Votes.of_table(table)
    nothing = nothing_counted(len(table.sources), table.n_classes)
    end = run_em_accelerated(votes, _model(method, table), SMOOTHING, by_mean_vote(votes), nothing)
    return _fit(method, votes, table, end), end.counted


def update(state: State, new: VoteTable, *, overwrite: bool = False, near: bool = False) -> Updated:
    """The state after new votes.

    Args:
        overwrite: votes and gold that contradict the old ones replace them; otherwise they are a `DataError`.
        near: estimate only items with new votes again; `ConfigError` for combiners other than `updated_locally`.
    """
    if near and state.counted is None:
        raise ConfigError(
            f"`{state.method}` cannot be updated from new votes alone; leave `near` out, or start with one of:"
            f" {', '.join(updated_locally())}"
        )
    merged = merge_votes(state.table, new, overwrite=overwrite)
    if near and len(merged.touched):
        return _update_near(state, merged)
    again, fit = start(merged.table, state.method, source=state.source)
    return Updated(again, fit, merged.n_new, merged.n_again, 0, 0.0)


def _update_near(state: State, merged: Merged) -> Updated:
    """The touched items' part of the counts is removed, and estimated again until it converges."""
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
    new_state = State(state.method, None, merged.table, posterior, end.counted)
    return Updated(new_state, fit, merged.n_new, merged.n_again, end.passes, _staleness(new_state, touched, small))


def _as_left(state: State, merged: Merged) -> ExpectedCounts:
    """The old counts, with nothing counted of new sources."""
    if state.counted is None:
        raise ValueError("a state without counts")
    return _widened(state.counted, len(merged.table.sources))


def _widened(counted: ExpectedCounts, n_sources: int) -> ExpectedCounts:
    more = np.zeros((n_sources - len(counted.counts), *counted.counts.shape[1:]))
    return ExpectedCounts(np.concatenate([counted.counts, more]), counted.shares)


def _counts_of(state: State, items: np.ndarray) -> ExpectedCounts:
    """The counts of some items by their posteriors."""
    votes, posterior = Votes.of_table(state.table.take(items)), state.posterior[items]
    rows = np.zeros((votes.n_rows, votes.n_classes))
    # Items with equal votes need not have equal posteriors here, as some may be staler; their sum is used.
    np.add.at(rows, votes.row_of, posterior)
    return ExpectedCounts(counts_by(votes, rows), posterior.sum(axis=0))


def _model(method: str, table: VoteTable) -> SourceModel:
    """The combiner's model before it has learned."""
    make = COMBINERS[method].counted_model
    if make is None:
        raise ValueError(f"`{method}` has no expected counts")
    model: SourceModel = function_of(make)(len(table.sources), table.n_classes, SMOOTHING)
    return model


def _fit(method: str, votes: Votes, table: VoteTable, end: AcceleratedResult) -> Fit:
    learned = _model(method, table).learn(end.counted.counts)
    fit = fit_of(votes, EmResult(learned, balance_of(end.counted.shares, SMOOTHING), (), end.converged))
    return replace(fit, objective=(fit.log_likelihood,))


def _staleness(state: State, touched: np.ndarray, fit: Fit) -> float:
    """Largest distance of a sample of untouched items from their posterior under the new parameters."""
    others = np.setdiff1d(np.flatnonzero(state.table.n_per_item), touched)
    if not len(others):
        return 0.0
    kept = np.sort(np.random.default_rng(SEED).choice(others, min(SAMPLE, len(others)), replace=False))
    votes = Votes.of_table(state.table.take(kept))
    fresh, _ = posteriors(votes, naive_bayes(fit.confusion), np.log(fit.balance))
    return float(np.abs(by_item(votes, fresh) - state.posterior[kept]).max())
