"""How good the combined label is: the share of items on which it is right, with an interval.

By gold: right ones counted among items with gold, which no fit has seen; the interval is Jeffreys'.

Without: the model's own expectation, Σ_i P(label_i is true) / n. It is in doubt because the sources' accuracies and
the balance are. A Gibbs sampler as that of `combiners/accuracy_intervals.py` draws every item's class and everything
else; for each draw of the matrices the expectation is computed anew, and with it, as a normal number, by how much the
share of right labels among so many items may differ from it. The interval holds 95 % of these numbers, and is
made wide enough to hold what the other combiners think of the same labels, since a model does not doubt itself. It
still cannot hold what none of them allows for: errors that all sources share are seen by gold only.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.special import betaincinv

from outgrow.combiners.accuracy_intervals import draw_prior, draw_truth, thinned
from outgrow.combiners.bayesian_dawid_skene import BayesianFit
from outgrow.combiners.em import LEAST, Weights, expectation_step, posteriors, scores_by
from outgrow.combiners.source_prior import LEAST_ACCURACY, SourcePrior
from outgrow.combiners.votes import Votes
from outgrow.metrics.estimate import LEVEL, TAILS, Estimate, undefined
from outgrow.trust_report.combiner_answers import CombinerAnswers

WARM_UP, DRAWS = 30, 120
SEED = 0


def counted(right: float, n: int, *, note: str = "", nothing: str = "no vote on an item with gold") -> Estimate:
    """A share of n with Jeffreys' interval: Beta(right + 1/2, wrong + 1/2), closed at 0 and at 1.

    `note` is what to know of the number, `nothing` why there is none where n is 0.
    """
    if not n:
        return undefined(nothing)
    tail = (1 - LEVEL) / 2
    low = betaincinv(right + 0.5, n - right + 0.5, tail) if right > 0 else 0.0
    high = betaincinv(right + 0.5, n - right + 0.5, 1 - tail) if right < n else 1.0
    return Estimate(float(right / n), float(low), float(high), n, 1, note)


def accuracy_by_gold(label: Int[np.ndarray, "item"], gold: Int[np.ndarray, "item"]) -> Estimate:
    """Of labels on items with gold; an item without a label (−1), as one that ties, counts as wrong."""
    known = gold >= 0
    return counted(float((label == gold)[known].sum()), int(known.sum()), nothing="no item with votes has gold")


def expected_accuracy(answers: CombinerAnswers) -> Estimate:
    """Of the base's labels over items with a vote; without an interval if there is nobody else to ask."""
    votes, base = answers.votes, answers.each[0]
    n = int(votes.items[votes.voted.any(axis=1)].sum())
    bounds = [one.of_base for one in answers.each[1:] if one.temperature != 1 or base.temperature == 1]
    if isinstance(answers.fit, BayesianFit):
        draws = accuracy_draws(votes, answers.fit)
        # The sampler's posteriors are not tempered: its spread is put around the value.
        bounds += (np.quantile(draws, TAILS) - draws.mean() + base.expected).tolist()
    if not bounds:
        return Estimate(base.expected, None, None, n, 1, "no other combiner to compare with")
    low, high = min(*bounds, base.expected), max(*bounds, base.expected)
    return Estimate(base.expected, float(max(low, 0)), float(min(high, 1)), n, 1)


def accuracy_draws(votes: Votes, fit: BayesianFit) -> Float[np.ndarray, "draw"]:
    """The share of right labels, under matrices and balances drawn from their posterior, with chance."""
    rng = np.random.default_rng(SEED)
    posterior = np.empty((len(votes.values), votes.n_classes))
    posterior[votes.row_of] = fit.posterior
    kept, few = thinned(votes, rng)
    label = posterior[kept].argmax(axis=1)
    counting = few.items * few.voted.any(axis=1)
    n_items = max(float(votes.items @ votes.voted.any(axis=1)), 1.0)
    weights: Weights = np.broadcast_to(fit.weight, few.values.shape[:2])
    prior = SourcePrior(np.clip(fit.accuracy, LEAST_ACCURACY, 1 - LEAST_ACCURACY))
    counts, shares, _ = expectation_step(few, scores_by(np.log(fit.confusion), weights), np.log(fit.balance))
    found = []
    for _ in range(WARM_UP + DRAWS):
        matrices = np.maximum(rng.standard_gamma(prior.rows(votes.n_classes) + counts), LEAST)
        log_matrices = np.log(matrices / matrices.sum(axis=2, keepdims=True))
        log_balance = np.log(np.maximum(rng.dirichlet(1 + shares), LEAST))
        drawn, _ = posteriors(few, scores_by(log_matrices, weights), log_balance)
        right = drawn[np.arange(len(label)), label]
        share, spread = (counting @ each / max(counting.sum(), 1) for each in (right, right * (1 - right)))
        found.append(share + np.sqrt(spread / n_items) * rng.standard_normal())
        counts, shares = draw_truth(few, log_matrices, log_balance, weights, rng)
        prior = draw_prior(prior, counts, rng)
    return np.asarray(found[WARM_UP:])
