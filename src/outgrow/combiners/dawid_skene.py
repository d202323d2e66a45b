"""Dawid and Skene's model (1979): every source has a confusion matrix, and nobody knows the truth.

π_s[c, k] is the probability that source s says k where c is true. The matrices, the balance of the classes and every
item's posterior are found together by expectation-maximisation (`em.py`), here with m pseudo-votes per
row of a matrix, spread evenly over the classes said (the mode under a Dirichlet prior):

    π_s[c, k] = (counts_s[c, k] + m/K) / (Σ_k counts_s[c, k] + m)

`one_coin` has one number per source instead: right with probability a_s whatever the class, any other class alike if
wrong. It needs far fewer votes per source, and is blind to a source that errs on one class only.

The posteriors are those of sources that err independently, given the class. Sources that copy one another, or find
the same items hard, make them overconfident: see `bayesian_dawid_skene`. A soft vote counts with its expected
log-probability, so that an undecided one says little; one that means "this class is rarer here" is not understood.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from outgrow.combiners.em import LEAST, ROUNDS, TOLERANCE, Confusion, run_em
from outgrow.combiners.fit import Fit, fit_of, targets_of
from outgrow.combiners.votes import Votes
from outgrow.labels import Anchors, Targets, WeakLabels


def dawid_skene(
    labels: WeakLabels,
    anchors: Anchors | None = None,
    smoothing: float = 1.0,
    balanced: bool = False,
    hard: bool = False,
    abstentions: Literal["ignored", "counted"] = "ignored",
) -> Targets:
    """One posterior row per item with a vote; `anchors` set the truth of their items.

    Args:
        smoothing: pseudo-votes per row of a confusion matrix, and pseudo-items per class.
        balanced: the classes are equally frequent; otherwise their balance is estimated.
        hard: take every source's most probable class for its vote.
        abstentions: `counted`: silence is one more thing a source says, as that of a rule that fires on one class.
    """
    votes = Votes.of(labels, anchors, hard=hard, silence_counts=abstentions == "counted")
    return targets_of(labels, votes, fit_dawid_skene(votes, smoothing=smoothing, balanced=balanced), "Dawid–Skene")


def one_coin(
    labels: WeakLabels,
    anchors: Anchors | None = None,
    smoothing: float = 1.0,
    balanced: bool = False,
    hard: bool = False,
) -> Targets:
    """As `dawid_skene`, with one accuracy per source instead of a matrix."""
    votes = Votes.of(labels, anchors, hard=hard)
    return targets_of(labels, votes, fit_one_coin(votes, smoothing=smoothing, balanced=balanced), "the one-coin model")


def fit_dawid_skene(
    votes: Votes,
    *,
    smoothing: float = 1.0,
    balanced: bool = False,
    tolerance: float = TOLERANCE,
    rounds: int = ROUNDS,
) -> Fit:
    """The mode of the model with full matrices."""
    chance = np.full((len(votes.sources), votes.n_classes, votes.n_said), 1 / votes.n_said)
    start = ConfusionModel(chance, smoothing)
    return fit_of(
        votes, run_em(votes, start, smoothing=smoothing, balanced=balanced, tolerance=tolerance, rounds=rounds)
    )


def fit_one_coin(
    votes: Votes,
    *,
    smoothing: float = 1.0,
    balanced: bool = False,
    tolerance: float = TOLERANCE,
    rounds: int = ROUNDS,
) -> Fit:
    """The mode of the model with one accuracy per source."""
    start = OneCoinModel(np.full(len(votes.sources), 1 / votes.n_classes), votes.n_classes, smoothing)
    return fit_of(
        votes, run_em(votes, start, smoothing=smoothing, balanced=balanced, tolerance=tolerance, rounds=rounds)
    )


@dataclass(frozen=True)
class ConfusionModel:
    """Any confusion matrix."""

    confusion: Confusion
    smoothing: float

    @property
    def log_prior(self) -> float:
        n_classes = self.confusion.shape[2]
        return float(self.smoothing / n_classes * np.log(np.maximum(self.confusion, LEAST)).sum())

    def learn(self, counts: Confusion) -> "ConfusionModel":
        counted = counts + max(self.smoothing / counts.shape[2], LEAST)
        return replace(self, confusion=counted / counted.sum(axis=2, keepdims=True))


@dataclass(frozen=True)
class OneCoinModel:
    """Right with one probability, wrong in all ways alike."""

    accuracy: Float[np.ndarray, "source"]
    n_classes: int
    smoothing: float

    @property
    def confusion(self) -> Confusion:
        return one_coin_confusion(self.accuracy, self.n_classes)

    @property
    def log_prior(self) -> float:
        right, wrong = self._pseudo_votes
        log_right, log_wrong = (np.log(np.maximum(x, LEAST)).sum() for x in (self.accuracy, 1 - self.accuracy))
        return float(right * log_right + wrong * log_wrong)

    def learn(self, counts: Confusion) -> "OneCoinModel":
        right, wrong = self._pseudo_votes
        agreed = np.einsum("scc->s", counts) + right
        return replace(self, accuracy=agreed / np.maximum(counts.sum(axis=(1, 2)) + right + wrong, LEAST))

    @property
    def _pseudo_votes(self) -> tuple[float, float]:
        return self.smoothing / self.n_classes, self.smoothing * (1 - 1 / self.n_classes)


def one_coin_confusion(accuracy: Float[np.ndarray, "source"], n_classes: int) -> Confusion:
    """The matrices of sources that err in all ways alike."""
    wrong = (1 - accuracy)[:, None, None] / (n_classes - 1)
    return np.asarray(np.where(np.eye(n_classes, dtype=bool), accuracy[:, None, None], wrong))
