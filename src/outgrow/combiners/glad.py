"""GLAD: able and less able sources, easy and hard items (Whitehill, Wu, Bergsma, Movellan, Ruvolo, NeurIPS 2009).

Source s says the truth of item i with probability σ(a_s e_i), and any other class with equal probability; a_s is its
ability (negative: it tends to be wrong), e_i = exp(h_i) > 0 the item's easiness. A hard item makes every source
guess, so that votes on it move its posterior little. With x = a_s e_i the classes' scores are a weighed vote:

    ln P(votes on i | c) = Σ_s q_is[c] (x_is + ln(K − 1)) + const         (q: the vote, one-hot if hard)

Priors a ~ N(1, 1) and h ~ N(1, 1), those of the authors' program. One round is an E-step and a step uphill in both:

    h_i   Newton with the expected curvature, halved until item i's own objective does not fall
    a_s   the top of a parabola below the objective: ln σ(x) bends by tanh(x/2)/(2x) (Jaakkola & Jordan 2000)

so every round raises, or leaves, the log-posterior of (a, h). Neither step loops over items, and items with equal
votes have equal easiness and are worked on once.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import expit, log_expit

from outgrow.combiners.dawid_skene import one_coin_confusion
from outgrow.combiners.em import ROUNDS, TOLERANCE, by_item, log_probability, posterior_of
from outgrow.combiners.fit import Fit, counted_interval, targets_of
from outgrow.combiners.votes import Block, Votes
from outgrow.labels import Anchors, Targets, WeakLabels

PRIOR_MEAN = 1.0
"""Of abilities and of log-easiness; both have variance 1."""
HALVINGS = 6
LONGEST = 3.0
"""No item becomes more than e³ times as easy in one step."""
FLAT = 1e-6
"""Below this |x| the largest curvature of ln σ is its limit, 1/4."""


@dataclass(frozen=True, kw_only=True)
class GladFit(Fit):
    """What `Fit` says, and the two scales behind it; `accuracy` is the mean posterior of the classes voted for."""

    ability: Float[np.ndarray, "source"]
    easiness: Float[np.ndarray, "item"]


class GladPass(NamedTuple):
    """One pass over the votes: what the sources' step needs, and what the items' step found."""

    log_easiness: Float[np.ndarray, "row"]
    slope: Float[np.ndarray, "source"]
    bend: Float[np.ndarray, "source"]
    right: Float[np.ndarray, "source"]
    shares: Float[np.ndarray, "class"]
    log_likelihood: float
    log_prior: float
    """Of the easiness that the likelihood was found with."""


def glad(
    labels: WeakLabels,
    anchors: Anchors | None = None,
    balanced: bool = False,
    hard: bool = False,
) -> Targets:
    """One posterior row per item with a vote; options as of `dawid_skene`."""
    votes = Votes.of(labels, anchors, hard=hard)
    return targets_of(labels, votes, fit_glad(votes, balanced=balanced), "GLAD")


def fit_glad(votes: Votes, *, balanced: bool = False, tolerance: float = TOLERANCE, rounds: int = ROUNDS) -> GladFit:
    """The mode of the model's posterior, from abilities and easiness at their prior means."""
    ability = np.full(len(votes.sources), PRIOR_MEAN)
    log_easiness = np.full(len(votes.heard), PRIOR_MEAN)
    balance = np.full(votes.n_classes, 1 / votes.n_classes)
    trace: list[float] = []
    enough = tolerance * max(1.0, float(votes.n_votes.sum()))
    while True:
        found = _round(votes, ability, log_easiness, balance)
        trace.append(found.log_likelihood + found.log_prior + _log_prior(ability) + float(np.log(balance).sum()))
        converged = len(trace) > 1 and trace[-1] - trace[-2] < enough
        if converged or len(trace) > rounds:
            return _fit(votes, ability, log_easiness, balance, found, tuple(trace), converged)
        log_easiness = found.log_easiness
        ability = ability + (found.slope - (ability - PRIOR_MEAN)) / (found.bend + 1)
        if not balanced:
            balance = (found.shares + 1) / (found.shares + 1).sum()


def _round(
    votes: Votes,
    ability: Float[np.ndarray, "source"],
    log_easiness: Float[np.ndarray, "row"],
    balance: Float[np.ndarray, "class"],
) -> GladPass:
    """Posteriors, the items' step uphill, and the sums that the sources' step needs; block by block."""
    found = np.empty_like(log_easiness)
    sums = np.zeros((3, len(ability)))
    shares, log_likelihood = np.zeros_like(balance), 0.0
    for block in votes.blocks():
        posterior, evidence = _posterior(votes, block, ability, log_easiness[block.rows], balance)
        log_likelihood += log_probability(votes, block.rows, posterior, evidence, np.log(balance))
        shares += votes.items[block.rows] @ posterior
        uphill = ItemsStep(block, ability[block.source], posterior[block.row, block.said])
        found[block.rows] = uphill.climb(log_easiness[block.rows])
        sums += uphill.source_sums(found[block.rows], votes.weight[block.rows], len(ability))
    log_prior = -float(votes.weight @ (log_easiness - PRIOR_MEAN) ** 2) / 2
    slope, bend, right = sums
    return GladPass(found, slope, bend, right, shares, log_likelihood, log_prior)


def _posterior(
    votes: Votes,
    block: Block,
    ability: Float[np.ndarray, "source"],
    log_easiness: Float[np.ndarray, "block"],
    balance: Float[np.ndarray, "class"],
) -> tuple[Float[np.ndarray, "block class"], Float[np.ndarray, "block"]]:
    x = ability[block.source] * np.exp(log_easiness)[block.row]
    ways_to_err = np.log(votes.n_classes - 1)
    own_class = np.tile(np.eye(votes.n_classes), (len(ability), 1))
    if_all_wrong = np.bincount(block.row, block.share * (log_expit(-x) - ways_to_err), minlength=len(log_easiness))
    scores = block.reweighed(x + ways_to_err) @ own_class + if_all_wrong[:, None]
    return posterior_of(scores, np.log(balance), votes.gold[block.rows])


class ItemsStep(NamedTuple):
    """A block's expected log-likelihood as a function of its items' log-easiness."""

    block: Block
    ability: Float[np.ndarray, "entry"]
    truth: Float[np.ndarray, "entry"]
    """The posterior of the class that the entry says."""

    def climb(self, start: Float[np.ndarray, "block"]) -> Float[np.ndarray, "block"]:
        """A Newton step for every item, halved for those whose objective would fall."""
        x = self._x(start)
        wrongness = self.truth - expit(x)
        slope = self._per_item(wrongness * x) - (start - PRIOR_MEAN)
        step = np.clip(slope / (self._per_item(x * x * expit(x) * expit(-x)) + 1), -LONGEST, LONGEST)
        before, found = self._height(start), np.asarray(start + step)
        for _ in range(HALVINGS):
            worse = self._height(found) < before
            if not worse.any():
                return found
            step = step / 2
            found = np.where(worse, start + step, found)
        return np.asarray(np.where(self._height(found) < before, start, found))

    def source_sums(
        self, log_easiness: Float[np.ndarray, "block"], weight: Float[np.ndarray, "block"], n_sources: int
    ) -> Float[np.ndarray, "3 source"]:
        """Slope and bend of every source's objective in its ability, and its expected number of right votes."""
        easiness = np.exp(log_easiness)[self.block.row]
        x, counts = self.ability * easiness, self.block.share * weight[self.block.row]
        wide = np.abs(x) > FLAT
        bend = np.where(wide, np.tanh(x / 2) / (2 * np.where(wide, x, 1)), 0.25)
        terms = ((self.truth - expit(x)) * easiness, bend * easiness**2, self.truth)
        return np.stack([np.bincount(self.block.source, counts * term, minlength=n_sources) for term in terms])

    def _x(self, log_easiness: Float[np.ndarray, "block"]) -> Float[np.ndarray, "entry"]:
        return np.asarray(self.ability * np.exp(log_easiness)[self.block.row])

    def _height(self, log_easiness: Float[np.ndarray, "block"]) -> Float[np.ndarray, "block"]:
        x = self._x(log_easiness)
        return np.asarray(self._per_item(self.truth * x + log_expit(-x)) - (log_easiness - PRIOR_MEAN) ** 2 / 2)

    def _per_item(self, term: Float[np.ndarray, "entry"]) -> Float[np.ndarray, "block"]:
        n_items = int(self.block.matrix.shape[0])
        return np.asarray(np.bincount(self.block.row, self.block.share * term, minlength=n_items))


def _fit(
    votes: Votes,
    ability: Float[np.ndarray, "source"],
    log_easiness: Float[np.ndarray, "row"],
    balance: Float[np.ndarray, "class"],
    found: GladPass,
    trace: tuple[float, ...],
    converged: bool,
) -> GladFit:
    posterior = np.empty((len(votes.heard), votes.n_classes))
    for block in votes.blocks():
        posterior[block.rows], _ = _posterior(votes, block, ability, log_easiness[block.rows], balance)
    accuracy = found.right / np.maximum(votes.n_votes, 1)
    return GladFit(
        sources=votes.sources,
        posterior=by_item(votes, posterior),
        balance=balance,
        confusion=one_coin_confusion(accuracy, votes.n_classes),
        accuracy=accuracy,
        interval=counted_interval(accuracy, votes.n_votes),
        log_likelihood=found.log_likelihood,
        objective=trace,
        converged=converged,
        ability=ability,
        easiness=np.exp(log_easiness)[votes.row_of],
    )


def _log_prior(ability: Float[np.ndarray, "source"]) -> float:
    return -float(((ability - PRIOR_MEAN) ** 2).sum()) / 2
