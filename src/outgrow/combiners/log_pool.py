"""Log-linear pooling: the normalised product of calibrated votes, q(k) ∝ prod_i p_i(k)^(N lambda_i / T_i).

Unlike the mean, the product grows more certain when sources agree. It needs calibrated votes: T_i is the temperature
that makes source i's votes on items with gold most likely, argmin over T of -sum log softmax(log p_i / T)[gold].
Without gold every T is 1. With equal weights and T = 1 it multiplies the votes as if sources were independent.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from outgrow.combiners.combiner_record import CombinerRecord, PosteriorSection
from outgrow.combiners.em import row_scores
from outgrow.combiners.fit import Fit, fit_of_posterior
from outgrow.combiners.vote_block import Block
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
        temperature = temperatures(votes.take(known))
        strength = strength / temperature
        values = ", ".join(f"{name} {value:.2f}" for name, value in zip(votes.sources, temperature, strict=True))
        notes = (f"Temperatures of the sources, fitted on items with gold: {values}.",)
    elif calibrate_sources:
        notes = ("No item has gold: the sources' temperatures are all 1.",)
    # Relative to the logarithm of `FLOOR`, which classes without a share have; the softmax removes it.
    scores = row_scores(votes, lambda block: _above_floor(block, strength))
    return replace(fit_of_posterior(votes, scores), notes=notes)


def temperatures(votes: Votes) -> Float[np.ndarray, "source"]:
    """For every source the temperature with the highest likelihood of gold; 1 for one that never votes."""
    entries, temperature = votes.entries, np.ones(len(votes.sources))
    row, outcome, share = entries.row, entries.outcome, entries.shares
    for source, places in enumerate(entries.by_source(len(votes.sources))):
        rows, row_of = np.unique(row[places], return_inverse=True)
        probs = np.zeros((len(rows), votes.n_classes))
        probs[row_of, outcome[places]] = share[places]
        each = np.repeat(np.arange(len(rows)), votes.weight[rows].astype(int))
        temperature[source] = most_likely_temperature(np.log(np.maximum(probs, FLOOR))[each], votes.gold[rows][each])
    return temperature


def _above_floor(block: Block, strength: Float[np.ndarray, "source"]) -> Float[np.ndarray, "block class"]:
    logs = np.log(np.maximum(block.share, FLOOR)) - np.log(FLOOR)
    return block.by_class(strength[block.source] * logs / block.share)


LOG_POOL = CombinerRecord(LogPool, paper="log-linear pooling; Genest & Zidek 1986", fit=fit_log_pool, soft_only=True)
