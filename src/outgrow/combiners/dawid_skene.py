"""Dawid and Skene's model (1979): every source has a confusion matrix, and the truth is latent.

π_s[c, k] is the probability that source s votes k where c is true. The matrices, the balance of the classes and every
item's posterior are estimated together by expectation-maximisation (`em.py`), here with m pseudo-votes per
row of a matrix, spread evenly over the outcomes (the mode under a Dirichlet prior):

    π_s[c, k] = (counts_s[c, k] + m/K) / (Σ_k counts_s[c, k] + m)

`one_coin` has one number per source instead: right with probability a_s whatever the class, and uniform over the other
classes if wrong. It needs far fewer votes per source, and cannot model a source that errs on one class only.

The posteriors assume that sources err independently, given the class. Sources that copy one another, or fail on the
same items, make them overconfident: see `bayesian_dawid_skene`. A soft vote counts with its expected
log-probability, so that an undecided one has little effect; "this class is rarer here" cannot be expressed by it.
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
    TrustReportOrder,
)
from outgrow.combiners.em import LEAST, ROUNDS, TOLERANCE, Confusion, run_em
from outgrow.combiners.fit import Fit, fit_of, with_accuracy_of_votes
from outgrow.combiners.votes import Votes


class OneCoin(LabelModelSection):
    """One accuracy per source, by expectation maximisation."""

    type: Literal["one_coin"]
    smoothing: Smoothing = 1.0
    """Pseudo-votes of every source, and pseudo-items of every class."""


class DawidSkene(LabelModelSection):
    """A confusion matrix per source (Dawid & Skene 1979)."""

    type: Literal["dawid_skene"]
    smoothing: Smoothing = 1.0
    """Pseudo-votes in each row of a matrix, and pseudo-items of every class."""
    abstentions: Literal["ignored", "counted"] = "ignored"
    """`counted`: an abstention is one more outcome, as of rules that vote for one class only."""

    @property
    def reads_silence(self) -> bool:
        return self.abstentions == "counted"


def fit_dawid_skene(
    votes: Votes,
    *,
    smoothing: float = 1.0,
    balanced: bool = False,
    abstentions: Literal["ignored", "counted"] = "ignored",
    tolerance: float = TOLERANCE,
    rounds: int = ROUNDS,
) -> Fit:
    """The mode of the model with full matrices; silence is an outcome where `abstentions` or the votes count it."""
    if abstentions == "counted":
        votes = votes.with_silence()
    start = confusion_model(len(votes.sources), votes.n_classes, smoothing, n_outcomes=votes.n_outcomes)
    result = run_em(votes, start, smoothing=smoothing, balanced=balanced, tolerance=tolerance, rounds=rounds)
    fit = fit_of(votes, result)
    return with_accuracy_of_votes(votes, fit) if abstentions == "counted" else fit


def fit_one_coin(
    votes: Votes,
    *,
    smoothing: float = 1.0,
    balanced: bool = False,
    tolerance: float = TOLERANCE,
    rounds: int = ROUNDS,
) -> Fit:
    """The mode of the model with one accuracy per source."""
    start = one_coin_model(len(votes.sources), votes.n_classes, smoothing)
    result = run_em(votes, start, smoothing=smoothing, balanced=balanced, tolerance=tolerance, rounds=rounds)
    return fit_of(votes, result)


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
    """Right with one probability, else uniform over the other classes."""

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


def confusion_model(
    n_sources: int, n_classes: int, smoothing: float, *, n_outcomes: int | None = None
) -> ConfusionModel:
    """Uniform matrices; outcomes are the classes by default."""
    n_outcomes = n_outcomes or n_classes
    return ConfusionModel(np.full((n_sources, n_classes, n_outcomes), 1 / n_outcomes), smoothing)


def one_coin_model(n_sources: int, n_classes: int, smoothing: float) -> OneCoinModel:
    """Accuracies at chance."""
    return OneCoinModel(np.full(n_sources, 1 / n_classes), n_classes, smoothing)


def one_coin_confusion(accuracy: Float[np.ndarray, "source"], n_classes: int) -> Confusion:
    """The matrices of sources whose errors are uniform over the other classes."""
    wrong = (1 - accuracy)[:, None, None] / (n_classes - 1)
    return np.asarray(np.where(np.eye(n_classes, dtype=bool), accuracy[:, None, None], wrong))


ONE_COIN = CombinerRecord(
    OneCoin,
    paper="Dawid & Skene 1979, restricted to one accuracy per source",
    fit=fit_one_coin,
    counted_model=one_coin_model,
    compared=TrustReportOrder(place=2),
)
DAWID_SKENE = CombinerRecord(
    DawidSkene,
    paper="Dawid & Skene 1979",
    fit=fit_dawid_skene,
    short_names={"dawid_skene_counted": {"abstentions": "counted"}},
    counted_model=confusion_model,
    compared=TrustReportOrder(place=3, of_rules=2, of_rules_as="dawid_skene_counted"),
    averaged=AveragedPart(of_sources="model", of_few="model"),
)
