"""Log-linear pooling: the normalised product of calibrated votes, q(k) ∝ prod_i p_i(k)^(N lambda_i / T_i).

Unlike the mean, the product grows more certain when sources agree. It needs calibrated votes: T_i is the temperature
that makes source i's votes on items with gold most likely, argmin over T of -sum log softmax(log p_i / T)[gold].
Without gold every T is 1. With equal weights and T = 1 it multiplies the votes as if sources were independent.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from outgrow.combiners.combiner_record import CombinerRecord, PosteriorSection
from outgrow.combiners.fit import Fit, fit_of_posterior
from outgrow.combiners.votes import Votes
from outgrow.combiners.weights import source_weights
from outgrow.metrics.temperature import FLOOR, most_likely_temperature


class LogPool(PosteriorSection):
    """Product of the sources' calibrated distributions (log-linear pooling)."""

    type: Literal["log_pool"]
    weights: Literal["average", "accuracy"] | dict[str, float] = "average"
    """Equal; by accuracy on items with gold; or one number per source."""
    calibrate_sources: bool = True
    """Fit one temperature per source on items with gold first. (`calibrate` is one temperature on the result.)"""

    @property
    def uses_gold(self) -> bool:
        return self.calibrate_sources or self.calibrate or self.needs_gold


def fit_log_pool(
    votes: Votes, *, weights: str | Mapping[str, float] = "average", calibrate_sources: bool = True
) -> Fit:
    """The normalised product of the votes; abstentions multiply by nothing. `weights: accuracy` needs gold."""
    strength = source_weights(weights, votes.sources, lambda: votes) * len(votes.sources)
    known = np.flatnonzero(votes.gold >= 0)
    notes: tuple[str, ...] = ()
    if calibrate_sources and len(known):
        each = np.repeat(known, votes.weight[known].astype(int))
        temperature = temperatures(votes.distributions(each), votes.gold[each])
        strength = strength / temperature
        values = ", ".join(f"{name} {value:.2f}" for name, value in zip(votes.sources, temperature, strict=True))
        notes = (f"Temperatures of the sources, fitted on items with gold: {values}.",)
    elif calibrate_sources:
        notes = ("No item has gold: the sources' temperatures are all 1.",)
    scores = np.empty((len(votes.values), votes.n_classes))
    for block in votes.blocks():
        rows = np.arange(block.rows.start, block.rows.stop)
        # An abstention is the same number for every class, which the softmax removes.
        log_votes = np.log(np.maximum(votes.distributions(rows), FLOOR))
        scores[block.rows] = np.einsum("isc,s->ic", log_votes, strength)
    return replace(fit_of_posterior(votes, scores), notes=notes)


def temperatures(
    probs: Float[np.ndarray, "item source class"], gold: Int[np.ndarray, "item"]
) -> Float[np.ndarray, "source"]:
    """For every source the temperature with the highest likelihood of gold; 1 for one that never votes."""
    log_votes, voted = np.log(np.maximum(probs, FLOOR)), np.asarray(probs.any(axis=2))
    return np.asarray(
        [most_likely_temperature(log_votes[rows, source], gold[rows]) for source, rows in enumerate(voted.T)]
    )


LOG_POOL = CombinerRecord(LogPool, paper="log-linear pooling; Genest & Zidek 1986", fit=fit_log_pool, soft_only=True)
