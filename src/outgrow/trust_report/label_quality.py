"""Accuracy of the combined label: the share of items with a right label, with an interval.

With gold: counted on items with gold, which no fit has seen, with Jeffreys' interval.

Without gold: the model's expectation, Σ_i P(label_i is true) / n. It is uncertain because the sources' accuracies and
the class balance are uncertain. A Gibbs sampler like that of `combiners/accuracy_intervals.py` draws the class of each
item and the other unknowns. For each draw of the matrices the expectation is computed again, and a normal deviate adds
the sampling noise of the share among n items. The interval contains 95 % of these numbers. It is widened to contain
the other combiners' expectations for the same labels, because a model does not account for its own misspecification.
Errors that all sources share remain outside: only gold shows them.
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

    `note` is a remark on the number, `nothing` the reason for its absence if n is 0.
    """
    if not n:
        return undefined(nothing)
    tail = (1 - LEVEL) / 2
    low = betaincinv(right + 0.5, n - right + 0.5, tail) if right > 0 else 0.0
    high = betaincinv(right + 0.5, n - right + 0.5, 1 - tail) if right < n else 1.0
    return Estimate(float(right / n), float(low), float(high), n, 1, note)


def accuracy_by_gold(label: Int[np.ndarray, "item"], gold: Int[np.ndarray, "item"]) -> Estimate:
    """Accuracy of labels on items with gold. An item without a label (−1), such as a tie, counts as wrong."""
    has_gold = gold >= 0
    return counted(float((label == gold)[has_gold].sum()), int(has_gold.sum()), nothing="no item with votes has gold")


def expected_accuracy(answers: CombinerAnswers) -> Estimate:
    """Expected accuracy of the base's labels over items with a vote; no interval without another combiner."""
    votes, base = answers.votes, answers.each[0]
    n = int(votes.items[votes.voted.any(axis=1)].sum())
    bounds = [answer.of_base for answer in answers.each[1:] if answer.temperature != 1 or base.temperature == 1]
    if isinstance(answers.fit, BayesianFit):
        draws = accuracy_draws(votes, answers.fit)
        # The sampler's posteriors are not calibrated: only its spread around the mean is used.
        bounds += (np.quantile(draws, TAILS) - draws.mean() + base.expected).tolist()
    if not bounds:
        return Estimate(base.expected, None, None, n, 1, "no other combiner to compare with")
    low, high = min(*bounds, base.expected), max(*bounds, base.expected)
    return Estimate(base.expected, float(max(low, 0)), float(min(high, 1)), n, 1)


def accuracy_draws(votes: Votes, fit: BayesianFit) -> Float[np.ndarray, "draw"]:
    """Draws of the share of right labels: matrices and balances from their posterior, plus sampling noise."""
    rng = np.random.default_rng(SEED)
    posterior = np.empty((len(votes.values), votes.n_classes))
    posterior[votes.row_of] = fit.posterior
    kept, thinned_votes = thinned(votes, rng)
    label = posterior[kept].argmax(axis=1)
    item_counts = thinned_votes.items * thinned_votes.voted.any(axis=1)
    n_items = max(float(votes.items @ votes.voted.any(axis=1)), 1.0)
    weights: Weights = np.broadcast_to(fit.weight, thinned_votes.values.shape[:2])
    prior = SourcePrior(np.clip(fit.accuracy, LEAST_ACCURACY, 1 - LEAST_ACCURACY))
    counts, shares, _ = expectation_step(thinned_votes, scores_by(np.log(fit.confusion), weights), np.log(fit.balance))
    draws = []
    for _ in range(WARM_UP + DRAWS):
        matrices = np.maximum(rng.standard_gamma(prior.rows(votes.n_classes) + counts), LEAST)
        log_matrices = np.log(matrices / matrices.sum(axis=2, keepdims=True))
        log_balance = np.log(np.maximum(rng.dirichlet(1 + shares), LEAST))
        drawn, _ = posteriors(thinned_votes, scores_by(log_matrices, weights), log_balance)
        right = drawn[np.arange(len(label)), label]
        share, spread = (item_counts @ values / max(item_counts.sum(), 1) for values in (right, right * (1 - right)))
        draws.append(share + np.sqrt(spread / n_items) * rng.standard_normal())
        counts, shares = draw_truth(thinned_votes, log_matrices, log_balance, weights, rng)
        prior = draw_prior(prior, counts, rng)
    return np.asarray(draws[WARM_UP:])
