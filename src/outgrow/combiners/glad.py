"""GLAD: abilities of sources and difficulties of items (Whitehill, Wu, Bergsma, Movellan, Ruvolo, NeurIPS 2009).

Source s votes for the truth of item i with probability σ(a_s e_i), and for any other class with equal probability; a_s
is its ability (negative: it tends to be wrong), e_i = exp(h_i) > 0 the item's easiness. On a hard item every source
guesses, so that votes on it move its posterior little. With x = a_s e_i the classes' scores are a weighted vote:

    ln P(votes on i | c) = Σ_s q_is[c] (x_is + ln(K − 1)) + const         (q: the vote, one-hot if hard)

Priors a ~ N(1, 1) and h ~ N(1, 1), those of the authors' program. One round is an E-step and an ascent step in both:

    h_i   Newton with the expected curvature, halved until item i's own objective does not fall
    a_s   the top of a parabola below the objective: ln σ(x) bends by tanh(x/2)/(2x) (Jaakkola & Jordan 2000)

so that no round lowers the log-posterior of (a, h). Neither step loops over items, and items with equal votes have
equal easiness and are computed once.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from outgrow.combiners.combiner_record import CombinerRecord, LabelModelSection, TableLimits, TrustReportOrder
from outgrow.combiners.dawid_skene import one_coin_confusion
from outgrow.combiners.em import ROUNDS, TOLERANCE, by_item, log_probability, posterior_of
from outgrow.combiners.fit import Fit, counted_interval
from outgrow.combiners.vote_block import Block
from outgrow.combiners.votes import Votes
from outgrow.lazy import special

PRIOR_MEAN = 1.0
"""Of abilities and of log-easiness; both have variance 1."""
HALVINGS = 6
LONGEST = 3.0
"""No item becomes more than e³ times as easy in one step."""
FLAT = 1e-6
"""Below this |x| the largest curvature of ln σ is its limit, 1/4."""


class Glad(LabelModelSection):
    """An ability per source and a difficulty per item (Whitehill et al. 2009)."""

    type: Literal["glad"]


@dataclass(frozen=True, kw_only=True)
class GladFit(Fit):
    """`Fit` with the model's two parameters; `accuracy` is the mean posterior of the classes voted for."""

    ability: Float[np.ndarray, "source"]
    easiness: Float[np.ndarray, "item"]


class GladPass(NamedTuple):
    """One pass over the votes: what the sources' step needs, and the result of the items' step."""

    log_easiness: Float[np.ndarray, "row"]
    slope: Float[np.ndarray, "source"]
    bend: Float[np.ndarray, "source"]
    right: Float[np.ndarray, "source"]
    shares: Float[np.ndarray, "class"]
    log_likelihood: float
    log_prior: float
    """Of the easiness that the likelihood belongs to."""


def fit_glad(votes: Votes, *, balanced: bool = False, tolerance: float = TOLERANCE, rounds: int = ROUNDS) -> GladFit:
    """The mode of the model's posterior, from abilities and easiness at their prior means."""
    ability = np.full(len(votes.sources), PRIOR_MEAN)
    log_easiness = np.full(votes.n_rows, PRIOR_MEAN)
    balance = np.full(votes.n_classes, 1 / votes.n_classes)
    trace: list[float] = []
    least_gain = tolerance * max(1.0, float(votes.n_votes.sum()))
    while True:
        result = _round(votes, ability, log_easiness, balance)
        trace.append(result.log_likelihood + result.log_prior + _log_prior(ability) + float(np.log(balance).sum()))
        converged = len(trace) > 1 and trace[-1] - trace[-2] < least_gain
        if converged or len(trace) > rounds:
            return _fit(votes, ability, log_easiness, balance, result, tuple(trace), converged)
        log_easiness = result.log_easiness
        ability = ability + (result.slope - (ability - PRIOR_MEAN)) / (result.bend + 1)
        if not balanced:
            balance = (result.shares + 1) / (result.shares + 1).sum()


def _round(
    votes: Votes,
    ability: Float[np.ndarray, "source"],
    log_easiness: Float[np.ndarray, "row"],
    balance: Float[np.ndarray, "class"],
) -> GladPass:
    """Posteriors, the items' ascent step, and the sums that the sources' step needs; block by block."""
    easier = np.empty_like(log_easiness)
    sums = np.zeros((3, len(ability)))
    shares, log_likelihood = np.zeros_like(balance), 0.0
    for block in votes.blocks():
        posterior, evidence = _posterior(votes, block, ability, log_easiness[block.rows], balance)
        log_likelihood += log_probability(votes, block.rows, posterior, evidence, np.log(balance))
        shares += votes.items[block.rows] @ posterior
        step = ItemsStep(block, ability[block.source], posterior[block.row, block.outcome])
        easier[block.rows] = step.ascend(log_easiness[block.rows])
        sums += step.source_sums(easier[block.rows], votes.weight[block.rows], len(ability))
    log_prior = -float(votes.weight @ (log_easiness - PRIOR_MEAN) ** 2) / 2
    slope, bend, right = sums
    return GladPass(easier, slope, bend, right, shares, log_likelihood, log_prior)


def _posterior(
    votes: Votes,
    block: Block,
    ability: Float[np.ndarray, "source"],
    log_easiness: Float[np.ndarray, "block"],
    balance: Float[np.ndarray, "class"],
) -> tuple[Float[np.ndarray, "block class"], Float[np.ndarray, "block"]]:
    x = ability[block.source] * np.exp(log_easiness)[block.row]
    ways_to_err = np.log(votes.n_classes - 1)
    if_all_wrong = np.bincount(
        block.row, block.share * (special.log_expit(-x) - ways_to_err), minlength=len(log_easiness)
    )
    scores = block.by_class(x + ways_to_err) + if_all_wrong[:, None]
    return posterior_of(scores, np.log(balance), votes.gold[block.rows])


class ItemsStep(NamedTuple):
    """A block's expected log-likelihood as a function of its items' log-easiness."""

    block: Block
    ability: Float[np.ndarray, "entry"]
    truth: Float[np.ndarray, "entry"]
    """The posterior of the class that the entry votes for."""

    def ascend(self, start: Float[np.ndarray, "block"]) -> Float[np.ndarray, "block"]:
        """A Newton step for every item, halved for those whose objective would fall."""
        x = self._x(start)
        surprise = self.truth - special.expit(x)
        slope = self._per_item(surprise * x) - (start - PRIOR_MEAN)
        step = np.clip(slope / (self._per_item(x * x * special.expit(x) * special.expit(-x)) + 1), -LONGEST, LONGEST)
        before, end = self._objective(start), np.asarray(start + step)
        for _ in range(HALVINGS):
            worse = self._objective(end) < before
            if not worse.any():
                return end
            step = step / 2
            end = np.where(worse, start + step, end)
        return np.asarray(np.where(self._objective(end) < before, start, end))

    def source_sums(
        self, log_easiness: Float[np.ndarray, "block"], weight: Float[np.ndarray, "block"], n_sources: int
    ) -> Float[np.ndarray, "3 source"]:
        """Slope and bend of every source's objective in its ability, and its expected number of right votes."""
        easiness = np.exp(log_easiness)[self.block.row]
        x, counts = self.ability * easiness, self.block.share * weight[self.block.row]
        wide = np.abs(x) > FLAT
        bend = np.where(wide, np.tanh(x / 2) / (2 * np.where(wide, x, 1)), 0.25)
        terms = ((self.truth - special.expit(x)) * easiness, bend * easiness**2, self.truth)
        return np.stack([np.bincount(self.block.source, counts * term, minlength=n_sources) for term in terms])

    def _x(self, log_easiness: Float[np.ndarray, "block"]) -> Float[np.ndarray, "entry"]:
        return np.asarray(self.ability * np.exp(log_easiness)[self.block.row])

    def _objective(self, log_easiness: Float[np.ndarray, "block"]) -> Float[np.ndarray, "block"]:
        x = self._x(log_easiness)
        return np.asarray(
            self._per_item(self.truth * x + special.log_expit(-x)) - (log_easiness - PRIOR_MEAN) ** 2 / 2
        )

    def _per_item(self, term: Float[np.ndarray, "entry"]) -> Float[np.ndarray, "block"]:
        n_items = self.block.n_rows
        return np.asarray(np.bincount(self.block.row, self.block.share * term, minlength=n_items))


def _fit(
    votes: Votes,
    ability: Float[np.ndarray, "source"],
    log_easiness: Float[np.ndarray, "row"],
    balance: Float[np.ndarray, "class"],
    result: GladPass,
    trace: tuple[float, ...],
    converged: bool,
) -> GladFit:
    posterior = np.empty((votes.n_rows, votes.n_classes))
    for block in votes.blocks():
        posterior[block.rows], _ = _posterior(votes, block, ability, log_easiness[block.rows], balance)
    accuracy = result.right / np.maximum(votes.n_votes, 1)
    return GladFit(
        sources=votes.sources,
        posterior=by_item(votes, posterior),
        balance=balance,
        confusion=one_coin_confusion(accuracy, votes.n_classes),
        accuracy=accuracy,
        interval=counted_interval(accuracy, votes.n_votes),
        log_likelihood=result.log_likelihood,
        objective=trace,
        converged=converged,
        ability=ability,
        easiness=np.exp(log_easiness)[votes.row_of],
    )


def _log_prior(ability: Float[np.ndarray, "source"]) -> float:
    return -float(((ability - PRIOR_MEAN) ** 2).sum()) / 2


GLAD = CombinerRecord(
    Glad,
    paper="Whitehill et al., NeurIPS 2009",
    fit=fit_glad,
    compared=TrustReportOrder(place=5),
    limits=TableLimits(entries=4_000_000),
)
