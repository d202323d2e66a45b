"""Yes-or-no decisions of several kinds by shared sources, such as whether a class applies to an item.

Unit u belongs to group g (a class) and is true with probability π_g. Source s says yes to true units with probability
α_sg (its recall) and to a false one with β_sg. Few votes of a source on a group say little, so α_sg is drawn to the
source's own α_s, and that to a common α_0; β likewise. The objective is

    Σ_u log Σ_y P(y) Π_s P(vote_us | y) − m Σ_sg KL(α_s ‖ α_sg) − m₀ Σ_s KL(α_s ‖ α_0)      KL of two coins

The penalty −m KL(α_s ‖ α_sg) acts like m votes of which the share α_s is yes. Every update is in closed form and
raises the objective (expectation-maximisation; a hierarchical form of the binary model of Dawid and Skene 1979):

    α_sg = (yes to true + m α_s) / (votes on true + m)
    logit α_s = (m Σ_g logit α_sg + m₀ logit α_0) / (m G + m₀)
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import expit, logit, xlogy

POOLING = 8.0
"""m: votes that a source's other groups count for."""
COMMON = 4.0
"""m₀: weight of the common start."""
RECALL, FALSE_ALARMS = 0.8, 0.1
"""α_0 and β_0."""
TOLERANCE = 1e-7
"""Nats per vote."""
ROUNDS = 1000


class Decisions(NamedTuple):
    """Votes on units, one row each."""

    unit: Int[np.ndarray, "vote"]
    source: Int[np.ndarray, "vote"]
    said: Bool[np.ndarray, "vote"]
    group: Int[np.ndarray, "unit"]
    """The group of each unit."""
    known: Float[np.ndarray, "unit"]
    """1 or 0 where the truth is known, else nan."""
    n_sources: int
    n_groups: int


class DecisionFit(NamedTuple):
    """What was estimated."""

    posterior: Float[np.ndarray, "unit"]
    """P(true | votes)."""
    yes: Float[np.ndarray, "truth source group"]
    """P(yes): to false units (β), to true units (α)."""
    balance: Float[np.ndarray, "group"]
    """Share of true units."""
    objective: tuple[float, ...]
    """Log-likelihood minus penalties, in nats, in each round; it never falls."""


def fit_decisions(votes: Decisions) -> DecisionFit:
    """The mode of the model, from the share of yes among a unit's votes."""
    n = np.bincount(votes.unit, minlength=len(votes.group))
    share = np.bincount(votes.unit, votes.said, minlength=len(votes.group)) / np.maximum(n, 1)
    posterior = np.where(np.isnan(votes.known), share, votes.known)
    start = np.array([FALSE_ALARMS, RECALL])
    own = np.repeat(start[:, None], votes.n_sources, axis=1)
    prior_balance = float(share[n > 0].mean()) if (n > 0).any() else 0.5
    trace: list[float] = []
    while True:
        yes, own = _rates(votes, posterior, own)
        balance = _balance(votes, posterior, prior_balance)
        posterior, likelihood = _posterior(votes, yes, balance)
        trace.append(likelihood - _penalty(yes, own, balance, prior_balance))
        gained = trace[-1] - trace[-2] if len(trace) > 1 else np.inf
        if gained < TOLERANCE * max(1, len(votes.unit)) or len(trace) > ROUNDS:
            return DecisionFit(posterior, yes, balance, tuple(trace))


def _rates(
    votes: Decisions, posterior: Float[np.ndarray, "unit"], own: Float[np.ndarray, "truth source"]
) -> tuple[Float[np.ndarray, "truth source group"], Float[np.ndarray, "truth source"]]:
    """α and β by source and group, then by source."""
    cell = votes.source * votes.n_groups + votes.group[votes.unit]
    truth = posterior[votes.unit]
    shape = (votes.n_sources, votes.n_groups)

    def counted(weight: Float[np.ndarray, "vote"]) -> Float[np.ndarray, "source group"]:
        return np.bincount(cell, weight, minlength=shape[0] * shape[1]).reshape(shape)

    votes_on = np.stack([counted(1 - truth), counted(truth)])
    yes_to = np.stack([counted((1 - truth) * votes.said), counted(truth * votes.said)])
    yes = (yes_to + POOLING * own[:, :, None]) / (votes_on + POOLING)
    start = logit(np.array([FALSE_ALARMS, RECALL]))[:, None]
    total = POOLING * logit(yes).sum(axis=2) + COMMON * start
    return yes, expit(total / (POOLING * votes.n_groups + COMMON))


def _balance(votes: Decisions, posterior: Float[np.ndarray, "unit"], prior: float) -> Float[np.ndarray, "group"]:
    """The share of true units, with one imaginary unit of the average share."""
    true = np.bincount(votes.group, posterior, minlength=votes.n_groups)
    return np.asarray((true + prior) / (np.bincount(votes.group, minlength=votes.n_groups) + 1))


def _posterior(
    votes: Decisions, yes: Float[np.ndarray, "truth source group"], balance: Float[np.ndarray, "group"]
) -> tuple[Float[np.ndarray, "unit"], float]:
    """P(true | votes) of each unit, and the log-likelihood."""
    group = votes.group[votes.unit]
    log = []
    for truth in (0, 1):
        rate = yes[truth, votes.source, group]
        said = np.log(np.where(votes.said, rate, 1 - rate))
        share = balance if truth else 1 - balance
        log.append(
            np.bincount(votes.unit, said, minlength=len(votes.group)) + np.log(np.maximum(share, 1e-300))[votes.group]
        )
    false, true = log
    is_known = ~np.isnan(votes.known)
    both = np.logaddexp(false, true)
    likelihood = np.where(is_known, np.where(votes.known == 1, true, false), both)
    return np.where(is_known, votes.known, np.exp(true - both)), float(likelihood.sum())


def _penalty(
    yes: Float[np.ndarray, "truth source group"],
    own: Float[np.ndarray, "truth source"],
    balance: Float[np.ndarray, "group"],
    prior_balance: float,
) -> float:
    """How far the rates are from the sources' own, these from the common ones, and balances from the average."""
    start = np.array([FALSE_ALARMS, RECALL])[:, None]
    of_groups = POOLING * _divergence(own[:, :, None], yes).sum() + COMMON * _divergence(own, start).sum()
    return float(of_groups - xlogy(prior_balance, balance).sum() - xlogy(1 - prior_balance, 1 - balance).sum())


def _divergence(one: Float[np.ndarray, "*shape"], other: Float[np.ndarray, "*shape2"]) -> np.ndarray:
    """KL of two coins, in nats."""
    return np.asarray(xlogy(one, one / other) + xlogy(1 - one, (1 - one) / (1 - other)))
