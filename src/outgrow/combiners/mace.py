"""MACE: a source either knows an item or answers out of habit (Hovy, Berg-Kirkpatrick, Vaswani, Hovy, NAACL 2013).

On every item source s knows the truth with probability θ_s and votes for it; otherwise it votes k with probability
ξ_s[k], whatever the truth is:

    π_s[c, k] = θ_s 1[k = c] + (1 − θ_s) ξ_s[k]

One number identifies a spammer with a constant vote, and a source that prefers a class keeps what it knows. The model
cannot express that one class is easier to recognise than another.

Of the votes that agree with the truth c, the share θ / (θ + (1 − θ) ξ[c]) was known. One such step on the expected
counts is the M-step of `em.py`, with m/K pseudo-votes on every number (the paper's variational variant, with
a Beta(1/2, 1/2) prior, is not here: its mode does not exist). The likelihood has several maxima; the algorithm starts
from each of `STARTS`, a value of θ for all sources, and keeps the highest end.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from outgrow.combiners.combiner_record import (
    AveragedPart,
    CombinerRecord,
    LabelModelSection,
    Smoothing,
    TableLimits,
    TrustReportOrder,
)
from outgrow.combiners.em import LEAST, ROUNDS, TOLERANCE, Confusion, run_em
from outgrow.combiners.fit import Fit, fit_of
from outgrow.combiners.votes import Votes

STARTS = (0.2, 0.5, 0.9)


class Mace(LabelModelSection):
    """Sources that know, or answer by habit (Hovy et al. 2013)."""

    type: Literal["mace"]
    smoothing: Smoothing = 1.0
    """Pseudo-votes of every source's knowledge and habits, and pseudo-items of every class."""


@dataclass(frozen=True, kw_only=True)
class MaceFit(Fit):
    """`Fit` with the model's parameters."""

    knows: Float[np.ndarray, "source"]
    """θ: the share of items that the source answers by knowing."""
    habit: Float[np.ndarray, "source class"]
    """ξ: its votes otherwise."""


def fit_mace(
    votes: Votes,
    *,
    smoothing: float = 1.0,
    balanced: bool = False,
    tolerance: float = TOLERANCE,
    rounds: int = ROUNDS,
) -> MaceFit:
    """The best of the modes reached from `STARTS`."""
    n_sources, n_classes = len(votes.sources), votes.n_classes
    habit = np.full((n_sources, n_classes), 1 / n_classes)
    starts = [KnowledgeOrHabit(np.full(n_sources, knows_at_start), habit, smoothing) for knows_at_start in STARTS]
    ends = [
        run_em(votes, start, smoothing=smoothing, balanced=balanced, tolerance=tolerance, rounds=rounds)
        for start in starts
    ]
    best = max(ends, key=lambda end: end.objective[-1])
    return MaceFit(**vars(fit_of(votes, best)), knows=best.model.knows, habit=best.model.habit)


@dataclass(frozen=True)
class KnowledgeOrHabit:
    """The M-step's state: θ and ξ of every source."""

    knows: Float[np.ndarray, "source"]
    habit: Float[np.ndarray, "source class"]
    smoothing: float

    @property
    def confusion(self) -> Confusion:
        guessed = (1 - self.knows)[:, None] * self.habit
        return np.asarray(self.knows[:, None, None] * np.eye(self.habit.shape[1]) + guessed[:, None, :])

    @property
    def log_prior(self) -> float:
        probabilities = (self.knows, 1 - self.knows, self.habit)
        logs = sum(float(np.log(np.maximum(probability, LEAST)).sum()) for probability in probabilities)
        return float(self.smoothing / self.habit.shape[1] * logs)

    def learn(self, counts: Confusion) -> "KnowledgeOrHabit":
        pseudo = max(self.smoothing / counts.shape[2], LEAST)
        agreed = np.einsum("scc->sc", counts)
        guessed_right = (1 - self.knows)[:, None] * self.habit
        knowing = agreed * self.knows[:, None] / np.maximum(self.knows[:, None] + guessed_right, LEAST)
        habitual = counts.sum(axis=1) - knowing + pseudo
        known_votes = knowing.sum(axis=1) + pseudo
        return replace(
            self,
            knows=known_votes / (counts.sum(axis=(1, 2)) + 2 * pseudo),
            habit=habitual / habitual.sum(axis=1, keepdims=True),
        )


MACE = CombinerRecord(
    Mace,
    paper="Hovy et al., NAACL 2013",
    deviations="the mode by EM with pseudo-votes instead of variational Bayes; three fixed starts",
    fit=fit_mace,
    compared=TrustReportOrder(place=4),
    averaged=AveragedPart(of_sources="model", of_few="model"),
    limits=TableLimits(entries=4_000_000),
)
