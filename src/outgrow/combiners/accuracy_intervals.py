"""Intervals of the sources' accuracies that allow for uncertainty of the truth: a Gibbs sampler.

With few sources the votes leave open which of them was right, so that accuracies are less certain than so many votes
would make them if the truth were known. The sampler draws in turn, each given the others,

    every item's class        from its posterior, with the votes' weights of the fit
    matrices and balance      from Dirichlet(prior row + counts), Dirichlet(1 + items per class)
    μ and S of all sources    from their grid, and m_s from a beta distribution         (`source_prior.py`)

starting where the fit ended; the spread τ stays. The interval is that of the accuracies Σ_c p_c π_s[c, c] drawn. One
seed, always the same: two calls give the same numbers. Above `MOST_VOTES` a sample of the items is drawn from, and
the spread of the accuracies shrunk by the root of the votes left out, as the spread of a mean would.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
from jaxtyping import Float, Int

from outgrow.combiners.em import LEAST, Confusion, ExpectationStep, Weights, posterior_of, scores_by
from outgrow.combiners.fit import LEVEL, accuracy_of
from outgrow.combiners.source_prior import LEAST_ACCURACY, SourcePrior, mean_grid, right_and_wrong
from outgrow.combiners.votes import Votes
from outgrow.lazy import special

MOST_VOTES = 100_000
WARM_UP = 60
LEAST_DRAWS, MOST_NUMBERS = 100, 20_000_000
"""Draws times the numbers in all matrices, of which many sources have many; but not fewer draws than that."""
LEAST_CHANCE = 1e-12
SEED = 0


def accuracy_intervals(
    votes: Votes, prior: SourcePrior, end: ExpectationStep, weights: Weights | None, *, draws: int, balanced: bool
) -> Float[np.ndarray, "source 2"]:
    """Bounds between which `LEVEL` of the accuracies drawn lie; `end` is what the fit expects of the votes."""
    rng = np.random.default_rng(SEED)
    kept, few = thinned(votes, rng)
    left = few.n_votes.sum() / max(votes.n_votes.sum(), 1)
    start = ExpectationStep(end.counts * left, end.shares * left, 0.0)
    chain = accuracy_chain(
        few, prior, start, None if weights is None else weights[votes.entries.places(kept)], rng, balanced
    )
    affordable = max(LEAST_DRAWS, int(MOST_NUMBERS // end.counts.size))
    drawn = np.stack(list(islice(chain, WARM_UP, WARM_UP + min(draws, affordable))))
    tail = (1 - LEVEL) / 2
    bounds = np.quantile(drawn, [tail, 1 - tail], axis=0)
    if few is votes:
        return np.asarray(bounds.T)
    sure = end.counts + prior.rows(votes.n_classes)
    accuracy = accuracy_of(sure / sure.sum(axis=2, keepdims=True), end.shares / end.shares.sum())
    shrink = np.sqrt((few.n_votes + 1) / (votes.n_votes + 1))
    return np.asarray(np.clip(accuracy + (bounds - np.median(drawn, axis=0)) * shrink, 0, 1).T)


def thinned(votes: Votes, rng: np.random.Generator) -> tuple[Int[np.ndarray, "kept"], Votes]:
    """At most about `MOST_VOTES` of the votes, item by item at random: the rows left, and the votes on them."""
    if votes.n_different <= MOST_VOTES:
        return np.arange(votes.n_rows), votes
    share = MOST_VOTES / votes.n_votes.sum()
    items, anchors = (rng.binomial(count.astype(int), share) for count in (votes.items, votes.anchors))
    kept = np.flatnonzero(items + anchors)
    return kept, replace(votes.take(kept), items=items[kept].astype(float), anchors=anchors[kept].astype(float))


def accuracy_chain(
    votes: Votes,
    prior: SourcePrior,
    start: ExpectationStep,
    weights: Weights | None,
    rng: np.random.Generator,
    balanced: bool,
) -> Iterator[Float[np.ndarray, "source"]]:
    """Accuracies of all sources, draw after draw, without end."""
    counts, shares = start.counts, start.shares
    while True:
        matrices = rng.standard_gamma(prior.rows(votes.n_classes) + counts)
        matrices = np.maximum(matrices, LEAST) / np.maximum(matrices, LEAST).sum(axis=2, keepdims=True)
        balance = np.full_like(shares, 1 / len(shares)) if balanced else rng.dirichlet(1 + shares)
        yield accuracy_of(matrices, balance)
        counts, shares = draw_truth(votes, np.log(matrices), np.log(np.maximum(balance, LEAST)), weights, rng)
        prior = draw_prior(prior, counts, rng)


def draw_truth(
    votes: Votes,
    log_matrices: Confusion,
    log_balance: Float[np.ndarray, "class"],
    weights: Weights | None,
    rng: np.random.Generator,
) -> tuple[Confusion, Float[np.ndarray, "class"]]:
    """A class for every item and anchor, as the counts that follow from it."""
    counts = np.zeros((len(votes.sources) * votes.n_outcomes, votes.n_classes))
    shares = np.zeros(votes.n_classes)
    log_likelihood = scores_by(log_matrices, weights)
    for block in votes.blocks():
        posterior, _ = posterior_of(log_likelihood(block), log_balance, votes.gold[block.rows])
        # The last class takes what is left, so the others must not sum to more than 1, not even by rounding.
        chance = posterior * (1 - LEAST_CHANCE)
        items, anchors = (
            rng.multinomial(count[block.rows].astype(int), chance).astype(float)
            for count in (votes.items, votes.anchors)
        )
        counts += block.counts(items + anchors)
        shares += items.sum(axis=0)
    by_source = counts.reshape(len(votes.sources), votes.n_outcomes, votes.n_classes)
    return by_source.transpose(0, 2, 1), shares


def draw_prior(prior: SourcePrior, counts: Confusion, rng: np.random.Generator) -> SourcePrior:
    """μ, S and every source's m_s, given the classes."""
    right, wrong = right_and_wrong(counts, prior.spread)
    grid = mean_grid(right, wrong, np.ones(len(counts)), counts.shape[1])
    point = rng.choice(len(grid.height), p=special.softmax(grid.height))
    above, below = grid.mean[point] * grid.concentration[point], (1 - grid.mean[point]) * grid.concentration[point]
    accuracy = rng.beta(above + right, below + wrong)
    return replace(prior, accuracy=np.clip(accuracy, LEAST_ACCURACY, 1 - LEAST_ACCURACY))
